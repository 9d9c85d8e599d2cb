//! Whether lines inserted into a test file of a language with braces are whole new tests.
use crate::guard::lang::Lang;
use crate::guard::scene::pattern;
use crate::guard::view::Stretch;
use regex::Regex;
use std::sync::LazyLock;

static SCRIPT_HEAD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s*(?:it|test|describe|context|suite)\b[.\w]*\s*\(|^\s*import\s|^\s*(?:const|let|var)\s.*=\s*require\s*\(",
    )
});
/// What a JavaScript import binds.
static SCRIPT_IMPORT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(?:import\s+(?:type\s+)?(.*?)\s+from\b|(?:const|let|var)\s+(.*?)\s*=\s*require\b)"));
static SCRIPT_DECLARES: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?:import|const|let|var)\b"));
static SCRIPT_AROUND: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(?:describe|context|suite)\b"));
static RUST_HEAD: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*#\[|^\s*(?:async\s+)?fn\s+(\w+)|^\s*use\s|^\s*mod\s+(\w+)\s*\{"));
static RUST_AROUND: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bmod\s+\w+"));
static GO_HEAD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"^func\s+((?:Test|Benchmark|Fuzz|Example)\w*)\s*\(|^import\b|^\s*(?:\w+\s+)?"\s*"\s*$"#)
});
static GO_AROUND: LazyLock<Regex> = LazyLock::new(|| pattern(r"^import\s*\("));
static JVM_HEAD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s*@(?:Test|ParameterizedTest|DisplayName|ValueSource|CsvSource|MethodSource|EnumSource|Timeout)\b|^\s*\[(?:Fact|Test|Theory|InlineData|TestMethod|TestCase|DataRow)\b|^\s*(?:(?:public|private|internal|protected|static|async|final|suspend)\s+)*(?:void|Task|fun)\s+(\w+)\s*\(|^\s*(?:import|using)\s",
    )
});
static CLASS_AROUND: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(?:class|interface|object|record|namespace)\b"));
static PHP_HEAD: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(?:public\s+)?function\s+(test\w*)\s*\(|^\s*#\[Test\]|^\s*use\s"));
static SWIFT_HEAD: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?:@\w+\s+)*func\s+(test\w*)\s*\(|^\s*import\s"));
static C_HEAD: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?:TEST(?:_F|_P)?|TEST_CASE)\s*\("));
static NOTHING: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\z\A."));
/// Heads that reach beyond the test they stand on.
static REACHING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\bTestMain\b|#\[\s*(?:ctor|fixture|macro_use|path|cfg_attr|no_main)|\b(?:macro_rules|init)\b")
});

fn shapes(lang: Lang) -> (&'static Regex, &'static Regex) {
    match lang {
        Lang::JavaScript => (&SCRIPT_HEAD, &SCRIPT_AROUND),
        Lang::Rust => (&RUST_HEAD, &RUST_AROUND),
        Lang::Go => (&GO_HEAD, &GO_AROUND),
        Lang::Jvm | Lang::CSharp => (&JVM_HEAD, &CLASS_AROUND),
        Lang::Php => (&PHP_HEAD, &CLASS_AROUND),
        Lang::Swift => (&SWIFT_HEAD, &CLASS_AROUND),
        _ => (&C_HEAD, &NOTHING),
    }
}

/// Whether the lines `start..end` of `after` are new tests or imports that stand inside nothing but groups of tests, close what they
/// open, and take no attribute from, nor put one on, a line that was there.
pub(super) fn is_new_tests(lang: Lang, before: &Stretch<'_>, after: &Stretch<'_>, start: usize, end: usize) -> bool {
    let code = &after.masked.code;
    let is_in_string = |idx: usize| after.masked.starts_in_string.get(idx).copied().unwrap_or(false);
    let (head, around) = shapes(lang);
    let above = code[..start].iter().rev().find(|it| !it.trim().is_empty()).map_or("", |it| it.trim());
    let is_after_statement = above.is_empty() || above.ends_with(['{', '}', ';', ')', '(', '"', '\'']);
    if is_in_string(start) || is_in_string(end) || !is_after_statement || is_attribute(above) {
        return false;
    }
    let Some(openers) = open_lines(&code[..start]) else { return false };
    if !openers.iter().all(|it| around.is_match(it)) {
        return false;
    }
    let Some(heads) = heads(&code[start..end]) else { return false };
    let is_new_name = |name: &str| {
        !before
            .masked
            .code
            .iter()
            .any(|it| it.split(|ch: char| !ch.is_alphanumeric() && ch != '_').any(|word| word == name))
    };
    let is_allowed = |text: &&String| {
        let Some(found) = head.captures(text) else { return false };
        let name = found.iter().skip(1).flatten().next();
        let is_new_import = lang != Lang::JavaScript
            || !SCRIPT_DECLARES.is_match(text)
            || imported(text).is_some_and(|it| it.iter().all(|it| is_new_name(it)));
        !REACHING.is_match(text) && is_new_import && name.is_none_or(|it| is_new_name(it.as_str()))
    };
    heads.iter().all(is_allowed) && heads.last().is_some_and(|it| !is_attribute(it.trim()))
}

/// The words an import binds; none where it binds nothing, and so is there for what it does.
fn imported(text: &str) -> Option<Vec<&str>> {
    let found = SCRIPT_IMPORT.captures(text)?;
    let names = found.get(1).or(found.get(2))?.as_str();
    let words = names.split(|ch: char| !ch.is_alphanumeric() && !matches!(ch, '_' | '$'));
    Some(words.filter(|it| !it.is_empty() && *it != "as").collect())
}

fn is_attribute(line: &str) -> bool {
    let is_whole = line.ends_with([']', ')']) || !line.contains(['(', '{', '[']);
    is_whole && (line.starts_with("#[") || line.starts_with('@') || (line.starts_with('[') && line.ends_with(']')))
}

/// For each bracket still open after these lines, the line that opened it.
fn open_lines(code: &[String]) -> Option<Vec<&str>> {
    let mut open = Vec::new();
    let mut last = "";
    for line in code {
        for (at, ch) in line.char_indices() {
            match ch {
                // A brace on a line of its own belongs to the line above.
                '(' | '[' | '{' => open.push(if line[..at].trim().is_empty() { last } else { line }),
                ')' | ']' | '}' => drop(open.pop()?),
                _ => {}
            }
        }
        if !line.trim().is_empty() {
            last = line;
        }
    }
    Some(open)
}

/// The lines that begin at the outer level; none where the lines close what they did not open, or leave something open.
fn heads(code: &[String]) -> Option<Vec<&String>> {
    let mut depth = 0_usize;
    let mut heads = Vec::new();
    for line in code {
        let is_own_brace = matches!(line.trim(), "{");
        if depth == 0 && !line.trim().is_empty() && !is_own_brace {
            heads.push(line);
        }
        for ch in line.chars() {
            match ch {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.checked_sub(1)?,
                _ => {}
            }
        }
    }
    (depth == 0 && !heads.is_empty()).then_some(heads)
}
