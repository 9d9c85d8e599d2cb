//! The audit: does the chain of events hold together, and do runs and attempts agree with it? Adapters feed it what they read, in order.
use crate::domain::Attempt;
use crate::domain::Digest;
use crate::domain::Event;
use crate::domain::EventType;
use crate::domain::Run;
use crate::domain::RunId;
use crate::domain::Status;
use crate::store::Audit;
use crate::store::codec;
use serde_json::Value;
use std::collections::BTreeMap;

/// Problems that are told in full; of further ones only the number.
const MAX_PROBLEMS: usize = 100;

/// Longest text of a problem: rows that somebody made up may hold anything.
const MAX_PROBLEM_CHARS: usize = 300;

/// Takes in all events by number, then all runs, then all attempts, and tells what does not fit.
#[derive(Debug)]
pub(super) struct Auditor {
    events: u64,
    last_seq: u64,
    head: Digest,
    trails: BTreeMap<RunId, Trail>,
    /// The last proposed patch by run and attempt, with the number of its event.
    proposals: BTreeMap<(RunId, u64), (u64, String)>,
    /// How many attempts each run counts, and how many of them were read.
    attempts: BTreeMap<RunId, (u32, u32)>,
    problems: Vec<String>,
    untold: usize,
}

/// What the events say of one run.
#[derive(Debug)]
struct Trail {
    last_seq: u64,
    last_version: u64,
    allowed: &'static [Status],
    has_run: bool,
}

impl Default for Auditor {
    fn default() -> Self {
        Self {
            events: 0,
            last_seq: 0,
            head: Event::genesis(),
            trails: BTreeMap::new(),
            proposals: BTreeMap::new(),
            attempts: BTreeMap::new(),
            problems: Vec::new(),
            untold: 0,
        }
    }
}

impl Auditor {
    /// Notes something that the adapter itself found.
    pub(super) fn problem(&mut self, text: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS - 1 {
            self.problems.push(printable(&text.into()));
        } else {
            self.untold += 1;
        }
    }

    /// Takes in the next event, by number.
    pub(super) fn event(&mut self, event: &Event) {
        self.link(event.seq, &event.prev, &event.digest);
        if event.expected_digest() != event.digest {
            self.problem(format!("event {}: its content does not match its digest", event.seq));
        }
        self.follow(event);
    }

    /// Takes in the next event where only its place in the chain is readable.
    pub(super) fn unreadable_event(&mut self, seq: u64, prev: &Digest, digest: &Digest, why: &str) {
        self.link(seq, prev, digest);
        self.problem(format!("event {seq}: cannot be read: {why}"));
    }

    fn link(&mut self, seq: u64, prev: &Digest, digest: &Digest) {
        let due = self.last_seq + 1;
        if seq > due && seq - due == 1 {
            self.problem(format!("event {due}: is missing"));
        } else if seq > due {
            self.problem(format!("events {due} to {}: are missing", seq - 1));
        } else if seq < due {
            self.problem(format!("event {seq}: stands where event {due} is due"));
        }
        if *prev != self.head {
            self.problem(format!("event {seq}: does not follow the event before it"));
        }
        self.events += 1;
        self.last_seq = self.last_seq.max(seq);
        self.head = digest.clone();
    }

    fn follow(&mut self, event: &Event) {
        if event.run_id == RunId::NONE {
            return;
        }
        let allowed = allowed_after(event);
        let trail = self.trails.entry(event.run_id).or_insert(Trail {
            last_seq: event.seq,
            last_version: event.run_version,
            allowed: Status::ALL,
            has_run: false,
        });
        let before = trail.last_version;
        trail.last_seq = event.seq;
        trail.last_version = before.max(event.run_version);
        trail.allowed = allowed.unwrap_or(trail.allowed);
        if event.run_version < before {
            self.problem(format!(
                "event {}: belongs to version {} of run {}, after one of version {before}",
                event.seq, event.run_version, event.run_id
            ));
        }
        if event.kind == EventType::AttemptProposed
            && let (Some(attempt_no), Some(digest)) =
                (event.payload.get("attempt").and_then(Value::as_u64), event.payload.get("patchDigest"))
            && let Some(digest) = digest.as_str()
        {
            self.proposals.insert((event.run_id, attempt_no), (event.seq, digest.to_owned()));
        }
    }

