//! `paramedic diff`: a patch, safe to look at.
use crate::cli::Context;
use crate::cli::arguments::Color;
use crate::cli::error::{CliError, Ended, OK};
use crate::cli::out;
use crate::evidence::text::clean_line;
use serde_json::json;

pub(super) async fn run(context: &Context, run: &str, attempt: Option<u32>, raw: bool) -> Ended {
    if raw && out::is_terminal() {
        return Err(CliError::usage("--raw is not shown on a terminal: send it to a file or a pipe"));
    }
    let backlog = context.backlog().await?;
    let id = backlog.resolve(run).await?;
    let detail = backlog.run(id).await?;
    let found = match attempt {
        Some(n) => detail.attempts.iter().find(|it| it.attempt_no == n),
        None => detail.candidate(),
    };
    let Some((attempt, patch)) = found.and_then(|it| Some((it, it.proposed_fix.as_ref()?))) else {
        let which = attempt.map_or("the run".to_owned(), |n| format!("attempt {n}"));
        return Err(CliError::failed(format!("{which} has no patch")));
    };
    if context.is_json {
        out::json(&json!({
            "attemptNo": attempt.attempt_no, "author": attempt.author, "recorded": attempt.recorded,
            "patchDigest": attempt.patch_digest, "patch": patch,
        }));
        return Ok(OK);
    }
    if raw {
        out::bytes(patch.text().as_bytes());
        return Ok(OK);
    }
    let is_coloured = match context.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => out::is_terminal() && context.config.theme != "mono",
    };
    for line in patch.text().lines() {
        let clean = clean_line(line);
        out::line(&if is_coloured { coloured(&clean) } else { clean });
    }
    Ok(OK)
}

/// Colours a line as `git diff` does.
fn coloured(line: &str) -> String {
    let code = match line.as_bytes().first() {
        Some(b'+') if !line.starts_with("+++ ") => "32",
        Some(b'-') if !line.starts_with("--- ") => "31",
        Some(b'@') => "36",
        Some(b'd' | b'i' | b'n' | b'o' | b'r' | b's') => "1",
        _ => return line.to_owned(),
    };
    format!("\u{1b}[{code}m{line}\u{1b}[0m")
}
