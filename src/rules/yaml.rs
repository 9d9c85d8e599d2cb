//! From bytes to the raw keys: bounded, without aliases, tags and second documents, and every error with its line.
use crate::evidence::text::clean_line;
use crate::rules::raw::RawRules;
use crate::rules::{KEYS, MAX_BYTES, RuleError};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Error, Location, Options};

/// How much of a parser's message is told.
const MAX_MESSAGE_CHARS: usize = 300;
const DEEP: &str = "this is nested too deeply; no key of the file is";

/// Returns the text of a file, or why it has none.
pub(super) fn text(bytes: &[u8]) -> Result<&str, RuleError> {
    let line_at = |offset: usize| {
        let before = bytes.get(..offset).unwrap_or(bytes);
        line(before.split(|it| *it == b'\n').count())
    };
    if bytes.len() > MAX_BYTES {
        let message = format!("the file is too large; at most {} KiB are read", MAX_BYTES / 1024);
        return Err(RuleError { line: line_at(MAX_BYTES), message });
    }
    let text = str::from_utf8(bytes).map_err(|bad| {
        let message = "a byte here is no UTF-8; save the file as UTF-8".to_owned();
        RuleError { line: line_at(bad.valid_up_to()), message }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (idx, content) in text.lines().enumerate() {
        let error = |message: String| RuleError { line: line(idx + 1), message };
        if let Some(ch) = content.chars().find(|it| it.is_control() && *it != '\t') {
            return Err(error(format!("a control character (U+{:04X}) stands here; remove it", u32::from(ch))));
        }
    }
    Ok(text)
}

/// Returns the keys of a text; one that says nothing has none.
pub(super) fn parse(text: &str) -> Result<RawRules, RuleError> {
    let raw: Option<RawRules> = serde_saphyr::from_str_with_options(text, options()).map_err(|it| {
        let error = error(it.without_snippet());
        let at = usize::try_from(error.line).unwrap_or(1).saturating_sub(1);
        let is_tab = text.lines().nth(at).is_some_and(|it| it.trim_start_matches(' ').starts_with('\t'));
        if is_tab {
            return RuleError { message: "a tab indents this line; YAML wants blanks".to_owned(), ..error };
        }
        error
    })?;
    Ok(raw.unwrap_or_default())
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: Some(budget()),
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn budget() -> serde_saphyr::Budget {
    let mut budget = serde_saphyr::Budget::default();
    budget.max_aliases = 0;
    budget.max_anchors = 0;
    budget.max_depth = 8;
    budget.flow_nesting_limit = 8;
    budget.max_documents = 1;
    budget.max_events = 20_000;
    budget.max_nodes = 10_000;
    budget.max_total_scalar_bytes = MAX_BYTES;
    budget
}

fn error(error: &Error) -> RuleError {
    let at = error.location().map_or(1, |it| line_of(&it));
    let message = match error {
        Error::SerdeUnknownField { field, .. } => unknown(field),
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("`{key}` is there a second time; keep one"),
        Error::MergeKeyNotAllowed { .. } => "`<<` is not read here; write the keys out".to_owned(),
        Error::MultipleDocuments { .. } => "a second document begins here; the file must be one".to_owned(),
        Error::Budget { breach, .. } => breached(breach),
        _ => plainly(&error.to_string()),
    };
    let message = clean_line(&message).chars().take(MAX_MESSAGE_CHARS).collect();
    RuleError { line: at, message }
}

/// Says what to do about a key that is not there, or not there at this place.
fn unknown(field: &str) -> String {
    let elsewhere = KEYS.iter().find_map(|key| match key.split_once('.') {
        Some((section, name)) if name == field => Some(section),
        _ => None,
    });
    match elsewhere {
        Some(section) => format!("`{field}` is unknown here; it belongs below `{section}:`"),
        None if KEYS.contains(&field) => format!("`{field}` is unknown here; it belongs at the left margin"),
        None => format!("`{field}` is no key; remove it (`paramedic init --dry-run --force` shows every key there is)"),
    }
}

/// Says in the words of the file what a parser says in its own.
fn plainly(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    // The parser tells the place in words, too.
    let message = message.split(" at line ").next().unwrap_or_default();
    let plain = match message {
        it if it.starts_with("expected sequence") => "a list is wanted here: `[a, b]`, or a line `- a` for each",
        it if it.starts_with("expected mapping") => "keys are wanted here: `key: value`",
        it if it.starts_with("expected string") => "a text is wanted here",
        it if it.starts_with("invalid boolean") => "write true or false",
        it if it.starts_with("invalid i64") => "write a whole number",
        it if it.starts_with("invalid floating point") => "write a number",
        it if it.starts_with("recursion limit") => DEEP,
        other => other,
    };
    plain.to_owned()
}

fn breached(breach: &BudgetBreach) -> String {
    let what = match breach {
        BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. } => {
            "anchors and aliases are not read here; write the value out"
        }
        BudgetBreach::Depth { .. } => DEEP,
        BudgetBreach::Documents { .. } => "a second document begins here; the file must be one",
        _ => "the file has too many values",
    };
    what.to_owned()
}

/// Returns the line of a place; what has none is at the first.
pub(super) fn line_of(place: &Location) -> u32 {
    u32::try_from(place.line()).unwrap_or(u32::MAX).max(1)
}

fn line(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
