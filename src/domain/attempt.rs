//! An attempt: one turn of an agent or a person, judged.
use crate::domain::ids::Digest;
use crate::domain::names::named;
use crate::domain::patch::Patch;
use crate::domain::verdict::{Finding, Judgement};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

named! {
    AttemptStatus { Running = "running", Failed = "failed", Succeeded = "succeeded" }
}

named! {
    /// What went wrong with an attempt.
    AttemptFailure {
        /// The agent ended with an error.
        AgentCrashed = "agent_crashed",
        /// The agent changed nothing.
        NoChange = "no_change",
        /// The agent used up its time.
        AgentTimedOut = "agent_timed_out",
        /// The patch is not one git can apply, or not text.
        BadPatch = "bad_patch",
        /// The same patch was tried before.
        RepeatedPatch = "repeated_patch",
        /// The guard refused it; it was never run.
        PolicyViolation = "policy_violation",
        /// The guard refused it for its size alone.
        OverLimits = "over_limits",
        /// The failing command is still red.
        StillRed = "still_red",
        /// The command ran into the time limit.
        TestsTimedOut = "tests_timed_out",
        /// Green, but tests vanished, were skipped, or the runner fell silent.
        NotProved = "not_proved",
        /// Green once, red when repeated.
        Unstable = "unstable",
        /// Proved here, red in CI.
        CiRed = "ci_red",
    }
}

impl AttemptFailure {
    /// Whether the turn ended without a patch.
    pub const fn is_without_patch(self) -> bool {
        matches!(self, Self::AgentCrashed | Self::NoChange | Self::AgentTimedOut)
    }
}

/// Rules of the guard about what takes effect on any branch of the forge, before anybody has approved it.
const TAKES_EFFECT: &[&str] = &["ci-config", "agent-config", "protected-path"];

/// Who made the candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    Agent(String),
    Human(String),
}

impl Author {
    pub fn human(&self) -> Option<&str> {
        match self {
            Self::Human(name) => Some(name),
            Self::Agent(_) => None,
        }
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(name) => f.pad(name),
            Self::Human(name) => f.pad(&format!("human:{name}")),
        }
    }
}

impl From<&str> for Author {
    fn from(text: &str) -> Self {
        match text.strip_prefix("human:") {
            Some(name) => Self::Human(name.to_owned()),
            None => Self::Agent(text.to_owned()),
        }
    }
}

impl Serialize for Author {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Author {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}

/// One attempt with everything it left behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// From 1, without gaps.
    pub attempt_no: u32,
    /// An agent's name, or `human:NAME`.
    #[schema(value_type = String)]
    pub author: Author,
    pub status: AttemptStatus,
    /// What the author said, sanitised and masked.
    pub diagnosis: String,
    pub proposed_fix: Option<Patch>,
    pub patch_digest: Option<Digest>,
    pub guard: Option<Judgement>,
    /// The end of the proof's output, sanitised and masked; the whole is in the log.
    pub validation_log: String,
    pub failure_kind: Option<AttemptFailure>,
    pub failure_reason: Option<String>,
    /// The new failure, reduced, for the next attempt.
    pub new_failure: Option<String>,
    /// What the patch changed about the failure, in words: fixed, still failing, newly failing.
    #[serde(default)]
    pub progress: Option<String>,
    /// Names of the tests that failed in the proof.
    pub failing_tests: Vec<String>,
    /// The hint a person gave before this attempt.
    pub hint: Option<String>,
    /// Whether a recorded answer stood in for an agent.
    pub recorded: bool,
    /// Whether a patch of before is proved anew because its base moved; that uses no budget.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_again: bool,
    /// Since when it waits for somebody outside, with no worker on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Timestamp>,
    pub duration_ms: u64,
    pub tokens: Option<u64>,
    pub cost_usd: Option<f64>,
    pub created_at: Timestamp,
}

impl Attempt {
    /// Returns an attempt that has just begun.
    pub fn started(attempt_no: u32, author: Author, hint: Option<String>, now: Timestamp) -> Self {
        Self {
            attempt_no,
            author,
            status: AttemptStatus::Running,
            diagnosis: String::new(),
            proposed_fix: None,
            patch_digest: None,
            guard: None,
            validation_log: String::new(),
            failure_kind: None,
            failure_reason: None,
            new_failure: None,
            progress: None,
            failing_tests: Vec::new(),
            hint,
            recorded: false,
            is_again: false,
            waiting_since: None,
            duration_ms: 0,
            tokens: None,
            cost_usd: None,
            created_at: now,
        }
    }

    /// Returns the person who wrote the patch, where it changes what runs at the forge, so that it goes there only by somebody else's word.
    pub fn waits_for_another(&self) -> Option<&str> {
        let takes_effect = |it: &Finding| TAKES_EFFECT.contains(&it.rule.as_str());
        self.author.human().filter(|_| self.guard.as_ref().is_some_and(|it| it.findings.iter().any(takes_effect)))
    }
}
