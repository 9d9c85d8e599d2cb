//! Names, modes and kinds of files, the policy's own files, sizes, and what people may do.
use super::case;
use crate::domain::patch::Patch;
use crate::guard::diff;
use crate::guard::is_size_rule;

fn modified(path: &str) -> String {
    format!(
        "diff --git a/{path} b/{path}\nindex 1111111..2222222 100644\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-a\n+b\n"
    )
}

#[test]
fn names_out_of_the_tree_are_refused_also_from_people() {
    for path in
        ["/etc/passwd", "../x.py", "a/../../x.py", ".git/hooks/pre-commit", "sub/.GIT/config", "a\\b.py", "./x.py"]
    {
        case().raw(&modified(path)).violates("outside-tree");
        case().human().raw(&modified(path)).violates("outside-tree");
    }
    let quoted = "diff --git \"a/..\\057x\" \"b/..\\057x\"\nindex 1111111..2222222 100644\n--- \"a/..\\057x\"\n+++ \"b/..\\057x\"\n@@ -1 +1 @@\n-a\n+b\n";
    case().raw(quoted).violates("outside-tree");
    case().raw("hello\n").violates("malformed-patch");
    case().human().raw("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n").violates("malformed-patch");
}

#[test]
fn a_patch_that_does_not_fit_is_refused() {
    case().base("x.py", "something else\n").raw(&modified("x.py")).violates("malformed-patch");
    case().base("x.py", "a\n").raw("diff --git a/x.py b/x.py\nnew file mode 100644\nindex 0000000..1111111\n--- /dev/null\n+++ b/x.py\n@@ -0,0 +1 @@\n+b\n").violates("malformed-patch");
}

#[test]
fn links_modules_binaries_and_copies_are_refused() {
    let link = "diff --git a/l b/l\nnew file mode 120000\nindex 0000000..1111111\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n\\ No newline at end of file\n";
    case().raw(link).violates("symlink");
    case().human().raw(link).violates("symlink");
    case().raw("diff --git a/m b/m\nnew file mode 160000\nindex 0000000..1111111\n--- /dev/null\n+++ b/m\n@@ -0,0 +1 @@\n+Subproject commit 1\n").violates("submodule");
    let binary = "diff --git a/i.png b/i.png\nindex 1111111..2222222 100644\nBinary files a/i.png and b/i.png differ\n";
    case().raw(binary).violates("binary");
    case().human().raw(binary).needs_two_keys("binary");
    case()
        .raw("diff --git a/a.py b/b.py\nsimilarity index 100%\ncopy from a.py\ncopy to b.py\n")
        .violates("copied-file");
}

#[test]
fn only_the_lost_bit_of_a_script_is_restored() {
    let gained = |path: &str| format!("diff --git a/{path} b/{path}\nold mode 100644\nnew mode 100755\n");
    case().base("run.sh", "#!/bin/sh\nx\n").raw(&gained("run.sh")).is_ok();
    case().base("bin/run", "#!/bin/sh\nx\n").raw(&gained("bin/run")).is_ok();
    case().command("./run_tests.sh").base("run_tests.sh", "#!/bin/sh\nx\n").raw(&gained("run_tests.sh")).is_ok();
    case().raw(&gained("gradlew")).is_ok();
    case().base("data.csv", "a,b\n").raw(&gained("data.csv")).violates("mode-change");
    case()
        .base("run.sh", "#!/bin/sh\n")
        .raw("diff --git a/run.sh b/run.sh\nold mode 100755\nnew mode 100644\n")
        .violates("mode-change");
}

#[test]
fn what_steers_agents_and_the_guard_itself_stays() {
    for path in [
        "AGENTS.md",
        "sub/CLAUDE.md",
        ".claude/settings.json",
        ".cursor/rules/x",
        ".cursorrules",
        ".mcp.json",
        ".github/copilot-instructions.md",
        ".github/CODEOWNERS",
        ".gemini/x",
        ".aider.conf.yml",
        ".husky/pre-commit",
        ".gitmodules",
        ".gitattributes",
        "sub/.gitattributes",
        ".vscode/settings.json",
        ".pre-commit-config.yaml",
        ".mergify.yml",
        ".mergify/config.yml",
        ".github/mergify.yml",
        ".github/settings.yml",
        ".github/dependabot.yml",
        ".dependabot/config.yml",
        "renovate.json",
        "Renovate.json5",
        ".renovaterc",
        ".renovaterc.json5",
        ".kodiak.toml",
        ".bulldozer.yml",
        "bors.toml",
        "CODEOWNERS",
        "docs/CODEOWNERS",
        "pkg/OWNERS",
        ".policy.yml",
        ".asf.yaml",
        ".coderabbit.yaml",
    ] {
        case().file(path, "a\n", "b\n").violates("agent-config");
        case().file(path, "", "b\n").violates("agent-config");
        case().human().file(path, "a\n", "b\n").needs_two_keys("agent-config");
    }
    for path in ["src/renovate.py", "src/owners/owner.py", "bors.py"] {
        case().file(path, "a = 1\n", "b = 1\n").is_ok();
    }
    for path in [
        ".paramedic/policy.toml",
        ".lukhas/protected-files.yml",
        ".paramedic/protected-files.yml",
        ".paramedic/other.toml",
    ] {
        case().file(path, "a\n", "b\n").violates("policy-changed");
        case().file(path, "a\n", "").violates("policy-changed");
        case().human().file(path, "a\n", "b\n").needs_two_keys("policy-changed");
    }
    case().file("src/.gitkeep", "", "\n").is_ok();
}

#[test]
fn size_is_capped_and_told_apart() {
    let lines = |count: usize| "x = 1\n".repeat(count);
    let two = || case().policy("", "").file("a.py", "", "a = 1\n").file("b.py", "", "b = 1\n");
    two().is_ok();
    two().file("c.py", "", "c = 1\n").violates("too-many-files");
    case().policy("", "").file("a.py", "", &lines(40)).is_ok();
    case().policy("", "").file("a.py", "", &lines(41)).violates("too-many-lines");
    case()
        .policy("", "")
        .file("requirements.txt", "a\n", "b\n")
        .file("package.json", "{}\n", "{\"version\": \"1\"}\n")
        .file("package-lock.json", "a\n", &lines(300))
        .is_ok();
    let judgement = case().policy("", "").file("a.py", "", &lines(41)).judge();
    assert!(judgement.findings.iter().all(|it| is_size_rule(&it.rule)));
    assert!(!is_size_rule("secret"));
}

#[test]
fn the_files_judging_needs_are_told() {
    let patch = Patch(
        super::diff("a b.py", "x\n", "y\n")
            + "diff --git a/o.py b/n.py\nsimilarity index 100%\nrename from o.py\nrename to n.py\n",
    );
    assert_eq!(
        super::super::wanted_files(&patch),
        ["GNUmakefile", "Makefile", "a b.py", "makefile", "n.py", "o.py", "package.json"]
    );
    assert!(super::super::wanted_files(&Patch("nonsense".to_owned())).is_empty());
    assert!(diff::parse("").unwrap().is_empty());
}

#[test]
fn findings_say_where_and_what_to_do_instead() {
    let judgement = case().file("src/a.py", "x = 1\ny = 2\n", "x = 1\ny = 2  # noqa\n").judge();
    let finding = &judgement.findings[0];
    assert_eq!((finding.file.as_str(), finding.line, finding.rule.as_str()), ("src/a.py", Some(2), "lint-disabled"));
    assert!(finding.reason.contains("fix what it reports"));
}
