//! The lines of a diff between `diff --git` and the first hunk; they name the file up to four times, and must agree.
use super::ChangeKind;
use super::FileChange;
use super::Hunk;
use super::LineKind;
use super::Mode;
use super::name::BadName;
use super::name::MAX_NAME_BYTES;
use super::name::check_name;
use super::name::decode_name;
use super::name::split_quoted;
use super::parse::Lines;
use super::parse::Malformed;

/// One side of a `---`/`+++` pair.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Side {
    Nothing,
    Name(String),
}

/// Everything the header lines of one file said, each at most once.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// Readings of the `diff --git` line: unquoted names with blanks leave several.
    candidates: Vec<(String, String)>,
    old_mode: Option<Mode>,
    new_mode: Option<Mode>,
    new_file: Option<Mode>,
    deleted_file: Option<Mode>,
    index_mode: Option<Mode>,
    has_index: bool,
    similarity: bool,
    rename: (Option<String>, Option<String>),
    copy: (Option<String>, Option<String>),
    sides: Option<(Side, Side)>,
}

impl Header {
    pub(super) fn read(lines: &mut Lines<'_>) -> Result<Self, Malformed> {
        let names = lines.peek().and_then(|it| it.strip_prefix("diff --git "));
        let names = names.ok_or_else(|| lines.error("a `diff --git` line was expected"))?;
        let candidates = split_names(names).map_err(|bad| lines.bad_name(names, bad))?;
        let mut header = Self { candidates, ..Self::default() };
        match header.candidates.first() {
            Some((_, new)) => lines.name_file(new),
            None => return Err(lines.error("the names of a `diff --git` line are not `a/…` and `b/…`")),
        }
        lines.next();
        while let Some(line) = lines.peek() {
            if !header.take(lines, line)? {
                break;
            }
            lines.next();
        }
        Ok(header)
    }

    /// Takes one header line; false where the header is over.
    fn take(&mut self, lines: &mut Lines<'_>, line: &str) -> Result<bool, Malformed> {
        let is_fresh = if let Some(mode) = line.strip_prefix("old mode ") {
            put(&mut self.old_mode, read_mode(lines, mode)?)
        } else if let Some(mode) = line.strip_prefix("new mode ") {
            put(&mut self.new_mode, read_mode(lines, mode)?)
        } else if let Some(mode) = line.strip_prefix("new file mode ") {
            put(&mut self.new_file, read_mode(lines, mode)?)
        } else if let Some(mode) = line.strip_prefix("deleted file mode ") {
            put(&mut self.deleted_file, read_mode(lines, mode)?)
        } else if let Some(percent) = line.strip_prefix("similarity index ") {
            is_percent(percent) && !std::mem::replace(&mut self.similarity, true)
        } else if let Some(percent) = line.strip_prefix("dissimilarity index ") {
            is_percent(percent)
        } else if let Some(name) = line.strip_prefix("rename from ") {
            put(&mut self.rename.0, read_name(lines, name)?)
        } else if let Some(name) = line.strip_prefix("rename to ") {
            put(&mut self.rename.1, read_name(lines, name)?)
        } else if let Some(name) = line.strip_prefix("copy from ") {
            put(&mut self.copy.0, read_name(lines, name)?)
        } else if let Some(name) = line.strip_prefix("copy to ") {
            put(&mut self.copy.1, read_name(lines, name)?)
        } else if let Some(index) = line.strip_prefix("index ") {
            self.take_index(lines, index)?
        } else if let Some(old) = line.strip_prefix("--- ") {
            lines.next();
            let new = lines.peek().and_then(|it| it.strip_prefix("+++ "));
            let new = new.ok_or_else(|| lines.error("a `---` line stands without its `+++` line"))?;
            self.sides = Some((read_side(lines, old, "a/")?, read_side(lines, new, "b/")?));
            lines.next();
            return Ok(false);
        } else {
            return Ok(false);
        };
        if is_fresh { Ok(true) } else { Err(lines.error("a header line is broken or stands twice")) }
    }

