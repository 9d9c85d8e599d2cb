//! The loop itself: a fake terminal, a backlog in memory, real tasks and real time where nothing else will do.
use super::fixture;
use crate::support::{PATIENCE, eventually_answered};
use async_trait::async_trait;
use futures::StreamExt as _;
use jiff::Timestamp;
use paramedic::backlog::Audit;
use paramedic::backlog::{Acted, ActionRequest, Backlog, BacklogError, CiAct, Live, Output};
use paramedic::console::document::Highlighter;
use paramedic::console::model::Model;
use paramedic::console::recorder::frame;
use paramedic::console::runtime::drive;
use paramedic::console::terminal::{Input, Inputs, Surface};
use paramedic::console::theme::Theme;
use paramedic::console::{ColorChoice, ConsoleError, Options, ThemeChoice};
use paramedic::domain::{
    CiJob, CiView, Deployment, Event, RepositorySummary, Run, RunDetail, RunId, RunQuery, Status, Summary,
};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// A backlog in memory that others may change.
#[derive(Debug)]
struct Shared {
    runs: Mutex<Vec<RunDetail>>,
    newest: AtomicU64,
    reads: AtomicUsize,
    is_broken: std::sync::atomic::AtomicBool,
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Vec<RunDetail>)) {
        change(&mut self.runs.lock().unwrap());
        self.newest.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Backlog for Shared {
    async fn runs(&self, query: &RunQuery) -> Result<(Vec<Run>, u64), BacklogError> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(BacklogError::Failed("disk on fire".to_owned()));
        }
        self.reads.fetch_add(1, Ordering::SeqCst);
        let runs = self.runs.lock().unwrap();
        let found: Vec<Run> = runs
            .iter()
            .map(|it| it.run.clone())
            .filter(|it| query.status.is_none_or(|status| it.status == status))
            .collect();
        Ok((found.clone(), found.len() as u64))
    }

    async fn run(&self, id: RunId) -> Result<RunDetail, BacklogError> {
        let runs = self.runs.lock().unwrap();
        runs.iter().find(|it| it.run.id == id).cloned().ok_or(BacklogError::NotFound("gone".to_owned()))
    }

    async fn resolve(&self, text: &str) -> Result<RunId, BacklogError> {
        Err(BacklogError::NotFound(text.to_owned()))
    }

    async fn summary(&self) -> Result<Summary, BacklogError> {
        let runs = self.runs.lock().unwrap();
        Ok(Summary::from_rows(runs.iter().map(|it| (it.run.status, true, 1))))
    }

    async fn repositories(&self) -> Result<Vec<RepositorySummary>, BacklogError> {
        Ok(Vec::new())
    }

    async fn events(&self, _: u64, _: u32) -> Result<Vec<Event>, BacklogError> {
        Ok(Vec::new())
    }

    async fn verify(&self) -> Result<Audit, BacklogError> {
        Err(BacklogError::Failed("not kept here".to_owned()))
    }

    async fn outputs(&self, _: RunId) -> Result<Vec<(String, u64)>, BacklogError> {
        Ok(vec![("base.log".to_owned(), 10)])
    }

    async fn output(&self, _: RunId, name: &str) -> Result<Option<Output>, BacklogError> {
        Ok(Some(Output { name: name.to_owned(), bytes: b"\xff\xfe\x1b[31mred".to_vec(), dropped_bytes: 0 }))
    }

    async fn live(&self, _: RunId) -> Result<Option<Live>, BacklogError> {
        Ok(None)
    }

    async fn act(&self, id: RunId, request: ActionRequest) -> Result<Acted, BacklogError> {
        let mut runs = self.runs.lock().unwrap();
        let detail = runs.iter_mut().find(|it| it.run.id == id).ok_or(BacklogError::NotFound("gone".to_owned()))?;
        if request.version != Some(detail.run.version) {
            return Err(BacklogError::Precondition("the run has moved on".to_owned()));
        }
        detail.run.status = Status::Resolved;
        detail.run.version += 1;
        self.newest.fetch_add(1, Ordering::SeqCst);
        Ok(Acted { run: detail.run.clone(), message: "done".to_owned(), is_repeat: false, needs_second_key: false })
    }

    async fn ci(&self) -> Result<CiView, BacklogError> {
        Err(BacklogError::NotFound("nothing is watched here".to_owned()))
    }

    async fn ci_jobs(&self, repository: &str, _: u64, _: Option<u32>) -> Result<Vec<CiJob>, BacklogError> {
        Err(BacklogError::NotFound(repository.to_owned()))
    }

    async fn ci_log(&self, repository: &str, _: u64) -> Result<Output, BacklogError> {
        Err(BacklogError::NotFound(repository.to_owned()))
    }

    async fn ci_deployments(&self, repository: &str, _: u64) -> Result<Vec<Deployment>, BacklogError> {
        Err(BacklogError::NotFound(repository.to_owned()))
    }

    async fn ci_act(&self, act: CiAct, _: &str) -> Result<String, BacklogError> {
        Err(BacklogError::NotFound(act.repository))
    }

    async fn newest(&self, after: u64) -> Result<u64, BacklogError> {
        for _ in 0..50 {
            let newest = self.newest.load(Ordering::SeqCst);
            if newest != after || self.is_broken.load(Ordering::SeqCst) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(BacklogError::Failed("disk on fire".to_owned()));
        }
        Ok(self.newest.load(Ordering::SeqCst))
    }
}

