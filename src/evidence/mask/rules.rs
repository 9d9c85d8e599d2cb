//! What secrets look like when their value is not known.
use crate::evidence::mask::Literals;
use crate::evidence::mask::entropy::entropy;
use crate::evidence::mask::entropy::is_random;
use crate::evidence::pattern::pattern;
use crate::evidence::pattern::pattern_set;
use regex::Captures;
use regex::Regex;
use regex::RegexSet;
use std::ops::Range;
use std::sync::LazyLock;

/// One shape of a secret.
pub(super) struct Rule {
    pub(super) name: &'static str,
    /// Whether the shape alone says it is a secret, whatever stands around it.
    pub(super) is_token: bool,
    text: &'static str,
    pub(super) regex: Regex,
    find: fn(&Captures<'_>) -> Option<Range<usize>>,
}

impl Rule {
    /// Returns where the secret of a match stands.
    pub(super) fn secret(&self, found: &Captures<'_>) -> Option<Range<usize>> {
        (self.find)(found)
    }
}

const STRONG: &str = r"password|passwd|passphrase|pwd|secret|api[_-]?key|access[_-]?key|private[_-]?key";
const ASSIGNMENT: &str = concat!(
    r"(?i)(?P<key>[A-Za-z0-9_.-]*(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?))",
    r#"["']?(?P<op>\s{0,3}(?:=>|[:=])\s{0,3})(?:[bru]?"(?P<d>[^"]{6,})"|[bru]?'(?P<s>[^']{6,})'|(?P<u>[^\s"',;(){}\[\]<>&]{6,})(?P<call>[(\[])?)"#
);

/// Text, name, whether it is a token, and where in a match the secret is.
type Row = (&'static str, &'static str, bool, fn(&Captures<'_>) -> Option<Range<usize>>);

const TABLE: &[Row] = &[
    ("url-password", r#"(?i)\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@"'<>]*:(?P<secret>[^\s/@"'<>]+)@"#, false, literal),
    ("url-token", r"(?i)\bhttps?://(?P<secret>[A-Za-z0-9_-]{20,})@", false, literal),
    (
        "authorization",
        r#"(?i)\bauthorization["']?\s{0,3}[:=]\s{0,3}["']?(?:(?:basic|bearer|token|digest|negotiate|apikey)\s+)?(?P<secret>[^\s"',;<>]{4,})"#,
        false,
        literal,
    ),
    ("bearer", r"(?i)\bbearer\s+(?P<secret>[A-Za-z0-9._~+/=-]{16,})", false, with_digit),
    ("github-token", r"\b(?:gh[opsur]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255})", true, whole),
    ("paramedic-token", r"\bpmd_[0-9a-f]{64}", true, whole),
    ("gitlab-token", r"\bgl(?:pat|ptt|rt|dt|cbt)-[A-Za-z0-9_-]{20,}", true, whole),
    ("slack-token", r"\bxox[abeprs]-[A-Za-z0-9-]{10,}", true, whole),
    ("slack-token", r"\bxapp-\d-[A-Za-z0-9-]{10,}", true, whole),
    ("slack-webhook", r"hooks\.slack\.com/services/[A-Za-z0-9/]{20,}", true, whole),
    ("aws-key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", true, whole),
    ("google-key", r"\bAIza[A-Za-z0-9_-]{35}", true, whole),
    ("stripe-key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}", true, whole),
    ("model-key", r"\bsk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{20,}", true, whole_with_digit),
    ("npm-token", r"\bnpm_[A-Za-z0-9]{36}\b", true, whole),
    ("pypi-token", r"\bpypi-AgEI[A-Za-z0-9_-]{40,}", true, whole),
    ("huggingface-token", r"\bhf_[A-Za-z0-9]{30,}", true, whole_with_digit),
    ("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?", true, whole),
    (
        "option",
        r#"(?i)--(?:password|passwd|token|secret|api-?key|access-?key)(?:=|\s+)["']?(?P<secret>[^\s"'-][^\s"']{5,})"#,
        false,
        literal,
    ),
    ("assignment", ASSIGNMENT, false, assigned),
    ("random", r"[A-Za-z0-9+/_=-]{32,}", false, random),
];

/// The rules, in the order they are tried.
pub(super) static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let rule = |row: &Row| Rule { name: row.0, text: row.1, is_token: row.2, regex: pattern(row.1), find: row.3 };
    TABLE.iter().map(rule).collect()
});

/// Says which rules have a match at all.
pub(super) static RULE_SET: LazyLock<RegexSet> = LazyLock::new(|| pattern_set(RULES.iter().map(|rule| rule.text)));

/// What every rule needs: cheap to look for in the many lines that hold no secret.
pub(super) static SUSPECT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)://|authorization|bearer|gh[opsur]_|github_pat_|gl[a-z]{2,3}-|xox|xapp-|AKIA|ASIA|AIza|[rs]k_|sk-|npm_|pypi-|hf_|eyJ",
        r"|passw|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|[A-Za-z0-9+/_=-]{32}"
    ))
});

