//! The log screen: the stored outputs of a run or the logs of a workflow run's jobs, one at a time.
use crate::console::document::LogDocument;
use crate::console::document::Timestamps;
use crate::domain::RunId;

/// Whose logs these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The outputs of a run, as the list was at a version of it.
    Run { id: RunId, version: u64 },
    /// The jobs of one attempt of a workflow run, each with its number at the forge.
    Jobs { repository: String, run: u64, attempt: u32, ids: Vec<u64> },
}

/// Several logs and the one being read.
#[derive(Debug)]
pub struct Log {
    pub owner: Owner,
    /// `(name, bytes)`, oldest first; no bytes where they are not known before it is read.
    pub outputs: Vec<(String, u64)>,
    pub current: usize,
    /// The attempt whose failing output to open once the list is there; without one, the run's.
    pub wanted: Option<u32>,
    /// Whether it was asked for.
    pub is_asked: bool,
    pub document: Option<LogDocument>,
    pub refusal: Option<String>,
    pub cursor: usize,
    pub offset: usize,
    /// Columns scrolled to the right.
    pub left: usize,
    pub wraps: bool,
    pub needle: String,
    pub n_matches: usize,
    pub only_matches: bool,
    pub timestamps: Timestamps,
}

impl Log {
    /// Returns a screen that still waits for the list of a run's outputs.
    pub fn new(id: RunId, version: u64, wanted: Option<u32>) -> Self {
        Self::of(Owner::Run { id, version }, Vec::new(), wanted)
    }

    /// Returns a screen of which nothing is read yet.
    pub fn of(owner: Owner, outputs: Vec<(String, u64)>, wanted: Option<u32>) -> Self {
        Self {
            owner,
            outputs,
            current: 0,
            wanted,
            is_asked: false,
            document: None,
            refusal: None,
            cursor: 0,
            offset: 0,
            left: 0,
            wraps: false,
            needle: String::new(),
            n_matches: 0,
            only_matches: false,
            timestamps: Timestamps::default(),
        }
    }

    /// Returns the run that the outputs are of, if they are a run's.
    pub const fn run(&self) -> Option<RunId> {
        match self.owner {
            Owner::Run { id, .. } => Some(id),
            Owner::Jobs { .. } => None,
        }
    }

    /// Returns the job whose log is being read, if it is a job's.
    pub fn job(&self) -> Option<u64> {
        match &self.owner {
            Owner::Run { .. } => None,
            Owner::Jobs { ids, .. } => ids.get(self.current).copied(),
        }
    }

    /// Returns the name of the output being read.
    pub fn name(&self) -> Option<&str> {
        self.outputs.get(self.current).map(|(name, _)| name.as_str())
    }
}

/// Returns how an output is called on screen: `attempt 2`, `base`.
pub fn label(name: &str) -> String {
    let stem = name.strip_suffix(".log").unwrap_or(name);
    let stem = stem.strip_prefix("test_output_").unwrap_or(stem);
    stem.replace('_', " ")
}

/// Returns the attempt that an output belongs to.
pub fn attempt_of(name: &str) -> Option<u32> {
    let digits = name.split("attempt_").nth(1)?;
    let end = digits.find(|it: char| !it.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_called_by_what_they_are() {
        assert_eq!(label("test_output_attempt_2.log"), "attempt 2");
        assert_eq!(label("base.log"), "base");
        assert_eq!(attempt_of("test_output_attempt_12.log"), Some(12));
        assert_eq!(attempt_of("test_output_attempt_2_again.log"), Some(2));
        assert_eq!(attempt_of("base.log"), None);
    }
}
