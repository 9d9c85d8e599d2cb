//! Breaks what a forge or a CI system would obey in the message of a commit. A squash by hand may take a pull request's whole body into one, and
//! in a message no span and no fence protects anything.
use crate::evidence::pattern::pattern;
use regex::{Captures, Regex};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Keeps CI from running: `[skip ci]`, `[ci skip]`, `[no ci]`, `[skip actions]`, `[skip azp]`, `[CF-Pages-Skip]` and whatever else is built so.
static SKIP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\[((?:[^\[\]\n]{0,40}(?:\b|_))?skip(?:(?:\b|_)[^\[\]\n]{0,40})?|[ \t]{0,9}no[ \t._-]{0,3}ci[ \t]{0,9})\]",
    )
});
/// The same for Azure Pipelines, as of old.
static NO_CI: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\*\*\*([ \t]{0,9}NO_CI[ \t]{0,9})\*\*\*"));
/// The same as a trailer, for GitHub and Azure Pipelines.
static SKIP_CHECKS: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)(skip-checks[ \t]{0,9}):"));
/// Closes an issue: a word for it, and then the issue in any form that a forge knows.
static CLOSE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)\b(?P<word> (?:clos(?:e[sd]?|ing) | fix(?:e[sd]|ing)? | resolv(?:e[sd]?|ing) | implement(?:s|ed|ing)?) \b
        \W{0,9} (?:issues?\b\W{0,9})? )
        (?P<what> [\w./-]*\#\d[\w./\#-]* | gh-\d | https?://\S )",
    )
});

/// Returns a text in which nothing is obeyed any more, and which reads as before: look-alikes stand for the signs that matter.
pub fn inert(text: &str) -> Cow<'_, str> {
    let close = |it: &Captures<'_>| {
        let what =
            it["what"].replace('#', "＃").replace("://", ":⁄⁄").replacen('-', "‐", usize::from(is_gh(&it["what"])));
        format!("{}{what}", &it["word"])
    };
    let text = replaced(&SKIP, Cow::Borrowed(text), |it| format!("［{}］", &it[1]));
    let text = replaced(&NO_CI, text, |it| format!("＊＊＊{}＊＊＊", &it[1]));
    let text = replaced(&SKIP_CHECKS, text, |it| format!("{}：", &it[1]));
    replaced(&CLOSE, text, close)
}

fn is_gh(what: &str) -> bool {
    what.get(..3).is_some_and(|it| it.eq_ignore_ascii_case("gh-"))
}

fn replaced<'a>(pattern: &Regex, text: Cow<'a, str>, with: impl Fn(&Captures<'_>) -> String) -> Cow<'a, str> {
    match pattern.replace_all(&text, with) {
        Cow::Borrowed(_) => text,
        Cow::Owned(text) => Cow::Owned(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_ci_from_running_is_broken_and_can_be_read() {
        for (text, shown) in [
            ("x [skip ci] y", "x ［skip ci］ y"),
            ("[CI SKIP]", "［CI SKIP］"),
            ("[no ci][No-CI]", "［no ci］［No-CI］"),
            ("[[skip actions]]", "[［skip actions］]"),
            ("[actions skip]", "［actions skip］"),
            ("[skip azurepipelines]", "［skip azurepipelines］"),
            ("[CF-Pages-Skip]", "［CF-Pages-Skip］"),
            ("[skip_ci]", "［skip_ci］"),
            ("****no_ci***", "*＊＊＊no_ci＊＊＊"),
            ("Skip-Checks: true", "Skip-Checks： true"),
            ("skip-checks:true", "skip-checks：true"),
        ] {
            assert_eq!(inert(text), shown);
        }
        for text in [
            "list[i] skips",
            "[skipped]",
            "[notice]",
            "[info] no ci here",
            "** NO_CI **",
            "skip-checks true",
            "[no\nci]",
        ] {
            assert!(matches!(inert(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn what_closes_an_issue_is_broken_and_can_be_read() {
        for (text, shown) in [
            ("Closes #7", "Closes ＃7"),
            ("fixed: acme/shop#7", "fixed: acme/shop＃7"),
            ("Fixes AB#12, resolves GH-3", "Fixes AB＃12, resolves GH‐3"),
            ("RESOLVED\n#9", "RESOLVED\n＃9"),
            ("close https://github.com/a/b-c/issues/1", "close https:⁄⁄github.com/a/b-c/issues/1"),
            ("fix a-b/c-d#1", "fix a-b/c-d＃1"),
            ("Implements issue #4", "Implements issue ＃4"),
        ] {
            assert_eq!(inert(text), shown);
        }
        for text in ["test #7 failed", "fix it in #7", "a/b#7", "prefixes #7", "closed", "https://x/y", "GH-7"] {
            assert!(matches!(inert(text), Cow::Borrowed(_)), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_command_is_left(text in "(\\[|\\]|\\*{1,4}|skip|ci|no|NO_CI|skip-checks|:| |fixes|closes|#|[0-9]|gh-|https://|[ -~\\n]){0,30}") {
            let made = inert(&text).to_lowercase();
            for command in ["[skip ci]", "[ci skip]", "[no ci]", "***no_ci***", "skip-checks:"] {
                proptest::prop_assert!(!made.contains(command), "{}", made);
            }
            let theirs = Regex::new(r"(?-u:\b)(?:closes|fixes):?\s+(?:#\d|gh-\d|https://\S)").unwrap();
            proptest::prop_assert!(!theirs.is_match(&made), "{}", made);
        }
    }
}
