//! `paramedic store`: looks after the database.
use crate::cli::Context;
use crate::cli::arguments::StoreCommand;
use crate::cli::error::{CliError, Ended, OK};
use crate::cli::out;
use crate::wiring;

pub(super) async fn run(context: &Context, command: &StoreCommand) -> Ended {
    match command {
        StoreCommand::Backup { file } => {
            let bytes = wiring::backup(&context.config, file).await.map_err(CliError::failed)?;
            if context.is_json {
                out::json(&serde_json::json!({ "file": file, "bytes": bytes }));
            } else {
                out::line(&format!("{} ({bytes} bytes)", file.display()));
            }
            Ok(OK)
        }
    }
}
