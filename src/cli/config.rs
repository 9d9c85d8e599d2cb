//! `paramedic config`: the settings in force, whether they are valid, and where they are looked for.
use crate::cli::Context;
use crate::cli::arguments::ConfigCommand;
use crate::cli::error::{CliError, Ended, OK};
use crate::cli::out;
use crate::config::Environment;
use crate::config::checked::{Flags, places, shown};
use crate::config::notify::ChannelSettings;

pub(super) fn path(environment: &Environment, flags: &Flags, is_json: bool) -> u8 {
    let places: Vec<(String, bool)> =
        places(environment, flags).into_iter().map(|(path, _)| (shown(&path), path.exists())).collect();
    if is_json {
        let list: Vec<_> =
            places.iter().map(|(path, exists)| serde_json::json!({ "path": path, "exists": exists })).collect();
        out::json(&list);
    } else {
        for (path, exists) in places {
            out::line(&format!("{path}{}", if exists { "" } else { "  (not there)" }));
        }
    }
    OK
}

pub(super) fn run(context: &Context, command: &ConfigCommand) -> Ended {
    let config = &context.config;
    match command {
        ConfigCommand::Path => Ok(OK),
        ConfigCommand::Check => {
            crate::cli::console::check_assets(context).map_err(CliError::usage)?;
            let files: Vec<String> = config.files.iter().map(|it| shown(it)).collect();
            let from = if files.is_empty() { "no file, all defaults".to_owned() } else { files.join(", ") };
            if context.is_json {
                out::json(&serde_json::json!({ "ok": true, "files": files }));
            } else {
                out::line(&format!("valid ({from})"));
            }
            Ok(OK)
        }
        ConfigCommand::Show if context.is_json => {
            out::json(config);
            Ok(OK)
        }
        ConfigCommand::Show => {
            let mut rows: Vec<Vec<String>> = Vec::new();
            let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
            row("data_dir", shown(&config.data_dir));
            row("safe_mode", config.safe_mode.to_string());
            row("max_attempts", config.max_attempts.to_string());
            row("timeout", format!("{}s", config.timeout.as_secs()));
            row("operator", config.operator.clone());
            row("theme", config.theme.clone());
            row("keymap", config.keymap.as_deref().map_or("built in".to_owned(), shown));
            row("sandbox", config.sandbox.to_string());
            row("agents_by_default", config.agents_by_default.join(", "));
            row("webhook.enabled", config.webhook.enabled.to_string());
            row("webhook.secret", if config.webhook.secret.is_some() { "***" } else { "none" }.to_owned());
            row("log", format!("{} as {}", config.log.level.as_deref().unwrap_or("info"), config.log.format));
            row("metrics", config.log.metrics.to_string());
            for target in &config.notify.targets {
                let kind = match target.channel {
                    ChannelSettings::Slack { .. } => "slack",
                    ChannelSettings::Webhook { .. } => "webhook",
                    ChannelSettings::Command { .. } => "command",
                };
                let events: Vec<&str> = target.events.iter().map(|it| it.as_str()).collect();
                row(&format!("notify.targets.{}", target.name), format!("{kind}: {}", events.join(" ")));
            }
            for (name, agent) in &config.agents {
                let network = if agent.network { "with network" } else { "no network" };
                row(&format!("agents.{name}"), format!("{}  ({network}, env: {})", agent.command, agent.env.join(" ")));
            }
            out::line(out::table(&rows).trim_end());
            Ok(OK)
        }
    }
}
