//! Takes secrets out of texts: known values in every form, and shapes that only secrets have.
//!
//! Masking errs on the side of the secret where the shape is clear and on the side of the reader where it is not: commit ids, digests, uuids,
//! paths and names stay, or a log would be useless.
mod entropy;
mod known;
mod pem;
mod rules;

pub use crate::evidence::mask::pem::PemState;

use crate::evidence::mask::pem::Pem;
use crate::evidence::mask::rules::RULE_SET;
use crate::evidence::mask::rules::RULES;
use crate::evidence::mask::rules::Rule;
use crate::evidence::mask::rules::SUSPECT;
use regex::Regex;
use std::borrow::Cow;
use std::sync::Arc;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// Knows the secrets of one run and what secrets look like.
#[derive(Clone, Default)]
pub struct Masker {
    /// Shared: a copy of a pattern would begin with empty caches.
    known: Arc<[Regex]>,
    longest: usize,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The patterns hold the secrets.
        f.debug_struct("Masker").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Masker {
    /// Prepares to mask these values, also base64 and percent-encoded; values of less than six characters are ignored.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let (known, longest) = known::patterns(secrets);
        Self { known: known.into(), longest }
    }

    /// Returns a text with `***` for every secret. Private key blocks may span lines; the number of lines stays.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut pem = PemState::default();
        let mut masked = Cow::Borrowed("");
        let mut done = 0;
        for line in text.split_inclusive('\n') {
            let body = line.trim_end_matches(['\n', '\r']);
            if let Cow::Owned(clean) = self.mask_line(body, &mut pem) {
                let out = masked.to_mut();
                out.push_str(&text[done..offset(text, line)]);
                out.push_str(&clean);
                done = offset(text, line) + body.len();
            }
        }
        if done == 0 && masked.is_empty() {
            return Cow::Borrowed(text);
        }
        masked.to_mut().push_str(&text[done..]);
        masked
    }

    /// Masks bytes line by line; what is not UTF-8 stays as it is.
    pub fn mask_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut pem = PemState::default();
        let mut masked = Vec::with_capacity(bytes.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in line.utf8_chunks() {
                let valid = piece.valid();
                let body = valid.trim_end_matches(['\n', '\r']);
                masked.extend_from_slice(self.mask_line(body, &mut pem).as_bytes());
                masked.extend_from_slice(&valid.as_bytes()[body.len()..]);
                masked.extend_from_slice(piece.invalid());
            }
        }
        masked
    }

    /// Masks one line of a text that is read line by line; `pem` carries what the lines before it began.
    pub fn mask_line<'a>(&self, line: &'a str, pem: &mut PemState) -> Cow<'a, str> {
        match pem.see(line) {
            Pem::Outside => self.mask_shapes(line),
            Pem::Inside if line.trim().is_empty() => Cow::Borrowed(line),
            Pem::Inside => Cow::Owned(MASK.to_owned()),
            Pem::On(from, until) => {
                let head = self.mask_shapes(&line[..from]);
                let tail = self.mask_shapes(&line[until..]);
                Cow::Owned(format!("{head}{MASK}{tail}"))
            }
        }
    }

    /// Returns how many bytes at the end of a cut line may be the beginning of a secret.
    pub(crate) fn margin(&self) -> usize {
        self.longest.max(256)
    }

    fn mask_shapes<'a>(&self, line: &'a str) -> Cow<'a, str> {
        let mut masked = Cow::Borrowed(line);
        for regex in self.known.iter() {
            if let Cow::Owned(clean) = regex.replace_all(&masked, MASK) {
                masked = Cow::Owned(clean);
            }
        }
        if !SUSPECT.is_match(&masked) {
            return masked;
        }
        for idx in &RULE_SET.matches(&masked) {
            if let Some(clean) = masked_by(&RULES[idx], &masked) {
                masked = Cow::Owned(clean);
            }
        }
        masked
    }
}

/// How a text writes values down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Literals {
    /// In quotes, as programs do: a bare word is a name.
    Quoted,
    /// Also bare, as YAML, shell and settings do.
    Bare,
}

