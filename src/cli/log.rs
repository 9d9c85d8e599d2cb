//! `paramedic log`: a stored output, safe to look at.
use crate::backlog::Backlog;
use crate::cli::Context;
use crate::cli::error::{CliError, Ended, OK};
use crate::cli::out;
use crate::domain::RunId;
use crate::domain::output;
use crate::evidence::extractor::{Options, extract};
use crate::evidence::text::clean_line;
use serde_json::json;

/// Which output, and how.
pub(super) struct Which {
    pub(super) run: String,
    pub(super) attempt: Option<u32>,
    pub(super) errors: bool,
    pub(super) output: Option<String>,
    pub(super) raw: bool,
}

pub(super) async fn run(context: &Context, which: &Which) -> Ended {
    if which.raw && out::is_terminal() {
        return Err(CliError::usage("--raw is not shown on a terminal: send it to a file or a pipe"));
    }
    let backlog = context.backlog().await?;
    let id = backlog.resolve(&which.run).await?;
    let name = name(backlog.as_ref(), id, which).await?;
    let output = backlog.output(id, &name).await?;
    let Some(output) = output else {
        let names: Vec<String> = backlog.outputs(id).await?.into_iter().map(|(name, _)| name).collect();
        let known = if names.is_empty() { "there is none yet".to_owned() } else { names.join(", ") };
        return Err(CliError::failed(format!("no output `{}`; outputs: {known}", clean_line(&name))));
    };
    if which.errors {
        let options = Options { budget_tokens: 8_000, ..Options::default() };
        let is_green = output::is_proof(&backlog.run(id).await?.attempts, &output.name);
        let lines = if is_green { Vec::new() } else { extract(&output.bytes, options).lines };
        if context.is_json {
            out::json(&json!({ "name": output.name, "errors": lines }));
            return Ok(OK);
        }
        if lines.is_empty() {
            out::note(&format!("no failure lines in {}", clean_line(&output.name)));
        }
        for line in &lines {
            out::line(&format!("{:>6}| {}", line.number, line.text));
        }
        return Ok(OK);
    }
    if which.raw {
        out::bytes(&output.bytes);
        return Ok(OK);
    }
    let text = String::from_utf8_lossy(&output.bytes);
    if context.is_json {
        let clean = crate::evidence::text::clean(&text);
        out::json(&json!({ "name": output.name, "text": clean, "droppedBytes": output.dropped_bytes }));
    } else {
        for line in text.split_inclusive('\n') {
            out::line(&clean_line(line.trim_end_matches(['\n', '\r'])));
        }
    }
    Ok(OK)
}

/// Returns the name of the output that is meant; without a choice, the one that says what is red.
async fn name(backlog: &dyn Backlog, id: RunId, which: &Which) -> Result<String, CliError> {
    if let Some(name) = &which.output {
        return Ok(name.clone());
    }
    let names: Vec<String> = backlog.outputs(id).await?.into_iter().map(|(name, _)| name).collect();
    let has = |name: &String| names.contains(name);
    Ok(match which.attempt {
        None => {
            let detail = backlog.run(id).await?;
            let failing = output::failing(&detail.attempts, &detail.events, None, &names);
            failing.unwrap_or(output::BASE.to_owned())
        }
        Some(0) => output::BASE.to_owned(),
        // An attempt that was never run has only what its agent printed.
        Some(n) => {
            Some(output::of_agent(n)).filter(|it| has(it) && !has(&output::of_tests(n))).unwrap_or(output::of_tests(n))
        }
    })
}