fn whole(found: &Captures<'_>) -> Option<Range<usize>> {
    found.get(0).map(|it| it.range())
}

fn whole_with_digit(found: &Captures<'_>) -> Option<Range<usize>> {
    found.get(0).filter(|it| has_digit(it.as_str())).map(|it| it.range())
}

fn literal(found: &Captures<'_>) -> Option<Range<usize>> {
    found.name("secret").filter(|it| !is_placeholder(it.as_str())).map(|it| it.range())
}

fn with_digit(found: &Captures<'_>) -> Option<Range<usize>> {
    found.name("secret").filter(|it| has_digit(it.as_str())).map(|it| it.range())
}

fn random(found: &Captures<'_>) -> Option<Range<usize>> {
    found.get(0).filter(|it| is_random(it.as_str())).map(|it| it.range())
}

/// Judges `key = value`: names of passwords are believed, `token` (also a word of parsers) only with a value that looks like one.
fn assigned(found: &Captures<'_>) -> Option<Range<usize>> {
    let (key, op) = (found.name("key")?.as_str(), found.name("op")?.as_str());
    let quoted = found.name("d").or_else(|| found.name("s"));
    let value = quoted.or_else(|| found.name("u"))?;
    let text = value.as_str();
    if is_placeholder(text)
        || text.contains(char::is_whitespace)
        || key.to_ascii_lowercase().ends_with("pwd") && text.contains('/')
    {
        return None;
    }
    let is_strong = STRONG_KEY.is_match(key);
    let is_variable = key.chars().all(|ch| ch.is_ascii_uppercase() || ch.is_ascii_digit() || ch == '_') && op == "=";
    if !is_variable && (found.name("call").is_some() || SNAKE_NAME.is_match(text)) {
        return None;
    }
    let mixes = has_digit(text) && text.bytes().any(|byte| byte.is_ascii_alphabetic());
    let is_secret = match (quoted.is_some(), is_strong) {
        _ if is_variable => true,
        (true, true) => true,
        (_, false) => mixes && text.len() >= 8 && !is_code(text),
        (false, true) => !is_code(text) && (mixes || op == "="),
    };
    is_secret.then(|| value.range())
}

/// Returns the rule's verdict on `key = "literal"` in source code: only a literal that looks drawn at random, or like a password that a person
/// chose, is a secret.
pub(super) fn is_literal_secret(found: &Captures<'_>, literals: Literals) -> bool {
    let quoted = found.name("d").or_else(|| found.name("s"));
    let bare = found.name("u").filter(|_| literals == Literals::Bare && found.name("call").is_none());
    let Some(value) = quoted.or(bare).map(|it| it.as_str()) else { return false };
    if value.contains([' ', '/', '{', '<', '$']) || is_placeholder(value) || STAND_IN.is_match(value) {
        return false;
    }
    let mixes = has_digit(value) && value.bytes().any(|byte| byte.is_ascii_alphabetic());
    let is_password = PASSWORD_KEY.is_match(&found["key"]);
    mixes && (value.len() >= 16 && entropy(value) >= 3.5 || is_password && quoted.is_some() && is_chosen(value))
}

/// Whether a value mixes kinds of characters as a password does, and does not speak of passwords itself.
fn is_chosen(value: &str) -> bool {
    let kinds: [fn(char) -> bool; 4] = [
        |it| it.is_ascii_lowercase(),
        |it| it.is_ascii_uppercase(),
        |it| it.is_ascii_digit(),
        |it| it.is_ascii_punctuation() && !"_-./:".contains(it),
    ];
    let n_kinds = kinds.iter().filter(|is| value.contains(**is)).count();
    n_kinds >= 3 && value.len() >= 8 && !value.to_lowercase().contains("pass")
}

static PASSWORD_KEY: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)(?:password|passwd|passphrase|pwd)$"));
static STAND_IN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)example|placeholder|changeme|your[_-]|dummy|fake|xxxx|\*\*\*|%\("));
static STRONG_KEY: LazyLock<Regex> = LazyLock::new(|| pattern(&format!("(?i)(?:{STRONG})$")));
static CODE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^[A-Za-z_]\w*(?:(?:\.|::|->)\w+)+$|^[a-z_]+$|^[A-Z][a-z]+$|^[A-Z]+(?:_[A-Z]+)+$"));
static SNAKE_NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[a-z]+(?:_[a-z]+)+$"));

fn is_code(text: &str) -> bool {
    CODE.is_match(text) && !has_digit(text)
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    text.starts_with(['$', '%', '<', '{', '*'])
        || [
            "none",
            "null",
            "true",
            "false",
            "undefined",
            "required",
            "missing",
            "invalid",
            "expected",
            "optional",
            "redacted",
        ]
        .contains(&lower.trim_end_matches(['.', ':', '!']))
}
