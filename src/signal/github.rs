//! GitHub's own deliveries. Only what is needed is read, and nothing that is missing makes a delivery an error: GitHub changes its payloads.
//!
//! One red build is delivered several times: a `workflow_job` and a `check_run` for each failed job, then a `workflow_run`. None brings a log, so
//! failure lines cannot tell them apart; the number of the workflow run is in all of them (of a check in its address) and names the build.
//! A check of another app has no such number: its check suite names the build.
//!
//! `cancelled` is no failure here: a person, or a newer push, stopped the build, and there is nothing to heal.
use crate::domain::Provider;
use crate::signal::Delivery;
use crate::signal::Signal;
use crate::signal::SignalError;
use crate::signal::commit;
use crate::signal::ignored;
use crate::signal::json;
use crate::signal::normalised::MAX_BRANCH_CHARS;
use crate::signal::normalised::MAX_REPOSITORY_CHARS;
use crate::signal::text;
use crate::signal::url;
use crate::signal::words;
use serde_json::Map;
use serde_json::Value;

/// What stands before the number of a workflow run that names a build.
pub(super) const OF_RUN: &str = "github run ";
/// Characters of a name in a sentence.
const NAME_CHARS: usize = 200;
/// Steps of a job that are named.
const MAX_STEPS: usize = 20;

/// Reads a delivery of the event that `X-GitHub-Event` names.
pub(super) fn read(event: &str, body: &[u8]) -> Result<Delivery, SignalError> {
    match event {
        "workflow_run" | "workflow_job" | "check_run" => Ok(completed(event, &Value::Object(json::object(body)?))),
        "pull_request" => Ok(pull_request(&json::object(body)?)),
        "ping" => json::check_object(body).map(|()| ignored("pong")),
        "issue_comment" => json::check_object(body).map(|()| ignored("a comment does not start a heal")),
        "check_suite" => json::check_object(body).map(|()| ignored("the checks of a suite are delivered on their own")),
        other => {
            let name: String = other.chars().take(100).collect();
            json::check_object(body).map(|()| ignored(format!("the event {name} says nothing of a red build")))
        }
    }
}

fn pull_request(payload: &Map<String, Value>) -> Delivery {
    let nothing = Value::Null;
    let get = |name: &str| payload.get(name).unwrap_or(&nothing);
    let action = words(get("action"), NAME_CHARS).unwrap_or_default();
    if action != "closed" {
        return ignored(format!("pull_request {action}: only a closed one could concern a run"));
    }
    let how = if get("pull_request")["merged"] == true { "merged" } else { "closed without a merge" };
    ignored(format!("the pull request was {how}; no run waits for it"))
}

/// Reads one of the three that tell how something ended.
fn completed(event: &str, payload: &Value) -> Delivery {
    let action = words(&payload["action"], NAME_CHARS).unwrap_or_default();
    if action != "completed" {
        return ignored(format!("{event} {action}: not completed yet"));
    }
    let about = &payload[event];
    let conclusion = about["conclusion"].as_str().unwrap_or("none");
    let error_type = match conclusion {
        "failure" => "workflow_failure",
        "timed_out" => "timeout",
        "startup_failure" => "startup_failure",
        "cancelled" => return ignored("cancelled: somebody or a newer push stopped it, nothing failed"),
        other => {
            let name: String = other.chars().take(NAME_CHARS).collect();
            return ignored(format!("the conclusion is {name}, not a failure"));
        }
    };
    let Some(repository) = text(&payload["repository"]["full_name"], MAX_REPOSITORY_CHARS) else {
        return ignored("it names no repository");
    };
    let Some(commit_sha) = commit(&about["head_sha"]) else {
        return ignored("it names no commit");
    };
    let told = match event {
        "workflow_run" => of_run(payload),
        "workflow_job" => of_job(about),
        _ => of_check(about),
    };
    Delivery::Failure(Box::new(Signal {
        provider: Provider::Github,
        repository: repository.to_owned(),
        branch: told.branch.unwrap_or_default(),
        commit_sha: commit_sha.to_owned(),
        pipeline_url: url(&about["html_url"]).or_else(|| url(&about["details_url"])),
        workflow: told.workflow,
        error_type: Some(error_type.to_owned()),
        error_log: told.lines.join("\n"),
        build: Some(told.build.unwrap_or_else(|| format!("github {event} {}", about["id"].as_u64().unwrap_or(0)))),
    }))
}

