//! GitHub's coding agent as an agent: the steward asks it at the tracking issue, and this waits for its pull request, whose change is the candidate.
//!
//! It goes by states, as the steward does: each look judges anew, so that a worker that takes a run over goes on waiting and asks for nothing.
use crate::agent::{Account, Agent, Task, Turn};
use crate::domain::{Asked, AttemptFailure, CopilotAsk, EventType, Family, NewEvent};
use crate::engine::Engine;
use crate::engine::watch::rules_file::Read;
use crate::forge::{ForgeError, PullRequest, PullsQuery, Reads};
use crate::store::StoreError;
use async_trait::async_trait;
use jiff::SignedDuration;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// What it is called in orders and settings.
pub const NAME: &str = "copilot";
/// To whom an issue is assigned.
pub(in crate::engine) const ASSIGNEE: &str = "copilot-swe-agent[bot]";
/// By whom GitHub says that it writes.
const LOGINS: &[&str] = &["Copilot", ASSIGNEE];
/// Where its branches are.
const BRANCHES: &str = "copilot/";
/// What it writes into a title for as long as it works.
const AT_WORK: &str = "[wip]";
/// Pull requests that are looked through, newest first.
const MAX_PULLS: usize = 100;
const MAX_WORDS: usize = 400;
/// Families whose pull requests of Copilot's are not taken.
const MAX_FAMILIES: u32 = 500;

/// How it is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Time between two looks at the forge.
    pub look: Duration,
    /// Time between two looks at what is stored.
    pub soon: Duration,
    /// How long its branch must not move before it counts as ready.
    pub rest: Duration,
    /// The shortest time that it is given: it seldom needs less than ten minutes.
    pub least: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(20),
            soon: Duration::from_secs(1),
            rest: Duration::from_mins(1),
            least: Duration::from_mins(30),
        }
    }
}

/// Whether a login is that of GitHub's coding agent.
pub(in crate::engine) fn is_copilot(login: &str) -> bool {
    LOGINS.iter().any(|it| it.eq_ignore_ascii_case(login))
}

/// GitHub's coding agent.
#[derive(Debug)]
pub struct Copilot {
    engine: Engine,
    pace: Pace,
}

/// What a worker knows of the wait, beside what is stored.
#[derive(Debug, Default)]
struct Watch {
    is_allowed: bool,
    /// Where its branch is, and since when it is known to be there.
    head: Option<(String, Instant)>,
    /// What is missing, in words.
    words: Option<String>,
}

/// What follows from a look.
enum Next {
    Over(Turn),
    Soon,
    Later,
}

#[async_trait]
impl Agent for Copilot {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn propose(&self, task: &Task<'_>, cancel: &CancellationToken) -> Turn {
        let mut watch = Watch::default();
        loop {
            let look = cancel.run_until_cancelled(Box::pin(self.look(task, &mut watch))).await;
            let pause = match look {
                None => break,
                Some(Ok(Next::Over(turn))) => return turn,
                Some(Ok(Next::Later)) => self.pace.look,
                // Somebody else changed the family, or the database is away for a while.
                Some(Ok(Next::Soon) | Err(StoreError::Conflict | StoreError::Unavailable(_))) => self.pace.soon,
                Some(Err(error)) => return failed(AttemptFailure::AgentCrashed, error.to_string()),
            };
            if cancel.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
        }
        failed(AttemptFailure::AgentTimedOut, "the wait for Copilot was stopped".to_owned())
    }
}

impl Copilot {
    /// Returns the agent at its usual pace.
    pub fn new(engine: Engine) -> Self {
        Self::at_pace(engine, Pace::default())
    }

    /// Returns the agent at another pace.
    pub const fn at_pace(engine: Engine, pace: Pace) -> Self {
        Self { engine, pace }
    }

