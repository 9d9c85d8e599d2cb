//! Turning off what complains: swallowed exit codes, lint disables, lowered coverage floors.
use crate::guard::findings::Findings;
use crate::guard::findings::excerpt;
use crate::guard::lang::Lang;
use crate::guard::scene::Scene;
use crate::guard::scene::pattern;
use crate::guard::view::FileView;
use crate::guard::view::Of;
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A swallowed exit code, in what a shell or a CI service reads.
static COMMANDS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)
        \|\|\s*(?:/bin/|/usr/bin/)?(?:true\b|:(?:\s|$|[;)\x22'])|exit\s+0\b|return\s+0\b)
        | ;\s*(?:true|:|exit\s+0)\s*[\x22')]*\s*$
        | \bset\s+\+(?:e\b|o\s+(?:errexit|pipefail))
        | --exit-zero\b | --no-fail\b | --passWithNoTests\b | --suppress-no-test-exit-code\b
        | continue[-_]on[-_]error\s*[:=]\s*['\x22]?(?:true|\$|yes|on)
        | allow[_-]failures?\s*[:=]\s*(?:true|yes|on)\b
        | ignore[-_]errors\s*[:=]\s*(?:true|yes|on) | \bfailed_when\s*:\s*false
        | ^\s*(?:-\s+)?exit\s+0\b | ^\s*exit\s*$ | \btrap\s+['\x22]?(?:exit\s+0|true|:)\b | ^\s*exec\s+(?:/\S*/)?(?:true|:)(?:\s|;|$)
        | maven\.test\.(?:skip|failure\.ignore) | <skip(?:Tests)?>\s*true | \bskipTests\b | testFailureIgnore | \bignoreFailures\b | -DskipTests
        ",
    )
});
/// The same where every line is a step of a build, and a message does not replace a failure.
static STEPS: LazyLock<Regex> = LazyLock::new(|| pattern(r"\|\|\s*(?:echo|printf)\b"));
/// Text that becomes commands only when it runs, where no rule can read it.
static DYNAMIC: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:^|[;&|]|\b(?:then|do|else))\s*eval\s"));
/// A condition that always holds, in program text.
static ALWAYS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\|\|\s*true\b|\bor\s+True\b|&&\s*false\b|\band\s+False\b|\bif\s+(?:False|0)\s*:|\bif\s*\(\s*(?:false|0)\s*\)",
    )
});
/// A command inside program text that swallows its exit code.
static EMBEDDED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\|\|\s*(?:/bin/)?(?:true|:|exit\s+0)\s*[\x22'`)]|--exit-zero\b|\bset\s+\+e\b"));
/// A recipe line whose failure `make` ignores.
static IGNORED_RECIPE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\t[@+]*-[@+]*\s*\S|^\.IGNORE\b"));
static LINT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)
        \#\s*(?:noqa\b | type:\s*ignore | pyright:\s*ignore | pyre-(?:ignore|fixme) | pylint:\s*(?:disable|skip) | mypy:\s*(?:ignore|disable|allow)
             | ruff:\s*noqa | flake8:\s*noqa | pragma:\s*no\s*(?:cover|branch) | nosec\b | nosemgrep | rubocop:\s*(?:disable|todo) | shellcheck\s+disable | yamllint\s+disable
             | pytype:\s*disable | hadolint\s+ignore | credo:disable | checkov:skip | tfsec:ignore)
        | eslint-disable | tslint:disable | @ts-(?:ignore|nocheck|expect-error) | biome-ignore | oxlint-disable | stylelint-disable | deno-lint-ignore
        | (?:istanbul|c8|v8)\s+ignore | nolint\b | lint:ignore | NOLINT | NOSONAR | swiftlint:disable | \#nosec | gosec:disable
        | \#!?\[\s*(?:cfg_attr\s*\([^\]]*)?(?:allow|expect)\s*\( | coverage\s*\(\s*off
        | @SuppressWarnings | @Suppress\s*\( | @file:Suppress | \#pragma\s+(?:warning\s+disable|GCC\s+diagnostic\s+ignored|clang\s+diagnostic\s+ignored)
        | @phpstan-ignore | @psalm-suppress | phpcs:(?:ignore|disable) | @codeCoverageIgnore | ExcludeFromCodeCoverage | \$COVERAGE-OFF | LCOV_EXCL
        | :nocov: | simplecov:\s*disable | @typing\.no_type_check | @no_type_check | warnings\.(?:simplefilter|filterwarnings)\s*\(\s*['\x22]ignore
        ",
    )
});
/// A coverage floor and its number.
static FLOOR: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)
        (fail[_-]under(?:[_-]\w+)? | minimum_coverage(?:_by_file)? | check_coverage | coverage[_-]threshold | min[_-]coverage | minimum | threshold | target
          | \b(?:branches|functions|lines|statements)\b | refuse_coverage_drop)
        [\x22']?\s*(?:[:=>]|\s)\s*[\x22']?\s*(\d{1,3}(?:\.\d+)?)",
    )
});

