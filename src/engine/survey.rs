//! How things stand before an ordered change: the tests are run once. Red is fine, and is told to whoever carries out the order.
use crate::domain::{Failure, output};
use crate::engine::EngineError;
use crate::engine::session::Session;

impl Session<'_> {
    /// Runs the tests at the commit the order starts from, if there are any.
    pub(super) async fn survey(&mut self) -> Result<(), EngineError> {
        let Some(command) = self.run.order.test_command.clone() else {
            let message = "no test command was found: the change can be made, but not proved".to_owned();
            return self.commit(self.run.surveyed(Failure::none(None), message, self.now())).await;
        };
        let trial = self.trial("before the change", output::BASE, None).await?;
        let message = self.engine.safe_text(&format!("`{command}` before the change: {}", trial.ended()), 600);
        let failure = if trial.is_green() { Failure::none(trial.failure.report) } else { trial.failure };
        self.commit(self.run.surveyed(failure, message, self.now())).await
    }
}
