//! Why a run stopped without a fix, as data.
use crate::domain::names::named;

named! {
    /// The typed reason of an escalation. A person must act.
    Reason {
        /// Every attempt failed, or the loop stopped early on a repeated patch or a twice grown failure.
        Exhausted = "exhausted",
        /// The same command was seen both red and green at the failing commit.
        Flaky = "flaky",
        /// The failing command is green at the failing commit.
        NotReproducible = "not_reproducible",
        /// The machine or a service failed, not the repository.
        Infrastructure = "infrastructure",
        /// A security finding is never healed automatically.
        Security = "security",
        /// A credential is missing or refused.
        NeedsSecret = "needs_secret",
        /// Every candidate was larger than the policy allows.
        OverLimits = "over_limits",
        /// Every candidate, or the policy file itself, violated the policy.
        PolicyViolation = "policy_violation",
        /// Too many runs in the set time.
        RateLimited = "rate_limited",
        /// The branch moved since the failure.
        StaleHead = "stale_head",
        /// No attempt yielded a patch, or no agent could propose anything.
        AgentFailed = "agent_failed",
        /// A person refused the fix.
        Denied = "denied",
        /// The branch or fork is not trusted.
        UntrustedBranch = "untrusted_branch",
        /// No test command was found, and "no tests" is never a pass.
        NoTests = "no_tests",
        /// What was merged for it before did not hold.
        Regressed = "regressed",
    }
}

impl Reason {
    /// Returns one sentence for a person who sees the reason for the first time.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::Exhausted => "every attempt failed; the best patch is kept",
            Self::Flaky => "red and green at the same commit; the proof is kept, nothing was healed",
            Self::NotReproducible => "the command is green at the failing commit",
            Self::Infrastructure => "the machine or a service failed, not the code",
            Self::Security => "security failures are for people",
            Self::NeedsSecret => "a credential is missing or refused",
            Self::OverLimits => "the fix is larger than the policy allows",
            Self::PolicyViolation => "the guard refused every candidate",
            Self::RateLimited => "too many runs in the set time",
            Self::StaleHead => "the branch moved since the failure",
            Self::AgentFailed => "no agent produced a patch",
            Self::Denied => "a person refused the fix",
            Self::UntrustedBranch => "the branch is not trusted",
            Self::NoTests => "no test command was found",
            Self::Regressed => "the merged fix did not hold",
        }
    }
}
