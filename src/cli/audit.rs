//! `paramedic audit`: checks the chain of events, or exports it.
use crate::cli::Context;
use crate::cli::arguments::Audit;
use crate::cli::error::{CliError, Ended, FAILED, OK};
use crate::cli::out;

/// How many events are read at once.
const PAGE: u32 = 1_000;

pub(super) async fn run(context: &Context, command: &Audit) -> Ended {
    let backlog = context.backlog().await?;
    match command {
        Audit::Verify => {
            let audit = backlog.verify().await?;
            let is_intact = audit.problems.is_empty();
            if context.is_json {
                out::json(&serde_json::json!({
                    "ok": is_intact, "events": audit.events, "head": audit.head, "problems": audit.problems,
                }));
            } else if is_intact {
                out::line(&format!("intact: {} events, head {}", audit.events, audit.head));
            } else {
                for problem in &audit.problems {
                    out::line(&crate::evidence::text::clean_line(problem));
                }
            }
            Ok(if is_intact { OK } else { FAILED })
        }
        Audit::Export => {
            let mut after = 0;
            loop {
                let events = backlog.events(after, PAGE).await?;
                let Some(last) = events.last() else { return Ok(OK) };
                after = last.seq;
                for event in &events {
                    let text = serde_json::to_string(event).map_err(|it| CliError::failed(it.to_string()))?;
                    out::line(&text);
                }
            }
        }
    }
}
