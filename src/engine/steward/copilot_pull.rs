//! The pull request of GitHub's coding agent: found, followed until its change is ready, which wakes the run, and told when nothing more is done with
//! it. It is never written to otherwise.
use crate::domain::transition::MergedBy;
use crate::domain::{CopilotAsk, CopilotChange, Reason, Status};
use crate::engine::copilot::is_copilot;
use crate::engine::steward::Visit;
use crate::engine::steward::checks::signed;
use crate::engine::steward::copilot::thinking;
use crate::engine::steward::gate::MAX_FAMILIES;
use crate::engine::steward::scene::{Scene, Stepped, Trouble};
use crate::engine::steward::words::{Kind, marker};
use crate::forge::{ForgeError, PullRequest, PullsQuery};
use jiff::SignedDuration;
use std::collections::BTreeSet;

/// Where its branches are.
const BRANCHES: &str = "copilot/";
/// What it writes into a title for as long as it works.
const AT_WORK: &str = "[wip]";
/// Pull requests that are looked through, newest first.
const MAX_PULLS: usize = 100;
/// How often it is looked for a pull request that nobody waits for any more.
const LATE: SignedDuration = SignedDuration::from_mins(2);
const MAX_WORDS: usize = 400;

impl Scene<'_> {
    /// Follows what a run waits for, and wakes the run when it is there.
    pub(super) async fn follow_copilot(&mut self) -> Stepped {
        let is_live = matches!(self.run.status, Status::Queued | Status::Running);
        let of_run = self.family.copilot.clone().filter(|it| is_live && it.run_id == self.run.id);
        let is_awaited = |it: &CopilotAsk| it.asked.is_some() && it.taken.is_none() && it.until > self.now;
        let Some(ask) = of_run.filter(is_awaited) else { return Ok(None) };
        self.look_again(self.now + signed(self.steward.engine.settings.copilot.look));
        match ask.pull {
            None => self.find_copilots(&ask).await,
            Some(number) if ask.change == CopilotChange::Closed => {
                self.wake(&format!("Copilot's pull request #{number} was closed, or merged elsewhere")).await
            }
            Some(number) if ask.change == CopilotChange::Ready => {
                self.wake(&format!("Copilot's pull request #{number} is ready, its change is taken")).await
            }
            Some(number) => self.look_at_copilots(&ask, number).await,
        }
    }

    /// Has a worker take the run at once, unless one has it.
    async fn wake(&mut self, why: &str) -> Stepped {
        if self.run.waiting(&self.attempts).is_none() {
            return Ok(None);
        }
        let transition = self.run.woken(&self.attempts, why, self.now)?;
        self.commit(transition).await?;
        Ok(Some(Visit::Again))
    }

    /// Looks for its pull request.
    async fn find_copilots(&mut self, ask: &CopilotAsk) -> Stepped {
        let Some(issue) = self.family.issue.as_ref().map(|it| it.number) else { return Ok(None) };
        let repository = self.repository();
        let query = PullsQuery { max: MAX_PULLS, ..PullsQuery::default() };
        let pulls = self.reads.pulls(&repository, &query).await?.items;
        let since = ask.since.unwrap_or(issue);
        let others = self.steward.engine.store.families(&repository, MAX_FAMILIES).await?;
        let others = others.iter().filter(|it| it.key != self.family.key);
        let taken: BTreeSet<u64> = others.filter_map(|it| it.copilot.as_ref()?.pull).collect();
        let its = pulls.iter().filter(|it| it.number > since && !taken.contains(&it.number));
        let its = its.filter(|it| is_its(it, &repository, issue));
        let Some(pull) = its.min_by_key(|it| (!it.is_open, it.number)) else { return Ok(None) };
        let number = pull.number;
        let words = format!("Copilot opened pull request #{number}: {}", pull.url);
        let fact = thinking(self.steward.engine.safe_text(&words, MAX_WORDS));
        self.record_copilot(vec![fact], |it| it.pull = Some(number)).await
    }

    /// Looks whether the change of its pull request is ready.
    async fn look_at_copilots(&mut self, ask: &CopilotAsk, number: u64) -> Stepped {
        let pull = self.reads.pull(&self.family.repository, number).await?;
        if pull.is_merged && pull.base_branch == self.run.branch {
            return self.copilots_is_merged(&pull).await;
        }
        if !pull.is_open {
            return self.record_copilot(Vec::new(), |it| it.change = CopilotChange::Closed).await;
        }
        let head = pull.head_commit;
        let Some((_, since)) = ask.head.clone().filter(|(it, _)| *it == head) else {
            let now = self.now;
            return self.record_copilot(Vec::new(), |it| (it.head, it.told) = (Some((head, now)), None)).await;
        };
        let words = if pull.title.to_lowercase().contains(AT_WORK) {
            format!("its pull request #{number} is still [WIP]")
        } else if ask.refuted.as_ref() == Some(&head) {
            format!("its pull request #{number} has nothing new since it was asked again")
        } else {
            let rested = since + signed(self.steward.engine.settings.copilot.rest);
            if rested <= self.now {
                return self.record_copilot(Vec::new(), |it| it.change = CopilotChange::Ready).await;
            }
            self.look_again(rested);
            return Ok(None);
        };
        if ask.told.as_ref() == Some(&words) {
            return Ok(None);
        }
        let fact = thinking(format!("waiting for Copilot: {words}"));
        self.record_copilot(vec![fact], |it| it.told = Some(words)).await
    }

    /// Takes over that somebody merged its pull request as it is: the failure is that person's now, and nothing is proved any more.
    async fn copilots_is_merged(&mut self, pull: &PullRequest) -> Stepped {
        if self.run.waiting(&self.attempts).is_none() {
            return Ok(None);
        }
        let commit = pull.merge_commit.as_ref().unwrap_or(&pull.head_commit);
        let by = MergedBy::Forge(pull.merged_by.as_deref());
        let transition = self.run.merged_unproved(&self.attempts, pull.number, commit, by, self.now)?;
        self.commit(transition).await?;
        self.record_copilot(Vec::new(), |it| (it.change, it.is_left) = (CopilotChange::Closed, true)).await
    }

    /// Says on its pull request that nothing more is done with it; what becomes of it is for people. Where it has opened none, it is let off, and
    /// looked after for as long as one may still come.
    pub(super) async fn leave_copilot(&mut self) -> Stepped {
        let Some(ask) = self.family.copilot.clone() else { return Ok(None) };
        if let Some(earlier) = ask.earlier_pull {
            self.say_it_is_left(earlier, true, &format!("pull={earlier}")).await?;
            return self.record_copilot(Vec::new(), |it| it.earlier_pull = None).await;
        }
        let is_of_another = ask.run_id != self.run.id;
        let is_over = is_of_another
            || match self.run.status {
                Status::Resolved | Status::Aborted => true,
                Status::Escalated => self.run.escalation_reason == Some(Reason::Denied),
                _ => false,
            };
        if !is_over || ask.is_left {
            return Ok(None);
        }
        if ask.is_assigned && !is_of_another && self.run.status != Status::Resolved {
            return self.let_copilot_off().await;
        }
        if let Some(pull) = ask.pull {
            self.say_it_is_left(pull, is_of_another, &format!("run={}", ask.run_id)).await?;
        } else if ask.asked.is_some() && ask.until > self.now {
            self.look_again(self.now + LATE);
            return self.find_copilots(&ask).await;
        }
        self.record_copilot(Vec::new(), |it| it.is_left = true).await
    }

    async fn say_it_is_left(&mut self, pull: u64, is_of_another: bool, more: &str) -> Result<(), Trouble> {
        let (repository, writes) = (self.repository(), self.writes()?);
        let is_open = match self.reads.pull(&repository, pull).await {
            Ok(there) => there.is_open,
            Err(ForgeError::NotFound(_)) => false,
            Err(error) => return Err(error.into()),
        };
        if is_open && !self.is_said(pull, &marker(Kind::CopilotLeft, &self.family.key, more)).await? {
            let body = self.words(|it| it.copilot_left(is_of_another, more));
            self.write(writes.add_comment(&repository, pull, &body)).await?;
        }
        Ok(())
    }

    /// Takes it off the tracking issue.
    async fn let_copilot_off(&mut self) -> Stepped {
        let Some(number) = self.family.issue.as_ref().map(|it| it.number) else { return Ok(None) };
        let (repository, writes) = (self.repository(), self.writes()?);
        let there = self.reads.issue(&repository, number).await?;
        let logins: Vec<&str> = there.assignees.iter().map(String::as_str).filter(|it| is_copilot(it)).collect();
        if !logins.is_empty() {
            self.write(writes.remove_assignees(&repository, number, &logins)).await?;
        }
        self.record_copilot(Vec::new(), |it| it.is_assigned = false).await
    }
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
}
