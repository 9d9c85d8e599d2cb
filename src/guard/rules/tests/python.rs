//! Whether lines inserted into a Python test file are whole new tests.
use crate::guard::scene::pattern;
use crate::guard::view::Stretch;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

static TEST: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?:async\s+)?def\s+(test\w*)\s*\("));
static CLASS: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*class\s+(\w+)"));
static DECORATOR: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*@"));
/// Decorators that reach beyond the test they stand on.
static REACHING: LazyLock<Regex> = LazyLock::new(|| pattern(r"fixture|hookimpl|register|lambda|setattr"));
static IMPORT: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:import|from)\s"));
static CLASS_HEADER: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*class\b"));
static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"[A-Za-z_]\w*"));

/// Whether the lines `start..end` of `after` are new tests, new classes or new imports, shadow no name of `before`, and stand where
/// they change the meaning of no other line.
pub(super) fn is_new_tests(before: &Stretch<'_>, after: &Stretch<'_>, start: usize, end: usize) -> bool {
    let code = &after.masked.code;
    let is_in_string = |idx: usize| after.masked.starts_in_string.get(idx).copied().unwrap_or(false);
    if is_in_string(start) || is_in_string(end) || depth(&code[..start]) != 0 || depth(&code[start..end]) != 0 {
        return false;
    }
    let above = code[..start].iter().rev().find(|it| !it.trim().is_empty());
    if above.is_some_and(|it| it.trim_start().starts_with('@') || it.trim_end().ends_with('\\')) {
        return false;
    }
    let Some(heads) = heads(after, start, end) else { return false };
    let known: BTreeSet<&str> =
        before.masked.code.iter().flat_map(|it| WORD.find_iter(it)).map(|it| it.as_str()).collect();
    if !heads.iter().all(|head| is_allowed(head, &known) && is_free_standing(&code[..start], head.indent)) {
        return false;
    }
    let Some(last) = heads.last() else { return false };
    let below = code[end..].iter().find(|it| !it.trim().is_empty());
    !DECORATOR.is_match(&last.text) && below.is_none_or(|it| indent(it) <= last.indent)
}

/// A statement at the outer level of the inserted lines.
struct Head {
    indent: usize,
    text: String,
}

/// The outer statements of the lines; none where text stands before the first.
fn heads(after: &Stretch<'_>, start: usize, end: usize) -> Option<Vec<Head>> {
    let mut heads: Vec<Head> = Vec::new();
    let mut open = 0;
    let mut is_collecting = false;
    for idx in start..end {
        let (raw, code) = (after.raw[idx], &after.masked.code[idx]);
        if code.trim().is_empty() {
            let is_comment = raw.trim().is_empty() || raw.trim_start().starts_with('#');
            if !is_comment && heads.is_empty() {
                return None;
            }
        } else if open == 0 {
            is_collecting = heads.last().is_none_or(|it| indent(code) <= it.indent);
            if is_collecting {
                heads.push(Head { indent: indent(code), text: String::new() });
            }
        }
        if let Some(head) = heads.last_mut().filter(|_| is_collecting) {
            head.text.push_str(code);
            head.text.push(' ');
        }
        open += depth(std::slice::from_ref(code));
        is_collecting &= open > 0;
    }
    (!heads.is_empty()).then_some(heads)
}

fn is_allowed(head: &Head, known: &BTreeSet<&str>) -> bool {
    if let Some(name) = TEST.captures(&head.text).or_else(|| CLASS.captures(&head.text)) {
        return !known.contains(&name[1]);
    }
    if DECORATOR.is_match(&head.text) {
        return !REACHING.is_match(&head.text);
    }
    // An imported name must be new: it could stand in for one the tests use.
    IMPORT.is_match(&head.text)
        && imported(&head.text).iter().all(|it| !known.contains(it.as_str()))
        && !head.text.contains('*')
}

/// The names an import binds.
fn imported(text: &str) -> Vec<String> {
    let names = match text.split_once(" import ") {
        Some((_, names)) => names,
        None => text.trim_start().strip_prefix("import ").unwrap_or(text),
    };
    let bound = |it: &str| {
        let name = it.split_once(" as ").map_or(it, |(_, name)| name);
        WORD.find(name).map(|it| it.as_str().to_owned())
    };
    names.split(',').filter_map(bound).collect()
}

/// Whether a statement of this indent, placed below these lines, is inside nothing but classes.
fn is_free_standing(above: &[String], indent_of_head: usize) -> bool {
    let mut limit = indent_of_head;
    for code in above.iter().rev().filter(|it| !it.trim().is_empty()) {
        if limit == 0 {
            break;
        }
        if indent(code) < limit {
            if !CLASS_HEADER.is_match(code) {
                return false;
            }
            limit = indent(code);
        }
    }
    limit == 0
}

fn indent(code: &str) -> usize {
    code.len() - code.trim_start().len()
}

fn depth(code: &[String]) -> i64 {
    let step = |ch: char| i64::from(matches!(ch, '(' | '[' | '{')) - i64::from(matches!(ch, ')' | ']' | '}'));
    code.iter().flat_map(|it| it.chars()).map(step).sum()
}