/// What a fake terminal was told and shows.
#[derive(Debug, Default)]
struct Shown {
    screen: String,
    n_frames: usize,
    calls: Vec<&'static str>,
    copied: Vec<String>,
    is_failing: bool,
}

/// A terminal that exists on paper.
struct Paper {
    shown: Arc<Mutex<Shown>>,
    inputs: Arc<Mutex<Option<mpsc::Receiver<io::Result<Input>>>>>,
}

impl Surface for Paper {
    fn size(&self) -> io::Result<(u16, u16)> {
        Ok((80, 24))
    }

    fn draw(&mut self, model: &Model, theme: &Theme) -> io::Result<()> {
        let mut shown = self.shown.lock().unwrap();
        if shown.is_failing {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        shown.n_frames += 1;
        shown.screen = super::harness::text(&frame(model, theme));
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.shown.lock().unwrap().calls.push("clear");
        Ok(())
    }

    fn copy(&mut self, text: &str) -> io::Result<usize> {
        self.shown.lock().unwrap().copied.push(text.to_owned());
        Ok(text.len())
    }

    fn enter(&mut self) -> io::Result<()> {
        self.shown.lock().unwrap().calls.push("enter");
        Ok(())
    }

    fn leave(&mut self) -> io::Result<()> {
        self.shown.lock().unwrap().calls.push("leave");
        Ok(())
    }

    fn inputs(&mut self) -> Inputs {
        let slot = Arc::clone(&self.inputs);
        Box::pin(
            futures::stream::poll_fn(move |context| {
                slot.lock().unwrap().as_mut().map_or(std::task::Poll::Ready(None), |it| it.poll_recv(context))
            })
            .fuse(),
        )
    }
}

struct Session {
    backlog: Arc<Shared>,
    shown: Arc<Mutex<Shown>>,
    keys: Option<mpsc::Sender<io::Result<Input>>>,
    folder: tempfile::TempDir,
    /// How far the test put the session's clock forward, in milliseconds.
    skipped: Arc<AtomicI64>,
    task: tokio::task::JoinHandle<Result<(), ConsoleError>>,
}

impl Session {
    fn start(editor: impl Fn(&Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        // Grammars are loaded once for all sessions, so that no test waits for them.
        Highlighter::load();
        let backlog = Arc::new(Shared {
            runs: Mutex::new(fixture::backlog()),
            newest: AtomicU64::new(1),
            reads: AtomicUsize::new(0),
            is_broken: false.into(),
        });
        let (keys, receiver) = mpsc::channel(1_000);
        let shown = Arc::new(Mutex::new(Shown::default()));
        let folder = tempfile::tempdir().unwrap();
        let calls = Arc::clone(&shown);
        let start = tokio::time::Instant::now();
        let skipped = Arc::new(AtomicI64::new(0));
        let ahead = Arc::clone(&skipped);
        let options = Options {
            operator: "jdoe".to_owned(),
            server: None,
            theme: ThemeChoice::Auto,
            color: ColorChoice::Auto,
            is_ascii: false,
            keymap: None,
            read_only: false,
            drafts: folder.path().join("drafts"),
            recording: Some(folder.path().join("session.jsonl")),
            in_tmux: true,
            run: None,
            now: Arc::new(move || {
                let passed = i64::try_from(start.elapsed().as_millis()).unwrap() + ahead.load(Ordering::SeqCst);
                Timestamp::from_millisecond(fixture::noon().as_millisecond() + passed).unwrap()
            }),
            open_editor: Arc::new(move |path, _| editor(path)),
            stop_process: Arc::new(move || {
                calls.lock().unwrap().calls.push("stop");
                Ok(())
            }),
        };
        let mut paper = Paper { shown: Arc::clone(&shown), inputs: Arc::new(Mutex::new(Some(receiver))) };
        let shared: Arc<dyn Backlog> = Arc::clone(&backlog) as Arc<dyn Backlog>;
        let task = tokio::spawn(async move { drive(shared, options, &mut paper).await });
        Self { backlog, shown, keys: Some(keys), folder, skipped, task }
    }

    async fn press(&self, keys: &str) {
        for key in keys.split_whitespace() {
            self.keys.as_ref().unwrap().send(Ok(Input::Key(key.parse().unwrap()))).await.unwrap();
        }
    }

    /// Puts the clock an hour forward and waits until the session knows.
    async fn an_hour_passes(&self) {
        self.skipped.fetch_add(3_600_000, Ordering::SeqCst);
        self.sees(" 13:0").await;
    }

    /// Waits until the screen shows `text`.
    async fn sees(&self, text: &str) {
        let shows = eventually_answered(async || self.shown.lock().unwrap().screen.contains(text).then_some(()));
        let is_shown = tokio::time::timeout(PATIENCE / 2, shows).await.is_ok();
        assert!(is_shown, "`{text}` never came:\n{}", self.shown.lock().unwrap().screen);
    }

    async fn ends(self) -> Result<(), ConsoleError> {
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_from_the_first_frame_to_an_approved_patch() {
    let session = Session::start(|_| Ok(()));
    session.sees("acme/api").await;
    session.press("enter").await;
    session.sees("Attempts").await;
    session.press("d").await;
    session.sees("class RetryBudget").await;
    session.press("A").await;
    session.sees("APPROVE patch").await;
    session.an_hour_passes().await;
    session.press("y").await;
    session.sees("✓ APPROVED").await;
    session.press("esc q q").await;
    session.sees("✓ RESOLVED").await;
    session.press("y").await;
    session.sees("set-clipboard").await;
    assert_eq!(session.shown.lock().unwrap().copied, [fixture::id(1).to_string()]);
    session.press("q").await;
    let shown = Arc::clone(&session.shown);
    session.ends().await.unwrap();
    assert_eq!(shown.lock().unwrap().calls, ["leave"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_changes_is_seen() {
    let session = Session::start(|_| Ok(()));
    session.sees("acme/docs").await;
    session.backlog.change(|runs| runs[5].run.repository = "acme/elsewhere".to_owned());
    session.sees("acme/elsewhere").await;
    session.backlog.is_broken.store(true, Ordering::SeqCst);
    session.sees("no backlog since").await;
    session.backlog.is_broken.store(false, Ordering::SeqCst);
    session.sees("can be read again").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_key_makes_few_frames() {
    let session = Session::start(|_| Ok(()));
    session.sees("acme/docs").await;
    let before = session.shown.lock().unwrap().n_frames;
    session.press(&"j k ".repeat(400)).await;
    session.press("?").await;
    session.sees("Help").await;
    let n_frames = session.shown.lock().unwrap().n_frames - before;
    assert!(n_frames < 200, "{n_frames} frames for 801 keys");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_editor_has_the_terminal_for_itself() {
    let session = Session::start(|path| std::fs::write(path, fixture::EARLIER_PATCH));
    session.sees("acme/api").await;
    session.sees("guard").await;
    session.press("F e").await;
    session.sees("Your patch  1 file +1 −1").await;
    assert_eq!(session.shown.lock().unwrap().calls, ["leave", "enter"]);
    let drafts: Vec<_> = std::fs::read_dir(session.folder.path().join("drafts")).unwrap().collect();
    assert_eq!(drafts.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_editor_that_fails_is_said_and_the_draft_stays() {
    let session = Session::start(|_| Err(io::Error::other("nvim: not found")));
    session.sees("guard").await;
    session.press("F e").await;
    session.sees("nvim: not found").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_z_gives_the_terminal_back_and_takes_it_again() {
    let session = Session::start(|_| Ok(()));
    session.sees("acme/api").await;
    session.press("ctrl-z ?").await;
    session.sees("Help").await;
    assert_eq!(session.shown.lock().unwrap().calls, ["leave", "stop", "enter"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_terminal_ends_the_session_and_keeps_the_draft() {
    let mut session = Session::start(|_| Ok(()));
    session.sees("guard").await;
    session.press("F enter").await;
    session.sees("Your patch").await;
    session.press("x y z").await;
    session.sees("xyzdiff --git").await;
    session.keys.take();
    let drafts = session.folder.path().join("drafts");
    let folder = std::mem::replace(&mut session.folder, tempfile::tempdir().unwrap());
    session.ends().await.unwrap();
    let draft = std::fs::read_dir(drafts).unwrap().next().unwrap().unwrap();
    assert!(std::fs::read_to_string(draft.path()).unwrap().starts_with("xyzdiff --git"));
    let recording = std::fs::read_to_string(folder.path().join("session.jsonl")).unwrap();
    assert!(recording.ends_with("\"hangup\"\n"), "the recording has everything up to the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_that_cannot_be_written_to_ends_the_session() {
    let session = Session::start(|_| Ok(()));
    session.sees("acme/api").await;
    session.shown.lock().unwrap().is_failing = true;
    session.press("?").await;
    assert!(matches!(session.ends().await, Err(ConsoleError::Terminal(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_text_are_shown_as_such() {
    let session = Session::start(|_| Ok(()));
    session.sees("guard").await;
    session.press("l").await;
    session.sees("��red").await;
}
