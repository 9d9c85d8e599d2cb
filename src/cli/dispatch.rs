//! `paramedic dispatch`: a change ordered in words, carried out on a local repository in the foreground, or handed to a server.
use crate::backlog::Backlog as _;
use crate::backlog::remote::Remote;
use crate::cli::Context;
use crate::cli::arguments::Dispatch;
use crate::cli::error::{CliError, Ended, OK};
use crate::cli::follow::code_of;
use crate::cli::heal;
use crate::cli::out;
use crate::domain::{Instruction, Order};
use crate::evidence::text::{clean_line, is_blank};
use serde_json::json;

pub(super) async fn run(context: &Context, dispatch: &Dispatch) -> Ended {
    if is_blank(&dispatch.instruction) {
        return Err(CliError::usage("the instruction has nothing in it that can be read; say what is to be changed"));
    }
    let instruction = Instruction {
        intent: dispatch.intent.parse().map_err(|it: String| CliError::usage(it))?,
        text: dispatch.instruction.clone(),
        context: dispatch.context.clone(),
    };
    if let Some(remote) = context.remote()? {
        return hand_in(context, dispatch, &remote, &instruction).await;
    }
    let order = Order {
        instruction: Some(instruction),
        requested_by: Some(context.config.operator.clone()),
        ..heal::order(context, &dispatch.heal)?
    };
    Box::pin(heal::carry_out(context, &dispatch.heal, order)).await
}

/// Hands the order to a server: its settings say for which repository, and how it is carried out.
async fn hand_in(context: &Context, dispatch: &Dispatch, remote: &Remote, instruction: &Instruction) -> Ended {
    if let Some(option) = dispatch.heal.given() {
        return Err(CliError::usage(format!(
            "{option} is for an order on this machine; a server carries orders out as its settings say ([dispatch], [repositories])"
        )));
    }
    let taken = remote.order(instruction).await?;
    let (message, page) = (clean_line(&taken.message), clean_line(&taken.workflow_url));
    out::note(&message);
    let Some(id) = taken.run_id else {
        if context.is_json {
            out::json(&json!({ "message": message, "workflowUrl": page, "runId": null }));
        } else {
            out::line(&page);
        }
        return Ok(OK);
    };
    let detail = remote.run(id).await?;
    if context.is_json {
        out::json(&detail);
    } else {
        out::line(&page);
        out::note(&format!("a worker takes it from here; `paramedic watch {}` follows it", id.short()));
    }
    Ok(code_of(&detail.run))
}
