//! The engine's side of a job: hands the order to a supervisor, reads the output, and is not fooled when the supervisor vanishes.
use crate::clock;
use crate::process::Exit;
use crate::process::Job;
use crate::process::LauncherOptions;
use crate::process::Outcome;
use crate::process::Owner;
use crate::process::Sink;
use crate::process::env;
use crate::process::output::Keeper;
use crate::process::sandbox::Method;
use crate::process::sandbox::Policy;
use crate::process::supervise;
use crate::process::supervise::protocol::KILLED;
use crate::process::supervise::protocol::MAX_REPORT;
use crate::process::supervise::protocol::Order;
use crate::process::supervise::protocol::Report;
use crate::process::supervise::protocol::Task;
use crate::process::sweep;
use nix::fcntl::FcntlArg;
use nix::fcntl::fcntl;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Child;
use tokio::process::ChildStderr;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;
use tokio::process::Command;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Size of the output pipe: fewer switches between the writer and us.
const PIPE_SIZE: i32 = 1 << 20;
const CHUNK: usize = 256 << 10;
/// How much later than it should a supervisor may report before it is held for lost.
const REPORT_LIMIT: Duration = Duration::from_secs(7);
/// The same after a request to kill, when a person waits.
const KILL_LIMIT: Duration = Duration::from_millis(1500);
/// How long the output may go on after the job has ended: only what no one can kill still writes.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// Runs a job to its end.
pub(super) async fn run(
    options: &LauncherOptions,
    method: &Method,
    job: &Job<'_>,
    sink: &mut dyn Sink,
    cancel: &CancellationToken,
) -> io::Result<Outcome> {
    let started = clock::instant();
    let mut output = Keeper::new();
    let exit = if cancel.is_cancelled() {
        Exit::Cancelled
    } else {
        let owner = Owner::this();
        let mark = format!("{owner}:{}", Uuid::new_v4());
        let order = order(options, method, job, &mark)?;
        let attended =
            Supervised::start(&options.supervisor, &owner, mark)?.attend(&order, sink, &mut output, cancel).await?;
        attended.map_err(io::Error::other)?
    };
    Ok(Outcome { exit, output: output.finish(), duration: clock::instant() - started })
}

fn order(options: &LauncherOptions, method: &Method, job: &Job<'_>, mark: &str) -> io::Result<Order> {
    env::prepare(job.scratch)?;
    let writable: Vec<&Path> = [job.scratch].into_iter().chain(job.writable.iter().copied()).collect();
    let home = env::home(&options.environment);
    let policy = Policy::new(job.cwd, &writable, job.network, home, &options.private)?;
    let scratch = job.scratch.canonicalize()?;
    Ok(Order {
        nonce: Uuid::new_v4().to_string(),
        argv: method.arguments(&options.supervisor, &policy, Task::Shell(job.command.to_owned()))?,
        env: env::scrubbed(&options.environment, &scratch, job.network, job.env, mark),
        cwd: policy.cwd,
        stdin: job.stdin.map(Path::to_owned),
        timeout_ms: u64::try_from(job.timeout.as_millis()).unwrap_or(u64::MAX),
    })
}

/// A supervisor that runs.
#[derive(Debug)]
struct Supervised {
    child: Child,
    /// Its end tells the supervisor to kill: also when this is dropped, also when we die.
    control: Option<ChildStdin>,
    report: ChildStdout,
    output: ChildStderr,
    mark: String,
}

/// What the supervisor said, as far as it can be believed.
type Said = Option<Report>;