    /// Compares the end of the chain as noted by the writers with the end as read.
    pub(super) fn noted_end(&mut self, noted: Option<(u64, Digest)>) {
        let (seq, head) = noted.unwrap_or((0, Event::genesis()));
        if seq != self.last_seq {
            self.problem(format!("the chain was {seq} events long, now its last is event {}", self.last_seq));
        } else if head != self.head {
            self.problem(format!("event {seq}: is not the one that was stored last"));
        }
    }

    /// Takes in a run.
    pub(super) fn run(&mut self, run: &Run) {
        self.attempts.insert(run.id, (run.attempt_count, 0));
        let Some(trail) = self.trails.get_mut(&run.id) else {
            return self.problem(format!("run {}: no event tells of it", run.id));
        };
        trail.has_run = true;
        let Trail { last_seq, last_version, allowed, .. } = *trail;
        if run.version < last_version {
            self.problem(format!(
                "run {}: is at version {}, but event {last_seq} tells of version {last_version}",
                run.id, run.version
            ));
        }
        if !allowed.contains(&run.status) {
            self.problem(format!("run {}: is {}, which does not follow from its events", run.id, run.status));
        }
    }

    /// Takes in a row of the table of attempts, as it was found.
    pub(super) fn attempt_row(&mut self, id: &str, no: i64, doc: &str) {
        match (codec::parse_id(id), codec::parse_doc::<Attempt>("its document", doc)) {
            (Ok(run), Ok(attempt)) if i64::from(attempt.attempt_no) == no => self.attempt(run, &attempt),
            (Ok(_), Ok(attempt)) => {
                self.problem(format!("run {id}: attempt {no} holds the document of attempt {}", attempt.attempt_no));
            }
            (Err(error), _) | (_, Err(error)) => {
                self.problem(format!("run {id}: attempt {no}: {}", codec::why(error)));
            }
        }
    }

    /// Takes in an attempt.
    pub(super) fn attempt(&mut self, run: RunId, attempt: &Attempt) {
        let no = attempt.attempt_no;
        match self.attempts.get_mut(&run) {
            Some((counted, read)) if (1..=*counted).contains(&no) => *read += 1,
            _ => self.problem(format!("run {run}: attempt {no} is none that the run counts")),
        }
        let actual = attempt.proposed_fix.as_ref().map(crate::domain::Patch::digest);
        if attempt.patch_digest.is_some() && attempt.patch_digest != actual {
            self.problem(format!("run {run}: the patch of attempt {no} does not match its digest"));
        }
        if let Some((seq, proposed)) = self.proposals.remove(&(run, u64::from(no)))
            && actual.as_ref().map(Digest::as_str) != Some(proposed.as_str())
        {
            self.problem(format!("run {run}: the patch of attempt {no} is not the one that event {seq} tells of"));
        }
    }

    /// Tells the result.
    pub(super) fn finish(mut self) -> Audit {
        let gone: Vec<_> =
            self.trails.iter().filter(|(_, it)| !it.has_run).map(|(id, it)| (*id, it.last_seq)).collect();
        for (id, seq) in gone {
            self.problem(format!("run {id}: is gone, but event {seq} tells of it"));
        }
        for ((id, no), (seq, _)) in std::mem::take(&mut self.proposals) {
            self.problem(format!("run {id}: attempt {no} is gone, but event {seq} tells of its patch"));
        }
        for (id, (counted, read)) in std::mem::take(&mut self.attempts) {
            if read < counted {
                self.problem(format!("run {id}: counts {counted} attempts, but {read} are stored"));
            }
        }
        if self.untold > 0 {
            self.problems.push(format!("and {} more", self.untold));
        }
        Audit { events: self.events, head: self.head.to_string(), problems: self.problems }
    }
}

