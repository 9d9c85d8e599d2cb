//! What the token of GitHub can and cannot do, as far as looking tells.
use crate::cli::Context;
use crate::cli::doctor::{Health, of_rules};
use crate::config::repositories::Origin;
use crate::domain::MergeMethod;
use crate::engine::copilot;
use crate::rules;
use crate::wiring::App;
use crate::wiring::forge::{self, Abilities, ForgeError, May, PullsQuery, Reads, RunsQuery};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The most repositories that are looked at.
const MAX_REPOSITORIES: usize = 10;
/// Clocks that are further apart than this many seconds are told.
const MAX_SKEW_S: i64 = 60;

/// Looks at GitHub and returns what it found, for scripts. Asks nothing unless the settings enable it and there is a token.
pub(super) async fn look(
    context: &Context,
    app: &App,
    is_offline: bool,
    check: &mut impl FnMut(&str, Health, String),
) -> Option<Value> {
    let settings = &context.config.github;
    if !settings.enabled && settings.terms.watch.is_empty() {
        check("github", Health::Ok, "off: it is asked nothing".to_owned());
        return None;
    }
    if is_offline {
        check("github", Health::Note, format!("{}: not asked (--offline)", settings.api_url));
        return None;
    }
    let github = match forge::github(&app.engine, &context.config, &context.environment).await {
        Ok(Some(github)) => github,
        Ok(None) => {
            let text = "enabled, but there is no token: set GITHUB_TOKEN, or log in with `gh auth login`";
            check("github", Health::Broken, text.to_owned());
            return None;
        }
        Err(text) => {
            check("github", Health::Broken, text);
            return None;
        }
    };
    let abilities = match github.abilities().await {
        Ok(abilities) => abilities,
        Err(error) => {
            check("github", Health::Broken, error.to_string());
            return None;
        }
    };
    of_token(&settings.api_url, &abilities, check);
    let why_not = app.engine.forge.why_not.as_deref();
    match why_not {
        None => {
            let text = "on: a proved fix becomes a pull request, which is merged when a person approves it";
            check("github publishing", Health::Ok, text.to_owned());
        }
        Some(why) => check("github publishing", Health::Ok, format!("off: {why}")),
    }
    let mut repositories = Vec::new();
    let mut all = repositories_of(context);
    let n_others = all.len().saturating_sub(MAX_REPOSITORIES);
    all.truncate(MAX_REPOSITORIES);
    if n_others > 0 {
        let text = format!(
            "{n_others} more were not looked at: only the first {MAX_REPOSITORIES} are, watched ones before others"
        );
        check("github repositories", Health::Note, text);
    }
    for repository in all {
        let method = settings.terms.merge_method;
        repositories.push(of_repository(github.as_ref(), &abilities, &repository, method, check).await);
    }
    let may_ask_copilot = is_copilot_wanted(context, app).then(|| abilities.may_ask_copilot());
    if let Some(may) = &may_ask_copilot {
        let (health, text) = words(may);
        check("github copilot", health, format!("may assign issues to Copilot's coding agent: {text}"));
    }
    let budget = github.budget();
    if let (Some(remaining), Some(limit)) = (budget.remaining, budget.limit) {
        let is_low = remaining < limit / 10;
        let until = budget.resets_at.map_or(String::new(), |it| format!(" until {it:.0}"));
        let text = format!("{remaining} of {limit} requests left{until}");
        check("github budget", if is_low { Health::Note } else { Health::Ok }, text);
    }
    Some(json!({
        "apiUrl": settings.api_url,
        "tokenKind": abilities.kind.as_str(),
        "login": abilities.login,
        "scopes": abilities.scopes,
        "permissions": abilities.permissions,
        "expiresAt": abilities.expires_at,
        "clockSkewSeconds": abilities.clock_skew_s,
        "pushesStartCi": abilities.kind.starts_ci(),
        "mayChangeWorkflows": answer(&abilities.may_change_workflows()),
        "mayAskCopilot": may_ask_copilot.as_ref().map(answer),
        "publishes": why_not.is_none(),
        "whyNot": why_not,
        "repositories": repositories,
        "budget": budget,
    }))
}

/// Whether red runs of a watched repository are given to GitHub's coding agent.
fn is_copilot_wanted(context: &Context, app: &App) -> bool {
    let config = &context.config;
    let is_asked = |it: &String| app.engine.repositories.terms(it).agents.iter().any(|it| it == copilot::NAME);
    config.agents.get(copilot::NAME).is_some_and(|it| it.is_preset) && config.github.terms.watch.iter().any(is_asked)
}

/// Returns the repositories of the settings that lie at this forge, those that are watched first.
fn repositories_of(context: &Context) -> Vec<String> {
    let config = &context.config;
    let cloned = config.repositories.all().filter(|(name, it)| {
        let is_here = |url: &str| forge::is_at(&config.github.api_url, url);
        name.contains('/') && matches!(&it.origin, Some(Origin::CloneUrl(url)) if is_here(url))
    });
    let ordered = config.dispatch.repository.clone().filter(|it| !it.starts_with('/'));
    let cloned: BTreeSet<String> = cloned.map(|(name, _)| name.to_owned()).collect();
    let mut all: Vec<String> = config.github.terms.watch.iter().cloned().chain(ordered).chain(cloned).collect();
    let mut seen = BTreeSet::new();
    all.retain(|it| seen.insert(it.to_lowercase()));
    all
}

