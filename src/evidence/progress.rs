//! Says in a few words what changed between two failures.
use crate::domain::Failure;
use crate::evidence::text::listed;
use std::collections::BTreeSet;

/// Names listed of each kind.
const MAX_LISTED: usize = 5;

/// Returns what is fixed, still failing and newly failing; where no names are known, whether the failure is another one.
pub fn progress(before_failing: &[String], after_failing: &[String], before: &Failure, after: &Failure) -> String {
    let was: BTreeSet<_> = before_failing.iter().map(String::as_str).collect();
    let now: BTreeSet<_> = after_failing.iter().map(String::as_str).collect();
    let mut parts = Vec::new();
    let mut say = |words: &str, names: Vec<&str>| {
        if !names.is_empty() {
            parts.push(format!("{words}: {}", listed(&names, MAX_LISTED)));
        }
    };
    // Names of one side alone tell nothing: the other may not have come to its tests.
    if !now.is_empty() {
        say("fixed", was.difference(&now).copied().collect());
        say("still failing", was.intersection(&now).copied().collect());
        say("newly failing", now.difference(&was).copied().collect());
    }
    if before.hash == after.hash {
        parts.push("the same failure as before".to_owned());
    } else if parts.is_empty() || was.is_empty() || now.is_empty() {
        parts.push(format!("a different failure: {} before, {} now", before.error_type, after.error_type));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Category;

    fn failure(hash: &str, error_type: &str) -> Failure {
        Failure {
            category: Category::Test,
            confidence: 0.9,
            error_type: error_type.to_owned(),
            summary: String::new(),
            hash: hash.to_owned(),
            lines: Vec::new(),
            files: Vec::new(),
            reduced_log: String::new(),
            report: None,
            total_lines: 0,
            total_bytes: 0,
        }
    }

    #[test]
    fn names_tell_what_changed() {
        let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let (one, two) = (failure("1", "KeyError"), failure("2", "TypeError"));
        assert_eq!(progress(&names("a b"), &names("b c"), &one, &two), "fixed: a; still failing: b; newly failing: c");
        assert_eq!(progress(&names("a"), &names("a"), &one, &one), "still failing: a; the same failure as before");
        assert_eq!(progress(&names("a"), &[], &one, &two), "a different failure: KeyError before, TypeError now");
        assert_eq!(progress(&[], &[], &one, &one), "the same failure as before");
    }
}
