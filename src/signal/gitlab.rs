//! GitLab's pipeline and job hooks. None brings a log: the number of the pipeline, which both carry, names the build.
use crate::domain::Provider;
use crate::signal::Delivery;
use crate::signal::Signal;
use crate::signal::SignalError;
use crate::signal::commit;
use crate::signal::ignored;
use crate::signal::json;
use crate::signal::normalised::MAX_BRANCH_CHARS;
use crate::signal::normalised::MAX_REPOSITORY_CHARS;
use crate::signal::normalised::MAX_TYPE_CHARS;
use crate::signal::text;
use crate::signal::url;
use crate::signal::words;
use serde_json::Value;

/// Characters of a name in a sentence.
const NAME_CHARS: usize = 200;
/// Jobs of a pipeline that are named.
const MAX_JOBS: usize = 20;

/// Reads a delivery of the event that `X-Gitlab-Event` names. System hooks bring the same payloads, so these say themselves what they are.
pub(super) fn read(event: &str, body: &[u8]) -> Result<Delivery, SignalError> {
    if !matches!(event, "Pipeline Hook" | "Job Hook" | "System Hook") {
        let name: String = event.chars().take(100).collect();
        return json::check_object(body).map(|()| ignored(format!("the event {name} says nothing of a red build")));
    }
    let payload = Value::Object(json::object(body)?);
    Ok(match payload["object_kind"].as_str() {
        Some("pipeline") => of_pipeline(&payload),
        Some("build") => of_job(&payload),
        _ => ignored("neither a pipeline nor a job"),
    })
}

fn of_pipeline(payload: &Value) -> Delivery {
    let about = &payload["object_attributes"];
    let status = about["status"].as_str().unwrap_or("none");
    if status != "failed" {
        return not_failed("pipeline", status);
    }
    let all = payload["builds"].as_array().map(Vec::as_slice).unwrap_or_default();
    let red: Vec<&Value> = all.iter().filter(|it| it["status"] == "failed" && it["allow_failure"] != true).collect();
    let name = words(&about["name"], NAME_CHARS);
    let mut lines =
        vec![format!("{}: failed", name.as_deref().map_or("pipeline".to_owned(), |it| format!("pipeline {it}")))];
    lines.extend(red.iter().take(MAX_JOBS).map(|it| job_line(&it["name"], &it["stage"], &it["failure_reason"])));
    failure(
        payload,
        &Told {
            commit: &about["sha"],
            branch: &about["ref"],
            pipeline: &about["id"],
            reason: red.first().map_or(&Value::Null, |it| &it["failure_reason"]),
            address: url(&about["url"]),
            workflow: name,
            lines,
        },
    )
}

fn of_job(payload: &Value) -> Delivery {
    let status = payload["build_status"].as_str().unwrap_or("none");
    if status != "failed" {
        return not_failed("job", status);
    }
    if payload["build_allow_failure"] == true {
        return ignored("the job is allowed to fail");
    }
    failure(
        payload,
        &Told {
            commit: &payload["sha"],
            branch: &payload["ref"],
            pipeline: &payload["pipeline_id"],
            reason: &payload["build_failure_reason"],
            address: None,
            workflow: words(&payload["build_name"], NAME_CHARS),
            lines: vec![job_line(&payload["build_name"], &payload["build_stage"], &payload["build_failure_reason"])],
        },
    )
}

/// What one kind of hook tells, wherever it stands there.
struct Told<'a> {
    commit: &'a Value,
    branch: &'a Value,
    pipeline: &'a Value,
    reason: &'a Value,
    address: Option<String>,
    workflow: Option<String>,
    lines: Vec<String>,
}