/// Says what the token is, and what follows for everything that is pushed with it.
fn of_token(api_url: &str, abilities: &Abilities, check: &mut impl FnMut(&str, Health, String)) {
    let whose = abilities.login.as_ref().map_or_else(|| "nobody in particular".to_owned(), Clone::clone);
    let scopes = if abilities.scopes.is_empty() { String::new() } else { format!(": {}", abilities.scopes.join(", ")) };
    let expiry = abilities.expires_at.map_or(String::new(), |it| format!(", valid until {it:.0}"));
    let kind = abilities.kind.as_str();
    check("github", Health::Ok, format!("{api_url}, token of {whose} ({kind}{scopes}){expiry}"));
    if let Some(skew) = abilities.clock_skew_s.filter(|it| it.abs() > MAX_SKEW_S) {
        let text = format!("GitHub's clock is {} s {}", skew.abs(), if skew > 0 { "ahead" } else { "behind" });
        check("github clock", Health::Note, text);
    }
    match abilities.kind.starts_ci() {
        Some(true) => check("github pushes", Health::Ok, "CI runs on what is pushed with this token".to_owned()),
        Some(false) => {
            let text = "CI does not run on what is pushed with a workflow's own token; use a personal one, or an App's";
            check("github pushes", Health::Note, text.to_owned());
        }
        None => {
            let text = "not known whether CI runs on what is pushed with this token: it is of no kind known here";
            check("github pushes", Health::Note, text.to_owned());
        }
    }
    let (health, text) = words(&abilities.may_change_workflows());
    check("github workflows", health, format!("may push changes of workflow files: {text}"));
}

/// Says what may be read of a repository, and what may be changed.
async fn of_repository(
    github: &dyn Reads,
    abilities: &Abilities,
    repository: &str,
    method: MergeMethod,
    check: &mut impl FnMut(&str, Health, String),
) -> Value {
    let name = format!("github {repository}");
    let facts = match github.repository(repository).await {
        Ok(facts) => facts,
        Err(error) => {
            check(&name, Health::Broken, error.to_string());
            return json!({ "name": repository, "error": error.to_string() });
        }
    };
    if let Some(new) = facts.new_name(repository) {
        check(&name, Health::Broken, format!("it is called {new} now; set its new name"));
    }
    let runs = github.runs(repository, &RunsQuery { max: 1, ..RunsQuery::default() }).await.map(drop);
    let pulls = github.pulls(repository, &PullsQuery { max: 1, ..PullsQuery::default() }).await.map(drop);
    let issues = github.issues(repository, &[], 1).await.map(drop);
    let file = github.file(repository, rules::PATH, &facts.default_branch).await;
    // What is published is merged when they are green.
    let checks = match github.branch(repository, &facts.default_branch).await {
        Ok(Some(tip)) => github.checks(repository, &tip).await.map(drop),
        read => read.map(drop),
    };
    if let Ok(Some(text)) = &file {
        of_rules(&format!("{name} rules"), text, check);
    }
    let file = file.map(drop);
    let mut readable = vec!["repository"];
    let mut unreadable = Vec::new();
    for (what, read) in [("runs", runs), ("pulls", pulls), ("issues", issues), ("files", file), ("checks", checks)] {
        match read {
            Ok(()) => readable.push(what),
            // A repository may have no issues at all.
            Err(ForgeError::NotFound(_)) if what == "issues" => {}
            Err(error) => unreadable.push((what, error.to_string())),
        }
    }
    let may_write = abilities.may_write(&facts);
    let (health, write) = words(&may_write);
    check(&name, health, format!("reads {}; may change things: {write}", readable.join(", ")));
    if !facts.merge_methods.contains(&method) {
        let allowed: Vec<&str> = facts.merge_methods.iter().map(|it| it.as_str()).collect();
        let text = format!("`{method}` is no way to merge there; set github.merge_method to {}", allowed.join(" or "));
        check(&name, Health::Note, text);
    }
    for (what, why) in &unreadable {
        check(&name, Health::Broken, format!("cannot read {what}: {why}"));
    }
    let unreadable: Vec<Value> = unreadable.iter().map(|(what, why)| json!({ "name": what, "why": why })).collect();
    json!({
        "name": repository,
        "defaultBranch": facts.default_branch,
        "mergeMethods": facts.merge_methods,
        "reads": readable,
        "cannotRead": unreadable,
        "mayWrite": answer(&may_write),
    })
}

fn words(may: &May) -> (Health, String) {
    match may {
        May::Yes => (Health::Ok, "yes".to_owned()),
        May::No(why) => (Health::Note, format!("no, {why}")),
        May::Untold(why) => (Health::Ok, format!("not known, {why}")),
    }
}

fn answer(may: &May) -> Value {
    match may {
        May::Yes => json!({ "answer": "yes" }),
        May::No(why) => json!({ "answer": "no", "why": why }),
        May::Untold(why) => json!({ "answer": "unknown", "why": why }),
    }
}
