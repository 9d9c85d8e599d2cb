//! Secrets, and characters that make text look like something it is not, in added lines.
use crate::evidence::mask::Literals;
use crate::evidence::mask::find_secrets;
use crate::evidence::text::MAX_LINE_CHARS;
use crate::guard::diff::ChangeKind;
use crate::guard::findings::Findings;
use crate::guard::lang::Lang;
use crate::guard::scene::Scene;
use crate::guard::view::FileView;
use unicode_normalization::UnicodeNormalization;

pub(crate) fn check(scene: &Scene<'_>, file: &FileView<'_>, findings: &mut Findings) {
    let literals = if file.lang.holds_commands() { Literals::Bare } else { Literals::Quoted };
    for line in file.added() {
        if let Some((_, name)) = find_secrets(line.raw, literals).first() {
            let reason =
                format!("adds what looks like a secret ({name}); it belongs into the environment, never into the tree");
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
            &format!("key = sk-{}", "abcdefghijk1mnopqrstuv"),
            &pem,
            &format!("h = 'eyJ{}.eyJ{}.{}'", "hbGciOiJIUzI1", "zdWIiOiIxMjM0", "SflKxwRJSMeKKF2QT4"),
            "db_password = \"q8Zr!2kLw09xVbT7\"",
            "API_KEY: 'f3a91c7be04d5582aa6e'",
            "password = 'k3nsh9Qz!vB2'",
            "password: q8Zr!2kLw09xVbT7",
            "API_KEY=f3a91c7be04d5582aa6e",
            "url = 'postgres://admin:hunter22@db.example.org/x'",
        ] {
            assert!(!find_secrets(line, Literals::Bare).is_empty(), "{line}");
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
            assert_eq!(find_secrets(line, Literals::Bare), [], "{line}");
        }
    }
}
