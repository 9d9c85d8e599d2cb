//! How values stand in `PostgreSQL`'s tables where that differs: no text there can hold NUL.
use crate::domain::Event;
use crate::store::StoreError;
use crate::store::codec;
use crate::store::codec::broken;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use std::borrow::Cow;
use std::time::Duration;

/// The server's time as the tables hold times, or what it is as many microseconds later as a parameter says. It decides what is over and
/// what is due: the clocks of the machines that ask may differ.
macro_rules! clock {
    () => {
        clock!(of "clock_timestamp()")
    };
    ($micros:literal later) => {
        clock!(of "(clock_timestamp() + ", $micros, " * interval '1 microsecond')")
    };
    (of $($time:literal),+) => {
        concat!("to_char(", $($time,)+ " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"000Z\"')")
    };
}
pub(super) use clock;

/// Returns a length of time as `clock!` takes it, at most about thirty years.
pub(super) fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX).min(1_000_000_000_000_000)
}

/// Returns text without NUL that stands for `text` alone.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', '\\']) {
        Cow::Owned(text.replace('\\', "\\\\").replace('\0', "\\0"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Returns what [`text`] was made from.
pub(super) fn parse_text(stored: &str) -> Result<String, StoreError> {
    let mut text = String::with_capacity(stored.len());
    let mut chars = stored.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some('\\') => text.push('\\'),
                Some('0') => text.push('\0'),
                other => return Err(StoreError::Broken(format!("stored text has a stray backslash before {other:?}"))),
            },
            char => text.push(char),
        }
    }
    Ok(text)
}

/// Reads a row of [`codec::event_columns`].
pub(super) fn event(row: &PgRow) -> Result<Event, StoreError> {
    let text = |column| {
        let stored = row.try_get::<&str, _>(column).map_err(broken)?;
        // The payload is JSON, which writes NUL its own way.
        if matches!(column, "actor" | "message") { parse_text(stored) } else { Ok(stored.to_owned()) }
    };
    codec::event(text, |column| row.try_get(column).map_err(broken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_back_and_no_two_are_the_same() {
        let all = ["", "a", "\0", "\\", "\\0", "\\\0", "\\\\0", "a\0b\\n\\", "\u{1f691}\u{ffff}"];
        let mut seen = std::collections::BTreeSet::new();
        for it in all {
            let stored = text(it);
            assert!(!stored.contains('\0'));
            assert_eq!(parse_text(&stored).unwrap(), it);
            assert!(seen.insert(stored.into_owned()), "{it:?}");
        }
        assert!(parse_text("\\").is_err() && parse_text("\\n").is_err());
    }
}
