//! Projects whose Makefile says how to test.
use crate::workspace::TestCommand;
use crate::workspace::discover::files::Files;
use crate::workspace::discover::found;

/// In the order in which make looks for them.
const NAMES: &[&str] = &["GNUmakefile", "makefile", "Makefile"];

/// Finds a `test` target, else a `check` target.
pub(super) fn tests(files: &Files) -> Option<TestCommand> {
    let name = NAMES.iter().find(|it| files.has(it))?;
    let text = files.read(name)?;
    let target = ["test", "check"].into_iter().find(|it| has_target(&text, it))?;
    Some(found(format!("make {target}"), format!("{name} has a `{target}` target")))
}

fn has_target(text: &str, target: &str) -> bool {
    text.lines().any(|line| {
        let is_rule = !line.starts_with(['\t', ' ', '#', '.']);
        let parts = line.split_once(':').filter(|_| is_rule);
        parts.is_some_and(|(targets, rest)| {
            let is_assignment = rest.trim_start_matches(':').starts_with('=') || targets.contains('=');
            !is_assignment && targets.split_whitespace().any(|it| it == target)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_told_from_what_looks_like_them() {
        for text in ["test:\n\ttrue", "test: build\n", "all test check:: x", "test :\n"] {
            assert!(has_target(text, "test"), "{text:?}");
        }
        for text in
            ["test := 1", "test ::= 1", "test:=1", ".PHONY: test", "\ttest: x", "# test:", "tests:", "A = test: x", ""]
        {
            assert!(!has_target(text, "test"), "{text:?}");
        }
    }
}
