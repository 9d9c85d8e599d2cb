//! What a script sends to a server beside decisions: a report of a failure, and an order.
use crate::backlog::BacklogError;
use crate::backlog::remote::{Remote, answer};
use crate::domain::{Instruction, Receipt, RunId};
use serde::{Deserialize, Serialize};

/// Said when the answer to a report is lost: the same report makes no second run.
const SEND_AGAIN: &str = "send it again: a report that arrived twice is one run";
const LOOK_AT_RUNS: &str = "look at the runs before you order it again";

/// An order as the server takes it.
#[derive(Debug, Serialize)]
struct OrderBody<'a> {
    intent: &'a str,
    instruction: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
}

/// What became of an order.
#[derive(Debug, Deserialize)]
pub struct OrderTaken {
    pub message: String,
    /// Where to look what comes of it.
    pub workflow_url: String,
    /// The server's own run; none where a forge took the order.
    pub run_id: Option<RunId>,
}

impl Remote {
    /// Hands a report to the server's webhook, with these headers beside the body.
    pub async fn report(&self, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Receipt, BacklogError> {
        self.may_change("a report changes the backlog; send it without --read-only")?;
        let answer = self.line.post(self.url(&["webhook"]), headers, body, SEND_AGAIN).await?;
        answer::value(&answer.body)
    }

    /// Orders a change, once.
    pub async fn order(&self, order: &Instruction) -> Result<OrderTaken, BacklogError> {
        self.may_change("an order changes the backlog; give it without --read-only")?;
        let body =
            OrderBody { intent: order.intent.as_str(), instruction: &order.text, context: order.context.as_deref() };
        let url = self.line.address.beside(&["v1", "jarvis", "dispatch"]);
        let answer = self.line.decide(url, &body, LOOK_AT_RUNS).await?;
        let taken: OrderTaken = answer::value(&answer.body)?;
        Ok(OrderTaken { workflow_url: self.line.address.page(&taken.workflow_url), ..taken })
    }

    fn may_change(&self, refusal: &str) -> Result<(), BacklogError> {
        if self.is_read_only { Err(BacklogError::Refused(refusal.to_owned())) } else { Ok(()) }
    }
}
