//! What the guard says of a patch.
use crate::domain::names::named;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

named! {
    /// The guard's verdict, from harmless to refused.
    Verdict {
        /// Nothing to object to.
        Ok = "ok",
        /// May be proved; two different people must approve.
        NeedsTwoKeys = "needs_two_keys",
        /// Never run; its text goes to the next attempt.
        Violation = "violation",
    }
}

/// One objection: where, which rule, and why, in words for a person and for the next attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub file: String,
    /// Line in the new file (1-based), where the rule is about a line.
    pub line: Option<u32>,
    /// Stable name of the rule, `kebab-case`.
    pub rule: String,
    pub reason: String,
    pub verdict: Verdict,
}

/// A verdict with the findings that decided it; the verdict is the worst of its findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    pub verdict: Verdict,
    pub findings: Vec<Finding>,
}

impl Judgement {
    /// Judges by the worst finding; none means `ok`.
    pub fn from_findings(findings: Vec<Finding>) -> Self {
        let verdict = findings.iter().map(|it| it.verdict).max().unwrap_or(Verdict::Ok);
        Self { verdict, findings }
    }
}
