//! Hostile text as rows that can be drawn and walked: patches for the review screen, outputs for the log screen.
//!
//! A document indexes its text once and renders a row only when it is asked for. Rows are plain data: what a piece of text means is an `Ink`,
//! what lies behind it a `Ground`; the theme gives both their colours. No character that could move a cursor, reorder text or hide
//! anything ever reaches a segment: it is shown as `⟨U+XXXX⟩` instead.
pub mod diff;
pub mod highlight;
pub mod log;
mod paint;
mod pattern;
pub mod search;
pub mod segment;
mod words;
pub mod wrap;

pub use diff::DiffDocument;
pub use diff::DiffFile;
pub use diff::FileKind;
pub use highlight::Highlighter;
pub use log::LogDocument;
pub use log::Timestamps;
pub use search::Needle;
pub use segment::Ground;
pub use segment::Ink;
pub use segment::Row;
pub use segment::Segment;
pub use wrap::clip;
pub use wrap::wrap;

#[cfg(test)]
mod sketch;
