//! Code that treats tests apart, changes the test tools while they run, or makes values equal to everything.
use crate::guard::findings::Findings;
use crate::guard::findings::excerpt;
use crate::guard::lang::Lang;
use crate::guard::scene::Scene;
use crate::guard::scene::pattern;
use crate::guard::view::FileView;
use crate::guard::view::Line;
use crate::guard::view::Of;
use crate::guard::view::Stretch;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Code asking whether it is under test. Looked for in raw text, because the names stand in strings.
static ASKS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)
        PYTEST_ | _PYTEST | \bPYTEST\b | \bUNITTEST\b | JEST_WORKER_ID | VITEST\b | \bNEXTEST\b | \bRUST_TEST_\w+ | PHPUNIT_ | GITHUB_ACTIONS | \bTEST_ENV\b
        | ['\x22](?:pytest|_pytest|unittest|nose|doctest|hypothesis)['\x22.]\s*(?:not\s+)?(?:in\b|\)|\])
        | sys\.modules\b.*\b(?:pytest|unittest|doctest) | \b(?:pytest|unittest)\b.*\bsys\.modules
        | sys\.argv\b.*test | sys\._getframe | \binspect\.(?:stack|currentframe|getouterframes)\b | traceback\.(?:extract_stack|walk_stack|format_stack)
        | (?:environ(?:\.get)?|getenv|ENV(?:\.fetch)?|env::var(?:_os)?|LookupEnv|Getenv|env)\W{1,3}['\x22](?:CI|TEST|TESTS|TESTING|IS_TEST|APP_ENV|RAILS_ENV|RACK_ENV|NODE_ENV|TRAVIS|GITLAB_CI|JENKINS\w*|BUILDKITE)['\x22]
        | process\.env\.(?:CI|TEST|TESTING|npm_lifecycle_\w+)\b | NODE_ENV\W{0,4}\s*[!=]==?\s*['\x22]test | ['\x22]test['\x22]\s*[!=]==?\s*process\.env | import\.meta\.vitest
        | \btypeof\s+(?:jest|describe|it|expect|vi)\b | \bcfg!\s*\(\s*test | cfg\s*\(\s*not\s*\(\s*test | cfg_attr\s*\(\s*(?:not\s*\(\s*)?test
        | \btesting\.Testing\s*\( | flag\.Lookup\s*\(\s*['\x22]test | HasSuffix\([^)]*\.test['\x22] | Rails\.env\.test | defined\?\s*\(?\s*(?:RSpec|Minitest)
        | org\.junit | getStackTrace\s*\( | StackWalker | new\s+Error\(\)\.stack | \bPHPUnit\\
        ",
    )
});
static IMPORTS_RUNNER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^\s*(?:import|from)\s+(?:.*,\s*)?(?:unittest|_?pytest|nose2?|_pytest|doctest|pluggy|coverage)\b")
});
/// Replacing the tools while they run.
static PATCHES_PYTHON: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)
        (?:^|[\s;(])(?:unittest|_?pytest|_pytest|doctest|builtins|__builtins__|sys\.modules|sys\.meta_path|sys\.path_hooks|sys\.path|importlib)\b[\w.]*(?:\[[^\]]*\])?[\w.]*\s*=[^=]
        | \bTestCase\.\w+\s*= | \bTest(?:Result|Loader|Runner|Suite|Program)\.\w+\s*=[^=]
        | (?:^|[^.\w])setattr\s*\(\s*(?:unittest|_?pytest|builtins|sys|os|importlib|__builtins__|\w*Test\w*)\b
        | \bdef\s+pytest_\w+\s*\( | \bpytest_plugins\b | \bdef\s+load_tests\s*\( | \b(?:sys|os)\.(?:_?exit|abort)\s*=[^=] | \bsys\.(?:meta_path|path_hooks)\.(?:insert|append)
        | \bgc\.get_(?:objects|referrers) | __globals__ | __code__\s*= | \.__dict__\s*(?:\[|\.update) | \bpatch(?:\.\w+)?\s*\([^)]*\)\s*\.start\s*\( | \bglobals\(\)\s*\[ | \bmonkeypatch_all\b
        ",
    )
});
static PATCHES_SCRIPT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:global|globalThis|window)\.(?:it|test|describe|expect|assert|jest|vi|before\w*|after\w*)\s*=[^=]|\bassert\.\w+\s*=[^=]|\bexpect\.extend\b|\brequire\.cache\b|\bModule\._|\b(?:chai|jest|expect|assert)\b(?:\.\w+)+\s*=[^=]",
    )
});
/// The same with the tool named as a module: looked for in raw text, because the names stand in strings.
static PATCHES_REQUIRED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\brequire\s*\(\s*['\x22](?:node:)?(?:assert|test|module)(?:/\w+)?['\x22]\s*\)(?:\.\w+)*(?:\s*=[^=]|\s*,)")
});
/// A line that imports a test tool.
static IMPORTS_TOOL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"['\x22](?:node:)?(?:assert|test|module|chai|jest|vitest|mocha|@jest/\w+)(?:/\w+)?['\x22]")
});
static PATCHES_RUBY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\b(?:class|module)\s+(?:Minitest|RSpec|Test::Unit)\b|\bMinitest\.\w+\s*=|\bRSpec\.configure\b")
});
/// An assignment to a part of something; whether that is imported decides.
static ASSIGNS_PART: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s*(?:del\s+)?([A-Za-z_$][\w$]*)(?:\.[\w$]+|\[[^\]]*\])+\s*(?:[-+*/|&]?=(?:[^=]|$)|$)|(?:(?:^|[^.\w])(?:setattr|delattr|Object\.(?:assign|definePropert(?:y|ies)))|\b__(?:set|del)attr__|\bReflect\.(?:set|defineProperty))\s*\(\s*([A-Za-z_$][\w$]*)",
    )
});
static IMPORT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s*(?:import|from)\b(.*)$|\b(?:const|let|var)\s+(\{[^}]*\}|[\w$]+)\s*=\s*(?:await\s+)?(?:require|import)\s*\(",
    )
});
static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"[A-Za-z_$][\w$]*"));

