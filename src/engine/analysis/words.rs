//! Small words of an analysis: where runners work, what is said where there is no log, what the rules suggest. Pure.
use crate::domain::{CiJob, CiRun, CiState};
use crate::forge::Annotation;
use crate::rules;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a step is called that has no name.
pub(super) const NO_NAME: &str = "UNKNOWN STEP";
/// How marks begin that any failure leaves.
const SAY_NOTHING: &[&str] = &["Process completed with exit code", "The operation was canceled"];
/// Names in a sentence.
const MAX_LISTED: usize = 10;

/// Returns the folders in which the known runners have a repository.
pub(super) fn roots(repository: &str) -> Vec<String> {
    let name = repository.rsplit('/').next().unwrap_or(repository);
    let unix = ["/home/runner/work", "/Users/runner/work", "/__w"].map(|it| format!("{it}/{name}/{name}"));
    let windows = ['C', 'D'].map(|it| format!("{it}:\\a\\{name}\\{name}"));
    unix.into_iter().chain(windows).chain(["/github/workspace".to_owned()]).collect()
}

/// Returns what stands for the log of a job that has none: what GitHub marked, and the steps that failed.
pub(super) fn without_log(job: &CiJob, annotations: &[Annotation]) -> String {
    let mut text = String::new();
    for it in annotations.iter().filter(|it| it.level == "failure") {
        let place = if it.path.is_empty() { String::new() } else { format!("{}:{}: ", it.path, it.line) };
        let title = if it.title.is_empty() { String::new() } else { format!("{}: ", it.title) };
        let _ = writeln!(text, "##[error]{place}{title}{}", it.message);
    }
    for step in job.steps.iter().filter(|it| it.state == CiState::Red) {
        let _ =
            writeln!(text, "##[error]step {} of job {}: {}", step.name, job.name, ended(step.conclusion.as_deref()));
    }
    if text.is_empty() {
        let _ = writeln!(text, "##[error]job {}: {}", job.name, ended(job.conclusion.as_deref()));
    }
    text
}

/// Whether GitHub's marks say why a job failed: that a process of it ended, or that it was stopped, does not.
pub(super) fn tell_why(annotations: &[Annotation]) -> bool {
    let says_nothing = |message: &str| SAY_NOTHING.iter().any(|it| message.starts_with(it));
    annotations.iter().any(|it| it.level == "failure" && !says_nothing(it.message.trim_start()))
}

/// Returns why a run is not to be healed of which CI says nothing more than that it is red.
pub(super) fn silence(failed: &[&str]) -> String {
    match failed {
        [] => "CI says nothing of why: the workflow could not start, and there is no test report".to_owned(),
        jobs => {
            let jobs = listed(jobs);
            format!(
                "CI says nothing of why: there is no log of {jobs}, no annotation with an error, and no test report"
            )
        }
    }
}

/// Returns what stands for the log of a run without a failed job.
pub(super) fn without_jobs(run: &CiRun) -> String {
    let ended = ended(run.conclusion.as_deref());
    format!("##[error]workflow {} ({}) could not start: {ended}\n", run.workflow, run.workflow_path)
}

fn ended(conclusion: Option<&str>) -> &str {
    conclusion.unwrap_or("failure")
}

/// Chooses at most `max` of some jobs, which come by name, and returns them by name, and the others: of each job that a matrix multiplies one leg
/// first, then another of each.
pub(super) fn chosen(jobs: Vec<CiJob>, max: usize) -> (Vec<CiJob>, Vec<CiJob>) {
    let mut n_of: BTreeMap<String, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, usize, CiJob)> = Vec::with_capacity(jobs.len());
    for (place, job) in jobs.into_iter().enumerate() {
        let n = n_of.entry(without_leg(&job.name).to_owned()).or_default();
        ranked.push((*n, place, job));
        *n += 1;
    }
    ranked.sort_by_key(|(n, place, _)| (*n, *place));
    let mut others = ranked.split_off(max.min(ranked.len()));
    ranked.sort_by_key(|(_, place, _)| *place);
    others.sort_by_key(|(_, place, _)| *place);
    let jobs = |it: Vec<(usize, usize, CiJob)>| it.into_iter().map(|(.., job)| job).collect();
    (jobs(ranked), jobs(others))
}

