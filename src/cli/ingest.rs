//! `paramedic ingest`: one report from a file into the backlog, as the webhook would take it; of a server, by its webhook.
use crate::cli::Context;
use crate::cli::arguments::Ingest;
use crate::cli::error::{CliError, Ended, FAILED, OK, REFUSED, USAGE};
use crate::cli::out;
use crate::domain::Receipt;
use crate::evidence::text::clean_line;
use crate::signal::Head;
use crate::signal::signature::{SIGNATURE, Secrets};
use crate::wiring::InboxError;
use std::fs::File;
use std::io::Read;
use std::path::Path;

pub(super) async fn run(context: &Context, ingest: &Ingest) -> Ended {
    let refused = |text: &str| CliError { code: REFUSED, text: text.to_owned() };
    if context.config.read_only {
        return Err(refused("a report changes the backlog; take it in without --read-only"));
    }
    let head = head(ingest);
    let body = read(&ingest.file, head.max_bytes())?;
    let receipt = receive(context, head, body).await?;
    if context.is_json {
        out::json(&receipt);
        return Ok(OK);
    }
    match receipt {
        Receipt::Taken(it) => {
            let seen = if it.deduplicated { "  (seen before)" } else { "" };
            out::line(&format!("{}  {}{seen}", it.run_id, it.status));
        }
        Receipt::Ignored(it) => out::line(&format!("ignored: {}", clean_line(&it.reason))),
    }
    Ok(OK)
}

/// Hands the report to the backlog: of this process, or by the webhook of a server, signed with the secret of the settings.
async fn receive(context: &Context, head: Head, body: Vec<u8>) -> Result<Receipt, CliError> {
    if let Some(remote) = context.remote()? {
        let signature = Secrets::new(context.config.webhook.secrets()).sign(&body);
        let signature = signature.iter().map(|it| (SIGNATURE, it.as_str()));
        let headers: Vec<(&str, &str)> = head.headers().into_iter().chain(signature).collect();
        return Ok(remote.report(&headers, body).await?);
    }
    if !context.config.webhook.enabled {
        let text = "CI healing is disabled (CI_HEALING_ENABLED, or `enabled` below [webhook])".to_owned();
        return Err(CliError { code: REFUSED, text });
    }
    let app = context.open().await?;
    let inbox = app.inbox(&context.config).map_err(CliError::usage)?;
    inbox.receive(head, body).await.map_err(|error| match error {
        InboxError::Signal(error) => {
            let field = error.field.as_deref().map(|it| format!("{}: ", clean_line(it))).unwrap_or_default();
            CliError { code: USAGE, text: format!("{field}{}", error.message) }
        }
        other => CliError { code: FAILED, text: other.to_string() },
    })
}

/// Returns what a request's headers would say. GitLab's events are called `… Hook`, GitHub's are one word.
fn head(ingest: &Ingest) -> Head {
    let is_gitlab = ingest.event.as_deref().is_some_and(|it| it.ends_with(" Hook"));
    let (gitlab_event, github_event) =
        if is_gitlab { (ingest.event.clone(), None) } else { (None, ingest.event.clone()) };
    let (gitlab_key, github_delivery) =
        if is_gitlab { (ingest.delivery.clone(), None) } else { (None, ingest.delivery.clone()) };
    Head { github_event, github_delivery, gitlab_event, gitlab_key, ..Head::default() }
}

fn read(file: &Path, max_bytes: usize) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let limit = max_bytes as u64 + 1;
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|it| it.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|it| CliError::usage(format!("cannot read {}: {it}", file.display())))?;
    if bytes.len() > max_bytes {
        return Err(CliError::usage(format!("{} is too large; at most {max_bytes} bytes", file.display())));
    }
    Ok(bytes)
}
