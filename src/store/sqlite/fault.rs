//! What goes wrong inside: told apart into what passes by itself and what is broken.
use crate::store::StoreError;

/// Result codes of `SQLite` (its low byte) after which the same question may go well later: locked, and no room on the disk.
const PASSING: [i32; 3] = [5, 6, 13];

/// Returns what an error of the database means for whoever asked.
pub(super) fn fault(error: sqlx::Error) -> StoreError {
    let why = error.to_string();
    let passes = match error {
        sqlx::Error::PoolTimedOut => true,
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|it| it.parse::<i32>().ok());
            code.is_some_and(|it| PASSING.contains(&(it & 0xff)))
        }
        _ => false,
    };
    if passes { StoreError::Unavailable(why) } else { StoreError::Broken(why) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EventType, NewEvent, RunId};
    use crate::store::Store as _;
    use crate::store::sqlite::SqliteStore;
    use jiff::Timestamp;

    #[tokio::test]
    async fn a_disk_without_room_is_for_later_and_half_of_nothing_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("db")).await.unwrap();
        let limit = async |pages: u32| {
            let mut conn = store.writer.acquire().await.unwrap();
            let pragma = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
            sqlx::query(pragma).execute(&mut *conn).await.unwrap();
        };
        let note = async || {
            let large = NewEvent::new(EventType::AttemptThinking, "system", "x".repeat(1 << 20));
            store.note(RunId::NONE, &[large], Timestamp::UNIX_EPOCH).await
        };
        limit(1).await;
        assert!(matches!(note().await, Err(StoreError::Unavailable(_))));
        assert_eq!(store.last_seq().await.unwrap(), 0);
        limit(100_000).await;
        note().await.unwrap();
        assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
    }
}
