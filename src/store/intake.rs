//! What becomes of arrivals, given what came before: decided at one place for every database.
use crate::domain::Digest;
use crate::domain::EventType;
use crate::domain::Family;
use crate::domain::NewEvent;
use crate::domain::Run;
use crate::domain::RunId;
use crate::domain::Status;
use crate::domain::family_key;
use crate::store::Arrival;
use crate::store::Arrived;
use crate::store::FamilySighting;
use crate::store::StoreError;
use crate::store::chain::About;
use crate::store::chain::End;
use crate::store::chain::Link;
use serde_json::json;
use std::collections::BTreeMap;
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

/// The families that arrivals are of, with the runs that may stand for them.
#[derive(Debug, Default)]
pub(super) struct Kin {
    families: BTreeMap<Digest, Relative>,
    runs: HashMap<RunId, Run>,
}

#[derive(Debug)]
struct Relative {
    family: Family,
    is_changed: bool,
}

impl Kin {
    /// Returns the keys of the families that arrivals are of, sorted; most arrivals are of none.
    pub(super) fn keys(arrivals: &[Arrival]) -> Vec<Digest> {
        let mut keys: Vec<_> = arrivals.iter().filter_map(|it| key_of(it).map(|(key, _)| key)).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Returns the runs that must be read: those that stand for `families`, and those that arrivals of a family are known by.
    pub(super) fn runs_of(arrivals: &[Arrival], families: &[Family], known: &Known) -> Vec<RunId> {
        let of_keys = arrivals.iter().filter(|it| it.family.is_some());
        let of_keys = of_keys.filter_map(|it| known.get(&Name::Key(it.key.clone())).map(|it| it.0));
        families.iter().map(|it| it.run_id).chain(of_keys).collect()
    }

    pub(super) fn of(families: Vec<Family>, runs: Vec<Run>) -> Self {
        let families = families.into_iter().map(|it| (it.key.clone(), Relative { family: it, is_changed: false }));
        Self { families: families.collect(), runs: runs.into_iter().map(|it| (it.id, it)).collect() }
    }

    /// Returns the run that takes in a sighting, if one does.
    fn live(&self, arrival: &Arrival) -> Option<(RunId, Status)> {
        let (key, sighting) = key_of(arrival)?;
        let family = &self.families.get(&key)?.family;
        let run = self.runs.get(&family.run_id)?;
        family
            .takes_in(run, sighting.live_for, &arrival.creation.run, sighting.began_at)
            .then_some((run.id, run.status))
    }

    /// Counts a sighting that came to the run `found`. Returns the fact that tells it, if it is to be told.
    fn saw(&mut self, arrival: &Arrival, found: RunId) -> Option<(About, NewEvent)> {
        let (key, sighting) = key_of(arrival)?;
        let created = &arrival.creation.run;
        let (now, url) = (created.created_at, sighting.url.clone());
        if found == created.id {
            self.runs.insert(found, created.clone());
        }
        let run = self.runs.get(&found)?;
        let Some(relative) = self.families.get_mut(&key) else {
            let family = Family::first_seen(run, &sighting.error_hash, url, now);
            self.families.insert(key, Relative { family, is_changed: true });
            return None;
        };
        if !relative.is_changed {
            relative.family.version += 1;
            relative.is_changed = true;
        }
        let is_told = relative.family.seen(url, now);
        if found == created.id {
            relative.family.passes_to(found);
            return None;
        }
        let what = if created.order.instruction.is_some() { "order was given" } else { "failure was seen" };
        let message = format!("the same {what} again, {} times in all", relative.family.count);
        let fact = NewEvent::new(EventType::RunRecurred, "system", message)
            .with(json!({ "count": relative.family.count, "url": sighting.url }));
        let about = About { run_id: found, version: run.version, at: now };
        (is_told && relative.family.run_id == found).then_some((about, fact))
    }

    fn changed(self) -> Vec<Family> {
        self.families.into_values().filter(|it| it.is_changed).map(|it| it.family).collect()
    }
}

fn key_of(arrival: &Arrival) -> Option<(Digest, &FamilySighting)> {
    let sighting = arrival.family.as_ref()?;
    Some((family_key(&arrival.creation.run.repository, &sighting.error_hash), sighting))
}

/// What is to be stored of arrivals, and what to answer.
#[derive(Debug, Default)]
pub(super) struct Intake<'a> {
    /// The answers, in the order of the arrivals.
    pub(super) arrived: Vec<Arrived>,
    /// Places of the arrivals that become runs.
    pub(super) taken: Vec<usize>,
    pub(super) deliveries: Vec<NewDelivery<'a>>,
    /// The events of the new runs, and of those that took something in.
    pub(super) links: Vec<Link>,
    /// Families that are new, or in their next version.
    pub(super) families: Vec<Family>,
}

impl<'a> Intake<'a> {
    /// Settles arrivals one after the other, so that two alike in one batch are one run. `end` moves on with every event.
    pub(super) fn settle(
        arrivals: &'a [Arrival],
        mut known: Known,
        mut kin: Kin,
        end: &mut End,
    ) -> Result<Self, StoreError> {
        let mut intake = Self::default();
        for (place, arrival) in arrivals.iter().enumerate() {
            let delivery = arrival.delivery.as_deref().map(|name| (Digest::of(name), name));
            let before = delivery.as_ref().and_then(|(digest, _)| known.get(&Name::Delivery(digest.clone())));
            if let Some(&(run_id, status)) = before {
                intake.arrived.push(Arrived { run_id, status, is_duplicate: true });
                continue;
            }
            let key = Name::Key(arrival.key.clone());
            let before = kin.live(arrival).or_else(|| known.get(&key).copied());
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
            if let Some((about, fact)) = kin.saw(arrival, run_id) {
                intake.links.push(end.link(about, &fact)?);
            }
            if let Some((digest, name)) = delivery {
                known.insert(Name::Delivery(digest.clone()), found);
                intake.deliveries.push(NewDelivery { digest, name, run_id });
            }
            intake.arrived.push(Arrived { run_id, status, is_duplicate: before.is_some() });
        }
        intake.families = kin.changed();
        Ok(intake)
    }
}
