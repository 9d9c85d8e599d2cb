//! What goes with a pull request: labels, reviewers, and a title and body that say how things stand.
use crate::domain::{EventType, NewEvent, PullState, Status};
use crate::engine::steward::scene::{Scene, Stepped};
use crate::engine::steward::words::Text;
use crate::forge::PullEdit;

/// On every pull request that a person must look at before it is more than a draft.
const NEEDS_REVIEW: &str = "needs-review";

impl Scene<'_> {
    /// Returns the open pull request of a run at rest, unless somebody works on it or said no.
    fn to_dress(&self) -> Option<(u64, &PullState)> {
        let is_at_rest = matches!(self.run.status, Status::Fixed | Status::Escalated) && !self.is_refused();
        self.family.open_pull().filter(|(_, pull)| is_at_rest && pull.hands_off.is_none())
    }

    fn needs_review(&self) -> bool {
        self.run.status == Status::Escalated || !self.holds_fix()
    }

    /// Adds the labels that it was not given yet.
    pub(super) async fn label(&mut self) -> Stepped {
        let Some((number, _)) = self.to_dress() else { return Ok(None) };
        let mut labels = self.rules.labels.pull_requests.clone();
        if self.needs_review() && !labels.iter().any(|it| it == NEEDS_REVIEW) {
            labels.push(NEEDS_REVIEW.to_owned());
        }
        let missing: Vec<String> = labels.into_iter().filter(|it| !self.family.chores.labels.contains(it)).collect();
        if missing.is_empty() {
            return Ok(None);
        }
        let (repository, writes) = (self.repository(), self.writes()?);
        self.write(writes.add_labels(&repository, number, &missing)).await?;
        self.record(Vec::new(), |family| family.chores.labels.extend(missing)).await
    }

    /// Asks the reviewers of the rules, once. That one of them cannot be asked is told and stops nothing.
    pub(super) async fn ask_reviewers(&mut self) -> Stepped {
        let Some((number, _)) = self.to_dress() else { return Ok(None) };
        let wanted = &self.rules.pull_request;
        if self.family.chores.has_reviewers || (wanted.reviewers.is_empty() && wanted.team_reviewers.is_empty()) {
            return Ok(None);
        }
        let (people, teams) = (wanted.reviewers.clone(), wanted.team_reviewers.clone());
        let teams: Vec<String> = teams.iter().map(|it| it.rsplit('/').next().unwrap_or(it).to_owned()).collect();
        let (repository, writes) = (self.repository(), self.writes()?);
        let facts = match self.write(writes.request_reviewers(&repository, number, &people, &teams)).await {
            Ok(()) => Vec::new(),
            Err(trouble) if trouble.is_refusal() => {
                let why = self.steward.engine.safe_text(&trouble.to_string(), 500);
                vec![NewEvent::new(EventType::CiRefused, "system", format!("the reviewers could not be asked: {why}"))]
            }
            Err(trouble) => return Err(trouble),
        };
        self.record(facts, |family| family.chores.has_reviewers = true).await
    }

    /// Brings title and body up to date. What is said of another run's patch stays as it is: nothing that is proved now was proved of it.
    pub(super) async fn describe(&mut self) -> Stepped {
        let Some((number, pull)) = self.to_dress() else { return Ok(None) };
        if self.is_of_another(pull) && !self.holds_fix() {
            return Ok(None);
        }
        let body_digest = pull.body_digest.clone();
        let (repository, writes) = (self.repository(), self.writes()?);
        let needs_review = self.needs_review();
        let text = self.words(|it| it.pull(needs_review));
        let stands = self.pull.as_ref().map(|it| Text { title: it.title.clone(), body: it.body.clone() }.digest());
        if text.digest() == body_digest {
            return Ok(None);
        }
        match stands {
            // Written before, and not recorded.
            Some(stands) if stands == text.digest() => {
                return self.record_pull(Vec::new(), |it| it.body_digest = stands).await;
            }
            // Somebody wrote something else: it is theirs now.
            Some(stands) if stands != body_digest => return Ok(None),
            Some(_) | None => {}
        }
        let edit = PullEdit { title: Some(&text.title), body: Some(&text.body), is_open: None };
        self.write(writes.edit_pull(&repository, number, &edit)).await?;
        self.record_pull(Vec::new(), |it| it.body_digest = text.digest()).await
    }
}
