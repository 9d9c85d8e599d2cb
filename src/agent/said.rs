//! What a program said, in the lengths that accounts and reasons keep.
use crate::process::Exit;
use crate::process::Kept;
use crate::process::Sink;

/// Listens to nothing: what is kept is enough.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deaf;

impl Sink for Deaf {
    fn chunk(&mut self, _bytes: &[u8]) {}
}

/// Returns all that was kept of an output, with a line where something is missing.
pub(crate) fn whole(output: &Kept) -> Vec<u8> {
    let mut whole = output.head.clone();
    if output.dropped > 0 {
        whole.extend(format!("\n[… {} bytes not kept …]\n", output.dropped).into_bytes());
    }
    whole.extend(&output.tail);
    whole
}

/// Returns at most the last `max` bytes of what was printed, cut at a line where there is one.
pub(crate) fn ending(output: &Kept, max: usize) -> String {
    let whole = whole(output);
    if whole.len() <= max {
        return String::from_utf8_lossy(&whole).trim().to_owned();
    }
    let tail = String::from_utf8_lossy(&whole[whole.len() - max..]).into_owned();
    let tail = match tail.split_once('\n') {
        Some((_, rest)) if !rest.trim().is_empty() => rest,
        _ => tail.trim_start_matches('\u{fffd}'),
    };
    format!("[…]\n{}", tail.trim())
}

/// Returns the last lines that say something, joined by ` | `.
pub(crate) fn last_lines(output: &Kept, n_lines: usize) -> String {
    const MAX_CHARS: usize = 300;
    let ending = ending(output, 4 * 1024);
    let lines: Vec<_> = ending.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(n_lines)..];
    if last.is_empty() {
        return "it printed nothing".to_owned();
    }
    last.iter().map(|it| it.chars().take(MAX_CHARS).collect::<String>()).collect::<Vec<_>>().join(" | ")
}

/// Says in words how a program ended.
pub(crate) fn how_it_ended(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("ended with exit status {code}"),
        Exit::Signal(signal) => format!("was killed by signal {signal}"),
        Exit::TimedOut => "used up its time".to_owned(),
        Exit::Cancelled => "was stopped on request".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(head: &str, tail: &str, dropped: u64) -> Kept {
        Kept { head: head.into(), tail: tail.into(), dropped }
    }

    #[test]
    fn endings_are_bounded_and_cut_at_lines() {
        assert_eq!(ending(&kept("a\nb\n", "", 0), 100), "a\nb");
        assert_eq!(ending(&kept(&"x".repeat(100), "\nlast line\n", 5), 16), "[…]\nlast line");
        let one_line = ending(&kept("", &"é".repeat(1_000), 0), 101);
        assert!(one_line.len() < 120 && !one_line.contains('\u{fffd}'), "{one_line}");
        assert_eq!(last_lines(&kept("a\n\nb\nc\n", "", 0), 2), "b | c");
        assert_eq!(last_lines(&kept("", "", 0), 2), "it printed nothing");
        assert_eq!(whole(&kept("a", "b", 7)), b"a\n[\xe2\x80\xa6 7 bytes not kept \xe2\x80\xa6]\nb");
    }
}
