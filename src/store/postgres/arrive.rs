//! Arrivals: reports from outside, one run for each failure, one effect for each delivery. A batch of any size is a handful of statements.
use crate::domain::Digest;
use crate::domain::RunId;
use crate::domain::Status;
use crate::store::Arrival;
use crate::store::Arrived;
use crate::store::StoreError;
use crate::store::chain::About;
use crate::store::codec;
use crate::store::postgres::codec::text;
use crate::store::postgres::fault::Fault;
use crate::store::postgres::write;
use crate::store::postgres::write::RunRow;
use sqlx::PgConnection;
use std::collections::HashMap;

/// What an arrival is known by: the digest of its delivery, or its key.
type Known = HashMap<(Kind, String), (RunId, Status)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Delivery,
    Key,
}

/// Takes in all arrivals. Returns what became of them, and the number of the last event.
///
/// The end of the chain is held from the beginning: whoever else takes in the same failure waits, and then sees it.
pub(super) async fn arrive(
    conn: &mut PgConnection,
    arrivals: &[Arrival],
    rows: &[RunRow<'_>],
) -> Result<(Vec<Arrived>, Option<u64>), Fault> {
    let mut end = write::lock_end(conn).await?;
    let mut known = known(conn, arrivals).await?;
    let mut arrived = Vec::with_capacity(arrivals.len());
    let (mut taken, mut deliveries, mut links) = (Vec::new(), Vec::new(), Vec::new());
    for (idx, arrival) in arrivals.iter().enumerate() {
        let delivery = arrival.delivery.as_ref().map(|it| (Kind::Delivery, Digest::of(it).to_string()));
        let key = (Kind::Key, arrival.key.to_string());
        if let Some((run_id, status)) = delivery.as_ref().and_then(|it| known.get(it)).copied() {
            arrived.push(Arrived { run_id, status, is_duplicate: true });
            continue;
        }
        let before = known.get(&key).copied();
        let (run_id, status) = before.unwrap_or((arrival.creation.run.id, arrival.creation.run.status));
        if before.is_none() {
            let about = About::from(&arrival.creation.run);
            for event in &arrival.creation.events {
                links.push(end.link(about, event)?);
            }
            known.insert(key, (run_id, status));
            taken.push(idx);
        }
        if let Some(delivery) = delivery {
            deliveries.push((delivery.1.clone(), arrival.delivery.as_deref().unwrap_or_default(), run_id));
            known.insert(delivery, (run_id, status));
        }
        arrived.push(Arrived { run_id, status, is_duplicate: before.is_some() });
    }
    put_taken(conn, arrivals, rows, &taken).await?;
    put_deliveries(conn, &deliveries).await?;
    let newest = write::put_events(conn, &links, &end).await?;
    Ok((arrived, newest))
}

/// Returns what of these came before.
async fn known(conn: &mut PgConnection, arrivals: &[Arrival]) -> Result<Known, Fault> {
    let deliveries = arrivals.iter().filter_map(|it| it.delivery.as_ref()).map(|it| Digest::of(it).to_string());
    let rows = sqlx::query_as::<_, (bool, String, String, String)>(
        "SELECT true, digest, run_id, status FROM deliveries JOIN runs ON runs.id = run_id WHERE digest = ANY($1)
         UNION ALL
         SELECT false, key, run_id, status FROM arrivals JOIN runs ON runs.id = run_id WHERE key = ANY($2)",
    )
    .bind(deliveries.collect::<Vec<_>>())
    .bind(arrivals.iter().map(|it| it.key.as_str()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    let mut known = Known::new();
    for (is_delivery, name, run_id, status) in rows {
        let kind = if is_delivery { Kind::Delivery } else { Kind::Key };
        let status = status.parse::<Status>().map_err(StoreError::Broken)?;
        known.insert((kind, name), (codec::parse_id(&run_id)?, status));
    }
    Ok(known)
}

/// Stores the runs that are new, their keys and what came with them.
async fn put_taken(
    conn: &mut PgConnection,
    arrivals: &[Arrival],
    rows: &[RunRow<'_>],
    taken: &[usize],
) -> Result<(), Fault> {
    let taken_rows: Vec<_> = taken.iter().map(|idx| &rows[*idx]).collect();
    write::put_runs(conn, &taken_rows).await?;
    let keys = taken.iter().map(|idx| (arrivals[*idx].key.clone(), arrivals[*idx].creation.run.id));
    put_keys(conn, &keys.collect::<Vec<_>>()).await?;
    for arrival in taken.iter().map(|idx| &arrivals[*idx]) {
        let run_id = arrival.creation.run.id;
        if let Some(attempt) = &arrival.creation.attempt {
            write::put_attempt(conn, run_id, attempt).await?;
        }
        if let Some(output) = &arrival.output {
            output.checked()?;
            write::put_output(conn, run_id, output).await?;
        }
    }
    Ok(())
}

pub(super) async fn put_keys(conn: &mut PgConnection, keys: &[(Digest, RunId)]) -> Result<(), Fault> {
    if keys.is_empty() {
        return Ok(());
    }
    sqlx::query("INSERT INTO arrivals (key, run_id) SELECT * FROM unnest($1::text[], $2::text[])")
        .bind(keys.iter().map(|it| it.0.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|it| codec::id(it.1)).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    Ok(())
}

/// Stores `(digest, name, run)` of deliveries that did not come before.
pub(super) async fn put_deliveries(conn: &mut PgConnection, deliveries: &[(String, &str, RunId)]) -> Result<(), Fault> {
    if deliveries.is_empty() {
        return Ok(());
    }
    sqlx::query("INSERT INTO deliveries (digest, id, run_id) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])")
        .bind(deliveries.iter().map(|it| it.0.as_str()).collect::<Vec<_>>())
        .bind(deliveries.iter().map(|it| text(it.1).into_owned()).collect::<Vec<_>>())
        .bind(deliveries.iter().map(|it| codec::id(it.2)).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    Ok(())
}
