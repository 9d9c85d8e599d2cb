//! `paramedic dispatch`: a change ordered in words, carried out on a local repository in the foreground.
use crate::cli::Context;
use crate::cli::arguments::Dispatch;
use crate::cli::error::{CliError, Ended};
use crate::cli::heal;
use crate::domain::{Instruction, Order};

pub(super) async fn run(context: &Context, dispatch: &Dispatch) -> Ended {
    if dispatch.instruction.trim().is_empty() {
        return Err(CliError::usage("the instruction is empty; say what is to be changed"));
    }
    let instruction = Instruction {
        intent: dispatch.intent.parse().map_err(|it: String| CliError::usage(it))?,
        text: dispatch.instruction.clone(),
        context: dispatch.context.clone(),
    };
    let order = Order {
        instruction: Some(instruction),
        requested_by: Some(context.config.operator.clone()),
        ..heal::order(context, &dispatch.heal)?
    };
    Box::pin(heal::carry_out(context, &dispatch.heal, order)).await
}
