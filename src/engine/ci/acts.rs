//! What a person does at the CI system: run failed jobs again, cancel a run, answer a deployment that waits. A fact before the call and one after.
use crate::domain::names::named;
use crate::domain::{Deployment, EventType, NewEvent, Picture, RunId};
use crate::engine::Engine;
use crate::engine::ci::{CiError, PICTURE, read};
use crate::evidence::text::is_blank;
use crate::forge::{ForgeError, Writes};
use crate::store::StoreError;
use serde_json::{Value, json};

const MAX_NOTE_CHARS: usize = 2_000;

named! {
    /// What may be done with a workflow run.
    CiActKind {
        /// Run its failed jobs again.
        Rerun = "rerun",
        Cancel = "cancel",
        ApproveDeployment = "approve-deployment",
        RejectDeployment = "reject-deployment",
    }
}

/// One act of one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CiAct {
    pub repository: String,
    /// The workflow run.
    pub run: u64,
    pub kind: CiActKind,
    /// The environments whose deployments are answered; none named: all that wait and may be answered.
    pub environments: Vec<u64>,
    pub note: Option<String>,
}

impl CiActKind {
    const fn event(self) -> EventType {
        match self {
            Self::Rerun => EventType::CiRerun,
            Self::Cancel => EventType::CiCancelled,
            Self::ApproveDeployment => EventType::CiApproved,
            Self::RejectDeployment => EventType::CiRefused,
        }
    }
}

impl Engine {
    /// Does something at the forge that `by` asked for. Returns what was done, in words.
    pub async fn ci_act(&self, act: &CiAct, by: &str) -> Result<String, CiError> {
        let (repository, _) = self.ci_reads(&act.repository)?;
        let writes = self.forge.writes.as_deref();
        let writes = writes.ok_or_else(|| CiError::Closed(self.ci_is_closed().unwrap_or_default()))?;
        let note = act.note.as_deref().filter(|it| !is_blank(it)).map(|it| self.safe_text(it, MAX_NOTE_CHARS));
        let answered = match act.kind {
            CiActKind::Rerun | CiActKind::Cancel => Vec::new(),
            CiActKind::ApproveDeployment | CiActKind::RejectDeployment => {
                chosen(self.ci_deployments(repository, act.run).await?, &act.environments)?
            }
        };
        let names: Vec<String> = answered.iter().map(|it| self.safe_text(&it.environment, 100)).collect();
        let (asked, done) = words(act, repository, &names.join(", "));
        let story =
            Story { repository, act, by, names: &names, note: note.as_deref(), about: self.healed_by(act).await? };
        story.tell(self, "asked", &asked).await?;
        let outcome = call(writes, repository, act, &answered, by, note.as_deref()).await;
        self.forge.pokes.poke(repository);
        let (stage, message) = match &outcome {
            Ok(()) => ("done", done.clone()),
            Err(ForgeError::Unknown(why)) => ("unknown", format!("{asked}: {why}")),
            Err(why) => ("failed", format!("{asked}: GitHub says no: {why}")),
        };
        let told = story.tell(self, stage, &message).await;
        // What the forge says goes before what the database says: that it was asked is stored.
        outcome?;
        told?;
        Ok(done)
    }

    /// Returns the run that heals this run of CI, [`RunId::NONE`] if none does.
    async fn healed_by(&self, act: &CiAct) -> Result<RunId, StoreError> {
        let stored = self.store.snapshots(PICTURE).await?;
        let mut pictures = stored.into_iter().filter_map(|(_, doc, _)| read::<Picture>(doc));
        let picture = pictures.find(|it| it.repository.eq_ignore_ascii_case(&act.repository));
        let seen = picture.and_then(|it| it.runs.into_iter().find(|it| it.run.id == act.run));
        Ok(seen.and_then(|it| it.heal).unwrap_or(RunId::NONE))
    }
}

/// What the facts of one act have in common.
struct Story<'a> {
    repository: &'a str,
    act: &'a CiAct,
    by: &'a str,
    names: &'a [String],
    note: Option<&'a str>,
    about: RunId,
}