    async fn look(&self, task: &Task<'_>, watch: &mut Watch) -> Result<Next, StoreError> {
        let (store, now) = (&self.engine.store, self.engine.clock.now());
        if !watch.is_allowed {
            if let Some(why) = self.why_not(task).await? {
                return Ok(Next::Over(Turn::Declined(why)));
            }
            watch.is_allowed = true;
        }
        let (Some(reads), Some(family)) = (&self.engine.forge.reads, store.family_of_run(task.run_id).await?) else {
            return Ok(Next::Over(Turn::Declined("no tracking issue stands for this run".to_owned())));
        };
        if family.held.as_ref().is_some_and(|it| it.until > now) {
            return Ok(Next::Soon);
        }
        let wait = SignedDuration::try_from(task.timeout.max(self.pace.least)).unwrap_or(SignedDuration::MAX);
        let until = now.saturating_add(wait).unwrap_or(now);
        let before = family.copilot.as_ref();
        let ask = CopilotAsk::wanted(before, task.run_id, task.attempt_no, task.earlier, task.hint, until);
        if before != Some(&ask) {
            self.keep(&family, ask, None).await?;
            return Ok(Next::Soon);
        }
        if now >= ask.until {
            let words = watch.words.take().or(ask.told).unwrap_or_else(|| "nobody asked it".to_owned());
            return Ok(Next::Over(failed(
                AttemptFailure::AgentTimedOut,
                format!("Copilot was not done in time: {words}"),
            )));
        }
        let Some(asked) = ask.asked else {
            let trouble = family.trouble().map_or(String::new(), |it| format!(": {it}"));
            watch.words = Some(format!("it is not asked yet{trouble}"));
            return Ok(Next::Soon);
        };
        let seen = match ask.pull {
            None => self.find(reads.as_ref(), &family, &ask, asked, watch).await,
            Some(number) => self.follow(reads, &family, &ask, number, watch).await,
        };
        match seen {
            Ok(next) => Ok(next),
            Err(Trouble::Store(error)) => Err(error),
            Err(Trouble::Forge(error)) => {
                watch.words = Some(format!("GitHub cannot be asked: {error}"));
                Ok(Next::Later)
            }
        }
    }

    /// Returns why it is not to be asked.
    async fn why_not(&self, task: &Task<'_>) -> Result<Option<String>, StoreError> {
        let seat = &self.engine.forge;
        let (Some(reads), Some(_)) = (&seat.reads, &seat.writes) else {
            let why = seat.why_not.as_deref().unwrap_or("it is not set up");
            return Ok(Some(format!("Copilot is not asked, as nothing is changed at GitHub: {why}")));
        };
        let run = self.engine.store.run(task.run_id).await?;
        let Some(ci) = run.order.ci.filter(|_| task.order.is_none()) else {
            return Ok(Some("Copilot is asked about red runs of a watched repository only".to_owned()));
        };
        if !seat.terms.watches(task.repository) {
            return Ok(Some(format!("{} is not watched any more", task.repository)));
        }
        if ci.is_fork {
            return Ok(Some("the commit is from a fork".to_owned()));
        }
        let mut read = Read::default();
        let now = self.engine.clock.now();
        let refreshed = match ci.default_branch.as_str() {
            "" => Err(ForgeError::Odd("its default branch is not known".to_owned())),
            branch => read.refresh(reads.as_ref(), task.repository, branch, true, now).await,
        };
        Ok(match (refreshed, read.refusal(), &read.rules) {
            (Err(error), ..) => Some(format!("the repository's rules cannot be read: {error}")),
            (_, Some(why), _) => Some(format!("the repository's rules cannot be followed: {why}")),
            (_, _, Some(rules)) if !rules.is_enabled => Some("healing is off here (`enabled: false`)".to_owned()),
            (_, _, Some(rules)) if !rules.copilot.is_enabled => {
                Some("the repository does not want it (`copilot.enabled: false`)".to_owned())
            }
            (_, _, Some(rules)) if !rules.notifications.creates_issue => {
                Some("there is no tracking issue to ask it on (`notifications.create_issue: false`)".to_owned())
            }
            _ => None,
        })
    }

