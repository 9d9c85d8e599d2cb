//! The log screen: the stored outputs of a run, one at a time.
use crate::console::document::LogDocument;
use crate::console::document::Timestamps;
use crate::domain::RunId;

/// The outputs of a run and the one being read.
#[derive(Debug)]
pub struct Log {
    pub run: RunId,
    /// The run's version when the list was read.
    pub version: u64,
    /// `(name, bytes)`, oldest first.
    pub outputs: Vec<(String, u64)>,
    pub current: usize,
    /// The attempt whose failing output to open once the list is there; without one, the run's.
    pub wanted: Option<u32>,
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
    /// Returns a screen that still waits for the list of outputs.
    pub fn new(run: RunId, version: u64, wanted: Option<u32>) -> Self {
        Self {
            run,
            version,
            outputs: Vec::new(),
            current: 0,
            wanted,
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
