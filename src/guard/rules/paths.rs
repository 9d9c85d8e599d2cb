//! Places a patch keeps out of: protected paths, the policy itself, CI configuration, and what steers agents and hooks.
use crate::domain::failure::Category;
use crate::guard::findings::Findings;
use crate::guard::glob::Case;
use crate::guard::glob::Globs;
use crate::guard::policy::POLICY_PATHS;
use crate::guard::policy::PROTECTED_PATHS;
use crate::guard::scene::Scene;
use crate::guard::scene::pattern;
use crate::guard::view::FileView;
use regex::Regex;
use std::sync::LazyLock;

/// Longest time limit a CI file may be given, in minutes.
const MAX_TIMEOUT_MINUTES: u32 = 360;

/// What other programs obey when they open the repository: agents, editors, hooks, git, owners; and robots at the forge with more rights than
/// whoever made the patch. They merge without a person (Mergify, Kodiak, Bulldozer, bors), say whose word is needed (owners, policy-bot,
/// `PullApprove`), set branch protection (`.asf.yaml`, the settings app below `.github/`), bring in dependencies with commands of their own
/// (Renovate, Dependabot, `PyUp`), or review (`CodeRabbit`, Sourcery). Git's own attributes choose filters and what a diff hides, its modules what
/// is fetched.
const AGENT_CONFIG: &str = "\
    AGENTS.md AGENTS.override.md AGENT.md CLAUDE.md CLAUDE.local.md GEMINI.md CONVENTIONS.md .claude* .cursor* \
    .windsurf* .clinerules* .roo* .kilocode* .continue* .codex* .gemini* .aider* .opencode* .goose* .junie* \
    .amazonq* .kiro* .mcp* mcp.json .github/ .husky/ .githooks/ lefthook.* .lefthook* .pre-commit-* .git* CODEOWNERS \
    .vscode/ .idea/ .devcontainer* .ripgreprc .envrc copilot-instructions.md \
    .mergify* .kodiak* .bulldozer* bors.toml .bors.toml OWNERS_ALIASES .policy.yml .pullapprove* .asf.yaml \
    renovate.json* .renovate* .dependabot* .pyup* .coderabbit* .sourcery*";

static AGENT_GLOBS: LazyLock<Globs> = LazyLock::new(|| constant(&words(AGENT_CONFIG)));
static POLICY_GLOBS: LazyLock<Globs> = LazyLock::new(|| {
    let paths: Vec<String> = POLICY_PATHS.iter().chain(PROTECTED_PATHS).map(|it| format!("/{it}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).chain(["/.paramedic/"]).collect();
    constant(&paths)
});
static TIMEOUT_LINE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^\s*-?\s*(?:timeout-minutes|timeoutInMinutes|timeout_in_minutes)\s*:\s*(\d{1,6})\s*(?:#.*)?$")
});
static CI_DANGER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\bpermissions\s*:|write-all|:\s*write\b|\bsecrets\b|pull_request_target|\bif\s*:|\bwhen\s*:|\brules\s*:|\bon\s*:|\bcurl\b|\bwget\b|\bneeds\s*:|\bexcept\s*:|\bonly\s*:|GITHUB_TOKEN",
    )
});
static CI_WORK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(?:run|uses|script|command|entrypoint|image|if|needs|on|permissions)\s*:|^\s*-\s")
});

/// Splits a table that is written as words.
pub(crate) fn words(table: &str) -> Vec<&str> {
    table.split_ascii_whitespace().collect()
}

/// Compiles globs that are part of the program.
#[expect(clippy::expect_used, reason = "the globs are constants, and every list is compiled by a test")]
pub(crate) fn constant(globs: &[&str]) -> Globs {
    Globs::new(globs, Case::Insensitive).expect("constant globs compile")
}

pub(crate) fn check(scene: &Scene<'_>, file: &FileView<'_>, findings: &mut Findings) {
    let policy = scene.context.policy;
    for path in file.change.paths() {
        if let Some(glob) = policy.protected_by(path) {
            let reason = format!("`{path}` is protected by `{glob}`: two people must approve");
            findings.two_keys(path, None, "protected-path", reason);
        }
        if POLICY_GLOBS.is_match(path) {
            let reason = "the policy a patch is judged by cannot be part of the patch";
            findings.violation(path, None, "policy-changed", reason);
        } else if policy.is_ci(path) {
            check_ci(scene, file, path, findings);
        } else if (AGENT_GLOBS.is_match(path) || is_owners(path)) && !path.ends_with(".gitkeep") {
            let reason = "steers agents, hooks, git, reviewers or robots; a fix never needs to change it";
            findings.violation(path, None, "agent-config", reason);
        }
    }
}

/// Whether a file names who approves what below it (Prow); a folder may well be called so, too.
fn is_owners(path: &str) -> bool {
    path.rsplit('/').next() == Some("OWNERS")
}

fn check_ci(scene: &Scene<'_>, file: &FileView<'_>, path: &str, findings: &mut Findings) {
    let is_culprit = scene.context.failure_files.iter().any(|it| it.trim_start_matches("./") == path);
    let is_in_place = file.change.old_path == file.change.new_path && !file.change.hunks.is_empty();
    let objection = match scene.context.category {
        Some(Category::Timeout) if is_culprit && is_in_place => timeout_objection(file),
        Some(Category::Syntax) if is_culprit && is_in_place => syntax_objection(file),
        _ => {
            Some((None, "CI configuration is not for a fix to change: the failure is not in this very file".to_owned()))
        }
    };
    if let Some((line, reason)) = objection {
        findings.violation(path, line, "ci-config", reason);
    }
}

/// A timeout in CI is healed by another number, and nothing else.
fn timeout_objection(file: &FileView<'_>) -> Option<(Option<u32>, String)> {
    let is_fine = |text: &str, max: u32| {
        let minutes = TIMEOUT_LINE.captures(text).and_then(|it| it[1].parse::<u32>().ok());
        minutes.is_some_and(|it| (1..=max).contains(&it))
    };
    let bad_new = file.added().find(|it| !is_fine(it.raw, MAX_TIMEOUT_MINUTES));
    let bad_old = file.removed().find(|it| !is_fine(it.raw, u32::MAX));
    let line = bad_new.map(|it| it.number).or(bad_old.map(|it| it.number))?;
    let reason = format!("after a timeout only `timeout-minutes` may change, to at most {MAX_TIMEOUT_MINUTES}");
    Some((Some(line), reason))
}

/// A syntax error in CI is healed by spelling, not by taking steps away or giving rights.
fn syntax_objection(file: &FileView<'_>) -> Option<(Option<u32>, String)> {
    let ink = |text: &str| text.chars().filter(|it| it.is_alphanumeric()).collect::<String>();
    let kept: Vec<String> = file.added().map(|it| ink(it.raw)).collect();
    let lost = file.removed().find(|it| CI_WORK.is_match(it.code) && !kept.contains(&ink(it.raw)));
    if let Some(line) = lost {
        return Some((Some(line.number), "a syntax fix may not take a step of the CI away or reword it".to_owned()));
    }
    let removed: Vec<String> = file.removed().map(|it| ink(it.raw)).collect();
    let risky = file.added().find(|it| CI_DANGER.is_match(it.code) && !removed.contains(&ink(it.raw)))?;
    Some((Some(risky.number), "a syntax fix may not add rights, secrets, conditions or downloads to the CI".to_owned()))
}
