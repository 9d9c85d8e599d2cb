//! What the program prints: results on standard output, words about them on standard error.
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// Prints a line on standard output. A reader that went away (`| head`) is no error.
pub(super) fn line(text: &str) {
    bytes(format!("{text}\n").as_bytes());
}

/// Prints bytes on standard output as they are.
pub(super) fn bytes(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// Prints one JSON document on standard output.
pub(super) fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => line(&text),
        Err(error) => note(&format!("cannot write JSON: {error}")),
    }
}

/// Prints a line on standard error.
pub(super) fn note(text: &str) {
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "{text}");
}

/// Prints a line of progress on standard error, cut to the width of a terminal; `show` has the whole of it.
pub(super) fn progress(text: &str) {
    let width = usize::from(columns());
    if !io::stderr().is_terminal() || text.chars().count() <= width {
        return note(text);
    }
    let cut: String = text.chars().take(width.saturating_sub(1)).collect();
    note(&format!("{cut}…"));
}

/// A line on standard error that is written over again; only on a terminal.
#[derive(Debug, Default)]
pub(super) struct StatusLine {
    is_shown: bool,
}

impl StatusLine {
    pub(super) fn show(&mut self, text: &str) {
        if !io::stderr().is_terminal() {
            return;
        }
        let cut: String = text.chars().take(usize::from(columns()).saturating_sub(1)).collect();
        let mut err = io::stderr().lock();
        let _ = write!(err, "\r\u{1b}[K{cut}").and_then(|()| err.flush());
        self.is_shown = true;
    }

    pub(super) fn clear(&mut self) {
        if self.is_shown {
            let mut err = io::stderr().lock();
            let _ = write!(err, "\r\u{1b}[K").and_then(|()| err.flush());
            self.is_shown = false;
        }
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        self.clear();
    }
}

fn columns() -> u16 {
    crate::console::terminal::columns().unwrap_or(80)
}

/// Lays rows out in columns, two blanks apart; the last column is not padded.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    use unicode_width::UnicodeWidthStr as _;
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|it| it.get(column)).map(|it| it.width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..n_columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (idx, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if idx + 1 < row.len() {
                text.push_str(&" ".repeat(widths[idx] - cell.width() + 2));
            }
        }
        text.push('\n');
    }
    text
}

/// Returns an age as people say it: `12s`, `4m`, `3h`, `2d`.
pub(super) fn age(from: jiff::Timestamp, now: jiff::Timestamp) -> String {
    let seconds = now.duration_since(from).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Whether standard output is a terminal.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}
