//! What becomes of arrivals, given what came before: decided at one place for every database.
use crate::domain::Digest;
use crate::domain::RunId;
use crate::domain::Status;
use crate::store::Arrival;
use crate::store::Arrived;
use crate::store::StoreError;
use crate::store::chain::About;
use crate::store::chain::End;
use crate::store::chain::Link;
use std::collections::HashMap;

/// What an arrival is known by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Name {
    /// The digest of what its sender calls the delivery.
    Delivery(Digest),
    /// Its key.
    Key(Digest),
}

/// The runs of what came before, by every name asked about.
pub(super) type Known = HashMap<Name, (RunId, Status)>;

/// A delivery that did not come before, and its run.
#[derive(Debug)]
pub(super) struct NewDelivery<'a> {
    pub(super) digest: Digest,
    pub(super) name: &'a str,
    pub(super) run_id: RunId,
}

/// What is to be stored of arrivals, and what to answer.
#[derive(Debug, Default)]
pub(super) struct Intake<'a> {
    /// The answers, in the order of the arrivals.
    pub(super) arrived: Vec<Arrived>,
    /// Places of the arrivals that become runs.
    pub(super) taken: Vec<usize>,
    pub(super) deliveries: Vec<NewDelivery<'a>>,
    /// The events of the new runs.
    pub(super) links: Vec<Link>,
}

impl<'a> Intake<'a> {
    /// Settles arrivals one after the other, so that two alike in one batch are one run. `end` moves on with every event.
    pub(super) fn settle(arrivals: &'a [Arrival], mut known: Known, end: &mut End) -> Result<Self, StoreError> {
        let mut intake = Self::default();
        for (place, arrival) in arrivals.iter().enumerate() {
            let delivery = arrival.delivery.as_deref().map(|name| (Digest::of(name), name));
            let before = delivery.as_ref().and_then(|(digest, _)| known.get(&Name::Delivery(digest.clone())));
            if let Some(&(run_id, status)) = before {
                intake.arrived.push(Arrived { run_id, status, is_duplicate: true });
                continue;
            }
            let key = Name::Key(arrival.key.clone());
            let before = known.get(&key).copied();
            let run = &arrival.creation.run;
            let found = before.unwrap_or((run.id, run.status));
            if before.is_none() {
                for event in &arrival.creation.events {
                    intake.links.push(end.link(About::from(run), event)?);
                }
                known.insert(key, found);
                intake.taken.push(place);
            }
            let (run_id, status) = found;
            if let Some((digest, name)) = delivery {
                known.insert(Name::Delivery(digest.clone()), found);
                intake.deliveries.push(NewDelivery { digest, name, run_id });
            }
            intake.arrived.push(Arrived { run_id, status, is_duplicate: before.is_some() });
        }
        Ok(intake)
    }
}
