//! Our own trusted tools (git): no sandbox, but a clean environment, a time limit and bounded output.
use crate::process::env;
use crate::process::launcher::Launcher;
use nix::sys::signal::Signal;
use nix::sys::signal::killpg;
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Child;
use tokio::process::ChildStdin;
use tokio::process::Command;

/// What a tool keeps of our own environment.
const INHERITED: &[&str] = &["PATH", "HOME", "USER", "LOGNAME", "TMPDIR"];
/// How long a pipe may stay open after its tool has ended before whoever holds it is killed.
const STRAGGLER_GRACE: Duration = Duration::from_millis(250);

/// A trusted program with its arguments.
#[derive(Debug, Clone, Copy)]
pub struct Tool<'a> {
    pub program: &'a str,
    pub args: &'a [&'a OsStr],
    pub cwd: &'a Path,
    /// Set over the cleared environment.
    pub env: &'a [(&'a str, &'a OsStr)],
    pub stdin: Option<&'a [u8]>,
    pub timeout: Duration,
    /// Bytes kept of each output stream; the rest is read and dropped.
    pub max_output: usize,
}

/// What a tool printed and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolOutput {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Whether either stream was longer than `max_output`.
    pub truncated: bool,
}

impl Launcher {
    /// Runs a trusted tool to its end; its whole process group dies when time is over ([`io::ErrorKind::TimedOut`]) or the future is dropped.
    pub async fn tool(&self, tool: &Tool<'_>) -> io::Result<ToolOutput> {
        let mut child = self.start_tool(tool).map_err(|error| named(tool.program, &error))?;
        let mut group = Group::of(&child);
        let result = tokio::time::timeout(tool.timeout, attend(&mut child, &group, tool)).await;
        if matches!(result, Ok(Ok(_))) {
            group.disarm();
        }
        result.unwrap_or_else(|_| {
            let text = format!("{} took longer than {:?}", tool.program, tool.timeout);
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        })
    }

    #[expect(clippy::disallowed_methods, reason = "`process` is where programs are started")]
    fn start_tool(&self, tool: &Tool<'_>) -> io::Result<Child> {
        let environment = &self.options().environment;
        // A program without a path is looked up by a fork of this process, whose tables of memory are copied for that.
        let program = env::find_program(environment, tool.program).ok_or(io::ErrorKind::NotFound)?;
        let mut command = Command::new(program);
        command.args(tool.args).current_dir(tool.cwd).env_clear();
        let kept = environment.iter().filter(|(name, _)| INHERITED.iter().any(|it| name == it));
        command.envs(kept.map(|(name, value)| (name, value)));
        command.env("LANG", "C").env("LC_ALL", "C").envs(tool.env.iter().copied());
        command.stdin(if tool.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        command.spawn()
    }
}

/// Feeds and reads the tool until it has ended and its pipes are closed.
async fn attend(child: &mut Child, group: &Group, tool: &Tool<'_>) -> io::Result<ToolOutput> {
    let stdin = child.stdin.take();
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    let talk = async {
        tokio::join!(
            feed(stdin, tool.stdin.unwrap_or_default()),
            read_capped(stdout, tool.max_output),
            read_capped(stderr, tool.max_output)
        )
    };
    tokio::pin!(talk);
    let mut talked = None;
    let status = tokio::select! {
        done = &mut talk => { talked = Some(done); child.wait().await? }
        status = child.wait() => status?,
    };
    let (fed, stdout, stderr) = match talked {
        Some(done) => done,
        None => {
            if let Ok(done) = tokio::time::timeout(STRAGGLER_GRACE, &mut talk).await {
                done
            } else {
                // A process left behind still holds a pipe, so the group exists and its number is not another's.
                group.kill();
                talk.await
            }
        }
    };
    let ((stdout, cut_out), (stderr, cut_err)) = (stdout?, stderr?);
    fed?;
    Ok(ToolOutput { code: status.code(), stdout, stderr, truncated: cut_out || cut_err })
}

async fn feed(stdin: Option<ChildStdin>, bytes: &[u8]) -> io::Result<()> {
    let Some(mut stdin) = stdin else { return Ok(()) };
    match stdin.write_all(bytes).await {
        // A tool may end without reading all of it; its exit code tells the rest.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Reads to the end, keeps at most `cap` bytes and says whether there was more.
async fn read_capped(stream: Option<impl AsyncRead + Unpin>, cap: usize) -> io::Result<(Vec<u8>, bool)> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else { return Ok((kept, false)) };
    let mut buffer = vec![0; 64 * 1024];
    let mut truncated = false;
    loop {
        let n_read = stream.read(&mut buffer).await?;
        if n_read == 0 {
            return Ok((kept, truncated));
        }
        let n_kept = n_read.min(cap - kept.len());
        kept.extend_from_slice(&buffer[..n_kept]);
        truncated |= n_kept < n_read;
    }
}

fn named(program: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot start {program}: {error}"))
}

/// A process group that is killed when this value is dropped.
#[derive(Debug)]
struct Group {
    leader: Option<Pid>,
}

impl Group {
    fn of(child: &Child) -> Self {
        Self { leader: child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw) }
    }

    fn kill(&self) {
        if let Some(leader) = self.leader {
            // The only likely failure is that nobody is left.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }

    /// The leader has been waited for and its pipes are closed: its number may be given to another process from now on.
    fn disarm(&mut self) {
        self.leader = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
