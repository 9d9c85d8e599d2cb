//! How a new fact joins the chain of events: its number, the digest of the one before it, and its own.
use crate::domain::Digest;
use crate::domain::Event;
use crate::domain::NewEvent;
use crate::domain::Run;
use crate::domain::RunId;
use crate::store::MAX_STORED_BYTES;
use crate::store::StoreError;
use crate::store::codec;
use jiff::Timestamp;
use serde_json::Value;

/// What facts are about, and when they happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    pub(super) run_id: RunId,
    pub(super) version: u64,
    pub(super) at: Timestamp,
}

impl From<&Run> for About {
    fn from(run: &Run) -> Self {
        Self { run_id: run.id, version: run.version, at: run.updated_at }
    }
}

/// The last event's number and digest.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) seq: u64,
    pub(super) head: Digest,
}

/// An event as it is to be stored.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) event: Event,
    /// The payload as text that reads back as the very same value.
    pub(super) payload: String,
}

impl Link {
    /// Returns how an event stands in a table. Refuses what would not read back as it is.
    pub(super) fn of(event: Event) -> Result<Self, StoreError> {
        let payload = codec::doc(format_args!("the payload of {}", event.kind), &event.payload)?;
        // The digest covers the value, the table holds its text: a value that changed on the way back would break the chain for good.
        let is_same = codec::parse_doc::<Value>("a payload", &payload)? == event.payload;
        if !is_same || event.message.len() > MAX_STORED_BYTES {
            return Err(StoreError::Broken(format!(
                "{} cannot be stored: it would not read back as it is",
                event.kind
            )));
        }
        Ok(Self { event, payload })
    }
}

impl End {
    /// Makes `new` the next event, and this its place.
    pub(super) fn link(&mut self, about: About, new: &NewEvent) -> Result<Link, StoreError> {
        let mut event = Event {
            seq: self.seq + 1,
            run_id: about.run_id,
            run_version: about.version,
            kind: new.kind,
            actor: new.actor.clone(),
            message: new.message.clone(),
            payload: new.payload.clone(),
            created_at: about.at,
            prev: self.head.clone(),
            digest: Event::genesis(),
        };
        event.digest = event.expected_digest();
        let link = Link::of(event)?;
        self.seq += 1;
        self.head = link.event.digest.clone();
        Ok(link)
    }
}
