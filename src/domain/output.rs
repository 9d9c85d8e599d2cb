//! The stored outputs of a run: what they are called, where bytes are missing in them, and which one says what is red.
use crate::domain::attempt::{Attempt, AttemptStatus};
use crate::domain::event::Event;

/// Name of the log that CI sent with its report.
pub const REPORTED: &str = "reported.log";

/// Name of the output of the first run at the failing commit.
pub const BASE: &str = "base.log";

/// Returns the name of the output of the `n`th rerun at the failing commit.
pub fn base_rerun(n: u32) -> String {
    format!("base_rerun_{n}.log")
}

/// Returns the name of what an attempt's agent printed.
pub fn of_agent(attempt_no: u32) -> String {
    format!("agent_output_attempt_{attempt_no}.log")
}

/// Returns the name of the output of an attempt's proof.
pub fn of_tests(attempt_no: u32) -> String {
    format!("test_output_attempt_{attempt_no}.log")
}

/// Returns the name of the output of an attempt's proof, repeated.
pub fn of_tests_again(attempt_no: u32) -> String {
    format!("test_output_attempt_{attempt_no}_rerun.log")
}

/// Returns the line that stands in an output where bytes were not kept.
pub fn gap(dropped_bytes: u64) -> String {
    format!("[{dropped_bytes} bytes were not kept]")
}

/// Returns which of the outputs says what is red. A proved attempt is green, and one that was never run has no test output: then it is that of the failing commit.
pub fn failing(attempts: &[Attempt], events: &[Event], attempt_no: Option<u32>, names: &[String]) -> Option<String> {
    let has = |name: &String| names.contains(name);
    let attempt = match attempt_no {
        Some(no) => attempts.iter().find(|it| it.attempt_no == no),
        None => attempts.last(),
    };
    let red = attempt.filter(|it| it.status == AttemptStatus::Failed).map(|it| it.attempt_no);
    let of_attempt = red.and_then(|no| [of_tests_again(no), of_tests(no)].into_iter().find(has));
    of_attempt.or_else(|| Some(red_base(events)).filter(has)).or_else(|| names.first().cloned())
}

/// Whether an output is that of a proof: green, whatever words stand in it.
pub fn is_proof(attempts: &[Attempt], name: &str) -> bool {
    let proved = attempts.iter().filter(|it| it.status == AttemptStatus::Succeeded).map(|it| it.attempt_no);
    proved.flat_map(|no| [of_tests(no), of_tests_again(no)]).any(|it| it == name)
}

/// Returns the first red output of the failing commit; for a flaky test that may be a rerun.
fn red_base(events: &[Event]) -> String {
    let greens = events.iter().rev().find_map(|it| it.payload.get("green")?.as_array());
    let n_green = greens.map_or(0, |it| it.iter().take_while(|it| it.as_bool() == Some(true)).count());
    if n_green == 0 { BASE.to_owned() } else { base_rerun(u32::try_from(n_green).unwrap_or(u32::MAX)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attempt::AttemptStatus::{Failed, Succeeded};
    use crate::domain::{Author, EventType, RunId};
    use jiff::Timestamp;
    use serde_json::json;

    fn reproduced(greens: &[bool]) -> Event {
        Event {
            seq: 1,
            run_id: RunId::random(),
            run_version: 1,
            kind: EventType::AttemptThinking,
            actor: "system".to_owned(),
            message: String::new(),
            payload: json!({ "green": greens }),
            created_at: Timestamp::UNIX_EPOCH,
            prev: Event::genesis(),
            digest: Event::genesis(),
        }
    }

    fn ended(attempt_no: u32, status: AttemptStatus) -> Attempt {
        Attempt { status, ..Attempt::started(attempt_no, Author::from("playbook"), None, Timestamp::UNIX_EPOCH) }
    }

    #[test]
    fn only_the_outputs_of_a_proved_attempt_are_proof() {
        let attempts = [ended(1, Failed), ended(2, Succeeded)];
        assert!(is_proof(&attempts, &of_tests(2)) && is_proof(&attempts, &of_tests_again(2)));
        assert!(!is_proof(&attempts, &of_tests(1)) && !is_proof(&attempts, BASE) && !is_proof(&attempts, &of_agent(2)));
    }

    #[test]
    fn the_output_to_read_is_never_a_green_one() {
        let all = [BASE.to_owned(), base_rerun(1), base_rerun(2), of_agent(1), of_tests(1), of_tests_again(1)];
        let (refused, once) = (&all[..4], &all[..5]);
        for (statuses, no, names, expected) in [
            (&[Succeeded][..], None, &all[..], "base.log"),
            (&[Succeeded], Some(1), &all[..], "base.log"),
            (&[Failed], None, once, "test_output_attempt_1.log"),
            (&[Failed], None, &all[..], "test_output_attempt_1_rerun.log"),
            (&[Failed, Succeeded], None, &all[..], "base.log"),
            (&[Failed, Succeeded], Some(1), once, "test_output_attempt_1.log"),
            (&[Failed], Some(1), refused, "base.log"),
            (&[], None, &all[..2], "base.log"),
        ] {
            let attempts: Vec<Attempt> = (1..).zip(statuses).map(|(no, status)| ended(no, *status)).collect();
            assert_eq!(failing(&attempts, &[], no, names).as_deref(), Some(expected), "{statuses:?} {no:?} {names:?}");
        }
        for (greens, expected) in [([false, true, true], "base.log"), ([true, true, false], "base_rerun_2.log")] {
            assert_eq!(failing(&[], &[reproduced(&greens)], None, &all).as_deref(), Some(expected));
        }
        assert_eq!(failing(&[], &[], None, &[]), None);
    }
}
