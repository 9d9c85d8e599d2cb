//! The run in focus, as the backlog last told it.
use crate::backlog::Live;
use crate::domain::Attempt;
use crate::domain::Digest;
use crate::domain::RunDetail;
use crate::domain::RunId;

/// One run with what is known of it.
#[derive(Debug, Clone)]
pub struct Focus {
    pub id: RunId,
    pub detail: Option<RunDetail>,
    /// Why it could not be read.
    pub refusal: Option<String>,
    pub live: Option<Live>,
}

impl Focus {
    /// Returns a run of which nothing is known yet.
    pub const fn new(id: RunId) -> Self {
        Self { id, detail: None, refusal: None, live: None }
    }

    /// Returns the attempt whose patch a decision is about.
    pub fn candidate(&self) -> Option<&Attempt> {
        self.detail.as_ref().and_then(RunDetail::candidate)
    }

    /// Returns the digest of the patch a decision is about.
    pub fn digest(&self) -> Option<&Digest> {
        self.candidate().and_then(|it| it.patch_digest.as_ref())
    }

    /// Returns an attempt by its number.
    pub fn attempt(&self, attempt_no: u32) -> Option<&Attempt> {
        self.detail.as_ref()?.attempts.iter().find(|it| it.attempt_no == attempt_no)
    }
}
