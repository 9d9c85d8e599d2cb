//! One pass over a log of any size, in chunks as they come: what is known of the failure at the end, in bounded memory.
mod options;
mod reading;
mod roots;
mod shorten;
#[cfg(test)]
mod tests;

pub use options::{Options, keywords};
pub(crate) use roots::{relative, roots_pattern};

use crate::domain::Failure;
use crate::evidence::extractor::reading::Reading;
use crate::evidence::lines::Splitter;
use crate::evidence::report::junit::Account;

/// How the command ended whose output this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitHint {
    Failed,
    /// The error type is `Timeout`; the category too, unless the output shows a failure of its own.
    TimedOut,
    /// Only the report of the tests means anything.
    Passed,
}

/// Reads a log as it comes.
#[derive(Debug)]
pub struct Extractor {
    splitter: Splitter,
    reading: Reading,
}

/// Reads a whole log at once.
pub fn extract(log: &[u8], options: Options) -> Failure {
    let mut extractor = Extractor::new(options);
    extractor.push(log);
    extractor.finish(ExitHint::Failed)
}

impl Extractor {
    /// Starts at the beginning of a log.
    pub fn new(options: Options) -> Self {
        Self { splitter: Splitter::default(), reading: Reading::new(options) }
    }

    /// Takes the next bytes; where a chunk ends makes no difference.
    pub fn push(&mut self, chunk: &[u8]) {
        self.reading.n_bytes += chunk.len() as u64;
        self.splitter.push(chunk, |line| self.reading.line(line));
    }

    /// Takes what the runner wrote into files, after the last of the output; it counts only where the output says nothing of the tests.
    /// Returns the lines with which the log goes on then.
    pub fn take_account(&mut self, account: Account) -> String {
        self.splitter.finish(|line| self.reading.line(line));
        self.reading.report = std::mem::take(&mut self.reading.collector).finish();
        if self.reading.report.is_some() || account.is_empty() {
            return String::new();
        }
        let text = account.to_log();
        self.push(text.as_bytes());
        self.reading.report = Some(account.into_report());
        text
    }

    /// Returns what is known of the failure.
    pub fn finish(mut self, exit: ExitHint) -> Failure {
        self.splitter.finish(|line| self.reading.line(line));
        self.reading.finish(exit)
    }
}
