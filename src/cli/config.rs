//! `paramedic config`: the settings in force, whether they are valid, and where they are looked for.
use crate::cli::Context;
use crate::cli::arguments::ConfigCommand;
use crate::cli::error::{CliError, Ended, OK};
use crate::cli::out;
use crate::config::checked::{Flags, places};
use crate::config::notify::{ChannelSettings, NotifySettings};
use crate::config::repositories::{Origin, RepositorySettings};
use crate::config::values::shown;
use crate::config::{Config, Environment};
use crate::evidence::text::clean_line;

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
            row("database", config.database.to_string());
            row("read_only", config.read_only.to_string());
            if let Some(api) = &config.api {
                let token = if api.token.is_some() { "with a token" } else { "without a token" };
                let plain = if api.allow_plain_http { ", plain http allowed" } else { "" };
                row("api", format!("{} ({token}{plain})", clean_line(&api.address)));
                row("ca_file", api.ca_file.as_deref().map_or("the machine's own".to_owned(), shown));
            }
            service(config, &mut row);
            row("webhook.enabled", config.webhook.enabled.to_string());
            row("webhook.secret", if config.webhook.secret.is_some() { "***" } else { "none" }.to_owned());
            row(
                "webhook.previous_secret",
                if config.webhook.previous_secret.is_some() { "***" } else { "none" }.to_owned(),
            );
            row("log", format!("{} as {}", config.log.level.as_deref().unwrap_or("info"), config.log.format));
            row("metrics", config.log.metrics.to_string());
            row(
                "notify",
                if config.notify.targets.is_empty() { "nobody".to_owned() } else { notified(&config.notify) },
            );
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

/// Says who tells; the targets follow, one line each.
fn notified(notify: &NotifySettings) -> String {
    let from = if notify.from_workers { "serve and worker" } else { "serve" };
    format!("{} targets, told by {from}", notify.targets.len())
}

/// Lists what only a service and its workers mind.
fn service(config: &Config, row: &mut impl FnMut(&str, String)) {
    let server = &config.server;
    row("server.listen", server.listen.clone());
    row(
        "server.tls",
        server.tls.as_ref().map_or("none".to_owned(), |(chain, key)| format!("{} {}", shown(chain), shown(key))),
    );
    row("server.public_reads", server.public_reads.to_string());
    let (all, of_one) = (server.max_connections, server.max_connections_per_address);
    row("server.bounds", format!("{all} connections ({of_one} of one address), {} streams", server.max_streams));
    row("server.workers", server.workers.to_string());
    row("server.trusted_proxies", or_none(&server.trusted_proxies));
    let access = &config.access;
    let secret = if access.token_secret.is_some() { "***" } else { "a key of this server's own" };
    row("access.token_secret", secret.to_owned());
    row("access.token_lifetime", format!("{}s", access.token_lifetime.as_secs()));
    let (logins, per_address) = (access.logins_per_minute, access.logins_per_minute_and_address);
    row("access.logins", format!("{logins} a minute and name, {per_address} a minute and address"));
    row("access.failures", format!("{} a minute and address", access.failures_per_minute_and_address));
    row("access.requests", format!("{} a second, {} at once", access.requests_per_second, access.request_burst));
    let workers = &config.workers;
    row("workers.concurrency", format!("{}, of one repository {}", workers.concurrency, workers.per_repository));
    row("workers.times", format!("retry {}s, grace {}s", workers.retry_delay.as_secs(), workers.grace.as_secs()));
    let agents = if workers.agents.is_empty() { "as agents_by_default".to_owned() } else { workers.agents.join(", ") };
    row("workers.agents", agents);
    row("workers.mirror_cap", format!("{} MiB", workers.mirror_cap >> 20));
    for (name, repository) in config.repositories.all() {
        row(&format!("repositories.{name}"), repository_line(repository));
    }
    row(
        "dispatch.repository",
        config.dispatch.repository.clone().unwrap_or_else(|| "none: no orders are taken".to_owned()),
    );
    row("dispatch.carry_out", config.dispatch.carry_out.to_string());
    row("dispatch.base_branch", config.dispatch.base_branch.clone().unwrap_or_else(|| "the default branch".to_owned()));
    let github = if config.github.enabled { "on" } else { "off" };
    row("github", format!("{github}, {}", config.github.api_url));
}

fn or_none(texts: &[String]) -> String {
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

fn repository_line(repository: &RepositorySettings) -> String {
    let origin = match &repository.origin {
        Some(Origin::Path(path)) => shown(path),
        Some(Origin::CloneUrl(url)) => clean_line(url),
        None => "nowhere: give `path` or `clone_url`".to_owned(),
    };
    let test = repository.test.as_ref().map(|it| format!("test: {it}"));
    let agents = (!repository.agents.is_empty()).then(|| format!("agents: {}", repository.agents.join(" ")));
    let only = (!repository.only.is_empty()).then(|| format!("only: {}", repository.only.join(" ")));
    [Some(origin), test, agents, only].into_iter().flatten().collect::<Vec<_>>().join("  ")
}
