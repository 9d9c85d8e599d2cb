//! The guard as a whole: patches made from texts, judged, verdict and rules compared.
mod good;
mod holes;
mod paths;
mod properties;
mod suites;

use super::BaseFiles;
use super::Context;
use super::judge;
use crate::domain::failure::Category;
use crate::domain::patch::Patch;
use crate::domain::verdict::Judgement;
use crate::domain::verdict::Verdict;
use crate::guard::policy::Policy;

/// A patch under construction, with what it is judged by.
pub(super) struct Case {
    patch: String,
    base: BaseFiles,
    policy: Policy,
    is_human: bool,
    category: Option<Category>,
    failure_files: Vec<String>,
    command: Option<&'static str>,
}

pub(super) fn case() -> Case {
    Case {
        patch: String::new(),
        base: BaseFiles::default(),
        policy: Policy::from_sources(Some("max_files = 20\nmax_lines = 400\n"), &[]).unwrap(),
        is_human: false,
        category: Some(Category::Test),
        failure_files: Vec::new(),
        command: Some("python3 -m pytest -q"),
    }
}

impl Case {
    /// Changes, adds (`before` empty) or deletes (`after` empty) a file.
    pub(super) fn file(mut self, path: &str, before: &str, after: &str) -> Self {
        if !before.is_empty() {
            self.base.0.insert(path.to_owned(), before.to_owned());
        }
        self.patch.push_str(&diff(path, before, after));
        self
    }

    /// Adds lines of a diff as they are.
    pub(super) fn raw(mut self, text: &str) -> Self {
        self.patch.push_str(text);
        self
    }

    /// A file that is at the base commit and stays.
    pub(super) fn base(mut self, path: &str, text: &str) -> Self {
        self.base.0.insert(path.to_owned(), text.to_owned());
        self
    }

    pub(super) fn policy(mut self, policy: &str, protected: &str) -> Self {
        self.policy = Policy::from_sources(Some(policy), &[("protected-files.yml", protected)]).unwrap();
        self
    }

    pub(super) fn human(mut self) -> Self {
        self.is_human = true;
        self
    }

    pub(super) fn failure(mut self, category: Category, file: &str) -> Self {
        self.category = Some(category);
        self.failure_files = vec![file.to_owned()];
        self
    }

    pub(super) fn command(mut self, command: &'static str) -> Self {
        self.command = Some(command);
        self
    }

    pub(super) fn judge(&self) -> Judgement {
        let context = Context {
            policy: &self.policy,
            author_is_human: self.is_human,
            category: self.category,
            failure_files: &self.failure_files,
            test_command: self.command,
            base: &self.base,
        };
        judge(&Patch(self.patch.clone()), &context)
    }

    #[track_caller]
    pub(super) fn is_ok(&self) {
        let judgement = self.judge();
        assert_eq!(judgement.verdict, Verdict::Ok, "{:#?}\n{}", judgement.findings, self.patch);
    }

    #[track_caller]
    pub(super) fn violates(&self, rule: &str) {
        self.has(rule, Verdict::Violation);
    }

    #[track_caller]
    pub(super) fn needs_two_keys(&self, rule: &str) {
        self.has(rule, Verdict::NeedsTwoKeys);
    }

    #[track_caller]
    fn has(&self, rule: &str, verdict: Verdict) {
        let judgement = self.judge();
        assert_eq!(judgement.verdict, verdict, "{:#?}\n{}", judgement.findings, self.patch);
        let is_named = judgement.findings.iter().any(|it| it.rule == rule && it.verdict == verdict);
        assert!(is_named, "no `{rule}` in {:#?}\n{}", judgement.findings, self.patch);
    }
}

/// A git diff of one file, as git would write it.
pub(super) fn diff(path: &str, before: &str, after: &str) -> String {
    let (a, b) = (format!("a/{path}"), format!("b/{path}"));
    let tab = if path.contains(' ') { "\t" } else { "" };
    let (head, old, new) = match (before.is_empty(), after.is_empty()) {
        (true, _) => ("new file mode 100644\nindex 0000000..1111111\n", "/dev/null".to_owned(), format!("{b}{tab}")),
        (_, true) => {
            ("deleted file mode 100644\nindex 1111111..0000000\n", format!("{a}{tab}"), "/dev/null".to_owned())
        }
        _ => ("index 1111111..2222222 100644\n", format!("{a}{tab}"), format!("{b}{tab}")),
    };
    let body = similar::TextDiff::from_lines(before, after);
    let body = body.unified_diff().context_radius(3).to_string();
    let names = if body.is_empty() { String::new() } else { format!("--- {old}\n+++ {new}\n") };
    format!("diff --git {a} {b}\n{head}{names}{body}")
}