impl Supervised {
    #[expect(clippy::disallowed_methods, reason = "`process` is where programs are started")]
    fn start(supervisor: &Path, owner: &Owner, mark: String) -> io::Result<Self> {
        let mut command = Command::new(supervisor);
        command.args(supervise::arguments(owner)).env_clear().current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let control = Some(child.stdin.take().ok_or_else(missing)?);
        let report = child.stdout.take().ok_or_else(missing)?;
        let output = child.stderr.take().ok_or_else(missing)?;
        // Only a matter of speed, and a machine may forbid it.
        let _ = fcntl(&output, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
        Ok(Self { child, control, report, output, mark })
    }

    /// Sees the job through; the inner error says why it could not be started.
    async fn attend(
        mut self,
        order: &Order,
        sink: &mut dyn Sink,
        kept: &mut Keeper,
        cancel: &CancellationToken,
    ) -> io::Result<Result<Exit, String>> {
        self.send(order).await?;
        let id = self.child.id();
        let limit = Duration::from_millis(order.timeout_ms).saturating_add(REPORT_LIMIT);
        let said = {
            let report = report(&mut self.report, &mut self.child, &order.nonce);
            let control = &mut self.control;
            let ending = ending(report, control, limit, cancel);
            let mut reader = Reader { from: &mut self.output, buffer: vec![0; CHUNK], sink, kept };
            reader.read_during(ending).await
        };
        // A supervisor is there until its job is gone: without its word, both are looked for.
        let exit = match said {
            Ok(Some(Report::Ended(exit))) => Ok(exit),
            Ok(Some(Report::Failed(text))) => Err(text),
            Ok(None) => Ok(self.lost(id, KILLED).await),
            Err(late) => Ok(self.lost(id, late).await),
        };
        Reader { from: &mut self.output, buffer: vec![0; CHUNK], sink, kept }.drain().await;
        Ok(exit)
    }

    /// Hands over the order, but only to a supervisor that has come up: should we die, nobody else starts a job unseen.
    async fn send(&mut self, order: &Order) -> io::Result<()> {
        self.report.read_u8().await?;
        match &mut self.control {
            Some(control) => control.write_all(&order.encode()?).await,
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Ends a supervisor that does not answer, and whatever of its job can be recognised.
    async fn lost(&mut self, id: Option<u32>, exit: Exit) -> Exit {
        // Its number is its own until it has been waited for.
        let _ = self.child.start_kill();
        let mark = self.mark.clone();
        let _ = tokio::task::spawn_blocking(move || sweep::sweep(id, &mark)).await;
        let _ = tokio::time::timeout(DRAIN_LIMIT, self.child.wait()).await;
        exit
    }
}

/// Reads the report and waits for the supervisor's end.
async fn report(from: &mut ChildStdout, child: &mut Child, nonce: &str) -> Said {
    let mut text = Vec::new();
    from.take(MAX_REPORT).read_to_end(&mut text).await.ok()?;
    let report = Report::decode_signed(&text, nonce)?;
    child.wait().await.ok()?;
    Some(report)
}

/// Waits for the report, passing on a request to kill; an error is how the job ended when the supervisor does not say it in time.
async fn ending(
    report: impl Future<Output = Said>,
    control: &mut Option<ChildStdin>,
    limit: Duration,
    cancel: &CancellationToken,
) -> Result<Said, Exit> {
    tokio::pin!(report);
    tokio::select! {
        said = &mut report => return Ok(said),
        () = tokio::time::sleep(limit) => return Err(Exit::TimedOut),
        () = cancel.cancelled() => *control = None,
    }
    tokio::time::timeout(KILL_LIMIT, report).await.map_err(|_| Exit::Cancelled)
}

/// Passes the output on as it comes.
struct Reader<'a> {
    from: &'a mut ChildStderr,
    buffer: Vec<u8>,
    sink: &'a mut dyn Sink,
    kept: &'a mut Keeper,
}

impl Reader<'_> {
    /// Reads until `ending` is done, whoever closes the pipe before.
    async fn read_during<T>(&mut self, ending: impl Future<Output = T>) -> T {
        tokio::pin!(ending);
        loop {
            tokio::select! {
                biased;
                end = &mut ending => return end,
                more = self.read() => if !more { return ending.await },
            }
        }
    }

    /// Reads what is still in the pipe.
    async fn drain(&mut self) {
        let limit = Instant::now() + DRAIN_LIMIT;
        while tokio::time::timeout_at(limit, self.read()).await.unwrap_or(false) {}
    }

    async fn read(&mut self) -> bool {
        match self.from.read(&mut self.buffer).await {
            Ok(0) | Err(_) => false,
            Ok(n_read) => {
                let bytes = &self.buffer[..n_read];
                self.sink.chunk(bytes);
                self.kept.push(bytes);
                true
            }
        }
    }
}
