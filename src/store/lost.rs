//! Which runs are to be taken back: leases past their time or of a dead worker, and running runs that nobody holds.
use crate::domain::RunId;
use crate::store::StoreError;
use crate::store::codec;

/// A run whose worker does not come back.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) run_id: RunId,
    /// Token and end of the lease as they were seen; none = a running run that nobody holds.
    pub(super) lease: Option<(String, String)>,
    pub(super) why: String,
}

/// A lease as it is stored and whether it is over, or (without worker, token and end) a running run without one.
pub(super) type Row = (String, Option<String>, Option<String>, Option<String>, bool);

/// Returns what is lost of `(run, worker, token, end, is over)`.
pub(super) fn among(rows: Vec<Row>, dead: &[String]) -> Result<Vec<Lost>, StoreError> {
    let mut lost = Vec::new();
    for (id, worker, token, until, is_over) in rows {
        let why = match worker {
            Some(worker) if dead.contains(&worker) => format!("worker {worker} is gone"),
            Some(worker) if is_over => format!("worker {worker} gave no sign of life in time"),
            Some(_) => continue,
            None => "no worker held it".to_owned(),
        };
        lost.push(Lost { run_id: codec::parse_id(&id)?, lease: token.zip(until), why });
    }
    Ok(lost)
}
