//! The heartbeat of a held run: extends the lease, and stops the work as soon as the run is no longer this worker's.
use crate::clock::instant;
use crate::domain::Status;
use crate::engine::Engine;
use crate::store::{Lease, StoreError};
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Starts the heartbeat of a lease that may run `since` then; it ends when the handle is dropped. `cancel` fires when the lease is lost, also
/// when it cannot be extended in time. Time is measured from before the store was asked: its clock can only have begun later.
pub(super) fn start(
    engine: &Engine,
    lease: &Lease,
    since: Instant,
    cancel: &CancellationToken,
) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(beat(engine.clone(), lease.clone(), since, cancel.clone())))
}

async fn beat(engine: Engine, lease: Lease, since: Instant, cancel: CancellationToken) {
    let mut extended = since;
    loop {
        tokio::time::sleep(engine.settings.pulse).await;
        // The work must have ended before another worker may begin it.
        let held_until = extended + engine.settings.lease.mul_f64(0.9);
        let look = tokio::time::timeout_at(held_until.into(), look(&engine, &lease, extended));
        match look.await {
            Ok(Ok(Some(when))) => extended = when,
            Ok(Err(StoreError::Broken(_) | StoreError::Unavailable(_))) if instant() < held_until => {}
            _ => {
                cancel.cancel();
                return;
            }
        }
    }
}

/// Looks whether the run is still this worker's, and extends the lease when it is time. Returns since when the lease runs; none = lost.
async fn look(engine: &Engine, lease: &Lease, extended: Instant) -> Result<Option<Instant>, StoreError> {
    let run = engine.store.run(lease.run_id).await?;
    if run.status != Status::Running {
        return Ok(None);
    }
    if extended.elapsed() < engine.settings.lease / 4 {
        return Ok(Some(extended));
    }
    let now = instant();
    let is_held = engine.store.heartbeat(lease, engine.clock.now(), engine.settings.lease).await?;
    Ok(is_held.then_some(now))
}
