//! Secrets, and characters that make text look like something it is not, in added lines.
use crate::evidence::text::MAX_LINE_CHARS;
use crate::guard::diff::ChangeKind;
use crate::guard::findings::Findings;
use crate::guard::lang::Lang;
use crate::guard::scene::Scene;
use crate::guard::scene::pattern;
use crate::guard::view::FileView;
use regex::Regex;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;

/// Longest line that is searched for assigned secrets; minified bundles hold no assignments worth reading.
const MAX_LINE_BYTES: usize = 100_000;
/// Bits per character from which a quoted value looks random.
const MIN_ENTROPY: f64 = 3.5;

static SHAPES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let shapes = [
        (r"\bgh[pousr]_[A-Za-z0-9]{30,}", "a GitHub token"),
        (r"\bgithub_pat_[A-Za-z0-9_]{30,}", "a GitHub token"),
        (r"\bglpat-[A-Za-z0-9_-]{16,}", "a GitLab token"),
        (r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", "an AWS key"),
        (r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}", "a Slack token"),
        (r"\bxapp-\d-[A-Za-z0-9-]{10,}", "a Slack token"),
        (r"hooks\.slack\.com/services/[A-Za-z0-9/]{20,}", "a Slack webhook"),
        (r"\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{20,}", "an API key"),
        (r"\b[sr]k_live_[A-Za-z0-9]{16,}", "a Stripe key"),
        (r"\bAIza[A-Za-z0-9_-]{35}", "a Google key"),
        (r"\bnpm_[A-Za-z0-9]{36}", "an npm token"),
        (r"\bpypi-[A-Za-z0-9_-]{50,}", "a PyPI token"),
        (r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY", "a private key"),
        (r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}", "a signed token (JWT)"),
        (r"[a-z][a-z0-9+.-]*://[^\s/:@'\x22]+:[^\s/@'\x22${}<*]{6,}@[\w.-]+", "a password in a URL"),
    ];
    shapes.into_iter().map(|(text, name)| (pattern(text), name)).collect()
});
static ASSIGNED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)(?:secret|token|passwd|password|api[_-]?key|private[_-]?key|access[_-]?key|auth[_-]?key|credential)[\w-]*["']?\s*(?::=|=>|[:=])\s*["']([^"'\s]{16,200})["']"#,
    )
});
/// The same where values stand without quotes.
static ASSIGNED_PLAIN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)(?:secret|token|passwd|password|api[_-]?key|private[_-]?key|access[_-]?key|auth[_-]?key|credential)[\w-]*\s*[:=]\s*([^"'\s]{16,200})\s*$"#,
    )
});
/// What people choose is shorter than what machines make.
static PASSWORD: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?i)(?:passwd|password|passphrase)["']?\s*(?::=|=>|[:=])\s*["']([^"'\s]{8,15})["']"#));
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)example|placeholder|changeme|your[_-]|dummy|fake|xxxx|\*\*\*|<|\$\{|\{\{|%\(|^(?:/|\./|https?:)")
});

pub(crate) fn check(scene: &Scene<'_>, file: &FileView<'_>, findings: &mut Findings) {
    for line in file.added() {
        if let Some(name) = secret_in(line.raw, file.lang) {
            let reason =
                format!("adds what looks like {name}; secrets belong into the environment, never into the tree");
            findings.violation(file.path, Some(line.number), "secret", reason);
        }
        let is_reviewed = !scene.context.policy.is_uncounted(file.path);
        if is_reviewed && line.raw.len() > MAX_LINE_CHARS && line.raw.chars().count() > MAX_LINE_CHARS {
            let reason =
                format!("adds a line of more than {MAX_LINE_CHARS} characters, whose end nobody would see; break it");
            findings.violation(file.path, Some(line.number), "hidden-text", reason);
        }
        if file.lang == Lang::Python && line.code.chars().any(is_read_as_another) {
            let reason = "adds a character that Python reads as a plain letter; write the letter";
            findings.violation(file.path, Some(line.number), "hidden-text", reason);
        }
        if line.raw.chars().any(is_hidden) {
            let reason = "adds characters that cannot be seen or that reorder text; write them as escapes";
            findings.violation(file.path, Some(line.number), "hidden-text", reason);
        }
    }
    let name = file.path.rsplit('/').next().unwrap_or_default().to_lowercase();
    let is_key_file = name.starts_with("id_rsa") || name.starts_with("id_ed25519") || name.starts_with("id_ecdsa");
    let is_key_store = [".p12", ".pfx", ".jks", ".keystore"].iter().any(|it| name.ends_with(it));
    if file.change.kind != ChangeKind::Deleted && (is_key_file || is_key_store) && !name.contains(".pub") {
        findings.violation(file.path, None, "secret", "adds or changes a file that holds keys");
    }
}

/// Returns what the first secret of a line looks like.
fn secret_in(line: &str, lang: Lang) -> Option<&'static str> {
    if let Some((_, name)) = SHAPES.iter().find(|(shape, _)| shape.is_match(line)) {
        return Some(name);
    }
    let line = line.get(..MAX_LINE_BYTES).unwrap_or(line);
    let is_random = |value: &str| {
        let has = |is: fn(&char) -> bool| value.chars().any(|it| is(&it));
        has(char::is_ascii_digit)
            && has(char::is_ascii_alphabetic)
            && entropy(value) >= MIN_ENTROPY
            && !PLACEHOLDER.is_match(value)
    };
    let plain = lang.holds_commands().then_some(&*ASSIGNED_PLAIN);
    let mut assigned = ASSIGNED.captures_iter(line).chain(plain.into_iter().flat_map(|it| it.captures_iter(line)));
    let is_secret = assigned.any(|it| is_random(&it[1]))
        || PASSWORD.captures_iter(line).any(|it| is_mixed(&it[1]) && !PLACEHOLDER.is_match(&it[1]));
    is_secret.then_some("a secret value")
}

/// Whether a value mixes kinds of characters as a password does, and does not speak of passwords itself.
fn is_mixed(value: &str) -> bool {
    let kinds: [fn(char) -> bool; 4] = [
        |it| it.is_ascii_lowercase(),
        |it| it.is_ascii_uppercase(),
        |it| it.is_ascii_digit(),
        |it| it.is_ascii_punctuation() && !"_-./:".contains(it),
    ];
    let n_kinds = kinds.iter().filter(|is| value.contains(**is)).count();
    n_kinds >= 3 && !value.to_lowercase().contains("pass")
}

/// Shannon entropy in bits per character.
fn entropy(text: &str) -> f64 {
    let mut counts = std::collections::BTreeMap::new();
    let mut n_chars = 0_u32;
    for ch in text.chars() {
        *counts.entry(ch).or_insert(0_u32) += 1;
        n_chars += 1;
    }
    let share = |count: u32| f64::from(count) / f64::from(n_chars);
    counts.values().map(|it| -share(*it) * share(*it).log2()).sum()
}

/// Bidirectional marks, zero-width characters and controls; joiners and variation selectors of emoji are left alone.
fn is_hidden(ch: char) -> bool {
    let is_layout = matches!(ch, '\t' | '\r' | '\u{c}');
    (ch.is_control() && !is_layout)
        || matches!(u32::from(ch), 0xAD | 0x61C | 0x180E | 0x200B | 0x200E..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xE0000..=0xE007F)
}

/// Python takes a letter in another style (`ℯ`, `ｅ`) for the letter itself.
fn is_read_as_another(ch: char) -> bool {
    ch.is_alphabetic() && !ch.is_ascii() && ch.nfkc().all(|it| it.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_their_shape() {
        let pem = format!("-----BEGIN {} PRIVATE KEY-----", "RSA");
        for line in [
            &format!("token = 'ghp_{}'", "a1B2".repeat(9)),
            &format!("x: github_pat_{}", "a1B2_".repeat(9)),
            &format!("AWS={}{}", "AKIA", "ABCDEFGHIJ234567"),
            &format!("'xoxb-{}'", "1234567890-abcdef"),
            &format!("key = sk-{}", "abcdefghijklmnopqrstuv"),
            &pem,
            &format!("h = 'eyJ{}.eyJ{}.{}'", "hbGciOiJIUzI1", "zdWIiOiIxMjM0", "SflKxwRJSMeKKF2QT4"),
            "db_password = \"q8Zr!2kLw09xVbT7\"",
            "API_KEY: 'f3a91c7be04d5582aa6e'",
            "password = 'k3nsh9Qz!vB2'",
            "password: q8Zr!2kLw09xVbT7",
            "API_KEY=f3a91c7be04d5582aa6e",
            "url = 'postgres://admin:hunter22@db.example.org/x'",
        ] {
            assert!(secret_in(line, Lang::Yaml).is_some(), "{line}");
        }
        for line in [
            "token = os.environ['GITHUB_TOKEN']",
            "password = 'changeme-please-0000'",
            "password = 'Passw0rd!'",
            "password_hasher = 'argon2id'",
            "password: ${DB_PASSWORD_2024_PROD}",
            "token: needs.build.outputs.token",
            "secret_name = 'projects/my-service/secret'",
            "token_pattern = r'[a-z]{4}'",
            "class=\"sk-circle sk-fading\"",
            "\"integrity\": \"sha512-q8Zr2kLw09xVbT7q8Zr2kLw09xVbT7==\"",
            "password: ${{ secrets.DB_PASSWORD_2024 }}",
            "url = 'https://example.org/a:b@c'",
            "def get_token(self, api_key=None):",
        ] {
            assert_eq!(secret_in(line, Lang::Yaml), None, "{line}");
        }
    }
}
