//! What `init` can write, and the text of each file.
use crate::guard::policy::POLICY_PATHS;
use crate::rules;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

const WORKFLOWS: &str = ".github/workflows";
/// The only action that is used; whoever moves the tag moves nothing here.
const CHECKOUT: &str = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1";
/// Listened to where the repository has no workflow yet.
const NO_WORKFLOW: &str = "CI";
const MAX_WORKFLOWS: usize = 100;
const MAX_WORKFLOW_BYTES: u64 = 1 << 20;

/// What there is to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Name {
    /// `.github/auto-heal-config.yml`, how this repository is healed
    Rules,
    /// `.paramedic/policy.toml`, what a fix may touch
    Policy,
    /// Workflow that tells a server of failed runs
    Webhook,
    /// Workflow that carries out orders (`jarvis_order`) on a runner
    Order,
    /// Workflow that heals failed runs on a runner, without a server
    Heal,
    /// Workflow that judges pull requests by the policy
    Gate,
}

/// A file as it is to be.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) name: Name,
    /// Below the root of the checkout.
    pub(super) path: &'static str,
    pub(super) content: String,
}

/// Returns all files for the checkout at `root`.
pub(super) fn all(root: &Path) -> Vec<Wanted> {
    let names = serde_json::to_string(&workflow_names(root)).unwrap_or_default();
    let workflow = |name, path, template: &str| Wanted { name, path, content: fill(template, &names) };
    let text = |name, path, text: &str| Wanted { name, path, content: text.to_owned() };
    vec![
        text(Name::Rules, rules::PATH, include_str!("templates/auto-heal-config.yml")),
        text(Name::Policy, POLICY_PATHS[0], include_str!("templates/policy.toml")),
        workflow(Name::Webhook, ".github/workflows/paramedic-webhook.yml", include_str!("templates/webhook.yml")),
        workflow(Name::Order, ".github/workflows/paramedic-order.yml", include_str!("templates/order.yml")),
        workflow(Name::Heal, ".github/workflows/paramedic-heal.yml", include_str!("templates/heal.yml")),
        workflow(Name::Gate, ".github/workflows/paramedic-gate.yml", include_str!("templates/gate.yml")),
    ]
}

/// Puts the shared steps and the workflows that are listened to into a template; names, which are foreign, last.
fn fill(template: &str, names: &str) -> String {
    template
        .replace("@CHECKOUT@", CHECKOUT)
        .replace("@INSTALL@\n", include_str!("templates/install.yml"))
        .replace("@SUMMARY@\n", include_str!("templates/summary.yml"))
        .replace("[@WORKFLOWS@]", names)
}

/// Returns the names by which GitHub knows the workflows of a checkout, sorted; ours are left out. GitHub promises no
/// pattern that means all of them.
fn workflow_names(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join(WORKFLOWS)).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|it| it.file_type().is_ok_and(|it| it.is_file()))
        .filter_map(|it| {
            let file = it.file_name().into_string().ok()?;
            let is_workflow = Path::new(&file).extension().is_some_and(|it| it == "yml" || it == "yaml");
            let is_foreign = is_workflow && !file.starts_with("paramedic-");
            let path = format!("{WORKFLOWS}/{file}");
            is_foreign.then(|| name_of(&it.path()).unwrap_or(path))
        })
        // An expression has no meaning in such a list, and an odd name would only be in the way.
        .filter(|it| !it.contains("${{") && !it.chars().any(char::is_control))
        .collect();
    names.sort();
    names.dedup();
    names.truncate(MAX_WORKFLOWS);
    if names.is_empty() { vec![NO_WORKFLOW.to_owned()] } else { names }
}

/// Returns the name that a workflow gives itself.
fn name_of(path: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Workflow {
        name: Option<String>,
    }
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_WORKFLOW_BYTES).read_to_string(&mut text).ok()?;
    let workflow: Workflow = serde_saphyr::from_str(&text).ok()?;
    workflow.name.filter(|it| !it.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::policy::Policy;
    use crate::rules::{KEYS, Rules};

    fn content(name: Name) -> String {
        let files = all(Path::new("/nowhere"));
        files.into_iter().find(|it| it.name == name).map(|it| it.content).unwrap()
    }

    /// Returns a text with every example that is commented out in force.
    fn in_force(text: &str, is_example: impl Fn(&str) -> bool) -> String {
        let line = |line: &str| {
            let code = line.trim_start().trim_start_matches('#').trim_start_matches(' ');
            let indent = &line[..line.len() - line.trim_start().len()];
            let is_text = line.trim_start().starts_with("#   ");
            if line.trim_start().starts_with('#') && (is_example(code) || is_text) {
                format!("{indent}{}{code}\n", if is_text { "  " } else { "" })
            } else {
                format!("{line}\n")
            }
        };
        text.lines().map(line).collect()
    }

    #[test]
    fn the_rules_read_back_as_the_defaults_and_name_every_key() {
        let text = content(Name::Rules);
        let (rules, remarks) = Rules::read(text.as_bytes()).unwrap();
        assert_eq!(remarks, []);
        let (defaults, _) = Rules::read(b"").unwrap();
        assert_eq!(format!("{rules:?}"), format!("{defaults:?}"));
        let names: Vec<&str> = KEYS.iter().map(|it| it.rsplit('.').next().unwrap()).collect();
        let whole = in_force(&text, |code| names.iter().any(|it| code.starts_with(&format!("{it}: "))));
        let (rules, remarks) = Rules::read(whole.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{whole}"));
        assert_eq!(remarks.len(), 3, "{remarks:?}");
        assert!(rules.pull_request.title.is_some() && rules.pull_request.description.is_some());
        let written: serde_json::Value = serde_saphyr::from_str(&whole).unwrap();
        for key in KEYS {
            let pointer = format!("/{}", key.replace('.', "/"));
            assert!(written.pointer(&pointer).is_some(), "{key} is not explained");
        }
    }

    #[test]
    fn the_policy_reads_back_and_names_every_key() {
        let text = content(Name::Policy);
        let policy = Policy::from_sources(Some(&text), &[]).unwrap();
        assert_eq!((policy.max_files, policy.max_lines), (2, 40));
        assert!(policy.is_test("a_test.go") && policy.is_ci(".gitlab-ci.yml"), "the defaults hold");
        let keys = ["max_files", "max_lines", "uncounted", "protected", "ci", "tests", "canary"];
        let whole = in_force(&text, |code| keys.iter().any(|it| code.starts_with(&format!("{it} = "))));
        let policy = Policy::from_sources(Some(&whole), &[]).unwrap();
        assert_eq!(policy.canary.as_deref(), Some("make canary"));
        let table: toml::Table = whole.parse().unwrap();
        assert!(keys.iter().all(|it| table.contains_key(*it)), "{whole}");
    }
}