static PYTHON_EQ: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^(\s*)(?:async\s+)?def\s+(__(?:eq|ne|lt|le|gt|ge|bool|contains|exit|instancecheck)__)\s*\(")
});
static PYTHON_TRUE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(\s*)return\s+(?:True|1)\s*(?:;.*)?$"));
static DECIDES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^\s*(?:if|for|while|try|with|match|assert|raise)\b|\breturn\b.*[^\s]\s*(?:==|!=|\bis\b|\bin\b)")
});
static EQ_ONE_LINE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?s)\b__eq__\s*(?:\([^)]*\)[^:]*:|=\s*lambda[^:]*:)\s*(?:return\s+)?True\b|\bboolean\s+equals\s*\([^)]*\)\s*\{\s*return\s+true\s*;|\bbool\s+(?:Equals|operator\s*==)\s*\([^)]*\)[\s\w]*(?:\{\s*return\s+true\s*;|=>\s*true)|\bfn\s+eq\s*\([^)]*\)\s*->\s*bool\s*\{\s*(?:return\s+)?true\b|\bfun\s+equals\s*\([^)]*\)[^={]*(?:=\s*true|\{\s*return\s+true)|\bequals\s*\([^)]*\)\s*\{\s*return\s+true\b|\bdef\s+==\s*\(?\w*\)?\s*[;\n]?\s*true\b|\bfunc\s+==\s*\([^)]*\)\s*->\s*Bool\s*\{\s*(?:return\s+)?true\b",
    )
});

pub(crate) fn check(_scene: &Scene<'_>, file: &FileView<'_>, findings: &mut Findings) {
    if !file.lang.is_code() {
        return;
    }
    if !file.is_test && !matches!(file.lang, Lang::Other | Lang::Docker | Lang::Make) {
        check_special_casing(file, findings);
    }
    check_patching(file, findings);
    check_always_equal(file, findings);
}

fn check_special_casing(file: &FileView<'_>, findings: &mut Findings) {
    let mut found = file.fresh(&ASKS, Of::Raw);
    // A comment may speak of tests.
    found.retain(|(line, _)| !line.code.trim().is_empty());
    if file.lang == Lang::Python {
        found.extend(file.fresh(&IMPORTS_RUNNER, Of::Code));
    }
    for (line, text) in found {
        let reason =
            format!("{} lets the code behave differently under test; fix its behaviour everywhere", excerpt(text));
        findings.violation(file.path, Some(line.number), "test-special-casing", reason);
    }
}

fn check_patching(file: &FileView<'_>, findings: &mut Findings) {
    let mut found = match file.lang {
        Lang::Python => file.fresh(&PATCHES_PYTHON, Of::Code),
        Lang::JavaScript => {
            let mut found = file.fresh(&PATCHES_SCRIPT, Of::Code);
            found.extend(file.fresh(&PATCHES_REQUIRED, Of::Raw));
            found
        }
        Lang::Ruby => file.fresh(&PATCHES_RUBY, Of::Code),
        _ => Vec::new(),
    };
    if matches!(file.lang, Lang::Python | Lang::JavaScript) {
        found.extend(assignments_to_imports(file));
    }
    for (line, text) in found {
        let reason = format!(
            "{} changes other code while it runs, the test tools among it; change the code where it stands",
            excerpt(text)
        );
        findings.violation(file.path, Some(line.number), "test-tampering", reason);
    }
}

