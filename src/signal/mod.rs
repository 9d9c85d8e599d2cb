//! Signals: what a CI system says of a failure, mapped from each sender's own words. Pure: bytes in, a [`Signal`] or a reason out.
mod form;
mod github;
mod gitlab;
mod jenkins;
mod json;
pub mod normalised;
pub mod signature;

use crate::domain::Digest;
use crate::domain::Provider;
use serde_json::Value;
use std::borrow::Cow;

/// Largest body of the normalised payload, and of Jenkins.
pub const MAX_BYTES: usize = 1 << 20;
/// Largest body of a delivery of GitHub or GitLab, as GitHub documents it.
pub const MAX_DELIVERY_BYTES: usize = 25 << 20;

pub const GITHUB_EVENT: &str = "x-github-event";
pub const GITHUB_DELIVERY: &str = "x-github-delivery";
pub const GITLAB_EVENT: &str = "x-gitlab-event";
pub const GITLAB_KEY: &str = "idempotency-key";
pub const GITLAB_UUID: &str = "x-gitlab-event-uuid";

/// Branches that an approve makes: their red builds never start another heal.
const OWN_BRANCHES: &str = "heal/";

/// A failure as its sender reports it. Everything in it is foreign text, bounded but not yet cleaned or masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    pub provider: Provider,
    /// owner/name.
    pub repository: String,
    pub branch: String,
    pub commit_sha: String,
    pub pipeline_url: Option<String>,
    /// Name of the workflow, pipeline or job that failed.
    pub workflow: Option<String>,
    pub error_type: Option<String>,
    /// The log or the words that came with it.
    pub error_log: String,
    /// The red build in its sender's own terms (`github run 17`), where no log came that could tell one failure from another.
    /// Everything a sender delivers about one build names the same, so that one build becomes one run.
    pub build: Option<String>,
}

impl Signal {
    /// Whether it is about a run of a workflow of GitHub, which can be read there.
    pub fn is_workflow_run(&self) -> bool {
        let is_told = self.build.as_deref().is_some_and(|it| it.starts_with(github::OF_RUN));
        self.provider == Provider::Github && (is_told || self.is_at_a_run())
    }

    /// Whether its page is that of a run of its repository: `…/owner/name/actions/runs/17`.
    fn is_at_a_run(&self) -> bool {
        let page = self.pipeline_url.as_deref().and_then(|it| it.split_once("/actions/runs/"));
        let is_run = |(place, run): (&str, &str)| {
            let place = place.to_lowercase();
            place.ends_with(&format!("/{}", self.repository.to_lowercase()))
                && run.starts_with(|it: char| it.is_ascii_digit())
        };
        page.is_some_and(is_run)
    }
}

/// What a delivery comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    Failure(Box<Signal>),
    /// Nothing for us, and why.
    Ignored(String),
}

/// Why a payload cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SignalError {
    /// The field at fault, in the sender's own notation, where one is.
    pub field: Option<String>,
    pub message: String,
}

impl SignalError {
    fn whole(message: impl Into<String>) -> Self {
        Self { field: None, message: message.into() }
    }

    fn field(name: &str, message: impl Into<String>) -> Self {
        Self { field: Some(name.to_owned()), message: message.into() }
    }
}

/// What the head of a request, or the command line, tells of a payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// `X-GitHub-Event`.
    pub github_event: Option<String>,
    /// `X-GitHub-Delivery`.
    pub github_delivery: Option<String>,
    /// `X-Gitlab-Event`.
    pub gitlab_event: Option<String>,
    /// `Idempotency-Key` of GitLab, the same for each retry.
    pub gitlab_key: Option<String>,
    /// `X-Gitlab-Event-UUID`.
    pub gitlab_uuid: Option<String>,
    /// Whether the payload is the field `payload` of a form.
    pub is_form: bool,
}

impl Head {
    /// Returns the headers that say the same, for who sends a payload on.
    pub fn headers(&self) -> Vec<(&'static str, &str)> {
        let values = [
            (GITHUB_EVENT, &self.github_event),
            (GITHUB_DELIVERY, &self.github_delivery),
            (GITLAB_EVENT, &self.gitlab_event),
            (GITLAB_KEY, &self.gitlab_key),
            (GITLAB_UUID, &self.gitlab_uuid),
        ];
        values.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }

    /// Returns how large the body may be.
    pub fn max_bytes(&self) -> usize {
        if self.github_event.is_some() || self.gitlab_event.is_some() { MAX_DELIVERY_BYTES } else { MAX_BYTES }
    }

    /// Whether GitLab sends it, which names its secret instead of signing.
    pub fn is_gitlab(&self) -> bool {
        self.github_event.is_none() && self.gitlab_event.is_some()
    }

    /// Returns the sender's name for this delivery, made safe to store. GitLab's event id is shared by events that follow from each other,
    /// so the body counts too.
    pub fn delivery(&self, body: &[u8]) -> Option<String> {
        if let Some(id) = &self.github_delivery {
            return Some(format!("github:{}", plain_id(id)));
        }
        if !self.is_gitlab() {
            return None;
        }
        if let Some(key) = &self.gitlab_key {
            return Some(format!("gitlab:{}", plain_id(key)));
        }
        self.gitlab_uuid.as_ref().map(|id| format!("gitlab:{}:{}", plain_id(id), Digest::of(body).short()))
    }
}

fn plain_id(id: &str) -> String {
    let is_plain =
        (1..=100).contains(&id.len()) && id.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it));
    if is_plain { id.to_owned() } else { Digest::of(id).to_string() }
}

/// Reads a payload in its sender's own words: GitHub and GitLab say who they are, Jenkins is known by its shape, everything else is the normalised payload.
pub fn read(head: &Head, body: &[u8]) -> Result<Delivery, SignalError> {
    let body = if head.is_form { Cow::Owned(form::payload(body)?) } else { Cow::Borrowed(body) };
    let delivery = match (&head.github_event, &head.gitlab_event) {
        (Some(event), _) => github::read(event, &body)?,
        (None, Some(event)) => gitlab::read(event, &body)?,
        (None, None) => {
            let payload = json::object(&body)?;
            if jenkins::is_from_jenkins(&payload) { jenkins::read(&payload) } else { normalised::read(payload)? }
        }
    };
    Ok(match delivery {
        Delivery::Failure(signal) if signal.branch.starts_with(OWN_BRANCHES) => Delivery::Ignored(format!(
            "{OWN_BRANCHES} branches are made by an approve; a red build there does not start another heal"
        )),
        Delivery::Failure(mut signal) => {
            signal.error_log.truncate(signal.error_log.floor_char_boundary(MAX_BYTES));
            Delivery::Failure(signal)
        }
        ignored @ Delivery::Ignored(_) => ignored,
    })
}

/// Returns the repository that a delivery of GitHub is about, whatever it says of it.
pub fn github_repository(head: &Head, body: &[u8]) -> Option<String> {
    head.github_event.as_ref()?;
    let body = if head.is_form { Cow::Owned(form::payload(body).ok()?) } else { Cow::Borrowed(body) };
    let payload = json::object(&body).ok()?;
    text(&payload.get("repository")?["full_name"], normalised::MAX_REPOSITORY_CHARS).map(str::to_owned)
}

fn ignored(reason: impl Into<String>) -> Delivery {
    Delivery::Ignored(reason.into())
}

/// Returns a text that is there, is not blank, and has at most `max_chars` characters.
fn text(value: &Value, max_chars: usize) -> Option<&str> {
    value.as_str().map(str::trim).filter(|it| !it.is_empty() && it.chars().count() <= max_chars)
}

/// Returns the beginning of a text as one line, for a sentence about it.
fn words(value: &Value, max_chars: usize) -> Option<String> {
    let words = value.as_str()?.split_whitespace().collect::<Vec<_>>().join(" ");
    (!words.is_empty()).then(|| words.chars().take(max_chars).collect())
}

/// Whether there is nothing in a text that could be read.
fn is_blank(text: &str) -> bool {
    text.chars().all(|it| it.is_whitespace() || it.is_control())
}

/// Whether a text can name a commit: never an option of git, never a range.
fn is_commit(text: &str) -> bool {
    let is_part = |it: u8| it.is_ascii_alphanumeric() || b"._/-".contains(&it);
    (1..=normalised::MAX_COMMIT_CHARS).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.bytes().all(is_part)
        && !text.contains("..")
}

fn commit(value: &Value) -> Option<&str> {
    value.as_str().filter(|it| is_commit(it))
}