/// Returns the lines of a text, counted from 0, that hold a secret, with the rule that says so. For lines that a patch adds: only shapes that
/// nothing else has, private keys, passwords in addresses, and assignments of a literal that looks drawn at random.
pub fn find_secrets(text: &str, literals: Literals) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (idx, line) in text.lines().enumerate() {
        if pem::BEGIN.is_match(line) {
            found.push((idx, "private-key"));
        } else if SUSPECT.is_match(line) {
            found
                .extend(RULES.iter().filter(|rule| is_plain_secret(rule, line, literals)).map(|rule| (idx, rule.name)));
        }
    }
    found
}

fn is_plain_secret(rule: &Rule, line: &str, literals: Literals) -> bool {
    let mut matches = rule.regex.captures_iter(line);
    if rule.is_token {
        let is_example = |secret: &str| secret.ends_with("EXAMPLE");
        return matches.any(|it| rule.secret(&it).is_some_and(|at| !is_example(&line[at])));
    }
    match rule.name {
        "assignment" => matches.any(|it| rules::is_literal_secret(&it, literals)),
        // `user:pass@` in documentation is short.
        "url-password" => matches.any(|it| rule.secret(&it).is_some_and(|at| at.len() >= 6)),
        _ => false,
    }
}

fn masked_by(rule: &Rule, text: &str) -> Option<String> {
    let mut masked = String::new();
    let mut done = 0;
    for found in rule.regex.captures_iter(text) {
        let Some(secret) = rule.secret(&found) else { continue };
        masked.push_str(&text[done..secret.start]);
        masked.push_str(MASK);
        done = secret.end;
    }
    (done > 0).then(|| masked + &text[done..])
}

