//! The normalised payload of seed 004: any CI can send it with one `curl`.
use crate::domain::Provider;
use crate::signal::Delivery;
use crate::signal::Signal;
use crate::signal::SignalError;
use crate::signal::is_blank;
use crate::signal::is_commit;
use crate::signal::is_url;
use serde_json::Map;
use serde_json::Value;

pub const MAX_REPOSITORY_CHARS: usize = 500;
pub const MAX_BRANCH_CHARS: usize = 255;
pub const MAX_COMMIT_CHARS: usize = 100;
pub const MAX_TYPE_CHARS: usize = 100;
pub const MAX_URL_CHARS: usize = 2_000;

/// The fields there are; another one is an error.
const FIELDS: &[&str] = &["provider", "repository", "branch", "commitSha", "pipelineUrl", "errorType", "errorLog"];

/// The providers a sender may be.
const PROVIDERS: &[Provider] = &[Provider::Github, Provider::Gitlab, Provider::Jenkins, Provider::Generic];

/// Reads the fields; each error names its own.
pub(super) fn read(mut payload: Map<String, Value>) -> Result<Delivery, SignalError> {
    if let Some(unknown) = payload.keys().find(|it| !FIELDS.contains(&it.as_str())) {
        let name: String = unknown.chars().take(100).collect();
        return Err(SignalError::field(&name, format!("unknown field; there are {}", FIELDS.join(", "))));
    }
    let mut take = |name: &str| payload.remove(name);
    let provider = required("provider", take("provider"), usize::MAX)?;
    let provider = PROVIDERS.iter().copied().find(|it| it.as_str() == provider).ok_or_else(|| {
        let known: Vec<_> = PROVIDERS.iter().map(|it| it.as_str()).collect();
        SignalError::field("provider", format!("must be one of {}", known.join(", ")))
    })?;
    let repository = required("repository", take("repository"), MAX_REPOSITORY_CHARS)?;
    let branch = required("branch", take("branch"), MAX_BRANCH_CHARS)?;
    let commit_sha = required("commitSha", take("commitSha"), MAX_COMMIT_CHARS)?.trim().to_owned();
    if !is_commit(&commit_sha) {
        let message = "must be letters, digits and ._/- and begin with a letter or digit";
        return Err(SignalError::field("commitSha", message));
    }
    let pipeline_url = optional("pipelineUrl", take("pipelineUrl"), MAX_URL_CHARS)?.map(|it| it.trim().to_owned());
    if pipeline_url.as_deref().is_some_and(|it| !is_url(it)) {
        return Err(SignalError::field("pipelineUrl", "must be an http or https address"));
    }
    let error_type = optional("errorType", take("errorType"), MAX_TYPE_CHARS)?;
    let error_log = required("errorLog", take("errorLog"), usize::MAX)?;
    Ok(Delivery::Failure(Box::new(Signal {
        provider,
        repository,
        branch,
        commit_sha,
        pipeline_url,
        workflow: None,
        error_type: error_type.filter(|it| !it.trim().is_empty()),
        error_log,
        build: None,
    })))
}

fn required(name: &str, value: Option<Value>, max_chars: usize) -> Result<String, SignalError> {
    match optional(name, value, max_chars)? {
        None => Err(SignalError::field(name, "is missing")),
        Some(text) if is_blank(&text) => Err(SignalError::field(name, "must not be empty")),
        Some(text) => Ok(text),
    }
}

/// Returns a text; `null` counts as not there.
fn optional(name: &str, value: Option<Value>, max_chars: usize) -> Result<Option<String>, SignalError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() > max_chars && text.chars().count() > max_chars => {
            Err(SignalError::field(name, format!("must have at most {max_chars} characters")))
        }
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(SignalError::field(name, "must be a text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Head;
    use serde_json::json;

    fn payload() -> Value {
        json!({
            "provider": "github", "repository": "owner/repo", "branch": "main", "commitSha": "abc123",
            "pipelineUrl": "https://ci.example/1?a=b", "errorType": "typescript", "errorLog": "TS2339: Property ...",
        })
    }

    fn read_value(value: &Value) -> Result<Delivery, SignalError> {
        crate::signal::read(&Head::default(), value.to_string().as_bytes())
    }

    #[test]
    fn the_documented_payload_is_a_failure() {
        let Delivery::Failure(signal) = read_value(&payload()).unwrap() else { panic!("ignored") };
        assert_eq!((signal.provider, signal.repository.as_str()), (Provider::Github, "owner/repo"));
        assert_eq!((signal.branch.as_str(), signal.commit_sha.as_str()), ("main", "abc123"));
        assert_eq!(signal.pipeline_url.as_deref(), Some("https://ci.example/1?a=b"));
        assert_eq!((signal.error_type.as_deref(), signal.build), (Some("typescript"), None));
        let mut few = payload();
        for name in ["pipelineUrl", "errorType"] {
            few.as_object_mut().unwrap().remove(name);
        }
        assert!(matches!(read_value(&few), Ok(Delivery::Failure(it)) if it.error_type.is_none()));
    }

    #[test]
    fn every_bad_value_is_named() {
        for (field, value) in [
            ("provider", json!("circle")),
            ("provider", json!("local")),
            ("provider", json!(null)),
            ("repository", json!("")),
            ("repository", json!(" \t")),
            ("repository", json!("r".repeat(501))),
            ("repository", json!(["a/b"])),
            ("branch", json!("b".repeat(256))),
            ("branch", json!({})),
            ("commitSha", json!("c".repeat(101))),
            ("commitSha", json!("--upload-pack=x")),
            ("commitSha", json!(7)),
            ("pipelineUrl", json!("javascript:alert(1)")),
            ("pipelineUrl", json!("https://")),
            ("pipelineUrl", json!("http://a b")),
            ("errorType", json!("t".repeat(101))),
            ("errorLog", json!("")),
            ("errorLog", json!("\0\u{1}\u{85} \n")),
            ("repository", json!("\0")),
            ("errorLog", json!(true)),
            ("surprise", json!("x")),
        ] {
            let mut bad = payload();
            bad[field] = value.clone();
            let error = read_value(&bad).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{value}: {error}");
        }
        for field in ["provider", "repository", "branch", "commitSha", "errorLog"] {
            let mut bad = payload();
            bad.as_object_mut().unwrap().remove(field);
            assert_eq!(read_value(&bad).unwrap_err().field.as_deref(), Some(field));
        }
    }

    #[test]
    fn the_limits_count_characters() {
        let mut long = payload();
        long["branch"] = json!("ü".repeat(255));
        assert!(read_value(&long).is_ok());
    }
}
