//! CI on a server: the addresses of its repositories, and what is done there, sent once.
use crate::backlog::remote::{Remote, answer};
use crate::backlog::{BacklogError, CiAct};
use reqwest::Url;
use serde::{Deserialize, Serialize};

/// Said when the answer to an act is lost.
const LOOK: &str = "look at the run before you do it again";

/// An act as it is sent; what is done stands in the address, and who does it in the token.
#[derive(Debug, Serialize)]
struct ActBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    environments: Vec<u64>,
}

#[derive(Debug, Deserialize)]
struct Done {
    message: String,
}

impl Remote {
    /// Returns the address of something of a watched repository.
    pub(super) fn ci_url(&self, repository: &str, segments: &[&str]) -> Result<Url, BacklogError> {
        let not_watched = || BacklogError::NotFound(format!("{repository} is not watched here"));
        // These would be taken for steps in the path; no repository has such a name.
        let is_step = |it: &str| matches!(it, "" | "." | "..");
        let (owner, name) = repository.split_once('/').ok_or_else(not_watched)?;
        if is_step(owner) || is_step(name) {
            return Err(not_watched());
        }
        let path: Vec<&str> = ["ci", "repositories", owner, name].into_iter().chain(segments.iter().copied()).collect();
        Ok(self.url(&path))
    }

    /// Sends an act, once.
    pub(super) async fn send_ci_act(&self, act: CiAct) -> Result<String, BacklogError> {
        let CiAct { repository, run, kind, environments, note } = act;
        let url = self.ci_url(&repository, &["runs", &run.to_string(), "actions", kind.as_str()])?;
        let answer = self.line.decide(url, &ActBody { note, environments }, LOOK).await?;
        // It was done, whatever the words about it are.
        let done = answer::value::<Done>(&answer.body);
        done.map(|it| it.message).map_err(|it| BacklogError::Unreachable(format!("it was done, but {it}; {LOOK}")))
    }
}
