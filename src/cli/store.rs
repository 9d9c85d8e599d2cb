//! `paramedic store`: moves the backlog to another database, and backs it up.
use crate::cli::Context;
use crate::cli::arguments::StoreCommand;
use crate::cli::error::{CliError, Ended, OK, REFUSED};
use crate::cli::out;
use crate::config::database::Database;
use crate::wiring::{self, DATABASE_FILE};
use std::path::{Path, PathBuf};

pub(super) async fn run(context: &Context, command: &StoreCommand) -> Ended {
    match command {
        StoreCommand::Copy { from, to } => copy(context, from, to).await,
        StoreCommand::Backup { file } => backup(context, file).await,
    }
}

async fn backup(context: &Context, file: &Path) -> Ended {
    if file.symlink_metadata().is_ok() {
        let text = format!("{} is there already, and a backup overwrites nothing; name a new file", file.display());
        return Err(CliError::usage(text));
    }
    let bytes = wiring::backup(&context.config, file).await.map_err(CliError::failed)?;
    if context.is_json {
        out::json(&serde_json::json!({ "file": file, "bytes": bytes }));
    } else {
        out::line(&format!("{} ({bytes} bytes)", file.display()));
    }
    Ok(OK)
}

async fn copy(context: &Context, from: &str, to: &str) -> Ended {
    if context.config.read_only {
        let text = "copying fills a database; start it without --read-only".to_owned();
        return Err(CliError { code: REFUSED, text });
    }
    let (from, to) = (source(from).map_err(CliError::usage)?, Database::parse(to).map_err(CliError::usage)?);
    let copied = wiring::copy_store(&from, &to, &context.config.data_dir).await.map_err(CliError::failed)?;
    if context.is_json {
        out::json(&copied);
        return Ok(OK);
    }
    let counts = [
        (copied.runs, "runs"),
        (copied.attempts, "attempts"),
        (copied.events, "events"),
        (copied.outputs, "outputs"),
        (copied.operators, "operators"),
        (copied.arrivals, "arrivals"),
        (copied.deliveries, "deliveries"),
        (copied.cursors, "cursors"),
        (copied.served, "turns of repositories"),
    ];
    out::bytes(out::table(&counts.map(|(n, what)| vec![what.to_owned(), n.to_string()])).as_bytes());
    out::line(&format!("copied to {to} and verified; head {}", copied.head));
    Ok(OK)
}

/// Reads where to copy from: what `--database` takes, a data folder, or a database file.
fn source(text: &str) -> Result<Database, String> {
    let path = PathBuf::from(text);
    if path.is_dir() {
        return Ok(Database::Embedded(Some(path.join(DATABASE_FILE))));
    }
    if path.is_file() { Ok(Database::Embedded(Some(path))) } else { Database::parse(text) }
}
