//! One target's way through the chain: hold the place, tell what comes, move on.
use crate::domain::{Event, RunId};
use crate::evidence::text::clean_line;
use crate::notify::{Notice, Notifier, NotifyError, Target, text};
use crate::store::StoreError;
use crate::telemetry::metrics::Delivery;
use serde_json::Value;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Events read at once.
const PAGE: u32 = 100;
/// How long a place is held without a sign of life; longer than a try and a slice of waiting together.
const HOLD: Duration = Duration::from_secs(45);
/// The longest time between two signs of life while waiting.
const SLICE: Duration = Duration::from_secs(10);
/// How long a database that does not answer is left alone.
const PAUSE: Duration = Duration::from_secs(2);
/// How often another holder of the place is looked after.
const LOOK: Duration = Duration::from_secs(5);
/// The longest payload of an event that is passed on, in bytes of JSON.
const MAX_PAYLOAD: usize = 64 * 1024;

/// Why a round ended.
enum Stopped {
    /// Somebody else holds the place.
    Elsewhere,
    Store(StoreError),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A held place in the chain.
struct Place<'a> {
    notifier: &'a Notifier,
    target: &'a Target,
    name: String,
    holder: String,
    /// Whether the last event was given up: then the next ones are tried once, until one arrives.
    is_down: bool,
    is_held: bool,
}

impl Notifier {
    pub(super) async fn follow(&self, target: &Target, stop: &CancellationToken) {
        let name = format!("notify:{}", target.name);
        let holder = format!("{}:{}", std::process::id(), RunId::random());
        let mut place = Place { notifier: self, target, name, holder, is_down: false, is_held: false };
        while !stop.is_cancelled() {
            let Some(ended) = stop.run_until_cancelled(place.tell_all()).await else { break };
            let pause = match ended {
                Ok(()) => continue,
                Err(Stopped::Elsewhere) => LOOK,
                Err(Stopped::Store(error)) => {
                    tracing::warn!(to = place.target.name, %error, "cannot follow the events");
                    PAUSE
                }
            };
            let _ = stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
        place.let_go().await;
    }
}

impl Place<'_> {
    /// Tells what is there, then waits a while for more.
    async fn tell_all(&mut self) -> Result<(), Stopped> {
        let store = &self.notifier.store;
        let place = self.hold().await;
        let was_held = std::mem::replace(&mut self.is_held, place.is_ok());
        let place = place?;
        if !was_held {
            tracing::info!(to = self.target.name, seq = place, "telling what happens from here on");
        }
        let events = store.events(None, place, PAGE).await?;
        let Some(last) = events.last().map(|it| it.seq) else {
            store.changed(place, SLICE).await?;
            return Ok(());
        };
        for event in events {
            let seq = event.seq;
            if self.target.events.contains(&event.kind) {
                self.tell(event).await?;
                self.advance(seq).await?;
            }
        }
        self.advance(last).await
    }

    /// Tells one event: tries, waits, tries again, gives up.
    async fn tell(&mut self, event: Event) -> Result<(), Stopped> {
        let (seq, kind, run_id) = (event.seq, event.kind, event.run_id);
        let notice = self.notifier.notice(event).await?;
        let pace = self.notifier.pace;
        let (mut n_tried, mut waited) = (0, Duration::ZERO);
        let why = loop {
            self.hold().await?;
            n_tried += 1;
            // A channel keeps its own limit; this one is for a channel that does not.
            let sent = tokio::time::timeout(pace.limit * 2, self.target.channel.send(&notice, pace.limit)).await;
            let (why, after) = match sent {
                Ok(Ok(())) => {
                    self.is_down = false;
                    self.count(Delivery::Sent);
                    tracing::debug!(to = self.target.name, seq, %kind, %run_id, n_tried, "told");
                    return Ok(());
                }
                Ok(Err(NotifyError::Never(why))) => break why,
                Ok(Err(NotifyError::Later { why, after })) => (why, after),
                Err(_) => ("it takes too long".to_owned(), None),
            };
            let wait = pace.wait(n_tried, waited, after, rand_number()).filter(|_| !self.is_down);
            let Some(wait) = wait else { break why };
            tracing::debug!(to = self.target.name, seq, why, n_tried, "not told yet");
            self.sleep(wait).await?;
            waited += wait;
        };
        self.is_down = true;
        self.count(Delivery::GivenUp);
        let why = clean_line(&self.notifier.masker.mask(&why));
        tracing::warn!(to = self.target.name, seq, %kind, %run_id, n_tried, why, "gave up telling");
        Ok(())
    }

    fn count(&self, delivery: Delivery) {
        if let Some(metrics) = &self.notifier.metrics {
            metrics.notification(&self.target.name, delivery);
        }
    }

    /// Sleeps without losing the place.
    async fn sleep(&self, wait: Duration) -> Result<(), Stopped> {
        let mut left = wait;
        while !left.is_zero() {
            let slice = left.min(SLICE);
            tokio::time::sleep(slice).await;
            self.hold().await?;
            left -= slice;
        }
        Ok(())
    }

    async fn hold(&self) -> Result<u64, Stopped> {
        let now = self.notifier.clock.now();
        let held = self.notifier.store.hold_cursor(&self.name, &self.holder, now, HOLD).await?;
        held.ok_or(Stopped::Elsewhere)
    }

    async fn advance(&self, seq: u64) -> Result<(), Stopped> {
        let is_held = self.notifier.store.move_cursor(&self.name, &self.holder, seq).await?;
        if is_held { Ok(()) } else { Err(Stopped::Elsewhere) }
    }

    /// Leaves the place to others at once. Only a courtesy: it would fall to them in time.
    async fn let_go(&self) {
        let now = self.notifier.clock.now();
        let leave = self.notifier.store.hold_cursor(&self.name, &self.holder, now, Duration::ZERO);
        let _ = tokio::time::timeout(PAUSE, leave).await;
    }
}

impl Notifier {
    /// Returns what is told about an event: masked, cleaned and bounded, whatever was stored.
    async fn notice(&self, mut event: Event) -> Result<Notice, StoreError> {
        let run = match event.run_id {
            RunId::NONE => None,
            id => match self.store.run(id).await {
                Ok(run) => Some(run),
                Err(StoreError::NotFound) => None,
                Err(error) => return Err(error),
            },
        };
        let safe = |text: &str| clean_line(&self.masker.mask(text));
        event.actor = safe(&event.actor);
        event.message = safe(&event.message);
        if event.payload.to_string().len() > MAX_PAYLOAD {
            event.payload = Value::Null;
        }
        event.payload = safe_value(event.payload, &safe);
        let run = run.map(|mut run| {
            for text in [&mut run.repository, &mut run.branch, &mut run.commit_sha, &mut run.error_summary] {
                *text = safe(text);
            }
            let optional = [
                &mut run.pipeline_url,
                &mut run.error_type,
                &mut run.escalation_note,
                &mut run.pr_url,
                &mut run.heal_branch,
            ];
            for text in optional {
                *text = text.as_deref().map(safe);
            }
            run
        });
        let text = text::of(&event, run.as_ref());
        Ok(Notice { event, run, text })
    }
}

fn safe_value(value: Value, safe: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(safe(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(|it| safe_value(it, safe)).collect()),
        Value::Object(object) => {
            Value::Object(object.into_iter().map(|(key, value)| (safe(&key), safe_value(value, safe))).collect())
        }
        other => other,
    }
}

/// Returns any number; only good for spreading.
fn rand_number() -> u64 {
    RunId::random().0.as_u64_pair().0
}
