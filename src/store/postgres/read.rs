//! Reading: runs, attempts, events, outputs and counts.
use crate::domain::Attempt;
use crate::domain::Depth;
use crate::domain::Digest;
use crate::domain::Event;
use crate::domain::RepositorySummary;
use crate::domain::Run;
use crate::domain::RunId;
use crate::domain::RunQuery;
use crate::domain::Status;
use crate::domain::Summary;
use crate::store::StoreError;
use crate::store::StoredOutput;
use crate::store::codec;
use crate::store::codec::event_columns;
use crate::store::postgres::codec::clock;
use crate::store::postgres::codec::event;
use crate::store::postgres::codec::parse_text;
use crate::store::postgres::codec::text;
use crate::store::postgres::fault::Fault;
use jiff::Timestamp;
use sqlx::PgConnection;
use sqlx::PgExecutor;
use sqlx::Postgres;
use sqlx::QueryBuilder;

pub(super) async fn run(db: impl PgExecutor<'_>, id: RunId) -> Result<Run, Fault> {
    let doc = sqlx::query_scalar::<_, String>("SELECT doc FROM runs WHERE id = $1").bind(codec::id(id));
    let doc = doc.fetch_optional(db).await?.ok_or(StoreError::NotFound)?;
    Ok(codec::parse_doc(format_args!("run {id}"), &doc)?)
}

/// Finds ids by prefix, newest run first. An empty prefix names nothing.
pub(super) async fn find(db: impl PgExecutor<'_>, prefix: &str, limit: u32) -> Result<Vec<RunId>, Fault> {
    let ids = if prefix == "latest" {
        sqlx::query_scalar::<_, String>(
            "SELECT id FROM runs ORDER BY created_at DESC NULLS LAST, ordinal DESC NULLS LAST LIMIT $1",
        )
        .bind(i64::from(limit.min(1)))
    } else {
        let digits: String = prefix.chars().filter(|it| *it != '-').take(33).collect::<String>().to_ascii_lowercase();
        if digits.is_empty() || !digits.chars().all(|it| it.is_ascii_hexdigit()) {
            return Ok(Vec::new());
        }
        sqlx::query_scalar(
            "SELECT id FROM runs WHERE id >= $2 AND id < $2 || 'g' ORDER BY created_at DESC NULLS LAST, ordinal DESC NULLS LAST LIMIT $1",
        )
        .bind(i64::from(limit))
        .bind(digits)
    };
    let ids = ids.fetch_all(db).await?;
    Ok(ids.iter().map(|id| codec::parse_id(id)).collect::<Result<_, _>>()?)
}

pub(super) async fn runs(conn: &mut PgConnection, query: &RunQuery) -> Result<(Vec<Run>, u64), Fault> {
    let mut total = QueryBuilder::new("SELECT count(*) FROM runs");
    matching(&mut total, query);
    let total = total.build_query_scalar::<i64>().fetch_one(&mut *conn).await?;
    let mut docs = QueryBuilder::new("SELECT doc FROM runs");
    matching(&mut docs, query);
    docs.push(" ORDER BY updated_at DESC, id OFFSET ").push_bind(codec::int(query.offset));
    if query.limit > 0 {
        docs.push(" LIMIT ").push_bind(codec::int(query.limit));
    }
    let docs = docs.build_query_scalar::<String>().fetch_all(conn).await?;
    let runs = docs.iter().map(|doc| codec::parse_doc("a run", doc)).collect::<Result<_, _>>()?;
    Ok((runs, codec::count(total)?))
}

/// Adds the conditions of `query`. Each combination is a statement of its own, so that each gets the plan that suits it.
fn matching(statement: &mut QueryBuilder<Postgres>, query: &RunQuery) {
    let mut conjunction = " WHERE ";
    if let Some(status) = query.status {
        statement.push(conjunction).push("status = ").push_bind(status.as_str());
        conjunction = " AND ";
    }
    if let Some(repository) = &query.repository {
        statement.push(conjunction).push("repository = ").push_bind(text(repository).into_owned());
    }
}

pub(super) async fn attempts(db: impl PgExecutor<'_>, id: RunId) -> Result<Vec<Attempt>, Fault> {
    let docs = sqlx::query_scalar::<_, String>("SELECT doc FROM attempts WHERE run_id = $1 ORDER BY attempt_no")
        .bind(codec::id(id))
        .fetch_all(db)
        .await?;
    let docs = docs.iter().map(|doc| codec::parse_doc(format_args!("an attempt of run {id}"), doc));
    Ok(docs.collect::<Result<_, _>>()?)
}

pub(super) async fn events(
    db: impl PgExecutor<'_>,
    run: Option<RunId>,
    after: u64,
    limit: u32,
) -> Result<Vec<Event>, Fault> {
    let rows = match run {
        Some(id) => sqlx::query::<Postgres>(concat!(
            "SELECT ",
            event_columns!(),
            " FROM events WHERE seq > $1 AND run_id = $3 ORDER BY seq LIMIT $2"
        ))
        .bind(codec::int(after))
        .bind(i64::from(limit))
        .bind(codec::id(id)),
        None => sqlx::query(concat!("SELECT ", event_columns!(), " FROM events WHERE seq > $1 ORDER BY seq LIMIT $2"))
            .bind(codec::int(after))
            .bind(i64::from(limit)),
    };
    Ok(rows.fetch_all(db).await?.iter().map(event).collect::<Result<_, _>>()?)
}

