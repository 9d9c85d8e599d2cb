//! CI as the second proof: what the checks of a pull request say of the fix.
use crate::domain::{AttemptStatus, ChecksState, CiState, EventType, NewEvent, Run, Status};
use crate::engine::steward::scene::{Scene, Stepped, Trouble};
use crate::forge::{Check, ForgeError, Reads};
use jiff::SignedDuration;
use serde_json::json;
use std::time::Duration;

/// For how long all checks must be done: others may appear a moment later.
const SETTLED: Duration = Duration::from_secs(30);
/// The longest pause between two looks at checks that are not settled.
const MAX_PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// Characters of a log that the next attempt gets.
const MAX_LOG_CHARS: usize = 32_000;
/// Characters of what is told of them.
const MAX_PASSED_CHARS: usize = 400;
/// Red checks that are named.
const MAX_NAMED: usize = 10;

/// Checks that ended without a word on the commit, by hand, by a newer run or by GitHub itself.
pub(in crate::engine) const BROKEN_OFF: &[CiState] = &[CiState::Cancelled, CiState::Unknown];

/// What all checks together say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Pending,
    Green,
    Red,
}

impl Scene<'_> {
    /// Looks at the checks of our commit. What was green is looked at again with each visit: it costs nothing where it has not changed.
    pub(super) async fn check(&mut self) -> Stepped {
        let Some((_, pull)) = self.family.open_pull() else { return Ok(None) };
        if pull.checks == ChecksState::Red
            || pull.hands_off.is_some()
            || !matches!(self.run.status, Status::Fixed | Status::Escalated)
        {
            return Ok(None);
        }
        let (head, base, before, since) = (pull.head.clone(), pull.base_sha.clone(), pull.checks, pull.checks_since);
        let terms = &self.steward.engine.forge.terms;
        let settled = signed(SETTLED.min(terms.checks_grace));
        let grace = signed(terms.checks_grace);
        let pause = signed(terms.poll_active.saturating_mul(2)).min(MAX_PAUSE);
        let checks = self.reads.checks(&self.family.repository, &head).await?;
        let red = red(self.reads.as_ref(), &self.run, &checks, &base).await?;
        match said(&checks, &red) {
            Said::Nothing => {
                let age = since.map_or(grace, |it| self.now.duration_since(it));
                if before == ChecksState::None && age >= grace {
                    return self.record_pull(Vec::new(), |it| it.checks = ChecksState::Absent).await;
                }
                if !matches!(before, ChecksState::Absent | ChecksState::Green) {
                    self.look_again(self.now + pause.min(grace));
                }
                Ok(None)
            }
            Said::Pending => {
                self.look_again(self.now + pause);
                if before == ChecksState::Pending && since.is_none() {
                    return Ok(None);
                }
                self.record_pull(Vec::new(), |it| (it.checks, it.checks_since) = (ChecksState::Pending, None)).await
            }
            Said::Green if before == ChecksState::Green => Ok(None),
            Said::Green | Said::Red => {
                let now = self.now;
                let Some(since) = since.filter(|_| before == ChecksState::Pending) else {
                    return self
                        .record_pull(Vec::new(), |it| (it.checks, it.checks_since) = (ChecksState::Pending, Some(now)))
                        .await;
                };
                if now.duration_since(since) < settled {
                    self.look_again(since + settled);
                    return Ok(None);
                }
                if red.is_empty() { self.passed(&checks).await } else { self.failed(&red).await }
            }
        }
    }

    async fn passed(&mut self, checks: &[Check]) -> Stepped {
        let n = checks.iter().filter(|it| it.state == CiState::Green).count();
        // Those that count are green: what is red was red before.
        let red: Vec<&str> = checks.iter().filter(|it| it.state == CiState::Red).map(|it| it.name.as_str()).collect();
        let mut message = format!("CI is green with the fix, in {n} of {} checks", n + red.len());
        if !red.is_empty() {
            let names = red.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
            message = format!("{message}; red without it, too: {names}");
        }
        let message = self.steward.engine.safe_text(&message, MAX_PASSED_CHARS);
        let fact = NewEvent::new(EventType::PrChecksPassed, "system", message);
        // What another patch passes is no fact of the run.
        let facts = if self.holds_fix() { vec![fact.with(json!({ "checks": n }))] } else { Vec::new() };
        self.record_pull(facts, |it| it.checks = ChecksState::Green).await
    }

    /// Takes the proof back, with the log of what is red.
    async fn failed(&mut self, red: &[&Check]) -> Stepped {
        let Some((_, pull)) = self.family.open_pull() else { return Ok(None) };
        let attempt = self.candidate().cloned();
        let attempt =
            attempt.filter(|it| it.status == AttemptStatus::Succeeded && it.patch_digest.as_ref() == Some(&pull.patch));
        if let Some(attempt) = attempt.filter(|_| self.run.status == Status::Fixed) {
            let log = self.log_of(red).await?;
            let transition = self.run.ci_red(&attempt, log, self.now)?;
            self.commit(transition).await?;
        }
        self.record_pull(Vec::new(), |it| it.checks = ChecksState::Red).await
    }

    /// Returns what the first red check with a log says, reduced, after the names of all.
    async fn log_of(&self, red: &[&Check]) -> Result<String, Trouble> {
        let engine = &self.steward.engine;
        let names: Vec<&str> = red.iter().take(MAX_NAMED).map(|it| it.name.as_str()).collect();
        let mut text = format!("Red in CI: {}\n", names.join(", "));
        let run = red.iter().find_map(|it| it.run_id);
        // An order knows no run of CI; where it goes is what it is compared with.
        let green_branch = self.run.order.ci.as_ref().map_or(&self.run.branch, |it| &it.default_branch);
        if let (Some(run), Some(analyst)) = (run, &self.steward.analyst) {
            let repository = &self.family.repository;
            match self.reads.run(repository, run).await {
                Ok(run) => {
                    let analysis = analyst.analyse(repository, &run, &self.rules, green_branch).await?;
                    text.push_str(&analysis.failure.reduced_log);
                }
                // Deleted meanwhile: that it was red counts all the same.
                Err(ForgeError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(engine.safe_text(&text, MAX_LOG_CHARS))
    }
}

/// Returns the red checks that count for a run: not one that is red without the fix, at `base`, too, unless it is of the workflow that is
/// healed.
pub(in crate::engine) async fn red<'a>(
    reads: &dyn Reads,
    run: &Run,
    checks: &'a [Check],
    base: &str,
) -> Result<Vec<&'a Check>, ForgeError> {
    let mut red: Vec<&Check> = checks.iter().filter(|it| it.state == CiState::Red).collect();
    if red.is_empty() {
        return Ok(red);
    }
    let before = reads.checks(&run.repository, base).await?;
    let healed = run.order.ci.as_ref().map(|it| it.workflow_id);
    let mut counted = Vec::new();
    for check in red.drain(..) {
        let was_red = before.iter().any(|it| it.name == check.name && it.state == CiState::Red);
        let is_healed = match check.run_id {
            Some(id) if was_red => Some(reads.run(&run.repository, id).await?.workflow_id) == healed,
            _ => false,
        };
        if !was_red || is_healed {
            counted.push(check);
        }
    }
    Ok(counted)
}