/// What one kind of delivery tells besides commit and conclusion.
struct Told {
    branch: Option<String>,
    workflow: Option<String>,
    build: Option<String>,
    lines: Vec<String>,
}

fn of_run(payload: &Value) -> Told {
    let run = &payload["workflow_run"];
    let names = [&run["name"], &payload["workflow"]["name"], &run["path"]];
    let workflow = names.into_iter().find_map(|it| words(it, NAME_CHARS));
    let mut lines = vec![sentence("workflow", workflow.as_deref(), &run["conclusion"])];
    lines.extend(words(&run["display_title"], NAME_CHARS).map(|it| format!("title: {it}")));
    lines.extend(words(&run["event"], NAME_CHARS).map(|it| format!("started by: {it}")));
    Told { branch: branch(&run["head_branch"]), workflow, build: run["id"].as_u64().map(of_number), lines }
}

fn of_job(job: &Value) -> Told {
    let workflow = words(&job["workflow_name"], NAME_CHARS);
    let mut line = sentence("job", words(&job["name"], NAME_CHARS).as_deref(), &job["conclusion"]);
    if let Some(name) = &workflow {
        line = format!("{line} (workflow {name})");
    }
    let mut lines = vec![line];
    let steps = job["steps"].as_array().into_iter().flatten();
    let red = steps.filter(|it| matches!(it["conclusion"].as_str(), Some("failure" | "timed_out")));
    lines.extend(
        red.take(MAX_STEPS).map(|it| sentence("step", words(&it["name"], NAME_CHARS).as_deref(), &it["conclusion"])),
    );
    Told { branch: branch(&job["head_branch"]), workflow, build: job["run_id"].as_u64().map(of_number), lines }
}

fn of_check(check: &Value) -> Told {
    let name = words(&check["name"], NAME_CHARS);
    let mut lines = vec![sentence("check", name.as_deref(), &check["conclusion"])];
    let output = &check["output"];
    lines.extend(["title", "summary", "text"].into_iter().filter_map(|it| output[it].as_str()).map(str::to_owned));
    if let Some(n) = output["annotations_count"].as_u64().filter(|it| *it > 0) {
        lines.push(format!("annotations: {n}"));
    }
    let addresses = [&check["details_url"], &check["html_url"]];
    let run = addresses.into_iter().find_map(|it| run_in_address(it.as_str()?));
    let suite = || check["check_suite"]["id"].as_u64().map(|it| format!("github suite {it}"));
    Told {
        branch: branch(&check["check_suite"]["head_branch"]),
        workflow: name,
        build: run.map(of_number).or_else(suite),
        lines,
    }
}

fn of_number(run: u64) -> String {
    format!("{OF_RUN}{run}")
}

/// Returns the number of the workflow run in `https://github.com/OWNER/NAME/actions/runs/NUMBER/job/…`.
fn run_in_address(address: &str) -> Option<u64> {
    let (_, rest) = address.split_once("/actions/runs/")?;
    rest.split(['/', '?', '#']).next()?.parse().ok()
}

fn branch(value: &Value) -> Option<String> {
    text(value, MAX_BRANCH_CHARS).map(str::to_owned)
}

