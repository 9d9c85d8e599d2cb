//! What the rules say of one failed workflow run.
use crate::rules::Rules;

/// Workflows of this program itself; what they do is never healed.
const OWN_WORKFLOWS: &str = ".github/workflows/paramedic-";
/// First part of the branches with fixes, whatever the rules call them.
const OWN_BRANCHES: &str = "heal/";

/// First part of the branches of GitHub's coding agent: what it makes is judged where it was asked.
const COPILOT_BRANCHES: &str = "copilot/";

/// What is known of a workflow run that failed.
#[derive(Debug, Clone, Copy)]
pub struct Build<'a> {
    pub workflow: &'a str,
    pub workflow_path: &'a str,
    pub branch: &'a str,
    pub default_branch: &'a str,
    /// The commit is from another repository.
    pub is_fork: bool,
}

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Treatment {
    Heal,
    /// Healed, but the patch stays here; why, in words.
    PatchOnly(String),
    /// Left alone; why, in words.
    Leave(String),
}

/// Whether a branch below `prefix` can be one of ours by its name: a person may use the same prefix.
pub fn is_heal_branch(prefix: &str, branch: &str) -> bool {
    let Some(rest) = branch.strip_prefix(prefix).and_then(|it| it.strip_prefix('/')) else { return false };
    let is_hex = |text: &str| text.len() == 8 && text.bytes().all(|it| it.is_ascii_hexdigit());
    let mut parts = rest.split('-');
    match (parts.next(), parts.next()) {
        (Some("revert"), Some(merge)) => is_hex(merge) && parts.next().is_none(),
        (Some(hash), Some(commit)) => {
            is_hex(hash)
                && is_hex(commit)
                && parts.all(|it| it.len() < 20 && it.bytes().all(|it| it.is_ascii_alphanumeric()))
        }
        _ => false,
    }
}

impl Rules {
    /// Returns what to do about a failed workflow run.
    pub fn treatment(&self, build: &Build<'_>) -> Treatment {
        if let Some(why) = self.why_left(build) {
            return Treatment::Leave(why);
        }
        if build.is_fork {
            return Treatment::PatchOnly("the commit is from a fork".to_owned());
        }
        if !self.is_trusted(build.branch, build.default_branch) {
            return Treatment::PatchOnly("the branch is none of `trusted_branches`".to_owned());
        }
        Treatment::Heal
    }

    /// Whether a fix for this branch may be published.
    pub fn is_trusted(&self, branch: &str, default_branch: &str) -> bool {
        branch == default_branch || self.trusted_branches.is_match(branch)
    }

    fn why_left(&self, build: &Build<'_>) -> Option<String> {
        let is_any = |patterns: &crate::rules::Patterns| {
            patterns.is_match(build.workflow) || patterns.is_match(build.workflow_path)
        };
        let why = if !self.is_enabled {
            "healing is off here (`enabled: false`)"
        } else if is_any(&self.excluded) {
            "the workflow is one of `excluded_workflows`"
        } else if !is_any(&self.monitored) {
            "the workflow is none of `monitored_workflows`"
        } else if build.branch.starts_with(OWN_BRANCHES) || is_heal_branch(&self.branch_naming.prefix, build.branch) {
            "the branch is one of ours"
        } else if build.branch.starts_with(COPILOT_BRANCHES) {
            "the branch is one of Copilot's own"
        } else if build.workflow_path.starts_with(OWN_WORKFLOWS) {
            "the workflow is one of ours"
        } else {
            return None;
        };
        Some(why.to_owned())
    }
}