    fn take_index(&mut self, lines: &Lines<'_>, index: &str) -> Result<bool, Malformed> {
        let (ids, mode) = index.split_once(' ').map_or((index, None), |(ids, mode)| (ids, Some(mode)));
        let is_id = |it: &str| (4..=64).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_hexdigit());
        let is_range = ids.split_once("..").is_some_and(|(old, new)| is_id(old) && is_id(new));
        self.index_mode = mode.map(|it| read_mode(lines, it)).transpose()?;
        Ok(is_range && !std::mem::replace(&mut self.has_index, true))
    }

    /// Checks that all that was said agrees, and makes it one change.
    pub(super) fn into_change<'a>(
        self,
        lines: &Lines<'a>,
        is_binary: bool,
        hunks: Vec<Hunk<'a>>,
    ) -> Result<FileChange<'a>, Malformed> {
        let kind = self.kind().ok_or_else(|| lines.error("the header lines of a file contradict each other"))?;
        let (old, new) = self.names(kind).ok_or_else(|| lines.error("the names of a file contradict each other"))?;
        for name in [&old, &new] {
            check_name(name).map_err(|bad| lines.bad_name(name, bad))?;
        }
        let change = FileChange {
            old_path: Some(old).filter(|_| kind != ChangeKind::Added),
            new_path: Some(new).filter(|_| kind != ChangeKind::Deleted),
            kind,
            old_mode: self.old_mode.or(self.deleted_file).or(self.index_mode),
            new_mode: self.new_mode.or(self.new_file).or(self.index_mode),
            is_binary,
            hunks,
        };
        if self.sides.is_some() == change.hunks.is_empty() {
            return Err(lines.error("names without hunks, or hunks without names"));
        }
        check_body(&change).map_err(|why| lines.error(why))?;
        Ok(change)
    }

    fn kind(&self) -> Option<ChangeKind> {
        let is_pair = |(from, to): &(Option<String>, Option<String>)| from.is_some() && to.is_some();
        let is_none = |(from, to): &(Option<String>, Option<String>)| from.is_none() && to.is_none();
        let has_modes = self.old_mode.is_some();
        if self.old_mode.is_some() != self.new_mode.is_some() || (has_modes && self.index_mode.is_some()) {
            return None;
        }
        let kind = match (self.new_file.is_some(), self.deleted_file.is_some(), self.similarity) {
            (true, false, false) if !has_modes => ChangeKind::Added,
            (false, true, false) if !has_modes => ChangeKind::Deleted,
            (false, false, true) if is_pair(&self.rename) => ChangeKind::Renamed,
            (false, false, true) if is_pair(&self.copy) => ChangeKind::Copied,
            (false, false, false) => ChangeKind::Modified,
            _ => return None,
        };
        let is_whole = (is_none(&self.rename) || kind == ChangeKind::Renamed)
            && (is_none(&self.copy) || kind == ChangeKind::Copied)
            && (self.index_mode.is_none() || !matches!(kind, ChangeKind::Added | ChangeKind::Deleted));
        is_whole.then_some(kind)
    }

    /// The one reading of the names on which every line agrees.
    fn names(&self, kind: ChangeKind) -> Option<(String, String)> {
        let moved = match kind {
            ChangeKind::Renamed => self.rename.0.as_ref().zip(self.rename.1.as_ref()),
            ChangeKind::Copied => self.copy.0.as_ref().zip(self.copy.1.as_ref()),
            _ => None,
        };
        let agrees = |(old, new): &&(String, String)| {
            let is_moved = moved.map_or(old == new, |(from, to)| old == from && new == to);
            let name = |it: &str| Side::Name(it.to_owned());
            let is_sided = self.sides.as_ref().is_none_or(|(minus, plus)| {
                *minus == if kind == ChangeKind::Added { Side::Nothing } else { name(old) }
                    && *plus == if kind == ChangeKind::Deleted { Side::Nothing } else { name(new) }
            });
            is_moved && is_sided
        };
        self.candidates.iter().find(agrees).cloned()
    }
}

fn check_body(change: &FileChange<'_>) -> Result<(), &'static str> {
    let is_only = |kind| change.hunks.iter().flat_map(|it| &it.lines).all(|it| it.kind == kind);
    let is_whole = match change.kind {
        ChangeKind::Added => is_only(LineKind::Added) && change.hunks.len() < 2,
        ChangeKind::Deleted => is_only(LineKind::Removed) && change.hunks.len() < 2,
        ChangeKind::Modified => !change.hunks.is_empty() || change.is_binary || change.old_mode != change.new_mode,
        ChangeKind::Renamed | ChangeKind::Copied => true,
    };
    if is_whole { Ok(()) } else { Err("the body of a file does not fit its header") }
}

fn put<T>(slot: &mut Option<T>, value: T) -> bool {
    slot.replace(value).is_none()
}

fn is_percent(text: &str) -> bool {
    text.strip_suffix('%').is_some_and(|it| it.parse::<u8>().is_ok_and(|it| it <= 100))
}

fn read_mode(lines: &Lines<'_>, text: &str) -> Result<Mode, Malformed> {
    Mode::parse(text).ok_or_else(|| lines.error("a file mode is none that git writes for files"))
}

fn read_name(lines: &Lines<'_>, text: &str) -> Result<String, Malformed> {
    decode_name(text).map_err(|bad| lines.bad_name(text, bad))
}

fn read_side(lines: &Lines<'_>, text: &str, prefix: &str) -> Result<Side, Malformed> {
    if text == "/dev/null" {
        return Ok(Side::Nothing);
    }
    // Git ends an unquoted name that holds blanks with a tab.
    let name = read_name(lines, text.strip_suffix('\t').unwrap_or(text))?;
    let name = name.strip_prefix(prefix).ok_or_else(|| lines.error("a name lacks its `a/` or `b/`"))?;
    Ok(Side::Name(name.to_owned()))
}

/// Returns every reading of `a/OLD b/NEW`; both sides may be quoted on their own.
fn split_names(text: &str) -> Result<Vec<(String, String)>, BadName> {
    let mut pairs = Vec::new();
    // Every reading is kept until the other lines decide; without a bound a hostile line would square itself.
    if !text.ends_with('"') && text.len() > 2 * MAX_NAME_BYTES {
        return Err(BadName::TooLong);
    }
    if text.starts_with('"') {
        let (old, rest) = split_quoted(text)?;
        let rest = rest.strip_prefix(' ').ok_or(BadName::Quoting)?;
        pairs.push((old, decode_name(rest)?));
    } else if let Some(at) = text.find(" \"").filter(|_| text.ends_with('"')) {
        pairs.push((text[..at].to_owned(), decode_name(&text[at + 1..])?));
    } else {
        pairs.extend(text.match_indices(" b/").map(|(at, _)| (text[..at].to_owned(), text[at + 1..].to_owned())));
    }
    let strip = |(old, new): &(String, String)| {
        old.strip_prefix("a/").zip(new.strip_prefix("b/")).map(|(old, new)| (old.to_owned(), new.to_owned()))
    };
    Ok(pairs.iter().filter_map(strip).collect())
}
