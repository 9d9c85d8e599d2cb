//! Size caps: a small fix can be reviewed, a large one is a rewrite.
use crate::guard::findings::Findings;
use crate::guard::scene::Scene;

const TOO_MANY_FILES: &str = "too-many-files";
const TOO_MANY_LINES: &str = "too-many-lines";

/// Whether a rule is about size alone, so that a patch refused by it may still be right.
pub fn is_size_rule(rule: &str) -> bool {
    matches!(rule, TOO_MANY_FILES | TOO_MANY_LINES)
}

pub(crate) fn check(scene: &Scene<'_>, findings: &mut Findings) {
    let policy = scene.context.policy;
    let counted = scene.files.iter().map(|it| it.change).filter(|it| !it.paths().all(|path| policy.is_uncounted(path)));
    let counted: Vec<_> = counted.collect();
    let n_lines: usize = counted.iter().map(|it| it.n_changed_lines()).sum();
    if counted.len() > policy.max_files {
        let reason =
            format!("changes {} files, at most {} are allowed; keep to the cause", counted.len(), policy.max_files);
        findings.violation("", None, TOO_MANY_FILES, reason);
    }
    if n_lines > policy.max_lines {
        let reason = format!("changes {n_lines} lines, at most {} are allowed; make a smaller fix", policy.max_lines);
        findings.violation("", None, TOO_MANY_LINES, reason);
    }
}
