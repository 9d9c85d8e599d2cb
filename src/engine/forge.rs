//! What the engine may do at the forge.
use crate::domain::ForgeTerms;
use crate::engine::watch::Pokes;
use crate::forge::{Reads, Writes};
use std::sync::Arc;

/// The engine's seat at the forge. Without `reads` no forge is asked; without `writes` nothing there is ever changed: in safe mode nobody has them.
#[derive(Debug, Clone, Default)]
pub struct ForgeSeat {
    pub reads: Option<Arc<dyn Reads>>,
    pub writes: Option<Arc<dyn Writes>>,
    pub terms: ForgeTerms,
    /// Why there are no `writes`, in words.
    pub why_not: Option<String>,
    /// Has the watcher of this process look soon.
    pub pokes: Arc<Pokes>,
}
