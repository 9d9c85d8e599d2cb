//! Who asks: the owner of a token, which is used and never shown, or an App.
use crate::forge::github::Github;
use crate::forge::github::app::AppKey;
use crate::forge::{ForgeError, TokenKind};
use std::fmt;

/// Who asks.
#[derive(Debug, Clone)]
pub enum Credential {
    None,
    Token(Token),
    App(AppKey),
}

/// A token of GitHub.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes a token; one with blanks or anything but plain letters in it is none.
    pub fn new(text: &str) -> Result<Self, ForgeError> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|it| it.is_ascii_graphic()) {
            return Err(ForgeError::Unauthorised(
                "the token of GitHub has characters in it that no token has".to_owned(),
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the token itself, for the one place that sends it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns what kind it is, as its first letters say; `is_of_workflow`: this process is a job of a workflow.
    pub(super) fn kind(&self, is_of_workflow: bool) -> TokenKind {
        let is_old = self.0.len() == 40 && self.0.bytes().all(|it| it.is_ascii_hexdigit());
        match self.0.split_once('_').map(|(kind, _)| kind) {
            Some("ghp") => TokenKind::Classic,
            Some("github") if self.0.starts_with("github_pat_") => TokenKind::FineGrained,
            Some("gho") => TokenKind::OAuth,
            Some("ghu") => TokenKind::AppUser,
            Some("ghs") if is_of_workflow => TokenKind::Actions,
            Some("ghs") => TokenKind::Installation,
            None if is_old => TokenKind::Classic,
            _ => TokenKind::Unknown,
        }
    }
}

impl Github {
    /// Returns the token to ask with; that of an App is renewed in time.
    pub(super) async fn token(&self) -> Result<Option<Token>, ForgeError> {
        match &self.credential {
            Credential::None => Ok(None),
            Credential::Token(token) => Ok(Some(token.clone())),
            Credential::App(app) => self.token_of(app).await.map(Some),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_first_letters_say_what_a_token_is() {
        for (text, kind) in [
            ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", TokenKind::Classic),
            ("0123456789abcdef0123456789abcdef01234567", TokenKind::Classic),
            ("github_pat_11AAAAAAA0abcdefghijkl_x", TokenKind::FineGrained),
            ("gho_16C7e42F292c6912E7710c838347Ae178B4a", TokenKind::OAuth),
            ("ghu_16C7e42F292c6912E7710c838347Ae178B4a", TokenKind::AppUser),
            ("ghs_16C7e42F292c6912E7710c838347Ae178B4a", TokenKind::Installation),
            ("something else".split(' ').next().unwrap(), TokenKind::Unknown),
        ] {
            let token = Token::new(text).unwrap();
            assert_eq!(token.kind(false), kind, "{text}");
            assert_eq!(format!("{token:?}"), "***");
        }
        let job = Token::new("ghs_16C7e42F292c6912E7710c838347Ae178B4a\n").unwrap();
        assert_eq!(job.kind(true), TokenKind::Actions);
        for text in ["", "  ", "a b", "a\nb", "tökén"] {
            assert!(Token::new(text).is_err(), "{text:?}");
        }
    }
}