    /// Looks for its pull request.
    async fn find(
        &self,
        reads: &dyn Reads,
        family: &Family,
        ask: &CopilotAsk,
        asked: Asked,
        watch: &mut Watch,
    ) -> Result<Next, Trouble> {
        let Some(issue) = family.issue.as_ref().map(|it| it.number) else { return Ok(Next::Later) };
        let query = PullsQuery { max: MAX_PULLS, ..PullsQuery::default() };
        let pulls = reads.pulls(&family.repository, &query).await?.items;
        let since = ask.since.unwrap_or(issue);
        let others = self.engine.store.families(&family.repository, MAX_FAMILIES).await?;
        let others = others.iter().filter(|it| it.key != family.key);
        let taken: BTreeSet<u64> = others.filter_map(|it| it.copilot.as_ref()?.pull).collect();
        let its = pulls.iter().filter(|it| it.number > since && !taken.contains(&it.number));
        let its = its.filter(|it| is_its(it, &family.repository, issue));
        let Some(pull) = its.min_by_key(|it| (!it.is_open, it.number)) else {
            let how = match asked {
                Asked::Mentioned => "is mentioned on",
                Asked::Assigned | Asked::Again => "was asked on",
            };
            watch.words = Some(format!("it {how} issue #{issue} and has opened no pull request"));
            return Ok(Next::Later);
        };
        let words = format!("Copilot opened pull request #{}: {}", pull.number, pull.url);
        self.keep(family, CopilotAsk { pull: Some(pull.number), ..ask.clone() }, Some(&words)).await?;
        Ok(Next::Soon)
    }

    /// Looks at its pull request, and takes the change when it is ready.
    async fn follow(
        &self,
        reads: &Arc<dyn Reads>,
        family: &Family,
        ask: &CopilotAsk,
        number: u64,
        watch: &mut Watch,
    ) -> Result<Next, Trouble> {
        let pull = reads.pull(&family.repository, number).await?;
        if !pull.is_open {
            let what = if pull.is_merged { "merged" } else { "closed" };
            let why = format!("Copilot's pull request #{number} was {what} before its change was taken");
            self.keep(family, ask.closed(self.engine.clock.now()), None).await?;
            return Ok(Next::Over(Turn::Declined(why)));
        }
        let since = match watch.head.take().filter(|(head, _)| *head == pull.head_commit) {
            Some((_, since)) => since,
            None => crate::clock::instant(),
        };
        watch.head = Some((pull.head_commit.clone(), since));
        let words = if pull.title.to_lowercase().contains(AT_WORK) {
            format!("its pull request #{number} is still [WIP]")
        } else if ask.refuted.as_ref() == Some(&pull.head_commit) {
            format!("its pull request #{number} has nothing new since its change was refuted")
        } else if since.elapsed() < self.pace.rest {
            watch.words = Some(format!("its pull request #{number} may still grow"));
            return Ok(Next::Later);
        } else {
            return self.take(family, ask, &pull, watch).await;
        };
        if ask.told.as_ref() != Some(&words) {
            let told = CopilotAsk { told: Some(words.clone()), ..ask.clone() };
            self.keep(family, told, Some(&format!("waiting for Copilot: {words}"))).await?;
        }
        watch.words = Some(words);
        Ok(Next::Later)
    }

