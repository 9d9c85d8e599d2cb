//! A GitHub App: it proves who it is with its key, and is given a token for an hour, which is renewed in time.
use crate::forge::ForgeError;
use crate::forge::github::auth::Token;
use crate::forge::github::path::of_repository;
use crate::forge::github::requests::said;
use crate::forge::github::transport::{Answer, Broken, Call};
use crate::forge::github::{Github, shapes};
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A token is renewed this long before it ends.
const RESERVE: SignedDuration = SignedDuration::from_mins(10);
/// How long a proof is valid; GitHub takes ten minutes at most.
const PROOF_S: i64 = 9 * 60;
/// A proof begins this long ago: clocks differ.
const LEEWAY_S: i64 = 60;

/// An App and its key.
#[derive(Clone)]
pub struct AppKey {
    id: u64,
    key: EncodingKey,
    installation: Option<u64>,
    /// A repository in which it is installed, for finding out the installation.
    repository: Option<String>,
}

/// What an App was given.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Held while a token is asked for.
    asking: tokio::sync::Mutex<()>,
    token: Mutex<Option<Minted>>,
}

#[derive(Debug, Clone)]
struct Minted {
    token: Token,
    until: Timestamp,
    permissions: BTreeMap<String, String>,
}

impl AppKey {
    /// Takes an App's key (PEM). Without the number of its installation that of a repository is asked for.
    pub fn new(id: u64, pem: &[u8], installation: Option<u64>, repository: Option<String>) -> Result<Self, ForgeError> {
        let odd = |_| ForgeError::Unauthorised("the key of the GitHub App is no RSA key in PEM".to_owned());
        Ok(Self { id, key: EncodingKey::from_rsa_pem(pem).map_err(odd)?, installation, repository })
    }

    /// Returns what proves at that time, as GitHub's clock has it, who the App is.
    fn proof(&self, now: Timestamp) -> Result<Token, ForgeError> {
        let now = now.as_second();
        let claims = json!({ "iss": self.id.to_string(), "iat": now - LEEWAY_S, "exp": now + PROOF_S });
        let proof = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key);
        Token::new(&proof.map_err(|_| ForgeError::Odd("the key of the GitHub App cannot sign".to_owned()))?)
    }
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppKey").field("id", &self.id).field("installation", &self.installation).finish_non_exhaustive()
    }
}

impl Given {
    /// Returns the token, if it is valid for a while.
    fn token(&self, now: Timestamp) -> Option<Token> {
        self.held().as_ref().filter(|it| it.until > now + RESERVE).map(|it| it.token.clone())
    }

    /// Forgets a token that GitHub does not take any more.
    pub(super) fn forget(&self, token: &Token) {
        self.held().take_if(|it| it.token == *token);
    }

    /// Returns a text without the token.
    pub(super) fn hide(&self, text: &str) -> String {
        self.held().as_ref().map_or_else(|| text.to_owned(), |it| text.replace(it.token.reveal(), "***"))
    }

    fn held(&self) -> MutexGuard<'_, Option<Minted>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Github {
    /// Returns an App's token, which is valid for some minutes more.
    pub(super) async fn token_of(&self, app: &AppKey) -> Result<Token, ForgeError> {
        let _turn = self.given.asking.lock().await;
        if let Some(token) = self.given.token(self.clock.now()) {
            return Ok(token);
        }
        let installation = match app.installation {
            Some(it) => it,
            None => self.installation(app).await?,
        };
        let path = format!("/app/installations/{installation}/access_tokens");
        let answer = self.prove(app, Method::POST, &path).await?;
        let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let odd = || ForgeError::Odd("GitHub gave the App no token".to_owned());
        let token = Token::new(document["token"].as_str().ok_or_else(odd)?)?;
        // What GitHub calls a time is a time of its own clock.
        let until: Timestamp = document["expires_at"].as_str().and_then(|it| it.parse().ok()).ok_or_else(odd)?;
        let until = until - self.skew();
        let permissions = document["permissions"].as_object().into_iter().flatten();
        let permissions = permissions.filter_map(|(name, it)| Some((name.clone(), it.as_str()?.to_owned()))).collect();
        *self.given.held() = Some(Minted { token: token.clone(), until, permissions });
        Ok(token)
    }

