//! The audit's readings: streams events, runs and attempts of one snapshot, also where somebody made rows unreadable.
use crate::domain::Digest;
use crate::domain::Run;
use crate::store::Audit;
use crate::store::audit::Auditor;
use crate::store::codec;
use crate::store::codec::event_columns;
use crate::store::postgres::codec::event;
use crate::store::postgres::codec::text as stored;
use crate::store::postgres::fault::Fault;
use crate::store::postgres::read;
use futures::TryStreamExt as _;
use sqlx::PgConnection;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

pub(super) async fn verify(conn: &mut PgConnection) -> Result<Audit, Fault> {
    let mut auditor = Auditor::default();
    events(conn, &mut auditor).await?;
    auditor.noted_end(read::noted_end(conn).await?);
    runs(conn, &mut auditor).await?;
    attempts(conn, &mut auditor).await?;
    Ok(auditor.finish())
}

async fn events(conn: &mut PgConnection, auditor: &mut Auditor) -> Result<(), Fault> {
    let mut rows = sqlx::query(concat!("SELECT ", event_columns!(), " FROM events ORDER BY seq")).fetch(conn);
    while let Some(row) = rows.try_next().await? {
        match event(&row) {
            Ok(event) => auditor.event(&event),
            Err(error) => {
                let digest = |column| Digest::from_stored(text(&row, column));
                let seq = u64::try_from(row.try_get::<i64, _>("seq").unwrap_or(0)).unwrap_or(0);
                auditor.unreadable_event(seq, &digest("prev"), &digest("digest"), &codec::why(error));
            }
        }
    }
    Ok(())
}

async fn runs(conn: &mut PgConnection, auditor: &mut Auditor) -> Result<(), Fault> {
    let mut rows = sqlx::query(
        "SELECT id, created_at, updated_at, not_before, repository, status, resolved_by, version, doc FROM runs ORDER BY ordinal",
    )
    .fetch(conn);
    while let Some(row) = rows.try_next().await? {
        let id = text(&row, "id");
        let run = match codec::parse_doc::<Run>("its document", &text(&row, "doc")) {
            Ok(run) => run,
            Err(error) => {
                auditor.problem(format!("run {id}: {}", codec::why(error)));
                continue;
            }
        };
        if id != codec::id(run.id) {
            auditor.problem(format!("run {id}: its document is that of run {}", run.id));
        }
        for column in strays(&row, &run) {
            auditor.problem(format!("run {}: its {column} in the table is not that of its document", run.id));
        }
        auditor.run(&run);
    }
    Ok(())
}

/// Returns the columns that say something else than the document.
fn strays(row: &PgRow, run: &Run) -> Vec<&'static str> {
    let due = [
        ("created_at", codec::time(run.created_at)),
        ("updated_at", codec::time(run.updated_at)),
        ("not_before", run.not_before.map(codec::time).unwrap_or_default()),
        ("repository", stored(&run.repository).into_owned()),
        ("status", run.status.to_string()),
        ("resolved_by", run.resolved_by.map(|it| it.to_string()).unwrap_or_default()),
    ];
    let mut strays: Vec<_> = due.iter().filter(|it| text(row, it.0) != it.1).map(|it| it.0).collect();
    if row.try_get::<i64, _>("version").ok() != Some(codec::int(run.version)) {
        strays.push("version");
    }
    strays
}

async fn attempts(conn: &mut PgConnection, auditor: &mut Auditor) -> Result<(), Fault> {
    let mut rows = sqlx::query("SELECT run_id, attempt_no, doc FROM attempts ORDER BY run_id, attempt_no").fetch(conn);
    while let Some(row) = rows.try_next().await? {
        let id = text(&row, "run_id");
        let no = row.try_get::<i64, _>("attempt_no").unwrap_or(0);
        auditor.attempt_row(&id, no, &text(&row, "doc"));
    }
    Ok(())
}

/// Returns a column as text; what is none becomes empty and fails the check it is read for.
fn text(row: &PgRow, column: &str) -> String {
    row.try_get::<Option<String>, _>(column).ok().flatten().unwrap_or_default()
}
