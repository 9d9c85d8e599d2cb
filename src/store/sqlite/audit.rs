//! The audit's readings: streams events, runs and attempts of one snapshot, also where somebody made rows unreadable.
use crate::domain::Digest;
use crate::domain::Run;
use crate::store::Audit;
use crate::store::StoreError;
use crate::store::audit::Auditor;
use crate::store::codec;
use crate::store::codec::event_columns;
use crate::store::sqlite::fault::fault;
use crate::store::sqlite::read;
use futures::TryStreamExt as _;
use sqlx::Row as _;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

pub(super) async fn verify(conn: &mut SqliteConnection) -> Result<Audit, StoreError> {
    let mut auditor = Auditor::default();
    events(conn, &mut auditor).await?;
    match read::noted_end(conn).await {
        Ok(noted) => auditor.noted_end(noted),
        Err(error) => auditor.problem(format!("the noted end of the chain cannot be read: {}", codec::why(error))),
    }
    runs(conn, &mut auditor).await?;
    attempts(conn, &mut auditor).await?;
    Ok(auditor.finish())
}

async fn events(conn: &mut SqliteConnection, auditor: &mut Auditor) -> Result<(), StoreError> {
    let mut rows = sqlx::query(concat!("SELECT ", event_columns!(), " FROM events ORDER BY seq")).fetch(conn);
    while let Some(row) = rows.try_next().await.map_err(fault)? {
        match read::event(&row) {
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

async fn runs(conn: &mut SqliteConnection, auditor: &mut Auditor) -> Result<(), StoreError> {
    let mut rows =
        sqlx::query("SELECT id, created_at, updated_at, not_before, doc FROM runs ORDER BY rowid").fetch(conn);
    while let Some(row) = rows.try_next().await.map_err(fault)? {
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
        let times = [run.created_at, run.updated_at].map(codec::time);
        let not_before = run.not_before.map(codec::time).unwrap_or_default();
        if times != ["created_at", "updated_at"].map(|it| text(&row, it)) || not_before != text(&row, "not_before") {
            auditor.problem(format!("run {}: its times are not those of its document", run.id));
        }
        auditor.run(&run);
    }
    Ok(())
}

async fn attempts(conn: &mut SqliteConnection, auditor: &mut Auditor) -> Result<(), StoreError> {
    let mut rows = sqlx::query("SELECT run_id, attempt_no, doc FROM attempts ORDER BY run_id, attempt_no").fetch(conn);
    while let Some(row) = rows.try_next().await.map_err(fault)? {
        let id = text(&row, "run_id");
        let no = row.try_get::<i64, _>("attempt_no").unwrap_or(0);
        auditor.attempt_row(&id, no, &text(&row, "doc"));
    }
    Ok(())
}

/// Returns a column as text; what is none becomes empty and fails the check it is read for.
fn text(row: &SqliteRow, column: &str) -> String {
    row.try_get::<Option<String>, _>(column).ok().flatten().unwrap_or_default()
}