/// Bounds a text and escapes all but plain ASCII: these texts are for terminals, and parts of them are whatever a forger wrote.
fn printable(text: &str) -> String {
    let mut printable = String::new();
    for ch in text.chars().take(MAX_PROBLEM_CHARS) {
        match ch {
            ' '..='~' => printable.push(ch),
            _ => printable.extend(ch.escape_default()),
        }
    }
    printable
}

/// Returns the states a run may be in after `event`, `None` where the event says nothing of the state.
///
/// A queued run may already be running: taking it makes a version without an event.
fn allowed_after(event: &Event) -> Option<&'static [Status]> {
    use EventType as E;
    let says = |key: &str| event.payload.get(key).and_then(Value::as_bool).unwrap_or(false);
    let is_final = says("final");
    Some(match event.kind {
        // Told of a run that waits for somebody outside.
        E::AttemptThinking if says("idle") => return None,
        E::RunCreated | E::RunQueued | E::RunRequeued | E::RunHumanFixed => &[Status::Queued, Status::Running],
        E::AttemptStarted
        | E::AttemptReproduced
        | E::AttemptThinking
        | E::AttemptProposed
        | E::AttemptGuarded
        | E::AttemptValidated
        | E::AttemptFailed => &[Status::Running],
        E::RunEscalated | E::RunDenied => &[Status::Escalated],
        E::RunApproved | E::PrMerged if is_final => &[Status::Resolved],
        E::AttemptSucceeded | E::RunApproved => &[Status::Fixed],
        E::RunAborted => &[Status::Aborted],
        E::PrOpened
        | E::PrSkipped
        | E::PrMerged
        | E::PrClosed
        | E::AccessRefused
        | E::OperatorAdded
        | E::OperatorRevoked
        | E::OperatorTokenIssued
        | E::IssueOpened
        | E::IssueCommented
        | E::IssueClosed
        | E::PrUpdated
        | E::PrReady
        | E::PrChecksPassed
        | E::PrChecksFailed
        | E::PrWanted
        | E::PrRefused
        | E::BranchDeleted
        | E::CiRerun
        | E::CiCancelled
        | E::CiApproved
        | E::CiRefused
        | E::RunRecurred => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain that was forged as a whole still must tell a story that can have happened.
    #[test]
    fn versions_do_not_go_backwards() {
        let run_id = RunId::random();
        let mut auditor = Auditor::default();
        let mut prev = Event::genesis();
        for (seq, run_version) in [(1, 1), (2, 3), (3, 3), (4, 2)] {
            let mut event = Event {
                seq,
                run_id,
                run_version,
                kind: EventType::RunQueued,
                actor: String::new(),
                message: String::new(),
                payload: Value::Null,
                created_at: jiff::Timestamp::UNIX_EPOCH,
                prev,
                digest: Event::genesis(),
            };
            event.digest = event.expected_digest();
            prev = event.digest.clone();
            auditor.event(&event);
        }
        auditor.noted_end(Some((4, prev)));
        assert_eq!(
            auditor.problems,
            [format!("event 4: belongs to version 2 of run {run_id}, after one of version 3")]
        );
    }

    #[test]
    fn what_a_forger_wrote_is_bounded_and_escaped() {
        let mut auditor = Auditor::default();
        auditor.problem(format!("run \u{1b}]52;c;x\u{7}\u{202e}{}", "y".repeat(100_000)));
        let problem = &auditor.finish().problems[0];
        assert!(problem.starts_with(r"run \u{1b}]52;c;x\u{7}\u{202e}yyy"), "{problem}");
        assert!(problem.len() < 400);
    }
}
