//! `paramedic doctor`: what works on this machine, what does not, and what to do about it.
mod github;

use crate::backlog::remote::Remote;
use crate::backlog::{Backlog as _, BacklogError};
use crate::cli::Context;
use crate::cli::error::{Ended, FAILED, OK};
use crate::cli::out;
use crate::config::Config;
use crate::config::repositories::Origin;
use crate::config::values::shown;
use crate::domain::{CarryOut, Role};
use crate::rules;
use crate::rules::Rules;
use crate::wiring::{App, version_of, workspace};
use serde::Serialize;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Ok,
    Note,
    Broken,
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    health: Health,
    text: String,
}

pub(super) async fn run(context: &Context, is_offline: bool) -> Ended {
    let mut checks = Vec::new();
    let mut check = |name: &str, health: Health, text: String| {
        checks.push(Check { name: name.to_owned(), health, text });
    };
    check("settings", Health::Ok, format!("{} file(s) read", context.config.files.len()));
    rules(context, &mut check).await;
    let app = match context.remote() {
        Ok(Some(remote)) => {
            server(&remote, &mut check).await;
            None
        }
        Ok(None) => match context.open().await {
            Ok(app) => Some(app),
            Err(error) => {
                check("database", Health::Broken, error.text);
                None
            }
        },
        Err(error) => {
            check("server", Health::Broken, error.text);
            None
        }
    };
    if let Some(app) = &app {
        check("data", Health::Ok, shown(&context.config.data_dir));
        check("database", Health::Ok, context.config.database.to_string());
        match app.engine.store.verify().await {
            Ok(audit) if audit.problems.is_empty() => {
                check("audit", Health::Ok, format!("chain of {} events intact", audit.events));
            }
            Ok(audit) => check("audit", Health::Broken, audit.problems.join("; ")),
            Err(error) => check("audit", Health::Broken, error.to_string()),
        }
        let sandbox = app.engine.launcher.sandbox();
        match sandbox.warning() {
            None => check("sandbox", Health::Ok, sandbox.to_string()),
            Some(text) => check("sandbox", Health::Note, text),
        }
        programs(context, app, &mut check).await;
        service(context, app, &mut check).await;
    }
    let github = match &app {
        Some(app) => github::look(context, app, is_offline, &mut check).await,
        None => None,
    };
    let is_broken = checks.iter().any(|it| it.health == Health::Broken);
    if context.is_json {
        out::json(&serde_json::json!({ "ok": !is_broken, "checks": checks, "github": github }));
    } else {
        let rows: Vec<Vec<String>> = checks
            .iter()
            .map(|it| {
                let mark = match it.health {
                    Health::Ok => "✓ ok",
                    Health::Note => "· note",
                    Health::Broken => "✗ broken",
                };
                vec![mark.to_owned(), it.name.clone(), crate::evidence::text::clean_line(&it.text)]
            })
            .collect();
        out::line(out::table(&rows).trim_end());
    }
    Ok(if is_broken { FAILED } else { OK })
}

/// Says how the rules of the checkout we stand in are read; outside of one there is nothing to say.
async fn rules(context: &Context, check: &mut impl FnMut(&str, Health, String)) {
    let Ok(workspace) = workspace(&context.config, &context.environment) else { return };
    let Ok(root) = workspace.root(Path::new(".")).await else { return };
    let path = root.join(rules::PATH);
    let mut bytes = Vec::new();
    let is_there = path.symlink_metadata().is_ok();
    // What is no file, a pipe say, could keep us waiting.
    let read = if path.is_file() {
        File::open(&path).and_then(|it| it.take(rules::MAX_BYTES as u64 + 1).read_to_end(&mut bytes))
    } else {
        Err(ErrorKind::NotFound.into())
    };
    match read {
        Ok(_) => of_rules("rules", &bytes, check),
        Err(_) if !is_there => {
            let text = format!("no {} here, so the defaults hold; `paramedic init` writes it", rules::PATH);
            check("rules", Health::Note, text);
        }
        Err(error) => check("rules", Health::Broken, format!("cannot read {}: {error}", rules::PATH)),
    }
}

/// Says how the text of a rules file is read.
fn of_rules(name: &str, text: &[u8], check: &mut impl FnMut(&str, Health, String)) {
    match Rules::read(text) {
        Ok((rules, remarks)) => {
            let text = if rules.is_enabled { "is read" } else { "is read; healing is off (`enabled: false`)" };
            let health = if rules.is_enabled { Health::Ok } else { Health::Note };
            check(name, health, format!("{} {text}", rules::PATH));
            for remark in &remarks {
                check(name, Health::Note, remark.to_string());
            }
        }
        Err(error) => {
            let text = format!("{}, {error}; nothing of this repository is healed until it is right", rules::PATH);
            check(name, Health::Broken, text);
        }
    }
}

/// Asks the server who it is and whom it takes us for.
async fn server(remote: &Remote, check: &mut impl FnMut(&str, Health, String)) {
    let address = remote.address();
    match remote.server_version().await {
        Ok(version) if version == env!("CARGO_PKG_VERSION") => {
            check("server", Health::Ok, format!("{address}, version {version}"));
        }
        Ok(version) => {
            let text = format!("{address}, version {version}; this is {}", env!("CARGO_PKG_VERSION"));
            check("server", Health::Note, text);
        }
        Err(error) => {
            check("server", Health::Broken, error.to_string());
            if matches!(error, BacklogError::Unreachable(_)) {
                return;
            }
        }
    }
    match remote.me().await {
        Ok(me) => {
            let who = me.map_or("nobody in particular".to_owned(), |it| format!("{}, {}", it.name, it.role));
            check("operator", Health::Ok, who);
        }
        Err(error) if remote.has_token() => check("operator", Health::Broken, error.to_string()),
        Err(error) => check("operator", Health::Note, error.to_string()),
    }
    match remote.summary().await {
        Ok(summary) => check("backlog", Health::Ok, format!("{} runs", summary.total)),
        Err(error) => check("backlog", Health::Broken, error.to_string()),
    }
}

