//! The last station of every log line: secrets are masked and control characters taken out before a byte leaves the process.
use crate::evidence::mask::Masker;
use crate::evidence::text;
use std::io::{self, Write};
use std::sync::Arc;
use tracing_subscriber::fmt::MakeWriter;

/// Makes writers that clean each line and pass it to standard error.
#[derive(Debug, Clone)]
pub(super) struct Clean {
    pub(super) masker: Arc<Masker>,
}

impl<'a> MakeWriter<'a> for Clean {
    type Writer = CleanWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        CleanWriter { clean: self, line: Vec::new() }
    }
}

/// Collects one line; it is written when this is dropped, in one piece.
#[derive(Debug)]
pub(super) struct CleanWriter<'a> {
    clean: &'a Clean,
    line: Vec<u8>,
}

impl Write for CleanWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for CleanWriter<'_> {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            let line = self.clean.text(String::from_utf8_lossy(&self.line).trim_end());
            write(format!("{line}\n").as_bytes());
        }
    }
}

/// Writes a whole line to standard error. A log that cannot be written must not stop the work.
pub(super) fn write(line: &[u8]) {
    let _ = io::stderr().lock().write_all(line);
}

impl Clean {
    /// Returns a text without secrets and control characters, on one line.
    pub(super) fn text(&self, text: &str) -> String {
        text::clean_line(&self.masker.mask(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_no_secret_and_stays_one_line() {
        let clean = Clean { masker: Arc::new(Masker::new(["hunter2-and-more".to_owned()])) };
        let line = clean.text("INFO a \u{1b}[31mhunter2-and-more\r\nERROR forged\u{202e}");
        assert_eq!(line, "INFO a ***  ERROR forged⟨U+202E⟩");
    }
}
