//! Properties: no text makes the guard panic, and no name out of the tree ever passes.
use super::case;
use super::diff;
use crate::domain::verdict::Verdict;
use proptest::prelude::*;

const PYTHON: &str =
    "import os\n\n\ndef f(x):\n    try:\n        return x['a']\n    except KeyError:\n        return \"\"\"b\n\"\"\"\n";

/// A name that leads out of the tree, or into git's own directory.
fn outside() -> impl Strategy<Value = String> {
    let part = "[a-z]{1,6}";
    prop_oneof![
        part.prop_map(|it| format!("../{it}")),
        (part, part).prop_map(|(a, b)| format!("{a}/../../{b}")),
        (part, part).prop_map(|(a, b)| format!("{a}/../{b}")),
        part.prop_map(|it| format!("/{it}")),
        part.prop_map(|it| format!("{it}/..")),
        (part, "[.][gG][iI][tT][. ]{0,2}").prop_map(|(a, git)| format!("{git}/{a}")),
        (part, "[.][gG][iI][tT]").prop_map(|(a, git)| format!("{a}/{git}/config")),
        (part, part).prop_map(|(a, b)| format!("{a}\\{b}")),
        part.prop_map(|it| format!("{it}//x")),
        part.prop_map(|it| format!("C:/{it}")),
    ]
}

/// Writes a name in one of the ways git could: plain, quoted, or with every byte escaped.
fn written(name: &str, prefix: &str, style: usize) -> String {
    use std::fmt::Write as _;
    let full = format!("{prefix}{name}");
    match style {
        0 => full,
        1 => format!("\"{}\"", full.replace('\\', "\\\\")),
        _ => {
            let mut text = String::from("\"");
            for byte in full.bytes() {
                let _ = write!(text, "\\{byte:03o}");
            }
            text + "\""
        }
    }
}

/// The ways a patch can touch a path.
fn touching(name: &str, style: usize, kind: usize) -> String {
    let (a, b) = (written(name, "a/", style), written(name, "b/", style));
    let plain = written(name, "", style);
    match kind {
        0 => format!("diff --git {a} {b}\nindex 1111111..2222222 100644\n--- {a}\n+++ {b}\n@@ -1 +1 @@\n-a\n+b\n"),
        1 => format!(
            "diff --git {a} {b}\nnew file mode 100644\nindex 0000000..1111111\n--- /dev/null\n+++ {b}\n@@ -0,0 +1 @@\n+b\n"
        ),
        2 => format!(
            "diff --git {a} {b}\ndeleted file mode 100644\nindex 1111111..0000000\n--- {a}\n+++ /dev/null\n@@ -1 +0,0 @@\n-b\n"
        ),
        3 => format!("diff --git a/x.py {b}\nsimilarity index 100%\nrename from x.py\nrename to {plain}\n"),
        4 => format!("diff --git {a} b/x.py\nsimilarity index 100%\nrename from {plain}\nrename to x.py\n"),
        5 => format!("diff --git {a} {b}\nold mode 100644\nnew mode 100755\n"),
        6 => format!(
            "diff --git a/x.py b/x.py\nindex 1111111..2222222 100644\n--- a/x.py\n+++ {b}\n@@ -1 +1 @@\n-a\n+b\n"
        ),
        _ => format!("diff --git a/x.py {b}\nsimilarity index 100%\ncopy from x.py\ncopy to {plain}\n"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_path_out_of_the_tree_is_never_ok(name in outside(), style in 0_usize..3, kind in 0_usize..8, is_human: bool) {
        let case = case().raw(&touching(&name, style, kind));
        let case = if is_human { case.human() } else { case };
        prop_assert_eq!(case.judge().verdict, Verdict::Violation, "{} {} {}", name, style, kind);
    }

    #[test]
    fn arbitrary_text_never_panics_and_is_never_ok(text in "\\PC{1,200}") {
        prop_assume!(!text.trim().is_empty());
        prop_assert_eq!(case().raw(&text).judge().verdict, Verdict::Violation);
    }

    #[test]
    fn mutated_patches_never_panic(
        path in prop_oneof![Just("a.py"), Just("tests/test_a.py"), Just("src/a.rs"), Just("a.test.js"), Just("Makefile"), Just("package.json"), Just("x.yml")],
        at in 0_usize..600, cut in 0_usize..40, with in "[-+ @\\\\\"'`#{}()a-z\n\u{e9}]{0,12}", has_base: bool,
    ) {
        let after = PYTHON.replace("KeyError", "LookupError") + "x = f({})\n";
        let mut text = diff(path, PYTHON, &after);
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) { at -= 1; }
        let mut end = (at + cut).min(text.len());
        while !text.is_char_boundary(end) { end -= 1; }
        text.replace_range(at..end.max(at), &with);
        let case = if has_base { case().base(path, PYTHON) } else { case() };
        let judgement = case.raw(&text).judge();
        prop_assert_eq!(judgement.verdict, judgement.findings.iter().map(|it| it.verdict).max().unwrap_or(Verdict::Ok));
    }

    #[test]
    fn arbitrary_contents_never_panic(
        path in prop_oneof![Just("a.py"), Just("tests/test_a.py"), Just("src/a.rs"), Just("a.test.js"), Just("Makefile"), Just("A.java"), Just("a_test.go"), Just("pyproject.toml"), Just("uv.lock")],
        before in "[-a-z'\"`#/*\\\\${}()@:=.\\[\\] \n]{0,120}", after in "[-a-z'\"`#/*\\\\${}()@:=.\\[\\] \n]{0,120}",
    ) {
        case().file(path, &before, &after).judge();
    }
}