    /// Returns the name under which an App writes, and what it may do where it is installed.
    pub(super) async fn app_facts(
        &self,
        app: &AppKey,
    ) -> Result<(Option<String>, BTreeMap<String, String>), ForgeError> {
        self.token_of(app).await?;
        let answer = self.prove(app, Method::GET, "/app").await?;
        let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let login = shapes::line_if(&document, "/slug").map(|it| format!("{it}[bot]"));
        let permissions = self.given.held().as_ref().map(|it| it.permissions.clone());
        Ok((login, permissions.unwrap_or_default()))
    }

    /// Returns the number of the App's installation.
    async fn installation(&self, app: &AppKey) -> Result<u64, ForgeError> {
        let Some(repository) = &app.repository else {
            let text = "the installation of the GitHub App is not known: set `app_installation`";
            return Err(ForgeError::Unauthorised(text.to_owned()));
        };
        let answer = self.prove(app, Method::GET, &of_repository(repository, &["installation"])?).await?;
        let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        shapes::number(&document, "/id").ok_or_else(|| ForgeError::Odd("GitHub's installation has no id".to_owned()))
    }

    /// Asks in the name of the App itself. It is asked for its token even in safe mode: without one nothing could be read.
    async fn prove(&self, app: &AppKey, method: Method, path: &str) -> Result<Answer, ForgeError> {
        let skew = self.skew();
        let (mut proof, mut answer) = self.prove_at(app, method.clone(), path).await?;
        if answer.status == StatusCode::UNAUTHORIZED && self.skew() != skew {
            // Its first answer told how late it is there.
            (proof, answer) = self.prove_at(app, method.clone(), path).await?;
        }
        match answer.status {
            status if status.is_success() => Ok(answer),
            status if status.is_server_error() => {
                let why = format!("GitHub answered {} to the App", status.as_u16());
                Err(ForgeError::Later { until: self.pace.later(), why })
            }
            StatusCode::UNAUTHORIZED => {
                // Words of its own: GitHub's could hold the proof.
                let text = "GitHub does not take the App's key: it is another App's, or the clock is wrong";
                Err(ForgeError::Unauthorised(text.to_owned()))
            }
            StatusCode::NOT_FOUND => {
                let text = format!("the App is not installed there ({method} {path})");
                Err(ForgeError::NotFound(crate::evidence::text::clean_line(&text)))
            }
            status => {
                let words = said(&answer.body).unwrap_or_default().replace(proof.reveal(), "***");
                let message = format!("GitHub answered {} to the App: {words}", status.as_u16());
                Err(ForgeError::Refused {
                    status: status.as_u16(),
                    message: crate::evidence::text::clean_line(&message),
                })
            }
        }
    }

    /// Asks with a proof of this moment; returns the proof, too.
    async fn prove_at(&self, app: &AppKey, method: Method, path: &str) -> Result<(Token, Answer), ForgeError> {
        self.pace.admit()?;
        let proof = app.proof(self.clock.now() + self.skew())?;
        let call = Call { token: Some(&proof), is_login: true, ..Call::new(method, path) };
        let answer = self.transport.ask(call).await.map_err(|it| match it {
            Broken::TooLarge | Broken::NotAnAddress | Broken::SafeMode => ForgeError::Odd(it.to_string()),
            Broken::NoConnection | Broken::TooSlow | Broken::BrokeOff => ForgeError::Unanswered(it.to_string()),
        })?;
        self.pace.learn(&answer)?;
        Ok((proof, answer))
    }

    /// Returns how far GitHub's clock is ahead.
    fn skew(&self) -> SignedDuration {
        // A clock that is years away is no clock.
        const MAX_S: i64 = 7 * 24 * 60 * 60;
        SignedDuration::from_secs(self.pace.skew_s().unwrap_or(0).clamp(-MAX_S, MAX_S))
    }
}