impl Story<'_> {
    /// Stores how far the act is.
    async fn tell(&self, engine: &Engine, stage: &str, message: &str) -> Result<(), StoreError> {
        let mut payload = json!({ "repository": self.repository, "ciRun": self.act.run, "stage": stage });
        if !self.names.is_empty() {
            payload["environments"] = json!(self.names);
        }
        if let Some(note) = self.note {
            payload["note"] = Value::from(note);
        }
        let message = engine.safe_text(message, 1_000);
        let fact = [NewEvent::new(self.act.kind.event(), format!("human:{}", self.by), message).with(payload)];
        match engine.store.note(self.about, &fact, engine.clock.now()).await {
            // The run it was about is gone: the fact is about the backlog then.
            Err(StoreError::NotFound) => engine.store.note(RunId::NONE, &fact, engine.clock.now()).await,
            other => other,
        }
    }
}

/// Returns what is asked and what was done, in words.
fn words(act: &CiAct, repository: &str, names: &str) -> (String, String) {
    let run = format!("run {} of {repository}", act.run);
    match act.kind {
        CiActKind::Rerun => {
            (format!("run the failed jobs of {run} again"), format!("GitHub runs the failed jobs of {run} again"))
        }
        CiActKind::Cancel => (format!("cancel {run}"), format!("GitHub is cancelling {run}")),
        CiActKind::ApproveDeployment => (
            format!("approve the deployment of {run} to {names}"),
            format!("the deployment of {run} to {names} is approved"),
        ),
        CiActKind::RejectDeployment => (
            format!("reject the deployment of {run} to {names}"),
            format!("the deployment of {run} to {names} is rejected"),
        ),
    }
}

/// Returns the deployments that are answered, or why none can be.
fn chosen(waiting: Vec<Deployment>, wanted: &[u64]) -> Result<Vec<Deployment>, CiError> {
    if let Some(id) = wanted.iter().find(|id| !waiting.iter().any(|it| it.environment_id == **id)) {
        return Err(CiError::Nothing(format!("no deployment to environment {id} waits here")));
    }
    let is_wanted =
        |it: &Deployment| if wanted.is_empty() { it.may_approve } else { wanted.contains(&it.environment_id) };
    let is_empty = waiting.is_empty();
    let chosen: Vec<Deployment> = waiting.into_iter().filter(is_wanted).collect();
    if let Some(other) = chosen.iter().find(|it| !it.may_approve) {
        let who = other.reviewers.join(", ");
        return Err(CiError::Nothing(format!("the token may not answer for {}; {who} may", other.environment)));
    }
    match (chosen.is_empty(), is_empty) {
        (false, _) => Ok(chosen),
        (true, true) => Err(CiError::Nothing("no deployment of this run waits for an answer".to_owned())),
        (true, false) => Err(CiError::Nothing("the token may answer for none of the deployments that wait".to_owned())),
    }
}

async fn call(
    writes: &dyn Writes,
    repository: &str,
    act: &CiAct,
    answered: &[Deployment],
    by: &str,
    note: Option<&str>,
) -> Result<(), ForgeError> {
    let is_approval = match act.kind {
        CiActKind::Rerun => return writes.rerun_failed(repository, act.run).await,
        CiActKind::Cancel => return writes.cancel(repository, act.run).await,
        CiActKind::ApproveDeployment => true,
        CiActKind::RejectDeployment => false,
    };
    let ids: Vec<u64> = answered.iter().map(|it| it.environment_id).collect();
    let word = if is_approval { "approved" } else { "rejected" };
    let note = note.map(|it| format!(": {it}")).unwrap_or_default();
    let comment = format!("{word} by {by} in Paramedic{note}");
    writes.review_deployments(repository, act.run, &ids, is_approval, &comment).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(id: u64, may_approve: bool) -> Deployment {
        let reviewers = vec!["mara".to_owned()];
        Deployment { environment_id: id, environment: format!("env-{id}"), may_approve, reviewers }
    }

    #[test]
    fn only_what_waits_and_may_be_answered_is_answered() {
        let two = || vec![waiting(1, true), waiting(2, false)];
        let ids = |chosen: Result<Vec<Deployment>, CiError>| -> Result<Vec<u64>, String> {
            chosen.map(|it| it.iter().map(|it| it.environment_id).collect()).map_err(|it| it.to_string())
        };
        assert_eq!(ids(chosen(two(), &[])), Ok(vec![1]));
        assert_eq!(ids(chosen(two(), &[1])), Ok(vec![1]));
        assert!(ids(chosen(two(), &[2])).unwrap_err().contains("mara may"));
        assert!(ids(chosen(two(), &[1, 3])).unwrap_err().contains("environment 3"));
        assert!(ids(chosen(Vec::new(), &[])).unwrap_err().contains("no deployment"));
        assert!(ids(chosen(vec![waiting(2, false)], &[])).unwrap_err().contains("none of the deployments"));
    }
}
