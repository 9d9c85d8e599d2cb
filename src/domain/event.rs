//! Events: past-tense facts, numbered, stored and hash-chained.
use crate::domain::ids::{Digest, RunId};
use crate::domain::names::named;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

named! {
    /// Every kind of fact that is told (DESIGN §4.2).
    EventType {
        RunCreated = "run.created",
        RunQueued = "run.queued",
        RunRequeued = "run.requeued",
        RunEscalated = "run.escalated",
        RunApproved = "run.approved",
        RunDenied = "run.denied",
        RunAborted = "run.aborted",
        RunHumanFixed = "run.human-fixed",
        AttemptStarted = "attempt.started",
        AttemptReproduced = "attempt.reproduced",
        AttemptThinking = "attempt.thinking",
        AttemptProposed = "attempt.proposed",
        AttemptGuarded = "attempt.guarded",
        AttemptValidated = "attempt.validated",
        AttemptSucceeded = "attempt.succeeded",
        AttemptFailed = "attempt.failed",
        PrOpened = "pr.opened",
        PrSkipped = "pr.skipped",
        PrMerged = "pr.merged",
        PrClosed = "pr.closed",
        /// Somebody known was refused: a viewer who decided, a revoked operator, the author of the patch.
        AccessRefused = "access.refused",
        OperatorAdded = "operator.added",
        OperatorRevoked = "operator.revoked",
        OperatorTokenIssued = "operator.token-issued",
        IssueOpened = "issue.opened",
        IssueCommented = "issue.commented",
        IssueClosed = "issue.closed",
        PrUpdated = "pr.updated",
        PrReady = "pr.ready",
        PrChecksPassed = "pr.checks-passed",
        PrChecksFailed = "pr.checks-failed",
        /// A person asked for a pull request that would not be opened otherwise.
        PrWanted = "pr.wanted",
        /// The forge said no to a person's decision; nothing changed.
        PrRefused = "pr.refused",
        BranchDeleted = "branch.deleted",
        CiRerun = "ci.rerun",
        CiCancelled = "ci.cancelled",
        CiApproved = "ci.approved",
        /// A repository's rules cannot be followed, or its forge refused something that is not about a pull request.
        CiRefused = "ci.refused",
        /// The failure was seen again while a run stood for it.
        RunRecurred = "run.recurred",
    }
}

/// A fact not yet stored: the store gives it its number and its place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewEvent {
    #[serde(rename = "type")]
    pub kind: EventType,
    /// `system`, an agent's name, or `human:NAME`.
    pub actor: String,
    pub message: String,
    pub payload: Value,
}

impl NewEvent {
    pub fn new(kind: EventType, actor: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, actor: actor.into(), message: message.into(), payload: Value::Null }
    }

    #[must_use]
    pub fn with(mut self, payload: Value) -> Self {
        self.payload = payload;
        self
    }
}

/// A stored fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Position in the chain of the whole data directory, from 1 without gaps.
    pub seq: u64,
    /// The run it is about; [`RunId::NONE`] for a fact about the backlog as a whole.
    pub run_id: RunId,
    /// The run's version after the change that this fact belongs to; 0 where there is no run.
    pub run_version: u64,
    #[serde(rename = "type")]
    pub kind: EventType,
    pub actor: String,
    pub message: String,
    pub payload: Value,
    pub created_at: Timestamp,
    /// Digest of the event before, or of nothing for the first.
    pub prev: Digest,
    /// `Event::digest_of` over all the fields above.
    pub digest: Digest,
}

impl Event {
    /// Returns the digest that belongs to these fields: SHA-256 over their JSON array, in this order.
    pub fn expected_digest(&self) -> Digest {
        let fields = serde_json::json!([
            self.seq,
            self.run_id,
            self.run_version,
            self.kind,
            self.actor,
            self.message,
            self.payload,
            self.created_at.to_string(),
            self.prev,
        ]);
        Digest::of(fields.to_string())
    }