/// Returns what checks say, given those of the red ones that count. A skipped one says nothing; one that was broken off has yet to be run.
fn said(checks: &[Check], red: &[&Check]) -> Said {
    let is_any = |states: &[CiState]| checks.iter().any(|it| states.contains(&it.state));
    match () {
        () if is_any(&[CiState::Queued, CiState::Waiting, CiState::Running]) => Said::Pending,
        () if !red.is_empty() => Said::Red,
        () if is_any(BROKEN_OFF) => Said::Pending,
        () if is_any(&[CiState::Green]) => Said::Green,
        () => Said::Nothing,
    }
}

/// Returns a length of time as one that a time can be moved by.
pub(super) fn signed(length: Duration) -> SignedDuration {
    SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(state: CiState) -> Check {
        Check { name: "build".to_owned(), state, url: None, run_id: None, job_id: None }
    }

    #[test]
    fn all_must_be_done_and_one_must_be_green() {
        use CiState::{Cancelled, Green, Queued, Red, Running, Skipped, Unknown, Waiting};
        for (states, expected) in [
            (&[][..], Said::Nothing),
            (&[Skipped], Said::Nothing),
            (&[Skipped, Unknown], Said::Pending),
            (&[Green, Cancelled], Said::Pending),
            (&[Cancelled, Red], Said::Red),
            (&[Green, Skipped], Said::Green),
            (&[Green, Red], Said::Red),
            (&[Green, Red, Queued], Said::Pending),
            (&[Waiting], Said::Pending),
            (&[Running, Green], Said::Pending),
        ] {
            let checks: Vec<Check> = states.iter().map(|it| check(*it)).collect();
            let red: Vec<&Check> = checks.iter().filter(|it| it.state == Red).collect();
            assert_eq!(said(&checks, &red), expected, "{states:?}");
        }
        // Red without the fix, too.
        assert_eq!(said(&[check(Green), check(Red)], &[]), Said::Green);
    }
}