fn sentence(kind: &str, name: Option<&str>, conclusion: &Value) -> String {
    let conclusion = conclusion.as_str().unwrap_or_default();
    format!("{kind} {}: {conclusion}", name.unwrap_or("without a name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Head;

    const RUN: &str = include_str!("../../tests/it/deliveries/github_workflow_run.json");
    const JOB: &str = include_str!("../../tests/it/deliveries/github_workflow_job.json");
    const CHECK: &str = include_str!("../../tests/it/deliveries/github_check_run.json");
    const PING: &str = include_str!("../../tests/it/deliveries/github_ping.json");
    const CLOSED: &str = include_str!("../../tests/it/deliveries/github_pull_request_closed.json");

    fn example(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn delivered(event: &str, payload: &Value) -> Delivery {
        let head = Head { github_event: Some(event.to_owned()), ..Head::default() };
        crate::signal::read(&head, payload.to_string().as_bytes()).unwrap()
    }

    fn failure(event: &str, payload: &Value) -> Signal {
        match delivered(event, payload) {
            Delivery::Failure(signal) => *signal,
            Delivery::Ignored(why) => panic!("ignored: {why}"),
        }
    }

    fn reason(event: &str, payload: &Value) -> String {
        match delivered(event, payload) {
            Delivery::Failure(signal) => panic!("a failure: {signal:?}"),
            Delivery::Ignored(why) => why,
        }
    }

    fn red(text: &str, event: &str) -> Value {
        let mut payload = example(text);
        payload["action"] = "completed".into();
        payload[event]["conclusion"] = "failure".into();
        payload
    }

    #[test]
    fn a_failed_job_names_its_steps() {
        let signal = failure("workflow_job", &example(JOB));
        assert_eq!((signal.provider, signal.repository.as_str()), (Provider::Github, "Codertocat/Hello-World"));
        assert_eq!(signal.commit_sha, "3484a3fb816e0859fd6e1cea078d76385ff50625");
        assert_eq!((signal.branch.as_str(), signal.workflow.as_deref()), ("main", Some("CodeQL")));
        assert_eq!(signal.error_log, "job linters: failure (workflow CodeQL)\nstep Run yarn run format-check: failure");
        assert_eq!(signal.build.as_deref(), Some("github run 2202229078"));
    }

    #[test]
    fn all_that_is_delivered_of_one_build_names_the_same_build() {
        let mut run = red(RUN, "workflow_run");
        run["workflow_run"]["id"] = 2_202_229_078_u64.into();
        let mut check = red(CHECK, "check_run");
        check["check_run"]["details_url"] = "https://github.com/o/r/actions/runs/2202229078/job/17?pr=2".into();
        let job = failure("workflow_job", &red(JOB, "workflow_job")).build;
        assert_eq!(failure("workflow_run", &run).build, job);
        assert_eq!(failure("check_run", &check).build, job);
        assert_eq!(failure("check_run", &red(CHECK, "check_run")).build.as_deref(), Some("github suite 118578147"));
    }

    #[test]
    fn what_did_not_fail_is_ignored_with_a_reason() {
        for (event, text) in [("workflow_run", RUN), ("workflow_job", JOB), ("check_run", CHECK)] {
            for conclusion in ["success", "neutral", "skipped", "stale", "action_required", "cancelled", "?"] {
                let mut payload = red(text, event);
                payload[event]["conclusion"] = conclusion.into();
                assert!(reason(event, &payload).contains(conclusion), "{event} {conclusion}");
            }
            for (conclusion, kind) in [("timed_out", "timeout"), ("startup_failure", "startup_failure")] {
                let mut payload = red(text, event);
                payload[event]["conclusion"] = conclusion.into();
                assert_eq!(failure(event, &payload).error_type.as_deref(), Some(kind), "{event}");
            }
            let mut early = red(text, event);
            early["action"] = "requested".into();
            assert!(reason(event, &early).contains("not completed"));
        }
        assert_eq!(reason("ping", &example(PING)), "pong");
        assert!(reason("pull_request", &example(CLOSED)).contains("closed without a merge"));
        assert!(reason("issue_comment", &example(PING)).contains("comment"));
        assert!(reason("star", &example(PING)).contains("star"));
        let mut own = red(RUN, "workflow_run");
        own["workflow_run"]["head_branch"] = "heal/12345678-abcdef12".into();
        assert!(reason("workflow_run", &own).contains("heal/"));
    }

    /// Takes every part out of every example, one after the other, and puts something else there.
    #[test]
    fn nothing_that_is_missing_makes_an_error() {
        for (event, text) in [("workflow_run", RUN), ("workflow_job", JOB), ("check_run", CHECK)] {
            let whole = red(text, event);
            let mut places = Vec::new();
            paths(&whole, "", &mut places);
            for place in places {
                for other in [Value::Null, 7.into(), "".into(), serde_json::json!([{}])] {
                    let mut broken = whole.clone();
                    *broken.pointer_mut(&place).unwrap() = other;
                    if broken.is_object() {
                        delivered(event, &broken);
                    }
                }
            }
        }
    }

    fn paths(value: &Value, here: &str, found: &mut Vec<String>) {
        if let Value::Object(map) = value {
            for (key, below) in map {
                let place = format!("{here}/{}", key.replace('~', "~0").replace('/', "~1"));
                found.push(place.clone());
                paths(below, &place, found);
            }
        }
    }

    #[test]
    fn a_form_is_read_like_json() {
        let payload = red(JOB, "workflow_job").to_string();
        let form = payload.bytes().fold(String::new(), |form, it| format!("{form}%{it:02X}"));
        let head = Head { github_event: Some("workflow_job".to_owned()), is_form: true, ..Head::default() };
        let read = crate::signal::read(&head, format!("payload={form}").as_bytes()).unwrap();
        assert_eq!(read, delivered("workflow_job", &example(&payload)));
    }
}
