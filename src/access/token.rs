//! Operators' access tokens: `pmd_` and 256 random bits. Shown once, stored as a digest.
use crate::domain::Digest;
use std::fmt;

const PREFIX: &str = "pmd_";
const RANDOM_BYTES: usize = 32;

/// An access token in clear. It has no `Debug` form that shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Returns a new token, or the error of the machine's source of randomness.
    pub fn random() -> Result<Self, String> {
        let mut bytes = [0_u8; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(|it| format!("this machine gives no random bytes: {it}"))?;
        Ok(Self(format!("{PREFIX}{}", hex::encode(bytes))))
    }

    /// Returns the text for its owner; whoever has it is them.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns what is stored of it.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

/// Returns the digest to look for, `None` for what is a ticket and no access token. Looking for a digest tells nothing by its time: nobody
/// gains by choosing tokens by the first digits of their SHA-256.
pub(super) fn digest_of(shown: &str) -> Option<Digest> {
    (!shown.contains('.')).then(|| Digest::of(shown))
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({PREFIX}…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_digest_and_shown_by_nothing_else() {
        let (one, two) = (Token::random().unwrap(), Token::random().unwrap());
        assert_ne!(one, two);
        assert_eq!(digest_of(one.reveal()), Some(one.digest()));
        assert!(!one.digest().as_str().contains(&one.reveal()[4..12]));
        assert_eq!(format!("{one:?}"), "Token(pmd_…)");
    }

    #[test]
    fn a_ticket_is_no_access_token() {
        assert_eq!(digest_of("eyJ.eyJ.sig"), None);
    }
}
