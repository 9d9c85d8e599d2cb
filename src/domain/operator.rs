//! Operators: the people who may look and decide, and what each of them may do.
use crate::domain::ids::Digest;
use crate::domain::names::named;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use uuid::Uuid;

/// Who did what no person and no agent did; nobody may be called that.
const SYSTEM: &str = "system";
const MAX_NAME_CHARS: usize = 64;

named! {
    /// What an operator may do. Each may do what the ones before may.
    Role {
        /// Reads.
        Viewer = "viewer",
        /// Reads and decides.
        Operator = "operator",
        /// Also verifies and exports the audit.
        Admin = "admin",
    }
}

impl Role {
    /// Whether this role includes `other`.
    pub fn includes(self, other: Self) -> bool {
        self >= other
    }
}

/// One person (or script) with a name. Secrets are kept as digests only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operator {
    /// Tells two operators of the same name apart, one of whom was revoked.
    pub id: Uuid,
    pub name: String,
    pub role: Role,
    /// SHA-256 of the access token. A token is 256 random bits, so that no slow digest is needed.
    pub token_digest: Option<Digest>,
    /// The password as an Argon2id PHC string, where there is one.
    pub password_hash: Option<String>,
    pub created_at: Timestamp,
    /// Since when nothing of theirs is accepted any more.
    pub revoked_at: Option<Timestamp>,
}

impl Operator {
    /// Refuses what cannot be anybody's name; the error says what can.
    pub fn check_name(name: &str) -> Result<(), String> {
        if is_same_person(name, SYSTEM) {
            return Err(format!("{name:?} is what the program calls itself; choose another name"));
        }
        let is_fine = name.chars().count() <= MAX_NAME_CHARS
            && name.starts_with(|it: char| it.is_alphanumeric() || it == '_')
            && !name.ends_with(' ')
            && !name.contains("  ")
            && name.chars().all(|it| it.is_alphanumeric() || "._-@ +".contains(it))
            // No other way to write what looks the same, such as full-width letters.
            && name.nfkc().eq(name.chars());
        if is_fine {
            return Ok(());
        }
        let begin: String = name.chars().take(MAX_NAME_CHARS).collect();
        Err(format!(
            "{begin:?} cannot be a name: take 1 to {MAX_NAME_CHARS} letters, digits, . _ - @ + and single blanks, beginning with a letter, digit or _"
        ))
    }
}

/// Whether two names are one person's: as at the forge, `Ann` and `ann` are. A name is shown as it was given, and compared in no other way: one
/// person could give both keys.
pub fn is_same_person(one: &str, other: &str) -> bool {
    folded(one) == folded(other)
}

/// Returns what a name is compared by: without case, and without the other forms that Unicode has of a letter.
fn folded(name: &str) -> String {
    // Up and down again, because some letters have two small forms.
    let letters = name.trim().nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    letters.nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_one_person_however_the_name_is_written() {
        for (one, other) in [
            ("ann", "Ann"),
            ("ann", "ANN "),
            ("ann", "\u{ff21}\u{ff4e}\u{ff4e}"),
            ("kim", "\u{212a}im"),
            ("system", "\u{17f}ystem"),
            ("J\u{f6}rg", "j\u{d6}RG"),
            ("\u{3c3}\u{3af}\u{3c3}\u{3c5}\u{3c6}\u{3bf}\u{3c2}", "\u{3a3}\u{38a}\u{3a3}\u{3a5}\u{3a6}\u{39f}\u{3a3}"),
        ] {
            assert!(is_same_person(one, other), "{one} {other}");
        }
        for (one, other) in [("ann", "anne"), ("ann", "an n"), ("ann.lee", "ann-lee"), ("J\u{f6}rg", "Jorg")] {
            assert!(!is_same_person(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_name_is_one_that_can_be_read_and_typed() {
        for fine in ["ann", "Ann Lee", "_www", "ann.lee+ci@example.org", "Jörg", "7", "systems"] {
            assert_eq!(Operator::check_name(fine), Ok(()), "{fine}");
        }
        let long = "a".repeat(65);
        for odd in [
            "",
            " ",
            "-x",
            "--role",
            ".",
            "..",
            "@",
            " ann",
            "ann ",
            "a  b",
            "a:b",
            "a/b",
            "a\nb",
            "\u{1b}[31m",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\0",
            "\u{ff21}nn",
            "\u{1d44e}nn",
            &long,
        ] {
            let why = Operator::check_name(odd).unwrap_err();
            assert!(why.contains("letters, digits") && !why.contains(char::is_control) && why.len() < 400, "{why}");
        }
        assert!(Operator::check_name(&"é".repeat(64)).is_ok());
        for reserved in ["system", "System", "\u{17f}ystem"] {
            assert!(Operator::check_name(reserved).unwrap_err().contains("choose another"));
        }
    }
}
