//! Which answers are awaited; every other answer is stale.
use crate::console::action::RequestId;
use crate::console::effect::Slot;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// The latest request of each slot, and which slots are to be asked again once it is answered.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    last: u64,
    wanted: BTreeMap<Slot, (RequestId, Timestamp)>,
    again: BTreeSet<Slot>,
}

impl Requests {
    /// Names a new request; an older one of the same slot becomes stale.
    pub fn begin(&mut self, slot: Slot, now: Timestamp) -> RequestId {
        self.last += 1;
        let request = RequestId(self.last);
        self.wanted.insert(slot, (request, now));
        self.again.remove(&slot);
        request
    }

    /// Returns the slot that `request` is the awaited one of, and ends the wait; `None` for a stale one.
    pub fn finish(&mut self, request: RequestId) -> Option<Slot> {
        let slot = self.wanted.iter().find(|(_, (it, _))| *it == request).map(|(slot, _)| *slot)?;
        self.wanted.remove(&slot);
        Some(slot)
    }

    /// Stops waiting: the answer, should it come, is stale.
    pub fn forget(&mut self, slot: Slot) {
        self.wanted.remove(&slot);
        self.again.remove(&slot);
    }

    /// Whether an answer is awaited.
    pub fn is_waiting(&self, slot: Slot) -> bool {
        self.wanted.contains_key(&slot)
    }

    /// Returns since when an answer is awaited.
    pub fn since(&self, slot: Slot) -> Option<Timestamp> {
        self.wanted.get(&slot).map(|(_, since)| *since)
    }

    /// Remembers to ask again after the awaited answer, so that changes in between are not missed.
    pub fn ask_again(&mut self, slot: Slot) {
        self.again.insert(slot);
    }

    /// Returns whether to ask again, once.
    pub fn take_again(&mut self, slot: Slot) -> bool {
        self.again.remove(&slot)
    }
}