fn offset(text: &str, part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masker() -> Masker {
        Masker::new(["hunter2-and-more".to_owned(), "short".to_owned(), "p@ss w/rd!".to_owned()])
    }

    #[test]
    fn known_values_vanish_in_every_form() {
        for (text, masked) in [
            ("got hunter2-and-more here", "got *** here"),
            ("https://x/?q=p%40ss%20w%2Frd%21&a", "https://x/?q=***&a"),
            ("lower p%40ss%20w%2frd%21", "lower ***"),
            ("a short word", "a short word"),
        ] {
            assert_eq!(masker().mask(text), masked);
        }
        // base64 of "x:hunter2-and-more:y"
        let shown = masker().mask("Basic-ish eDpodW50ZXIyLWFuZC1tb3JlOnk= end");
        assert!(!shown.contains("aHVudGVyMi1hbmQtbW9yZ") && shown.contains(MASK), "{shown}");
    }

    #[test]
    fn token_shapes_vanish() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
        for secret in [
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
            "xoxb-123456789012-abcdefABCDEF",
            "AKIAIOSFODNN7ABCDEFG",
            "sk-ant-api03-abcDEF123456789xyz",
            "sk-abcdEFGH1234567890abcd",
            "glpat-abcdEFGH1234567890ab",
            jwt,
            "q7Xk2Lp9Zt4Rw8Ym3Nv6Bs1Dj5Fh0Gc2",
        ] {
            let text = format!("before {secret} after");
            assert_eq!(masker().mask(&text), "before *** after", "{secret}");
        }
    }

    #[test]
    fn headers_urls_and_assignments_keep_their_names() {
        for (text, masked) in [
            ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic ***"),
            ("> authorization: Bearer abc.def.ghi", "> authorization: Bearer ***"),
            ("curl -H 'Authorization: token abcd1234'", "curl -H 'Authorization: token ***'"),
            ("https://bob:s3cr3t@example.org/x", "https://bob:***@example.org/x"),
            ("postgres://u:p4ss@db:5432/x", "postgres://u:***@db:5432/x"),
            ("DB_PASSWORD=correcthorse", "DB_PASSWORD=***"),
            ("DB_PASSWORD=correct_horse", "DB_PASSWORD=***"),
            ("password='hunter22'", "password='***'"),
            ("api_key: \"abcd1234efgh\"", "api_key: \"***\""),
            ("login --password hunter22 --user x", "login --password *** --user x"),
            ("{\"token\": \"abc123def456\"}", "{\"token\": \"***\"}"),
        ] {
            assert_eq!(masker().mask(text), masked);
        }
    }

    #[test]
    fn what_a_reader_needs_stays() {
        for text in [
            "commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "run 550e8400-e29b-41d4-a716-446655440000",
            "integrity sha512-Kq3QWZTGDxQpWZ0yZ3XkM0m0gqJm8vT9c7Yy2vE1sJ4T==",
            "/home/runner/work/Project1/project2/src/Module3/File4Name5.py:12",
            "test_parser_keeps_a_very_long_function_name_2_with_numbers_3",
            "TestParserKeepsAVeryLongCamelCaseName2WithNumbers3And4",
            "KeyError: 'token'",
            "SyntaxError: unexpected token: '}'",
            "    token = self.lexer.next_token()",
            "assert token == 'NUMBER'",
            "{'token': 'IDENTIFIER'} != {'token': 'STRING'}",
            "def login(user, password: str = None):",
            "    self.password = args.password",
            "max_tokens=4096, tokens: 512",
            "ValueError: password: required",
            "  secret_name = get_secret(name)",
            "_ZN4core9panicking5panic17h0123456789abcdefE",
            "PWD=/home/runner/work",
            "the bearer of authentication-details-here",
            "    password = self._decode_base64(arg)",
            "connect(password=KEY_PASSWORD, secret=GetSecretCallable())",
            "needs = Reason(secret=\"needs_secret\")",
            "file____C__DOCUMENTS_20AND_20SETTINGS_LOCAL_20SETTINGS_TEMP_nsmail",
        ] {
            assert_eq!(masker().mask(text), text);
        }
    }

    #[test]
    fn a_private_key_vanishes_over_its_lines() {
        let text = "a\n2026-04-22T16:09:37.33Z -----BEGIN RSA PRIVATE KEY-----\n2026-04-22T16:09:37.33Z MIIEow==\nQUJD\n-----END RSA PRIVATE KEY-----\nb\n";
        assert_eq!(masker().mask(text), "a\n2026-04-22T16:09:37.33Z ***\n***\n***\n***\nb\n");
        let json = r#"{"key": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n", "x": 1}"#;
        assert_eq!(masker().mask(json), r#"{"key": "***\n", "x": 1}"#);
        let talk = "assert '-----BEGIN PRIVATE KEY-----' in text\nFAILED (failures=1)\n";
        assert!(masker().mask(talk).ends_with("\nFAILED (failures=1)\n"));
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        let masked = masker().mask_bytes(b"\xff\xfe hunter2-and-more \xff\r\nnext");
        assert_eq!(masked, b"\xff\xfe *** \xff\r\nnext");
    }

    #[test]
    fn a_patch_is_judged_by_shapes_alone() {
        let text = "token = 'ghp_16C7e42F292c6912E7710c838347Ae178B4a'\npassword = 'changeme'\nAPI_KEY = \"q7Xk2Lp9Zt4Rw8Ym3Nv6\"\n\
                    -----BEGIN EC PRIVATE KEY-----\nsha = '2fd4e1c67a2d28fced849ee1bb76e7391b93eb12'\naws = 'AKIAIOSFODNN7EXAMPLE'\n";
        let found: Vec<_> = find_secrets(text, Literals::Quoted);
        assert_eq!(found, [(0, "github-token"), (0, "assignment"), (2, "assignment"), (3, "private-key")]);
    }

    proptest! {
        #[test]
        fn masking_never_panics_and_keeps_the_lines(text in "(?s).{0,200}") {
            let masked = masker().mask(&text);
            prop_assert_eq!(masked.matches('\n').count(), text.matches('\n').count());
            let _ = masker().mask_bytes(text.as_bytes());
        }

        #[test]
        fn a_known_value_never_survives(head in "[ -~\n]{0,40}", tail in "[ -~\n]{0,40}") {
            let text = format!("{head}hunter2-and-more{tail}");
            prop_assert!(!masker().mask(&text).contains("hunter2-and-more"));
        }
    }
}