/// Whether a text is an http or https address with a host.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let has_host = rest.is_some_and(|it| !it.is_empty() && !it.starts_with(['/', '?', '#']));
    has_host
        && text.chars().count() <= normalised::MAX_URL_CHARS
        && !text.chars().any(|it| it.is_whitespace() || it.is_control())
}

fn url(value: &Value) -> Option<String> {
    value.as_str().filter(|it| is_url(it)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_named_by_its_sender() {
        let text = |it: &str| Some(it.to_owned());
        let github = Head { github_event: text("ping"), github_delivery: text("72d3162e-cc78"), ..Head::default() };
        assert_eq!(github.delivery(b"x").as_deref(), Some("github:72d3162e-cc78"));
        let odd = Head { github_delivery: text("\u{1b}[31m"), ..github.clone() };
        assert!(odd.delivery(b"x").is_some_and(|it| it.len() == "github:".len() + 64));
        let gitlab = Head { gitlab_event: text("Pipeline Hook"), gitlab_uuid: text("u-1"), ..Head::default() };
        assert_ne!(gitlab.delivery(b"one"), gitlab.delivery(b"two"));
        assert_eq!(gitlab.delivery(b"one"), gitlab.delivery(b"one"));
        let retried = Head { gitlab_key: text("k-1"), ..gitlab };
        assert_eq!(retried.delivery(b"one"), retried.delivery(b"two"));
        assert_eq!(Head::default().delivery(b"x"), None);
        assert_eq!((github.max_bytes(), Head::default().max_bytes()), (25 << 20, 1 << 20));
    }

    #[test]
    fn the_repository_of_a_delivery_is_known_whatever_it_says() {
        let head = Head { github_event: Some("check_suite".to_owned()), ..Head::default() };
        let of = |head: &Head, body: &str| github_repository(head, body.as_bytes());
        assert_eq!(of(&head, r#"{"repository":{"full_name":"acme/shop"}}"#).as_deref(), Some("acme/shop"));
        for odd in ["", "[]", "{}", r#"{"repository":7}"#, r#"{"repository":{"full_name":7}}"#] {
            assert_eq!(of(&head, odd), None, "{odd}");
        }
        assert_eq!(of(&Head::default(), r#"{"repository":{"full_name":"acme/shop"}}"#), None);
        let run = include_str!("../../tests/it/deliveries/github_workflow_run.json");
        let mut run: Value = serde_json::from_str(run).unwrap();
        run["workflow_run"]["conclusion"] = "failure".into();
        let head = Head { github_event: Some("workflow_run".to_owned()), ..Head::default() };
        let run = read(&head, run.to_string().as_bytes());
        assert!(matches!(run, Ok(Delivery::Failure(it)) if it.is_workflow_run()));
    }

    #[test]
    fn a_log_is_cut_where_it_is_too_long_to_keep() {
        let mut check: Value =
            serde_json::from_str(include_str!("../../tests/it/deliveries/github_check_run.json")).unwrap();
        check["check_run"]["output"]["text"] = "ü".repeat(MAX_BYTES).into();
        let head = Head { github_event: Some("check_run".to_owned()), ..Head::default() };
        let Ok(Delivery::Failure(signal)) = read(&head, check.to_string().as_bytes()) else { panic!("no failure") };
        assert!((MAX_BYTES - 1..=MAX_BYTES).contains(&signal.error_log.len()));
    }

    #[test]
    fn a_commit_is_never_an_option_or_a_range() {
        for fine in ["abc123", "c6d86dc654b12425e706bcf951adfe5a8627a517", "v1.2", "refs/heads/x"] {
            assert!(is_commit(fine), "{fine}");
        }
        for odd in ["", "-x", "--upload-pack=x", "a..b", "a b", "a\n", "@{1}", "ü"] {
            assert!(!is_commit(odd), "{odd}");
        }
    }

    #[test]
    fn an_own_branch_never_starts_a_heal() {
        let body =
            r#"{"provider":"generic","repository":"a/b","branch":"heal/1-2","commitSha":"abc","errorLog":"boom"}"#;
        assert!(matches!(read(&Head::default(), body.as_bytes()), Ok(Delivery::Ignored(why)) if why.contains("heal/")));
    }
}
