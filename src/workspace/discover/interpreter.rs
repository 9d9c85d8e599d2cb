//! The Python interpreter that the tests will find on PATH, asked outside of the tree.
use crate::process::Launcher;
use crate::process::Tool;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_OUTPUT: usize = 1 << 20;

/// Reads requirements as JSON, writes the names of those that are not met. Without `packaging`, which pip brings, only names are compared.
const UNMET: &str = r#"
import json, re, sys
from importlib import metadata
try:
    from packaging.requirements import Requirement
except Exception:
    try:
        from pip._vendor.packaging.requirements import Requirement
    except Exception:
        Requirement = None
unmet = []
for line in json.load(sys.stdin):
    name = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line) or re.match(r".*", line)).group(0)
    try:
        wanted = Requirement(line) if Requirement else None
        if wanted and wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        version = metadata.version(wanted.name if wanted else name)
        if wanted and wanted.specifier and not wanted.specifier.contains(version, prereleases=True):
            unmet.append(name)
    except Exception:
        unmet.append(name)
json.dump(unmet, sys.stdout)
"#;

/// `python3`, or `python` where there is no other. Isolated (`-I`): no environment variables, no packages of the user's home, as for the tests.
#[derive(Debug)]
pub(super) struct Interpreter {
    program: &'static str,
    has_pytest: bool,
}

impl Interpreter {
    /// Looks for an interpreter; `cwd` is any folder without code in it.
    pub(super) async fn find(launcher: &Launcher, cwd: &Path) -> Self {
        let script = "from importlib.util import find_spec; print(bool(find_spec('pytest')))";
        let (program, answer) = ask(launcher, cwd, script, None).await;
        Self { program, has_pytest: answer.trim_ascii() == b"True" }
    }

    pub(super) const fn program(&self) -> &'static str {
        self.program
    }

    pub(super) const fn has_pytest(&self) -> bool {
        self.has_pytest
    }
}

/// Returns the interpreter, and the names of requirements that it does not meet. Without one nothing can be said, so nothing is.
pub(super) async fn unmet(launcher: &Launcher, cwd: &Path, requirements: &[String]) -> (&'static str, Vec<String>) {
    let input = serde_json::to_vec(requirements).unwrap_or_default();
    let (program, answer) = ask(launcher, cwd, UNMET, Some(&input)).await;
    (program, serde_json::from_slice(&answer).unwrap_or_default())
}

/// Returns the first interpreter that runs the script, and what that printed; without one the usual name, and nothing.
async fn ask(launcher: &Launcher, cwd: &Path, script: &str, stdin: Option<&[u8]>) -> (&'static str, Vec<u8>) {
    let args = ["-I", "-c", script].map(OsStr::new);
    for program in ["python3", "python"] {
        let (timeout, max_output) = (TIMEOUT, MAX_OUTPUT);
        let tool = Tool { program, args: &args, cwd, env: &[], stdin, timeout, max_output };
        if let Some(output) = launcher.tool(&tool).await.ok().filter(|it| it.code == Some(0)) {
            return (program, output.stdout);
        }
    }
    ("python3", Vec::new())
}
