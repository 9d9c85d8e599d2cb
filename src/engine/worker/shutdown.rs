//! How a process with workers is asked to stop: first to finish, then at once.
use tokio_util::sync::CancellationToken;

/// The two wishes. Cheap to clone; clones are the same wish.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    finish: CancellationToken,
    at_once: CancellationToken,
}

impl Shutdown {
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to claim nothing more, and to let what runs come to its end for a while.
    pub fn finish(&self) {
        self.finish.cancel();
    }

    /// Asks to give everything back now.
    pub fn at_once(&self) {
        self.finish.cancel();
        self.at_once.cancel();
    }

    /// Asks one step more than before: what each signal to stop does.
    pub fn ask_more(&self) {
        if self.finish.is_cancelled() { self.at_once() } else { self.finish() }
    }

    pub fn is_asked(&self) -> bool {
        self.finish.is_cancelled()
    }

    /// Waits until somebody asks to stop.
    pub async fn asked(&self) {
        self.finish.cancelled().await;
    }

    /// Waits until somebody asks to stop at once.
    pub async fn hurried(&self) {
        self.at_once.cancelled().await;
    }

    /// Returns what cancels the work itself.
    pub(super) const fn token(&self) -> &CancellationToken {
        &self.at_once
    }
}
