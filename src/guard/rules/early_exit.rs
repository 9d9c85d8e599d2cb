//! Leaving before the tests can report, with a status that says all is well.
mod disguise;

use crate::guard::findings::Findings;
use crate::guard::findings::excerpt;
use crate::guard::lang::Lang;
use crate::guard::scene::Scene;
use crate::guard::scene::pattern;
use crate::guard::view::FileView;
use crate::guard::view::Of;
use regex::Regex;
use std::sync::LazyLock;

static PYTHON: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)
        \b_exit\b
        | (?:^|[^.\w]|\b(?:sys|os|site|builtins)\s*\.\s*)exit\s*\(\s*(?:0|None|False|''|\x22\x22|code\s*=\s*0|status\s*=\s*0|returncode\s*=\s*0)?\s*\)
        | \bpytest\.exit\s*\(
        | (?:^|[^.\w])quit\s*\(\s*(?:0|None)?\s*\)
        | \braise\s+SystemExit\s*(?:\(\s*(?:0|None|False)?\s*\))?\s*(?:$|\x23|;|from\b|if\b)
        | \b(?:exec[lv]p?e?|execl?p)\b | \bos\.(?:kill|killpg)\s*\(\s*os\.getp | \batexit\.register\b | \bfrom\s+atexit\b | \b_register_atexit\b | \b(?:import|from)\s+(?:.*,\s*)?posix\b
        | \bsys\.(?:settrace|setprofile|excepthook|unraisablehook)\s*[=(] | \bfrom\s+(?:sys|os)\s+import\s+.*\bexit\s+as\b
        | \bimport\s+(?:.*,\s*)?(?:sys|os)\s+as\b
        ",
    )
});
/// Names looked up as strings, past the rules above.
static PYTHON_RAW: LazyLock<Regex> = LazyLock::new(|| pattern(r#"["'](?:_exit|exit|SystemExit)["']"#));
static SCRIPT_RAW: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"\brequire\s*\(\s*["'](?:node:)?process["']|\bimport\s*\{.*\}\s*from\s*["'](?:node:)?process["']"#)
});
static SCRIPT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\bprocess\s*(?:\?\s*)?\.\s*(?:exit\s*\(\s*(?:0\s*)?\)|exitCode\s*=\s*0|reallyExit|abort\s*\(|kill\s*\(|(?:on(?:ce)?|add\w*Listener|prepend\w*Listener)\s*\(\s*['\x22`]|emit\s*\(|exit\s*=)|\bDeno\.exit\s*\(\s*0?\s*\)|\bprocess\s*(?:\?\.\s*)?\[|\b(?:globalThis|global)\s*\[|\\u",
    )
});
static RUST: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\bexit\s*\(\s*0\s*\)|\b_exit\s*\(|\bExitCode::SUCCESS\b|\bset_hook\s*\("));
static GO: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(?:os|syscall|unix)\.Exit\s*\(\s*0\s*\)|\bruntime\.Goexit\s*\("));
static C: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(?:exit|_exit|_Exit|quick_exit)\s*\(\s*(?:0|EXIT_SUCCESS)\s*\)|\batexit\s*\("));
static JVM: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\bSystem\.exit\s*\(\s*0\s*\)|\.halt\s*\(|\bexitProcess\s*\(\s*0\s*\)|\baddShutdownHook\s*\(|\bsys\.exit\s*\(\s*0?\s*\)",
    )
});
static CSHARP: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\bEnvironment\.(?:Exit\s*\(\s*0\s*\)|FailFast|ExitCode\s*=\s*0)"));
static SWIFT: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b_?exit\s*\(\s*(?:0|EXIT_SUCCESS)\s*\)"));
static RUBY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?:^|[\s;.])exit!?\s*(?:$|;|\(\s*(?:0|true)?\s*\)|(?:0|true)\b|if\b|unless\b)|\bat_exit\b|\babort\s*$")
});
static PHP: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(?:exit|die)\s*(?:;|\(\s*0?\s*\))|\bregister_shutdown_function\b"));
/// Text that becomes code only when it runs, where no rule can read it.
static DYNAMIC_PYTHON: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:^|[^.\w])(?:exec|eval|__import__|compile)\s*\(|\b(?:marshal|pickle)\.loads\s*\(|\bcodecs\.decode\s*\(|\bctypes\b|\bimportlib\.reload\s*\(",
    )
});
static DYNAMIC_SCRIPT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:^|[^.\w])eval\s*\(|\bnew\s+Function\s*\(|\bvm\.run\w+\s*\("));

pub(crate) fn check(_scene: &Scene<'_>, file: &FileView<'_>, findings: &mut Findings) {
    let (exit, dynamic): (&Regex, Option<&Regex>) = match file.lang {
        Lang::Python => (&PYTHON, Some(&DYNAMIC_PYTHON)),
        Lang::JavaScript => (&SCRIPT, Some(&DYNAMIC_SCRIPT)),
        Lang::Rust => (&RUST, None),
        Lang::Go => (&GO, None),
        Lang::C => (&C, None),
        Lang::Jvm => (&JVM, None),
        Lang::CSharp => (&CSHARP, None),
        Lang::Swift => (&SWIFT, None),
        Lang::Ruby => (&RUBY, None),
        Lang::Php => (&PHP, None),
        _ => return,
    };
    let mut found = file.fresh(exit, Of::Code);
    if file.lang == Lang::Python {
        found.extend(file.fresh(&PYTHON_RAW, Of::Raw));
    }
    if file.lang == Lang::JavaScript {
        found.extend(file.fresh(&SCRIPT_RAW, Of::Raw));
    }
    found.extend(disguise::exits(file));
    for (line, text) in found {
        let reason = format!(
            "{} ends the process, or runs at its end, as if all were well; return or raise instead",
            excerpt(text)
        );
        findings.violation(file.path, Some(line.number), "early-exit", reason);
    }
    for (line, text) in disguise::modules(file) {
        let reason = format!("{} hands on what can end the process; name the part that is meant", excerpt(text));
        findings.violation(file.path, Some(line.number), "early-exit", reason);
    }
    for (line, text) in dynamic.map(|it| file.fresh(it, Of::Code)).unwrap_or_default() {
        let reason = format!("{} runs text as code, which cannot be judged; write the code itself", excerpt(text));
        findings.violation(file.path, Some(line.number), "dynamic-code", reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_told_from_errors_and_words() {
        for code in [
            "os._exit(0)",
            "sys.exit(0)",
            "sys.exit()",
            "exit(0)",
            "quit()",
            "raise SystemExit",
            "raise SystemExit(0)",
            "from os import _exit",
            "pytest.exit('x')",
            "from sys import exit as leave",
            "os.kill(os.getpid(), 9)",
            "import sys as s",
            "sys.exit( None )",
            "os.execvp('true', [])",
            "atexit.register(f)",
        ] {
            assert!(PYTHON.is_match(code), "{code}");
        }
        for code in [
            "sys.exit(1)",
            "sys.exit(main())",
            "def on_exit(self):",
            "exit_code = 0",
            "raise SystemExit(2)",
            "return exits(0)",
            "ctx.exit()",
            "parser.exit(0)",
            "ctx.exit()",
            "parser.exit(0)",
            "raise SystemExit(main())",
            "__exit__(self)",
        ] {
            assert!(!PYTHON.is_match(code), "{code}");
        }
        for (regex, code) in [
            (&SCRIPT, "process.exit(0)"),
            (&SCRIPT, "process.exit()"),
            (&SCRIPT, "process.exitCode = 0"),
            (&RUST, "std::process::exit(0)"),
            (&GO, "os.Exit(0)"),
            (&C, "exit(EXIT_SUCCESS);"),
            (&JVM, "System.exit(0);"),
            (&RUBY, "exit 0"),
            (&RUBY, "exit!"),
            (&RUBY, "at_exit { }"),
            (&PHP, "exit;"),
            (&CSHARP, "Environment.Exit(0)"),
            (&SWIFT, "exit(0)"),
        ] {
            assert!(regex.is_match(code), "{code}");
        }
        assert!(
            !SCRIPT.is_match("process.exit(1)")
                && !RUST.is_match("exit(1)")
                && !RUBY.is_match("exit 1")
                && !RUBY.is_match("exited = x")
        );
        assert!(
            DYNAMIC_PYTHON.is_match("exec('x')")
                && !DYNAMIC_PYTHON.is_match("model.eval()")
                && !DYNAMIC_PYTHON.is_match("re.compile(x)")
        );
        assert!(!DYNAMIC_PYTHON.is_match("ast.literal_eval(x)") && DYNAMIC_SCRIPT.is_match("x = eval(y)"));
    }
}
