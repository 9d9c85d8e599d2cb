//! The `@@` blocks of a diff. Lines are counted by the numbers of their header, so a body that looks like a header stays a body.
use super::Hunk;
use super::HunkLine;
use super::LineKind;
use super::parse::Lines;
use super::parse::Malformed;

/// Numbers of a `@@ -a,b +c,d @@` line.
struct Range {
    start: u32,
    count: u32,
}

impl Range {
    fn parse(text: &str, sign: char) -> Option<Self> {
        let text = text.strip_prefix(sign)?;
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        Some(Self { start: number(start)?, count: number(count)? })
    }

    /// The first line after the lines above the range, 1-based; an empty range names the line above itself.
    fn first(&self) -> Option<u32> {
        if self.count == 0 { self.start.checked_add(1) } else { Some(self.start).filter(|it| *it > 0) }
    }
}

fn number(text: &str) -> Option<u32> {
    let is_plain = !text.is_empty() && text.len() <= 9 && text.bytes().all(|it| it.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

/// Reads the hunks of one file; stops at the first line that is none.
pub(super) fn read_hunks<'a>(lines: &mut Lines<'a>) -> Result<Vec<Hunk<'a>>, Malformed> {
    let mut hunks: Vec<Hunk<'a>> = Vec::new();
    let mut old_end = 1;
    let mut shift = 0_i64;
    while let Some(header) = lines.peek().filter(|it| it.starts_with("@@")) {
        let (old, new) = parse_header(header).ok_or_else(|| lines.error("a hunk header is broken"))?;
        let (Some(old_first), Some(new_first)) = (old.first(), new.first()) else {
            return Err(lines.error("a hunk starts at line 0"));
        };
        if old_first < old_end || i64::from(new_first) != i64::from(old_first) + shift {
            return Err(lines.error("hunks overlap, go backwards or disagree about line numbers"));
        }
        lines.next();
        let body = read_body(lines, old.count, new.count)?;
        if body.iter().all(|it| it.kind == LineKind::Context) {
            return Err(lines.error("a hunk changes nothing"));
        }
        old_end = old_first.saturating_add(old.count);
        shift += i64::from(new.count) - i64::from(old.count);
        hunks.push(Hunk { old_start: old.start, new_start: new.start, lines: body });
    }
    Ok(hunks)
}

fn parse_header(line: &str) -> Option<(Range, Range)> {
    let rest = line.strip_prefix("@@ ")?;
    let (ranges, heading) = rest.split_once(" @@")?;
    if !(heading.is_empty() || heading.starts_with(' ')) {
        return None;
    }
    let (old, new) = ranges.split_once(' ')?;
    Some((Range::parse(old, '-')?, Range::parse(new, '+')?))
}

fn read_body<'a>(lines: &mut Lines<'a>, n_old: u32, n_new: u32) -> Result<Vec<HunkLine<'a>>, Malformed> {
    let (mut n_old, mut n_new) = (n_old, n_new);
    let mut body: Vec<HunkLine<'a>> = Vec::new();
    loop {
        if let Some(marker) = lines.peek().filter(|it| it.starts_with('\\')) {
            let last = body.last_mut().filter(|it| marker.starts_with("\\ ") && !it.is_unterminated);
            let last = last.ok_or_else(|| lines.error("a `\\ No newline` marker stands where none belongs"))?;
            last.is_unterminated = true;
            lines.next();
            continue;
        }
        if n_old == 0 && n_new == 0 {
            return Ok(body);
        }
        let line = lines.peek().ok_or_else(|| lines.error("a hunk ends before its lines are complete"))?;
        // Mail programs strip the blank of an empty context line, and git accepts that.
        let (sign, text) = line.split_at_checked(1).unwrap_or((" ", ""));
        let kind = match sign {
            " " => LineKind::Context,
            "+" => LineKind::Added,
            "-" => LineKind::Removed,
            _ => return Err(lines.error("a line of a hunk has no sign")),
        };
        let (is_old, is_new) = (kind != LineKind::Added, kind != LineKind::Removed);
        let counts = n_old.checked_sub(is_old.into()).zip(n_new.checked_sub(is_new.into()));
        (n_old, n_new) = counts.ok_or_else(|| lines.error("a hunk has more lines than its header says"))?;
        body.push(HunkLine { kind, text, is_unterminated: false });
        lines.next();
    }
}
