//! Jenkins, as its Notification plugin tells of a build. The plugin may bring the last lines of the log; then these tell one failure from another.
//! Else the job's name does: the plugin tells of one build two or three times, and names nothing else that stays the same.
use crate::domain::Provider;
use crate::signal::Delivery;
use crate::signal::Signal;
use crate::signal::commit;
use crate::signal::ignored;
use crate::signal::is_blank;
use crate::signal::normalised::MAX_BRANCH_CHARS;
use crate::signal::normalised::MAX_REPOSITORY_CHARS;
use crate::signal::text;
use crate::signal::url;
use crate::signal::words;
use serde_json::Map;
use serde_json::Value;

/// Characters of a name in a sentence.
const NAME_CHARS: usize = 200;
/// Failed tests that are named.
const MAX_TESTS: usize = 50;

/// Whether a payload has the shape of the plugin's.
pub(super) fn is_from_jenkins(payload: &Map<String, Value>) -> bool {
    payload.get("build").is_some_and(Value::is_object) && !payload.contains_key("errorLog")
}

/// Reads what the plugin tells. `UNSTABLE` is a build whose tests failed.
pub(super) fn read(payload: &Map<String, Value>) -> Delivery {
    let build = &payload["build"];
    let phase = words(&build["phase"], NAME_CHARS).unwrap_or_default();
    if !matches!(phase.as_str(), "COMPLETED" | "FINALIZED" | "FINISHED") {
        return ignored(format!("the build is in phase {phase}, not over yet"));
    }
    let status = words(&build["status"], NAME_CHARS).unwrap_or_default();
    let error_type = match status.as_str() {
        "FAILURE" => "build_failure",
        "UNSTABLE" => "test_failure",
        _ => return ignored(format!("the build is {status}, not a failure")),
    };
    let scm = &build["scm"];
    let Some(repository) = scm["url"].as_str().and_then(repository_of) else {
        return ignored("it names no repository");
    };
    let Some(commit_sha) = commit(&scm["commit"]) else { return ignored("it names no commit") };
    let job = payload.get("name").and_then(|it| words(it, NAME_CHARS));
    let log = build["log"].as_str().filter(|it| !is_blank(it));
    let branch = text(&scm["branch"], MAX_BRANCH_CHARS).unwrap_or_default();
    let name = job.clone().unwrap_or_else(|| "?".to_owned());
    let error_log = log.map_or_else(|| told(&name, &status, &build["test_summary"]), str::to_owned);
    Delivery::Failure(Box::new(Signal {
        provider: Provider::Jenkins,
        repository,
        branch: plain_branch(branch).to_owned(),
        commit_sha: commit_sha.to_owned(),
        pipeline_url: url(&build["full_url"]),
        workflow: job,
        // A log knows better what failed.
        error_type: log.is_none().then(|| error_type.to_owned()),
        error_log,
        build: log.is_none().then(|| format!("jenkins job {name}")),
    }))
}

fn told(job: &str, status: &str, tests: &Value) -> String {
    let mut lines = vec![format!("job {job}: {status}")];
    let failed = tests["failed_tests"].as_array().into_iter().flatten();
    let names = failed.filter_map(|it| words(it, NAME_CHARS).or_else(|| words(&it["name"], NAME_CHARS)));
    lines.extend(names.take(MAX_TESTS).map(|it| format!("FAILED {it}")));
    lines.join("\n")
}

/// Returns the path of a clone address, `owner/name`, without what may be secret in it.
fn repository_of(address: &str) -> Option<String> {
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        // git@host:owner/name.git
        None => address.split_once(':').map_or(address, |(_, path)| path),
    };
    let path = path.split(['?', '#']).next()?.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let is_name = !path.is_empty() && path.chars().count() <= MAX_REPOSITORY_CHARS;
    is_name.then(|| path.to_owned())
}

fn plain_branch(branch: &str) -> &str {
    ["refs/heads/", "refs/remotes/origin/", "origin/"].iter().find_map(|it| branch.strip_prefix(it)).unwrap_or(branch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Head;

    const BUILD: &str = include_str!("../../tests/it/deliveries/jenkins_notification.json");

    fn delivered(payload: &Value) -> Delivery {
        crate::signal::read(&Head::default(), payload.to_string().as_bytes()).unwrap()
    }

    fn with_status(status: &str) -> Value {
        let mut payload: Value = serde_json::from_str(BUILD).unwrap();
        payload["build"]["status"] = status.into();
        payload
    }

    #[test]
    fn the_documented_build_is_a_failure_when_it_failed() {
        for status in ["SUCCESS", "ABORTED", "NOT_BUILT"] {
            assert!(matches!(delivered(&with_status(status)), Delivery::Ignored(why) if why.contains(status)));
        }
        let Delivery::Failure(signal) = delivered(&with_status("FAILURE")) else { panic!("ignored") };
        assert_eq!((signal.provider, signal.repository.as_str()), (Provider::Jenkins, "shop/api"));
        assert_eq!(signal.commit_sha, "c6d86dc654b12425e706bcf951adfe5a8627a517");
        assert_eq!((signal.branch.as_str(), signal.workflow.as_deref()), ("main", Some("shop-api")));
        assert_eq!(signal.pipeline_url.as_deref(), Some("http://jenkins.example:8080/job/shop-api/18/"));
        assert_eq!(
            (signal.error_type.as_deref(), signal.error_log.as_str()),
            (Some("build_failure"), "job shop-api: FAILURE")
        );
        assert_eq!(signal.build.as_deref(), Some("jenkins job shop-api"));
    }

    #[test]
    fn a_log_speaks_for_itself() {
        let mut payload = with_status("UNSTABLE");
        payload["build"]["log"] = "KeyError: 'a'\nFinished: UNSTABLE".into();
        let Delivery::Failure(signal) = delivered(&payload) else { panic!("ignored") };
        assert_eq!((signal.error_type, signal.build), (None, None));
        assert!(signal.error_log.starts_with("KeyError"));
        // Nothing that can be read is no log: the build is known by its job.
        payload["build"]["log"] = "\0\0\n".into();
        assert!(matches!(delivered(&payload), Delivery::Failure(it) if it.build.is_some()));
        payload["build"]["phase"] = "STARTED".into();
        assert!(matches!(delivered(&payload), Delivery::Ignored(why) if why.contains("STARTED")));
    }

    #[test]
    fn a_repository_is_named_by_its_address_without_its_secrets() {
        for (address, name) in [
            ("https://git.example/shop/api.git", Some("shop/api")),
            ("https://user:hunter2@git.example/a/b/c", Some("a/b/c")),
            ("git@github.com:owner/name.git", Some("owner/name")),
            ("ssh://git@host:22/owner/name.git/", Some("owner/name")),
            ("https://github.com/", None),
            ("", None),
        ] {
            assert_eq!(repository_of(address).as_deref(), name, "{address}");
        }
    }
}