/// A test that changes what it imported changes it for every test that runs later; code may not change the test tools.
fn assignments_to_imports<'v>(file: &'v FileView<'_>) -> Vec<(Line<'v>, &'v str)> {
    let mut imported: BTreeSet<&str> = BTreeSet::new();
    let lines = file.after.iter().flat_map(|it| it.raw.iter().zip(&it.masked.code));
    for (_, code) in lines.filter(|(raw, _)| file.is_test || IMPORTS_TOOL.is_match(raw)) {
        for names in IMPORT.captures_iter(code).filter_map(|it| it.get(1).or(it.get(2))) {
            imported.extend(WORD.find_iter(names.as_str()).map(|it| it.as_str()));
        }
    }
    let is_import = |code: &str| {
        if code.trim_start().starts_with("os.environ[") {
            return None;
        }
        let found = ASSIGNS_PART.captures(code)?;
        let is_bare_call = found.get(1).is_some() && !found[0].contains('=') && !found[0].contains("del");
        let name = found.get(1).or(found.get(2)).filter(|_| !is_bare_call)?;
        imported.contains(name.as_str()).then_some(())
    };
    file.fresh(&ASSIGNS_PART, Of::Code).into_iter().filter(|(line, _)| is_import(line.code).is_some()).collect()
}

fn check_always_equal(file: &FileView<'_>, findings: &mut Findings) {
    let truths = |side: &[Stretch<'_>]| -> Vec<u32> {
        if file.lang == Lang::Python { side.iter().flat_map(unconditional_truths).collect() } else { Vec::new() }
    };
    let n_one_line =
        |side: &[Stretch<'_>]| side.iter().map(|it| EQ_ONE_LINE.find_iter(&it.code()).count()).sum::<usize>();
    let (before, after) = (truths(&file.before), truths(&file.after));
    let line = if after.len() > before.len() {
        after.last().copied()
    } else if n_one_line(&file.after) > n_one_line(&file.before) {
        file.added().next().map(|it| it.number)
    } else {
        return;
    };
    let reason = "makes a value equal to everything, or an error count as handled; compare what is meant";
    findings.violation(file.path, line, "always-equal", reason);
}

/// Lines that return true from a comparison that decided nothing before.
fn unconditional_truths(stretch: &Stretch<'_>) -> Vec<u32> {
    let mut found = Vec::new();
    let mut open: Option<usize> = None;
    for (idx, code) in stretch.masked.code.iter().enumerate().filter(|(_, code)| !code.trim().is_empty()) {
        let indent = code.len() - code.trim_start().len();
        if let Some(def) = PYTHON_EQ.captures(code) {
            open = Some(def[1].len());
        } else if open.is_some_and(|outer| indent <= outer || DECIDES.is_match(code)) {
            open = None;
        } else if open.is_some() && PYTHON_TRUE.is_match(code) {
            found.push(stretch.number(idx));
            open = None;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_for_the_test_run_is_told_from_speaking_of_it() {
        for line in [
            "if 'pytest' in sys.modules:",
            "os.environ.get(\"PYTEST_CURRENT_TEST\")",
            "if os.environ.get(\"CI\"):",
            "process.env.NODE_ENV === 'test'",
            "if process.env.CI",
            "if cfg!(test) {",
            "#[cfg(not(test))]",
            "testing.Testing()",
            "sys.modules.get('unittest')",
            "inspect.stack()",
            "if \"test\" == process.env.NODE_ENV",
            "any('unittest' in a for a in sys.argv)",
        ] {
            assert!(ASKS.is_match(line), "{line}");
        }
        for line in [
            "x = test(y)",
            "os.environ.get('HOME')",
            "return pytest_like(x)",
            "NODE_ENV === 'production'",
            "#[cfg(test)]",
            "args = sys.argv[1:]",
            "'testing' in words",
        ] {
            assert!(!ASKS.is_match(line), "{line}");
        }
    }

    #[test]
    fn every_pattern_compiles() {
        for regex in [
            &IMPORTS_RUNNER,
            &PATCHES_PYTHON,
            &PATCHES_SCRIPT,
            &PATCHES_RUBY,
            &ASSIGNS_PART,
            &IMPORT,
            &PYTHON_EQ,
            &PYTHON_TRUE,
            &EQ_ONE_LINE,
            &DECIDES,
        ] {
            assert!(!regex.is_match("x = 1"), "{}", regex.as_str());
        }
        for code in [
            "unittest.TestCase.assertEqual = f",
            "sys.modules['x'] = y",
            "builtins.print = f",
            "setattr(unittest, x, y)",
            "def pytest_runtest_call(item):",
            "def load_tests(a, b, c):",
        ] {
            assert!(PATCHES_PYTHON.is_match(code), "{code}");
        }
        for code in [
            "bool Equals(object o) { return true; }",
            "fn eq(&self, _: &Self) -> bool { true }",
            "public boolean equals(Object o) {\n return true;",
            "def __eq__(self, o): return True",
        ] {
            assert!(EQ_ONE_LINE.is_match(code), "{code}");
        }
    }
}
