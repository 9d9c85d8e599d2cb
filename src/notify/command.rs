//! A program of the settings that is told: the same JSON as a webhook on its standard input. No shell, and no secret in its environment.
use crate::notify::{Channel, Notice, NotifyError, webhook};
use crate::process::{Launcher, Tool};
use async_trait::async_trait;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// What is kept of the program's output, for the log when it fails.
const MAX_OUTPUT: usize = 4_096;

/// Starts one program with fixed arguments for each event.
#[derive(Debug)]
pub struct CommandHook {
    launcher: Launcher,
    argv: Vec<String>,
}

impl CommandHook {
    /// Prepares to start `argv`; nothing of an event becomes an argument.
    pub fn new(launcher: Launcher, argv: Vec<String>) -> Self {
        Self { launcher, argv }
    }
}

#[async_trait]
impl Channel for CommandHook {
    async fn send(&self, notice: &Notice, limit: Duration) -> Result<(), NotifyError> {
        let Some((program, args)) = self.argv.split_first() else {
            return Err(NotifyError::Never("there is no program".to_owned()));
        };
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        let document = webhook::document(notice).to_string();
        let (kind, seq, run) = (notice.event.kind, notice.event.seq.to_string(), notice.event.run_id.to_string());
        let env = [
            ("PARAMEDIC_EVENT", OsStr::new(kind.as_str())),
            ("PARAMEDIC_DELIVERY", OsStr::new(&seq)),
            ("PARAMEDIC_RUN_ID", OsStr::new(&run)),
        ];
        let tool = Tool {
            program,
            args: &args,
            cwd: Path::new("/"),
            env: &env,
            stdin: Some(document.as_bytes()),
            timeout: limit,
            max_output: MAX_OUTPUT,
        };
        let later = |why: String| Err(NotifyError::Later { why, after: None });
        match self.launcher.tool(&tool).await {
            Ok(output) if output.code == Some(0) => Ok(()),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let said = said.lines().next().unwrap_or_default().chars().take(200).collect::<String>();
                match output.code {
                    Some(code) => later(format!("it ended with {code}: {said}")),
                    None => later(format!("a signal ended it: {said}")),
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
                Err(NotifyError::Never(error.to_string()))
            }
            Err(error) => later(error.to_string()),
        }
    }
}
