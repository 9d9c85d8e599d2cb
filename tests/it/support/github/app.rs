//! A GitHub App: it proves who it is with its key, and is given a token for an hour.
use crate::support::github::routes::told;
use crate::support::github::{Fake, State};
use axum::response::Response;
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};

impl Fake {
    /// Returns the private key of a new App, whose installation in all repositories is number 77.
    pub(crate) fn app_key(&self) -> String {
        let private = openssl(&["genrsa", "2048"], "");
        self.state().app_key = Some(openssl(&["rsa", "-pubout"], &private));
        private
    }
}

/// Whether a token was made with the App's key, by the App, and is young.
pub(super) fn is_app(state: &State, token: &str) -> bool {
    let Some(key) = &state.app_key else { return false };
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_issuer(&["4711"]);
    rules.set_required_spec_claims(&["iss", "exp"]);
    rules.validate_exp = false;
    let claims = jsonwebtoken::decode::<Value>(token, &DecodingKey::from_rsa_pem(key.as_bytes()).unwrap(), &rules);
    claims.is_ok_and(|it| {
        let at = |name: &str| it.claims[name].as_i64().unwrap();
        let now = state.clock().as_second();
        (now..=now + 600).contains(&at("exp")) && at("iat") <= now
    })
}

/// Gives the App a token.
pub(super) fn new_token(state: &mut State) -> Response {
    let token = format!("ghs_{:036}", state.new_id());
    state.app_tokens.push(token.clone());
    let until = state.clock() + SignedDuration::from_secs(state.app_token_s);
    let until = until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    told(state, 201, &json!({ "token": token, "expires_at": until, "permissions": { "contents": "write" } }))
}

fn openssl(args: &[&str], input: &str) -> String {
    let mut command = Command::new("openssl");
    let child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}
