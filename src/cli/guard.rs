//! `paramedic guard`: judges a patch by the repository's policy, for a hook or a CI job.
use crate::cli::Context;
use crate::cli::arguments::Guard;
use crate::cli::error::{CliError, Ended, FAILED, OK, REFUSED};
use crate::cli::out;
use crate::domain::{Judgement, Patch, Verdict};
use crate::engine::policy::{base_files, policy_at};
use crate::evidence::text::clean_line;
use crate::guard::{Context as Given, judge};
use crate::wiring::{Workspace, workspace};
use serde::Serialize;
use std::fs;
use std::io::Read;

/// A judgement, and the commits it is about.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    #[serde(flatten)]
    judgement: &'a Judgement,
    /// Where the change starts.
    base_commit: &'a str,
    /// Whose policy and protected lists count.
    policy_commit: &'a str,
}

pub(super) async fn run(context: &Context, guard: &Guard) -> Ended {
    let workspace = workspace(&context.config, &context.environment).map_err(CliError::failed)?;
    let usage = |it: crate::wiring::WorkspaceError| CliError::usage(it.to_string());
    let repo = workspace.facts(&guard.repo).await.map_err(usage)?.root;
    let change = workspace.change(&repo, guard.base.as_deref(), guard.head.as_deref()).await.map_err(usage)?;
    let patch = match &guard.patch {
        Some(path) => Patch(read(path)?),
        None => change.patch,
    };
    let own = guard.policy.as_deref().map(read).transpose()?;
    let what = if own.is_some() { "protected lists" } else { "policy" };
    let base = workspace.base(&repo, &change.base).await.map_err(usage)?;
    // Whoever made the change chose where it starts, and so would choose among all policies there ever were.
    let target = workspace.base(&repo, &change.target).await.map_err(usage)?;
    let policy = policy_at(&workspace, &target, own).await.map_err(usage)?.map_err(CliError::failed)?;
    let files = base_files(&workspace, &base, &patch).await.map_err(usage)?;
    let judgement = judge(
        &patch,
        &Given {
            policy: &policy,
            author_is_human: false,
            category: None,
            failure_files: &[],
            test_command: None,
            base: &files,
        },
    );
    if context.is_json {
        out::json(&Told { judgement: &judgement, base_commit: &base.commit, policy_commit: &target.commit });
    } else {
        out::line(judgement.verdict.as_str());
        for finding in &judgement.findings {
            let line = finding.line.map(|it| format!(":{it}")).unwrap_or_default();
            let file = clean_line(&finding.file);
            out::line(&format!("  {file}{line} [{}] {}", finding.rule, clean_line(&finding.reason)));
        }
        if base.commit != target.commit {
            let (from, at) = (short(&base.commit), short(&target.commit));
            out::note(&format!("judged by the {what} of commit {at}; the change starts at {from}"));
        }
    }
    Ok(match judgement.verdict {
        Verdict::Ok => OK,
        Verdict::NeedsTwoKeys => REFUSED,
        Verdict::Violation => FAILED,
    })
}

fn read(path: &std::path::Path) -> Result<String, CliError> {
    let mut text = String::new();
    let read = if path == std::path::Path::new("-") {
        std::io::stdin().lock().read_to_string(&mut text).map(|_| ())
    } else {
        fs::read_to_string(path).map(|it| text = it)
    };
    read.map_err(|it| CliError::usage(format!("cannot read {}: {it}", path.display())))?;
    Ok(text)
}

/// Returns the beginning of a commit's id.
fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