pub(super) async fn last_seq(db: impl PgExecutor<'_>) -> Result<u64, Fault> {
    let seq = sqlx::query_scalar::<_, Option<i64>>("SELECT max(seq) FROM events").fetch_one(db).await?;
    Ok(codec::count(seq.unwrap_or(0))?)
}

/// Returns number and digest of the newest event as its writer noted them beside the chain.
pub(super) async fn noted_end(conn: &mut PgConnection) -> Result<Option<(u64, Digest)>, Fault> {
    let row = sqlx::query_as::<_, (i64, Option<String>)>("SELECT last_seq, head FROM chain WHERE id = 1");
    let Some((seq, head)) = row.fetch_optional(conn).await? else { return Ok(None) };
    Ok(Some((codec::count(seq)?, head.map_or_else(Event::genesis, Digest::from_stored))))
}

pub(super) async fn summary(db: impl PgExecutor<'_>) -> Result<Summary, Fault> {
    let rows = sqlx::query_as::<_, (String, bool, i64)>(
        "SELECT status, resolved_by IS NOT DISTINCT FROM 'ai' AS is_by_agent, count(*) FROM runs GROUP BY 1, 2",
    )
    .fetch_all(db)
    .await?;
    let rows = rows.into_iter().map(|(status, is_by_agent, n)| {
        Ok((status.parse::<Status>().map_err(StoreError::Broken)?, is_by_agent, codec::count(n)?))
    });
    Ok(Summary::from_rows(rows.collect::<Result<Vec<_>, StoreError>>()?))
}

pub(super) async fn repositories(db: impl PgExecutor<'_>, limit: u32) -> Result<Vec<RepositorySummary>, Fault> {
    let rows = sqlx::query_as::<_, (String, String, bool, i64)>(
        "SELECT repository, status, resolved_by IS NOT DISTINCT FROM 'ai' AS is_by_agent, count(*) FROM runs
         WHERE repository IN (SELECT repository FROM runs GROUP BY repository ORDER BY count(*) DESC, repository LIMIT $1)
         GROUP BY 1, 2, 3",
    )
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?;
    let rows = rows.into_iter().map(|(repository, status, is_by_agent, n)| {
        let status = status.parse::<Status>().map_err(StoreError::Broken)?;
        Ok((parse_text(&repository)?, status, is_by_agent, codec::count(n)?))
    });
    Ok(RepositorySummary::from_rows(rows.collect::<Result<Vec<_>, StoreError>>()?))
}

pub(super) async fn depth(db: impl PgExecutor<'_>) -> Result<Depth, Fault> {
    let (queued, oldest, leased, now) = sqlx::query_as::<_, (i64, Option<String>, i64, String)>(concat!(
        "SELECT count(*), min(arrived_at), (SELECT count(*) FROM leases), ",
        clock!(),
        " FROM runs WHERE status = 'queued'"
    ))
    .fetch_one(db)
    .await?;
    let now = codec::parse_time(&now)?;
    Ok(Depth {
        queued: codec::count(queued)?,
        leased: codec::count(leased)?,
        oldest_age: oldest.map(|it| codec::age(&it, now)).transpose()?,
    })
}

/// Returns the server's time.
pub(super) async fn time(db: impl PgExecutor<'_>) -> Result<Timestamp, Fault> {
    let now = sqlx::query_scalar::<_, String>(concat!("SELECT ", clock!())).fetch_one(db).await?;
    Ok(codec::parse_time(&now)?)
}

pub(super) async fn output(db: impl PgExecutor<'_>, id: RunId, name: &str) -> Result<Option<StoredOutput>, Fault> {
    let row = sqlx::query_as::<_, (Vec<u8>, i64, String)>(
        "SELECT bytes, dropped_bytes, created_at FROM outputs WHERE run_id = $1 AND name = $2",
    )
    .bind(codec::id(id))
    .bind(text(name))
    .fetch_optional(db)
    .await?;
    let Some((bytes, dropped, created_at)) = row else { return Ok(None) };
    Ok(Some(StoredOutput {
        name: name.to_owned(),
        bytes,
        dropped_bytes: codec::count(dropped)?,
        created_at: codec::parse_time(&created_at)?,
    }))
}

pub(super) async fn outputs(db: impl PgExecutor<'_>, id: RunId) -> Result<Vec<(String, u64)>, Fault> {
    let rows = sqlx::query_as::<_, (String, i64)>(
        "SELECT name, octet_length(bytes)::bigint FROM outputs WHERE run_id = $1 ORDER BY created_at, id",
    )
    .bind(codec::id(id))
    .fetch_all(db)
    .await?;
    let rows = rows.into_iter().map(|(name, n)| Ok((parse_text(&name)?, codec::count(n)?)));
    Ok(rows.collect::<Result<_, StoreError>>()?)
}
