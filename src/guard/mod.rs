//! Pure: a patch and a policy in, a judgement out.
//!
//! `judge` reads the diff strictly (`diff`), lays it over the base commit (`view`, with `mask` telling code from strings and comments)
//! and shows it to every rule family (`rules`). Invariant: what is not understood is a violation, and no text makes it panic.
mod command;
pub mod diff;
mod findings;
pub mod glob;
pub mod lang;
mod mask;
pub mod policy;
mod rules;
mod scene;
mod view;

use crate::domain::failure::Category;
use crate::domain::patch::Patch;
use crate::domain::verdict::Judgement;
use crate::guard::command::TestCommand;
use crate::guard::diff::ChangeKind;
use crate::guard::diff::FileChange;
use crate::guard::findings::Findings;
use crate::guard::policy::Policy;
use crate::guard::scene::Scene;
use crate::guard::view::FileView;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

pub use rules::is_size_rule;

/// What a patch is judged by, besides its text.
#[expect(missing_debug_implementations, reason = "`base` is a foreign trait object")]
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub policy: &'a Policy,
    /// A person may, with two keys, do what an agent may never do.
    pub author_is_human: bool,
    /// Kind of the failure that is healed.
    pub category: Option<Category>,
    /// Files the failure names, relative to the work tree.
    pub failure_files: &'a [String],
    pub test_command: Option<&'a str>,
    pub base: &'a dyn Base,
}

/// The base commit. A file that is not told counts as unknown, and is judged the more strictly for it.
pub trait Base {
    /// Returns the text of a file at the base commit, if it is known and text.
    fn file(&self, path: &str) -> Option<String>;
    /// Whether a file is there at the base commit.
    fn exists(&self, path: &str) -> bool;
}

/// A base commit held in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BaseFiles(pub BTreeMap<String, String>);

impl Base for BaseFiles {
    fn file(&self, path: &str) -> Option<String> {
        self.0.get(path).cloned()
    }

    fn exists(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }
}

impl FromIterator<(String, String)> for BaseFiles {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(files: I) -> Self {
        Self(files.into_iter().collect())
    }
}

/// Returns the files of the base commit that judging a patch needs; none where the patch cannot be read.
pub fn wanted_files(patch: &Patch) -> Vec<String> {
    let changes = diff::parse(patch.text()).unwrap_or_default();
    if changes.is_empty() {
        return Vec::new();
    }
    // These say what the test command runs in turn.
    let entries = ["package.json", "Makefile", "makefile", "GNUmakefile"];
    let wanted: BTreeSet<&str> = changes.iter().flat_map(FileChange::paths).chain(entries).collect();
    wanted.into_iter().map(str::to_owned).collect()
}

/// Judges a patch by every rule; the verdict is the worst finding's.
pub fn judge(patch: &Patch, context: &Context<'_>) -> Judgement {
    let mut findings = Findings::default();
    match diff::parse(patch.text()) {
        Ok(changes) => judge_changes(&changes, context, &mut findings),
        Err(bad) => {
            let rule = if bad.is_outside { "outside-tree" } else { "malformed-patch" };
            findings.violation(&bad.file, None, rule, format!("{bad}; nothing of the patch was judged"));
        }
    }
    findings.into_judgement(context.author_is_human)
}

fn judge_changes(changes: &[FileChange<'_>], context: &Context<'_>, findings: &mut Findings) {
    let at_base = |it: &FileChange<'_>| context.base.file(it.old_path.as_deref()?);
    let bases: Vec<Option<String>> = changes.iter().map(at_base).collect();
    let mut files = Vec::new();
    for (change, base) in changes.iter().zip(&bases) {
        if change.kind == ChangeKind::Added && context.base.exists(change.path()) {
            findings.violation(
                change.path(),
                None,
                "malformed-patch",
                "the patch adds a file that exists at the base commit",
            );
        }
        let is_test = change.paths().any(|it| context.policy.is_test(it));
        match FileView::new(change, base.as_deref(), is_test) {
            Ok(mut view) => {
                view.is_test |= rules::holds_tests(&view);
                files.push(view);
            }
            Err(misfit) => {
                let reason = "the patch does not fit the file at the base commit; make it against that commit";
                findings.violation(change.path(), Some(misfit.line), "malformed-patch", reason);
            }
        }
    }
    let mut command = context.test_command.map(TestCommand::parse).unwrap_or_default();
    command.follow(context.base, &rules::recipes);
    rules::run(&Scene { context, command, files }, findings);
}

#[cfg(test)]
mod tests;
