//! Inserts many rows with few statements. Every number of rows is a statement of its own, which takes long to prepare: rows go in powers of two.
use crate::store::StoreError;
use crate::store::sqlite::fault::fault;
use sqlx::QueryBuilder;
use sqlx::Sqlite;
use sqlx::SqliteConnection;
use sqlx::query_builder::Separated;

/// Rows of one statement at most.
const MAX_ROWS: usize = 64;

/// Binds the values of one row.
pub(super) type Tuple<'a> = Separated<'a, Sqlite, &'static str>;

/// Inserts `rows` by `into` (`INSERT INTO table (columns) `), with `end` after the values. Returns how many were stored.
pub(super) async fn insert<T: Sync>(
    conn: &mut SqliteConnection,
    into: &'static str,
    end: &'static str,
    rows: &[T],
    bind: impl Fn(&mut Tuple<'_>, &T) + Send,
) -> Result<u64, StoreError> {
    let mut n_stored = 0;
    for rows in parts(rows) {
        let mut statement = QueryBuilder::<Sqlite>::new(into);
        statement.push_values(rows, |mut tuple, row| bind(&mut tuple, row)).push(end);
        n_stored += statement.build().execute(&mut *conn).await.map_err(fault)?.rows_affected();
    }
    Ok(n_stored)
}

/// Returns `rows` in parts of 64, 32, 16, … rows.
fn parts<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let n_rows = 1 << rows.len().min(MAX_ROWS).checked_ilog2()?;
        let (part, rest) = rows.split_at(n_rows);
        rows = rest;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_in_powers_of_two() {
        let sizes = |n: usize| parts(&vec![0; n]).map(<[i32]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(0), Vec::<usize>::new());
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(203), [64, 64, 64, 8, 2, 1]);
    }
}