    /// Takes the change of its pull request, as GitHub shows it there.
    async fn take(
        &self,
        family: &Family,
        ask: &CopilotAsk,
        pull: &PullRequest,
        watch: &mut Watch,
    ) -> Result<Next, Trouble> {
        let (number, head) = (pull.number, &pull.head_commit);
        let commits = [(pull.base_commit.as_str(), pull.base_branch.as_str()), (head, &pull.head_branch)];
        let located = match self.engine.repositories.with_commits(&family.repository, &commits).await {
            Ok(located) => located,
            Err(why) => {
                watch.words = Some(format!("its pull request #{number} cannot be fetched: {why}"));
                return Ok(Next::Later);
            }
        };
        let change = self.engine.workspace.difference_of_branch(&located.path, &pull.base_commit, head).await;
        let short = head.get(..8).unwrap_or_default();
        let words = format!("takes the change of Copilot's pull request #{number} at {short}");
        self.keep(family, CopilotAsk { taken: Some(head.clone()), ..ask.clone() }, Some(&words)).await?;
        let said = format!("{}\n\n{}", pull.title, pull.body);
        let account = Account { output: said.clone().into_bytes(), diagnosis: said, ..Account::default() };
        Ok(Next::Over(match change {
            Ok(patch) if patch.is_empty() => {
                let reason = format!("Copilot's pull request #{number} changes nothing");
                Turn::Failed { kind: AttemptFailure::NoChange, reason, account }
            }
            Ok(patch) => Turn::Patched { patch, account },
            Err(error) => {
                let reason = format!("the change of Copilot's pull request #{number} cannot be taken: {error}");
                Turn::Failed { kind: AttemptFailure::BadPatch, reason, account }
            }
        }))
    }

    /// Stores what is wanted or known now, with a fact, and has the steward look.
    async fn keep(&self, family: &Family, ask: CopilotAsk, words: Option<&str>) -> Result<(), StoreError> {
        let now = self.engine.clock.now();
        let fact = |it: &str| NewEvent::new(EventType::AttemptThinking, NAME, self.engine.safe_text(it, MAX_WORDS));
        let facts: Vec<NewEvent> = words.map(fact).into_iter().collect();
        let next = Family { copilot: Some(ask), due_at: Some(now), ..family.next() };
        self.engine.store.put_family(&next, &facts, now).await
    }
}

/// What stops a look at the forge.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Forge(#[from] ForgeError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn failed(kind: AttemptFailure, reason: String) -> Turn {
    Turn::Failed { kind, reason, account: Account::default() }
}

/// Whether a pull request is Copilot's own for an issue: by its author, from a branch of its kind in this very repository.
fn is_its(pull: &PullRequest, repository: &str, issue: u64) -> bool {
    is_copilot(&pull.author)
        && pull.head_branch.starts_with(BRANCHES)
        && pull.head_repository.as_ref().is_some_and(|it| it.eq_ignore_ascii_case(repository))
        && names(&pull.body, repository, issue)
}

/// Whether a text names an issue of a repository: `#7`, `acme/shop#7`, or by its address.
fn names(text: &str, repository: &str, issue: u64) -> bool {
    let text = text.to_lowercase();
    let repository = repository.to_lowercase();
    let is_word = |it: char| it.is_ascii_alphanumeric() || "-_./".contains(it);
    let is_at = |mark: &str, is_free: bool| {
        text.match_indices(mark).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + mark.len()..]);
            let ends = !after.starts_with(|it: char| it.is_ascii_digit());
            // `other/place#7` is another one's.
            ends && (!is_free || !before.ends_with(is_word))
        })
    };
    is_at(&format!("#{issue}"), true)
        || is_at(&format!("{repository}#{issue}"), true)
        || is_at(&format!("/{repository}/issues/{issue}"), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_is_named_whole_and_in_its_own_repository() {
        for (text, expected) in [
            ("Fixes #7", true),
            ("- Fixes Acme/Shop#7.", true),
            ("see https://github.com/acme/shop/issues/7", true),
            ("Fixes #77", false),
            ("Fixes #6", false),
            ("Fixes other/shop#7", false),
            ("Fixes evil-acme/shop#7", false),
            ("https://github.com/acme/shop/issues/70", false),
            ("", false),
        ] {
            assert_eq!(names(text, "acme/shop", 7), expected, "{text}");
        }
    }

    #[test]
    fn nobody_elses_login_is_copilots() {
        for (login, expected) in
            [("Copilot", true), ("copilot-swe-agent[bot]", true), ("copilot-swe-agent", false), ("c0pilot", false)]
        {
            assert_eq!(is_copilot(login), expected, "{login}");
        }
    }
}
