//! The Python interpreter that the tests will find on PATH, asked outside of the tree.
use crate::process::Launcher;
use crate::process::Tool;
use std::ffi::OsStr;
use std::path::Path;
use std::path::PathBuf;
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
    launcher: Launcher,
    cwd: PathBuf,
    program: &'static str,
    has_pytest: bool,
}

impl Interpreter {
    /// Looks for an interpreter; `cwd` is any folder without code in it.
    pub(super) async fn find(launcher: &Launcher, cwd: &Path) -> Self {
        let mut it = Self { launcher: launcher.clone(), cwd: cwd.to_owned(), program: "python3", has_pytest: false };
        let script = "from importlib.util import find_spec; print(bool(find_spec('pytest')))";
        for program in ["python3", "python"] {
            it.program = program;
            if let Some(answer) = it.run(script, None).await {
                it.has_pytest = answer.trim_ascii() == b"True";
                return it;
            }
        }
        Self { program: "python3", ..it }
    }

    pub(super) const fn program(&self) -> &'static str {
        self.program
    }

    pub(super) const fn has_pytest(&self) -> bool {
        self.has_pytest
    }

    /// Returns the names of requirements that are not met. Without an interpreter nothing can be said, so nothing is.
    pub(super) async fn unmet(&self, requirements: &[String]) -> Vec<String> {
        let input = serde_json::to_vec(requirements).unwrap_or_default();
        let answer = self.run(UNMET, Some(&input)).await.unwrap_or_default();
        serde_json::from_slice(&answer).unwrap_or_default()
    }

    async fn run(&self, script: &str, stdin: Option<&[u8]>) -> Option<Vec<u8>> {
        let args = ["-I", "-c", script].map(OsStr::new);
        let (timeout, max_output) = (TIMEOUT, MAX_OUTPUT);
        let tool = Tool { program: self.program, args: &args, cwd: &self.cwd, env: &[], stdin, timeout, max_output };
        let output = self.launcher.tool(&tool).await.ok()?;
        (output.code == Some(0)).then_some(output.stdout)
    }
}