/// Returns a job's name without what the forge adds for the leg of a matrix: `test (linux, 3.12)`.
fn without_leg(name: &str) -> &str {
    let name = name.trim_end();
    name.strip_suffix(')').and_then(|it| it.rsplit_once(" (")).map_or(name, |(job, _)| job)
}

/// Returns the first names, and how many there are beside them.
pub(super) fn listed(names: &[&str]) -> String {
    crate::evidence::text::listed(names, MAX_LISTED)
}

/// Returns what the rules suggest for these logs, each once.
pub(super) fn suggestions(rules: &rules::Analysis, reduced: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for it in &rules.failure_patterns {
        let is_new = !found.contains(&it.suggestion);
        if is_new && reduced.iter().flat_map(|log| log.lines()).any(|line| it.pattern.is_match(line)) {
            found.push(it.suggestion.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;

    #[test]
    fn suggestions_come_from_lines_that_match() {
        let text = b"analysis:\n  failure_patterns:\n    - {pattern: 'no space', suggestion: 'clean up'}\n    - {pattern: 'a.*b', suggestion: 'never'}\n    - {pattern: 'LEFT', suggestion: 'clean up'}\n";
        let rules = Rules::read(text).unwrap().0;
        let logs = ["    1| No Space left on device\n    2| a\n    3| b\n", ""];
        assert_eq!(suggestions(&rules.analysis, &logs), ["clean up"]);
    }

    #[test]
    fn each_job_comes_before_the_legs_of_one() {
        let job = |name: &str| -> CiJob {
            serde_json::from_value(serde_json::json!({
                "id": 1, "runId": 1, "attempt": 1, "name": name, "state": "red", "conclusion": null, "checkRunId": null, "url": "",
                "steps": [], "startedAt": null, "completedAt": null,
            }))
            .unwrap()
        };
        let names = |jobs: &[CiJob]| jobs.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        let all = ["a (1)", "a (2)", "a (3)", "b (1)", "b (2)", "c"];
        let of = |max| chosen(all.into_iter().map(job).collect(), max);
        assert_eq!(names(&of(3).0), ["a (1)", "b (1)", "c"]);
        let (read, others) = of(4);
        assert_eq!(
            (names(&read), names(&others)),
            (vec!["a (1)".into(), "a (2)".into(), "b (1)".into(), "c".into()], vec!["a (3)".into(), "b (2)".into()])
        );
        assert_eq!(names(&of(9).0), all);
        assert_eq!(["x / test (linux, 3.12)", "(x)", "test()"].map(without_leg), ["x / test", "(x)", "test()"]);
    }

    #[test]
    fn a_mark_tells_why_or_only_that() {
        let mark = |level: &str, message: &str| Annotation {
            path: ".github".to_owned(),
            line: 1,
            level: level.to_owned(),
            title: String::new(),
            message: message.to_owned(),
        };
        let exit = mark("failure", "Process completed with exit code 1.");
        assert!(!tell_why(&[exit.clone(), mark("warning", "Node 16 is old")]));
        assert!(tell_why(&[exit, mark("failure", "KeyError: 'apples'")]));
        assert!(silence(&[]).contains("could not start") && silence(&["build", "test"]).contains("build, test"));
    }

    #[test]
    fn a_repository_is_found_where_runners_work() {
        let roots = roots("acme/shop");
        for root in ["/home/runner/work/shop/shop", "/__w/shop/shop", "D:\\a\\shop\\shop"] {
            assert!(roots.iter().any(|it| it == root), "{root}");
        }
    }
}
