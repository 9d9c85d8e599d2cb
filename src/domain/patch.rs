//! A candidate patch: the whole difference from the failing commit, as a unified git diff.
use crate::domain::ids::Digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A unified git diff, byte for byte as git wrote it. Hostile text: sanitise before showing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Patch(pub String);

impl Patch {
    /// Returns the SHA-256 of the text; two equal patches have equal digests.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.trim().is_empty()
    }

    /// Returns `(files, added, removed)`, counted over the hunks.
    pub fn stat(&self) -> (usize, usize, usize) {
        let mut files = 0;
        let (mut added, mut removed) = (0, 0);
        let mut in_hunk = false;
        for line in self.0.lines() {
            if line.starts_with("diff --git ") {
                files += 1;
                in_hunk = false;
            } else if line.starts_with("@@ ") {
                in_hunk = true;
            } else if in_hunk && line.starts_with('+') {
                added += 1;
            } else if in_hunk && line.starts_with('-') {
                removed += 1;
            }
        }
        (files, added, removed)
    }
}