    /// Returns what the first event names as its predecessor.
    pub fn genesis() -> Digest {
        Digest::of("paramedic audit chain v1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    fn event() -> Event {
        let mut event = Event {
            seq: 7,
            run_id: "01234567-89ab-4def-8123-456789abcdef".parse().unwrap(),
            run_version: 3,
            kind: EventType::AttemptProposed,
            actor: "playbook".to_owned(),
            message: "proposed a patch".to_owned(),
            payload: json!({ "patchDigest": "ab12", "attempt": 1, "confidence": 0.1 + 0.2 }),
            created_at: "2025-03-01T12:00:00.5Z".parse().unwrap(),
            prev: Event::genesis(),
            digest: Event::genesis(),
        };
        event.digest = event.expected_digest();
        event
    }

    /// Databases out there hold these digests: whoever changes the recipe makes every stored chain look forged.
    #[test]
    fn the_recipe_of_the_digest_stands() {
        let recipe = r#"[7,"01234567-89ab-4def-8123-456789abcdef",3,"attempt.proposed","playbook","proposed a patch",{"attempt":1,"confidence":0.30000000000000004,"patchDigest":"ab12"},"2025-03-01T12:00:00.5Z","GENESIS"]"#;
        let recipe = recipe.replace("GENESIS", Event::genesis().as_str());
        assert_eq!(event().digest, Digest::of(recipe));
        assert_eq!(Event::genesis(), Digest::of("paramedic audit chain v1"));
    }

    #[test]
    fn every_field_counts() {
        let edits: [fn(&mut Event); 10] = [
            |it| it.seq += 1,
            |it| it.run_id = RunId(uuid::Uuid::nil()),
            |it| it.run_version += 1,
            |it| it.kind = EventType::AttemptGuarded,
            |it| it.actor.push(' '),
            |it| it.message.clear(),
            |it| it.payload["attempt"] = json!("1"),
            |it| it.payload = Value::Null,
            |it| it.created_at = "2025-03-01T12:00:00.500000001Z".parse().unwrap(),
            |it| it.prev = Digest::of(""),
        ];
        let mut digests = BTreeSet::from([event().digest]);
        for edit in edits {
            let mut edited = event();
            edit(&mut edited);
            assert_eq!(edited.digest, event().digest);
            digests.insert(edited.expected_digest());
        }
        assert_eq!(digests.len(), edits.len() + 1);
    }

    #[test]
    fn json_names_are_those_of_the_contract() {
        let json = serde_json::to_value(event()).unwrap();
        let keys: BTreeSet<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let contract =
            "actor createdAt digest message payload prev runId runVersion seq type".split(' ').collect::<BTreeSet<_>>();
        assert_eq!(keys, contract);
        assert_eq!(json["type"], "attempt.proposed");
        let types = "run.created run.queued run.requeued run.escalated run.approved run.denied run.aborted run.human-fixed \
            attempt.started attempt.reproduced attempt.thinking attempt.proposed attempt.guarded attempt.validated \
            attempt.succeeded attempt.failed pr.opened pr.skipped pr.merged pr.closed access.refused operator.added \
            operator.revoked operator.token-issued issue.opened issue.commented issue.closed pr.updated pr.ready \
            pr.checks-passed pr.checks-failed pr.wanted pr.refused branch.deleted ci.rerun ci.cancelled ci.approved ci.refused \
            run.recurred";
        let known: Vec<_> = EventType::ALL.iter().map(|it| it.as_str()).collect();
        assert_eq!(known.join(" "), types);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|it| Value::from_iter(it.into_iter().collect::<Vec<_>>())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_digest_survives_storage(
            payload in any_json(),
            message in any::<String>(),
            actor in any::<String>(),
            ns in -1_000_000_000_000_000_000_i128..4_000_000_000_000_000_000,
        ) {
            let created_at = Timestamp::from_nanosecond(ns).unwrap();
            let mut event = Event { actor, message, payload, created_at, ..event() };
            event.digest = event.expected_digest();
            let back: Event = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
            prop_assert_eq!(back.expected_digest(), event.digest.clone());
            prop_assert_eq!(back, event);
        }

        /// No text can be moved over the border between two fields.
        #[test]
        fn fields_do_not_run_into_each_other(text in "[\"\\\\,a]{2,8}", cut in 0_usize..8, other in 0_usize..8) {
            let split = |at: usize| {
                let (actor, message) = text.split_at(at % (text.len() + 1));
                Event { actor: actor.to_owned(), message: message.to_owned(), ..event() }.expected_digest()
            };
            prop_assert_eq!(split(cut) == split(other), cut % (text.len() + 1) == other % (text.len() + 1));
        }
    }
}