/// Says what a service on this machine would have, and what it would lack.
async fn service(context: &Context, app: &App, check: &mut impl FnMut(&str, Health, String)) {
    let config = &context.config;
    match app.engine.store.operators().await {
        Ok(all) => {
            let n = all.iter().filter(|it| it.revoked_at.is_none()).count();
            let n_deciding =
                all.iter().filter(|it| it.revoked_at.is_none() && it.role.includes(Role::Operator)).count();
            match (n, n_deciding) {
                (0, _) => {
                    let text =
                        "none: nobody can decide on a server; `paramedic operator add NAME --role admin` adds one";
                    check("operators", Health::Note, text.to_owned());
                }
                (_, 0) => {
                    let text = format!("{n}, all of them viewers: nobody can decide on a server");
                    check("operators", Health::Note, text);
                }
                (_, 1) => check("operators", Health::Ok, format!("{n}, one can decide; two keys need two")),
                _ => check("operators", Health::Ok, format!("{n}, {n_deciding} can decide")),
            }
        }
        Err(error) => check("operators", Health::Broken, error.to_string()),
    }
    let webhook = &config.webhook;
    match (webhook.enabled, webhook.secret.is_some()) {
        (false, _) => check("webhook", Health::Note, "off: no reports are taken".to_owned()),
        (true, true) => check("webhook", Health::Ok, "reports must be signed".to_owned()),
        (true, false) => {
            let text = "no secret: a server believes every report; set CI_HEALING_WEBHOOK_SECRET(_FILE)";
            check("webhook", Health::Note, text.to_owned());
        }
    }
    let mut n_found = 0;
    for (name, repository) in config.repositories.all() {
        match &repository.origin {
            Some(Origin::Path(path)) if !path.is_dir() => {
                let text = format!("{name}: there is no folder {}; runs of it are escalated", shown(path));
                check("repository", Health::Broken, text);
            }
            Some(_) => n_found += 1,
            None => {}
        }
    }
    if n_found == 0 {
        let text =
            "none is set: reported failures cannot be healed; give [repositories.\"owner/name\"] a path or a clone_url";
        check("repositories", Health::Note, text.to_owned());
    } else {
        check("repositories", Health::Ok, format!("{n_found} set"));
    }
    let (health, text) = orders(config);
    check("orders", health, text);
    let targets: Vec<&str> = config.notify.targets.iter().map(|it| it.name.as_str()).collect();
    if targets.is_empty() {
        check("notify", Health::Note, "nobody is told; see [notify] in the settings".to_owned());
    } else {
        check("notify", Health::Ok, targets.join(", "));
    }
}

/// Says for which repository orders are taken, who carries them out, and what keeps them from ending in a pull request.
fn orders(config: &Config) -> (Health, String) {
    let dispatch = &config.dispatch;
    let Some(repository) = &dispatch.repository else { return (Health::Ok, "none are taken".to_owned()) };
    let branch = dispatch.base_branch.as_ref().map(|it| format!(", from its branch {it}")).unwrap_or_default();
    let may_write = config.github.enabled && !config.safe_mode && !config.read_only;
    let (health, how) = match dispatch.carry_out {
        _ if repository.starts_with('/') => (Health::Ok, "carried out here, without a pull request"),
        CarryOut::Forge if may_write => {
            return (Health::Ok, format!("taken for {repository}, sent on to its workflows"));
        }
        _ if !may_write => (Health::Ok, "carried out here; nothing is published"),
        _ if config.github.terms.watches(repository) => (Health::Ok, "carried out here, published as pull requests"),
        _ => (Health::Note, "carried out here; nothing is published: name it in `watch` of [github]"),
    };
    (health, format!("taken for {repository}{branch}, {how}"))
}

async fn programs(context: &Context, app: &App, check: &mut impl FnMut(&str, Health, String)) {
    let launcher = &app.engine.launcher;
    match version_of(launcher, "git").await {
        Some(version) => check("git", Health::Ok, version),
        None => check("git", Health::Broken, "git is not installed; install git 2.39 or newer".to_owned()),
    }
    for program in ["python3", "node", "npm", "cargo", "go", "make"] {
        if let Some(version) = version_of(launcher, program).await {
            check(program, Health::Ok, version);
        }
    }
    let mut found = Vec::new();
    for (name, agent) in &context.config.agents {
        let program = agent.command.split_whitespace().next().unwrap_or_default();
        if version_of(launcher, program).await.is_some() {
            found.push(name.clone());
        }
    }
    if found.is_empty() {
        let text =
            "no agent program of the settings is installed; playbooks work without one, --agent-command takes any";
        check("agents", Health::Note, text.to_owned());
    } else {
        check("agents", Health::Ok, found.join(", "));
    }
    if context.config.safe_mode {
        check("safe mode", Health::Ok, "on: nothing is pushed anywhere".to_owned());
    }
}
