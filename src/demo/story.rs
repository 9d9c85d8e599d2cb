//! One story: the files of a broken repository, who heals it, and how it must end.
use crate::domain::{Order, Reason, Run, Status};
use crate::process::Launcher;
use crate::process::Tool;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// A story as its file tells it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    #[serde(skip)]
    pub name: String,
    /// What is broken and who heals it, for people.
    pub about: String,
    /// Programs besides git and sh without which the story is left out.
    #[serde(default)]
    pub needs: Vec<String>,
    /// The failing command; none = it is found.
    pub test: Option<String>,
    #[serde(default = "playbook")]
    pub agents: Vec<String>,
    #[serde(default = "a_minute")]
    pub timeout_seconds: u64,
    /// Content by path.
    pub files: BTreeMap<String, String>,
    #[serde(default)]
    pub executable: Vec<String>,
    pub expected: Expected,
    /// Recorded answers for the agent `scripted`.
    #[serde(default)]
    pub turn: Vec<toml::Value>,
}

/// How a story must end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Expected {
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    pub attempts: u32,
}

fn playbook() -> Vec<String> {
    vec!["playbook".to_owned()]
}

const fn a_minute() -> u64 {
    60
}

impl Expected {
    /// Whether a run ended as told.
    pub fn is_met_by(&self, run: &Run) -> bool {
        run.status == self.status && run.escalation_reason == self.reason && run.attempt_count == self.attempts
    }
}

impl Story {
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut story: Self = toml::from_str(text).map_err(|it| format!("story {name}: {it}"))?;
        name.clone_into(&mut story.name);
        Ok(story)
    }

    /// Returns the order that heals the story's repository.
    pub fn order(&self) -> Result<Order, String> {
        let script = if self.turn.is_empty() {
            None
        } else {
            let document = BTreeMap::from([("turn", &self.turn)]);
            Some(toml::to_string(&document).map_err(|it| it.to_string())?)
        };
        Ok(Order {
            test_command: self.test.clone(),
            test_reason: self.test.as_ref().map(|_| "the story's own".to_owned()),
            agents: self.agents.clone(),
            script,
            is_offline: true,
            timeout_ms: self.timeout_seconds * 1_000,
            ..Order::default()
        })
    }

    /// Makes the repository in `folder`, which must not be there yet, with one commit on `main`.
    pub async fn build(&self, folder: &Path, launcher: &Launcher) -> io::Result<()> {
        for (path, content) in &self.files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(path, content)?;
        }
        for path in &self.executable {
            fs::set_permissions(folder.join(path), fs::Permissions::from_mode(0o755))?;
        }
        let git: [&[&str]; 3] = [
            &["init", "--quiet", "--initial-branch=main", "."],
            &["add", "--all", "--force", "."],
            &["-c", "commit.gpgSign=false", "commit", "--quiet", "--no-verify", "--message", "State of the red build"],
        ];
        for args in git {
            run_git(launcher, folder, args).await?;
        }
        Ok(())
    }
}

async fn run_git(launcher: &Launcher, folder: &Path, args: &[&str]) -> io::Result<()> {
    let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    let variables = [
        ("GIT_AUTHOR_NAME", "Story"),
        ("GIT_AUTHOR_EMAIL", "story@localhost"),
        ("GIT_COMMITTER_NAME", "Story"),
        ("GIT_COMMITTER_EMAIL", "story@localhost"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
    ];
    let env: Vec<(&str, &OsStr)> = variables.iter().map(|(name, value)| (*name, OsStr::new(*value))).collect();
    let tool = Tool {
        program: "git",
        args: &args,
        cwd: folder,
        env: &env,
        stdin: None,
        timeout: Duration::from_secs(30),
        max_output: 64 * 1024,
    };
    let output = launcher.tool(&tool).await?;
    if output.code == Some(0) {
        return Ok(());
    }
    Err(io::Error::other(format!("git: {}", String::from_utf8_lossy(&output.stderr).trim())))
}