pub(crate) fn check(_scene: &Scene<'_>, file: &FileView<'_>, findings: &mut Findings) {
    if file.lang == Lang::Prose {
        return;
    }
    let mut object = |regex: &Regex, of: Of, rule: &str, reason: &str| {
        for (line, found) in file.fresh(regex, of) {
            findings.violation(file.path, Some(line.number), rule, format!("{} {reason}", excerpt(found)));
        }
    };
    let swallowed = "swallows a failure; let it fail, and fix why";
    if file.lang.holds_commands() {
        object(&COMMANDS, Of::Code, "suppression", swallowed);
        if file.lang == Lang::Shell {
            let reason = "runs text as commands, which cannot be judged; write the commands themselves";
            object(&DYNAMIC, Of::Code, "dynamic-code", reason);
        } else {
            object(&STEPS, Of::Code, "suppression", swallowed);
        }
    } else {
        object(&ALWAYS, Of::Code, "suppression", "makes a condition meaningless; state the condition that is meant");
        object(&EMBEDDED, Of::Raw, "suppression", swallowed);
    }
    if file.lang == Lang::Make {
        object(&IGNORED_RECIPE, Of::Code, "suppression", swallowed);
    }
    object(&LINT, Of::Raw, "lint-disabled", "turns a check off; fix what it reports");
    check_floor(file, findings);
}

/// A floor may rise; it may neither sink nor go.
fn check_floor(file: &FileView<'_>, findings: &mut Findings) {
    let is_about_coverage = |raw: &str| {
        let name = file.path.to_lowercase();
        let raw = raw.to_lowercase();
        ["fail_under", "fail-under", "coverage"].iter().any(|it| raw.contains(it))
            || ["jest", "vitest", "nyc", "c8", "codecov", "coverage", "package.json", "pom.xml", "gradle", "karma"]
                .iter()
                .any(|it| name.contains(it))
    };
    let number = |raw: &str| {
        let found = FLOOR.captures(raw).filter(|_| is_about_coverage(raw))?;
        Some((found[1].to_lowercase().replace('-', "_"), found[2].parse::<f64>().ok()?))
    };
    let mut kept: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for line in file.added() {
        if let Some((name, floor)) = number(line.raw) {
            kept.entry(name).or_default().push(floor);
        }
    }
    for line in file.removed() {
        let Some((name, floor)) = number(line.raw) else { continue };
        let floors = kept.entry(name).or_default();
        if let Some(at) = floors.iter().position(|it| *it >= floor) {
            floors.swap_remove(at);
        } else {
            let reason = "lowers or removes a coverage floor; cover the code instead";
            findings.violation(file.path, Some(line.number), "coverage-lowered", reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_tell_suppression_from_work() {
        for line in [
            "pytest || true",
            "  - run: npm test || :",
            "make check || exit 0",
            "set +e",
            "flake8 --exit-zero",
            "continue-on-error: true",
            "exit 0",
            "pytest; true",
            "allow_failure: true",
            "set +o pipefail",
            "continue-on-error: ${{ x }}",
            "<skipTests>true</skipTests>",
            "trap 'exit 0' EXIT",
            "\"test\": \"jest || true\"",
        ] {
            assert!(COMMANDS.is_match(line), "{line}");
        }
        for line in [
            "exit 1",
            "set -e",
            "a || b",
            "echo exit 0",
            "continue-on-error: false",
            "return 1",
            "true",
            "exit $?",
            "trap 'rm -rf x' EXIT",
            "allow_failure: false",
            "if x; then",
            "- run: true_test",
        ] {
            assert!(!COMMANDS.is_match(line), "{line}");
        }
        for line in [
            "x  # noqa",
            "y = 1  # type: ignore[x]",
            "// eslint-disable-next-line",
            "// @ts-ignore",
            "#[allow(dead_code)]",
            "#![allow(warnings)]",
            "//nolint:errcheck",
            "# pylint: disable=x",
            "# rubocop:disable X",
            "@SuppressWarnings(\"x\")",
            "# pragma: no cover",
            "#[cfg_attr(x, allow(y))]",
            "// NOLINT",
        ] {
            assert!(LINT.is_match(line), "{line}");
        }
        for line in
            ["# ignore the first", "allow(x)", "x = noqa", "# type: list", "#[derive(Debug)]", "// eslint is fine"]
        {
            assert!(!LINT.is_match(line), "{line}");
        }
        assert!(ALWAYS.is_match("if a or True:") && !ALWAYS.is_match("a || truely") && !ALWAYS.is_match("if x == 0:"));
        assert!(IGNORED_RECIPE.is_match("\t-pytest") && !IGNORED_RECIPE.is_match("\tpytest -q"));
    }
}