fn failure(payload: &Value, told: &Told<'_>) -> Delivery {
    let project = &payload["project"];
    let path = text(&project["path_with_namespace"], MAX_REPOSITORY_CHARS).map(str::to_owned);
    // Older versions write `group / name` and nothing else.
    let older = || text(&payload["project_name"], MAX_REPOSITORY_CHARS).map(|it| it.replace(" / ", "/"));
    let Some(repository) = path.or_else(older) else { return ignored("it names no project") };
    let Some(commit_sha) = commit(told.commit) else { return ignored("it names no commit") };
    let number = told.pipeline.as_u64();
    let address = || Some(format!("{}/-/pipelines/{}", url(&project["web_url"])?, number?));
    Delivery::Failure(Box::new(Signal {
        provider: Provider::Gitlab,
        repository,
        branch: text(told.branch, MAX_BRANCH_CHARS).unwrap_or_default().to_owned(),
        commit_sha: commit_sha.to_owned(),
        pipeline_url: told.address.clone().or_else(address),
        workflow: told.workflow.clone(),
        error_type: Some(text(told.reason, MAX_TYPE_CHARS).unwrap_or("pipeline_failure").to_owned()),
        error_log: told.lines.join("\n"),
        build: Some(format!("gitlab pipeline {}", number.unwrap_or(0))),
    }))
}

fn not_failed(what: &str, status: &str) -> Delivery {
    let status: String = status.chars().take(NAME_CHARS).collect();
    ignored(format!("the {what} is {status}, not failed"))
}

fn job_line(name: &Value, stage: &Value, reason: &Value) -> String {
    let part = |it: &Value, otherwise: &str| words(it, NAME_CHARS).unwrap_or_else(|| otherwise.to_owned());
    format!("job {} in stage {}: {}", part(name, "?"), part(stage, "?"), part(reason, "failed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Head;

    const PIPELINE: &str = include_str!("../../tests/it/deliveries/gitlab_pipeline.json");
    const JOB: &str = include_str!("../../tests/it/deliveries/gitlab_job.json");

    fn example(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn delivered(event: &str, payload: &Value) -> Delivery {
        let head = Head { gitlab_event: Some(event.to_owned()), ..Head::default() };
        crate::signal::read(&head, payload.to_string().as_bytes()).unwrap()
    }

    fn failed(event: &str, payload: &Value) -> Signal {
        match delivered(event, payload) {
            Delivery::Failure(signal) => *signal,
            Delivery::Ignored(why) => panic!("ignored: {why}"),
        }
    }

    fn is_ignored(event: &str, payload: &Value) -> bool {
        matches!(delivered(event, payload), Delivery::Ignored(_))
    }

    #[test]
    fn the_documented_pipeline_is_a_failure_when_it_failed() {
        let mut payload = example(PIPELINE);
        assert!(is_ignored("Pipeline Hook", &payload));
        payload["object_attributes"]["status"] = "failed".into();
        let signal = failed("Pipeline Hook", &payload);
        assert_eq!((signal.provider, signal.repository.as_str()), (Provider::Gitlab, "shop/api"));
        assert_eq!(signal.commit_sha, "bcbb5ec396a2c0f828686f14fac9b80b780504f2");
        assert_eq!((signal.branch.as_str(), signal.error_type.as_deref()), ("main", Some("script_failure")));
        assert_eq!(signal.error_log, "pipeline Build and test: failed\njob unit tests in stage test: script_failure");
        assert_eq!(signal.pipeline_url.as_deref(), Some("https://gitlab.example/shop/api/-/pipelines/31"));
        assert_eq!(signal.build.as_deref(), Some("gitlab pipeline 31"));
        assert_eq!(failed("System Hook", &payload), signal);
    }

    #[test]
    fn a_failed_job_names_its_pipeline() {
        let mut payload = example(JOB);
        assert!(is_ignored("Job Hook", &payload));
        payload["build_status"] = "failed".into();
        let signal = failed("Job Hook", &payload);
        assert_eq!((signal.repository.as_str(), signal.branch.as_str()), ("shop/api", "main"));
        assert_eq!(signal.build.as_deref(), Some("gitlab pipeline 2366"));
        assert_eq!(signal.pipeline_url.as_deref(), Some("https://gitlab.example/shop/api/-/pipelines/2366"));
        payload["build_allow_failure"] = true.into();
        assert!(is_ignored("Job Hook", &payload));
    }

    #[test]
    fn what_is_missing_or_something_else_is_ignored() {
        for payload in ["{}", r#"{"object_kind":"pipeline"}"#, r#"{"object_kind":"build","build_status":"failed"}"#] {
            for event in ["Pipeline Hook", "Job Hook", "System Hook", "Push Hook", ""] {
                assert!(is_ignored(event, &example(payload)), "{event} {payload}");
            }
        }
    }
}
