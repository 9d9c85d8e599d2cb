//! The loop: wait for one input, drain what else is pending, update, execute, draw if something changed.
use crate::backlog::Backlog;
use crate::backlog::BacklogError;
use crate::console::Options;
use crate::console::action::Action;
use crate::console::action::Answer;
use crate::console::action::Refusal;
use crate::console::action::RequestId;
use crate::console::document::Highlighter;
use crate::console::effect::Ask;
use crate::console::effect::Draft;
use crate::console::effect::Effect;
use crate::console::effects::Drafts;
use crate::console::effects::Executor;
use crate::console::effects::read_bounded;
use crate::console::keymap::Keymap;
use crate::console::model::Model;
use crate::console::model::Opening;
use crate::console::recorder::Recorder;
use crate::console::terminal::Input;
use crate::console::terminal::Inputs;
use crate::console::terminal::Surface;
use crate::console::theme::Theme;
use crate::console::update;
use futures::FutureExt as _;
use futures::StreamExt as _;
use std::collections::VecDeque;
use std::io;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::mpsc;
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

/// The shortest time between two frames.
const FRAME: Duration = Duration::from_millis(16);
const TICK: Duration = Duration::from_millis(250);
/// Inputs taken in one go before the next frame.
const MAX_DRAINED: usize = 512;
/// Answers that may wait; a task that has one more waits itself.
const ANSWERS: usize = 64;
/// The shortest time between two questions for news, should the backlog not wait.
const NEWS_PAUSE: Duration = Duration::from_millis(20);
const NEWS_RETRY: Duration = Duration::from_secs(1);
/// After how many failures without news the backlog is read all the same, again and again.
const READ_ANYWAY: u32 = 8;

/// Why the console could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    #[error("the terminal failed: {0}")]
    Terminal(#[from] io::Error),
    #[error(transparent)]
    Keymap(#[from] crate::console::keymap::KeymapError),
    #[error(transparent)]
    Theme(#[from] crate::console::theme::ThemeError),
}

/// Runs a session on any surface until the person quits or the terminal is gone.
pub async fn drive(backlog: Arc<dyn Backlog>, options: Options, surface: &mut dyn Surface) -> Result<(), ConsoleError> {
    let keymap = Keymap::load(options.keymap.as_deref())?;
    let mut theme = Theme::load(&options.theme, options.color)?;
    theme.is_ascii = options.is_ascii;
    let (columns, rows) = surface.size()?;
    let opening = Opening {
        operator: options.operator.clone(),
        server: options.server.clone(),
        read_only: options.read_only,
        columns,
        rows,
        now: (options.now)(),
        run: options.run,
        in_tmux: options.in_tmux,
    };
    let sink = options.recording.as_deref().map(create_private).transpose()?;
    let (sender, actions) = mpsc::channel(ANSWERS);
    let news = tokio::spawn(watch(Arc::clone(&backlog), sender.clone()));
    let mut session = Session {
        model: Model::new(&opening, keymap),
        theme,
        recorder: Recorder::new(opening, sink),
        executor: Executor::new(backlog, sender),
        drafts: Drafts::new(options.drafts.clone()),
        ready: VecDeque::new(),
        inputs: surface.inputs(),
        options,
        is_dirty: true,
        is_over: false,
    };
    let ended = session.run(surface, actions).await;
    news.abort();
    let left = surface.leave();
    session.executor.finish().await;
    ended?;
    Ok(left?)
}

fn create_private(path: &Path) -> io::Result<Box<dyn Write + Send>> {
    let file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
    Ok(Box::new(file))
}

/// Tells when the backlog has changed, by whichever process, and when it cannot be asked.
async fn watch(backlog: Arc<dyn Backlog>, actions: Sender<Action>) {
    let mut after = 0;
    let mut is_first = true;
    let mut n_failures = 0_u32;
    loop {
        let (action, pause) = match backlog.newest(after).await {
            Ok(newest) if newest != after || is_first => {
                (after, is_first, n_failures) = (newest, false, 0);
                (Some(Action::Changed(newest)), NEWS_PAUSE)
            }
            Ok(_) => (None, NEWS_PAUSE),
            // Reading tells whether it is only the news that are missing; either way it is tried in ever longer steps.
            Err(BacklogError::Unreachable(why)) => {
                is_first = true;
                n_failures = n_failures.saturating_add(1);
                let is_due = n_failures.is_power_of_two() || n_failures.is_multiple_of(READ_ANYWAY);
                (is_due.then_some(Action::NoNews(why)), NEWS_RETRY)
            }
            Err(error) => {
                is_first = true;
                (Some(Action::Unreadable(error.to_string())), NEWS_RETRY)
            }
        };
        if let Some(action) = action
            && actions.send(action).await.is_err()
        {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

/// The signals that end, stop or continue a session.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    stop: Signal,
    continued: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    End,
    Stop,
    Continue,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            stop: signal(SignalKind::from_raw(libc_sigtstp()))?,
            continued: signal(SignalKind::from_raw(libc_sigcont()))?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hangup.recv() => Told::End,
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
            _ = self.stop.recv() => Told::Stop,
            _ = self.continued.recv() => Told::Continue,
        }
    }
}

/// Everything that lives as long as one session.
struct Session {
    model: Model,
    theme: Theme,
    recorder: Recorder,
    executor: Executor,
    drafts: Drafts,
    /// Answers that were found at once.
    ready: VecDeque<Action>,
    inputs: Inputs,
    options: Options,
    is_dirty: bool,
    is_over: bool,
}

impl Session {
    async fn run(&mut self, surface: &mut dyn Surface, mut actions: Receiver<Action>) -> Result<(), ConsoleError> {
        let mut signals = Signals::listen()?;
        let mut grammars = tokio::task::spawn_blocking(Highlighter::load);
        let mut has_grammars = false;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut next_frame = Instant::now();
        let effects = update::open(&mut self.model);
        self.execute(effects, surface).await?;
        while !self.is_over {
            if self.is_dirty && next_frame <= Instant::now() {
                if surface.size()? != (self.model.columns, self.model.rows) {
                    self.resized(surface).await?;
                }
                surface.draw(&self.model, &self.theme)?;
                self.is_dirty = false;
                next_frame = Instant::now() + FRAME;
            }
            tokio::select! {
                input = self.inputs.next() => {
                    self.tick(surface).await?;
                    self.take(input, surface).await?;
                }
                Some(action) = actions.recv() => self.apply(action, surface).await?,
                _ = ticks.tick() => self.tick(surface).await?,
                told = signals.next() => self.obey(told, surface).await?,
                loaded = &mut grammars, if !has_grammars => {
                    has_grammars = true;
                    self.theme.highlighter = loaded.ok().map(Arc::new);
                    self.is_dirty = true;
                }
                () = tokio::time::sleep_until(next_frame), if self.is_dirty => {}
            }
            self.drain(surface, &mut actions).await?;
        }
        Ok(())
    }

    /// Takes what is pending before the next frame, so that a held key never queues up frames.
    async fn drain(&mut self, surface: &mut dyn Surface, actions: &mut Receiver<Action>) -> Result<(), ConsoleError> {
        for _ in 0..MAX_DRAINED {
            if self.is_over {
                return Ok(());
            }
            if let Some(action) = self.ready.pop_front() {
                self.apply(action, surface).await?;
            } else if let Some(input) = self.inputs.next().now_or_never() {
                self.take(input, surface).await?;
            } else if let Ok(action) = actions.try_recv() {
                self.apply(action, surface).await?;
            } else {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Gives an input its meaning; the end of the stream means that the terminal is gone.
    async fn take(&mut self, input: Option<io::Result<Input>>, surface: &mut dyn Surface) -> Result<(), ConsoleError> {
        let action = match input {
            Some(Ok(Input::Key(key))) => self.model.keymap.translate(self.model.context(), key),
            Some(Ok(Input::Paste(text))) => Some(Action::Paste(text)),
            Some(Ok(Input::Resize(columns, rows))) => Some(Action::Resize { columns, rows }),
            Some(Err(_)) | None => Some(Action::Hangup),
        };
        match action {
            Some(action) => self.apply(action, surface).await,
            None => Ok(()),
        }
    }

    async fn tick(&mut self, surface: &mut dyn Surface) -> Result<(), ConsoleError> {
        let was = self.model.now.as_second();
        let was_dirty = self.is_dirty;
        let is_deaf = self.model.dialog.is_some();
        let now = (self.options.now)();
        self.apply(Action::Tick(now), surface).await?;
        // Within a second only a young dialog looks different.
        self.is_dirty = was_dirty || was != now.as_second() || is_deaf;
        Ok(())
    }

    async fn apply(&mut self, action: Action, surface: &mut dyn Surface) -> Result<(), ConsoleError> {
        self.recorder.record(&action);
        self.is_dirty = true;
        let effects = update::update(&mut self.model, action);
        self.execute(effects, surface).await
    }

    async fn execute(&mut self, effects: Vec<Effect>, surface: &mut dyn Surface) -> Result<(), ConsoleError> {
        for effect in effects {
            match effect {
                Effect::Ask { request, ask } => self.ask(request, ask, surface).await?,
                Effect::Redraw => surface.clear()?,
                Effect::Suspend => self.suspend(surface)?,
                Effect::Quit => self.is_over = true,
            }
        }
        Ok(())
    }

    /// Drafts are written here and now: in the order they were typed, and before anything else can go wrong.
    async fn ask(&mut self, request: RequestId, ask: Ask, surface: &mut dyn Surface) -> Result<(), ConsoleError> {
        let answer = match ask {
            Ask::LoadDraft(draft) => {
                self.drafts.load(draft).map(|text| Answer::Draft { path: self.drafts.path(draft), text })
            }
            Ask::SaveDraft(draft, text) => self.drafts.save(draft, &text).map(|path| Answer::Saved { path }),
            Ask::DropDraft(draft) => {
                self.drafts.remove(draft).map(|()| Answer::Saved { path: self.drafts.path(draft) })
            }
            Ask::Copy(text) => surface.copy(&text).map(|bytes| Answer::Copied { bytes }),
            Ask::Edit(draft, text) => self.edit(draft, &text, surface).await?,
            ask => {
                self.executor.start(request, ask);
                return Ok(());
            }
        };
        let answer = answer.unwrap_or_else(|error| Answer::Refused(Refusal::failed(error.to_string())));
        self.ready.push_back(Action::Answered { request, answer: Box::new(answer) });
        Ok(())
    }

    /// Gives the terminal to the person's editor and reads back what it left.
    async fn edit(
        &mut self,
        draft: Draft,
        text: &str,
        surface: &mut dyn Surface,
    ) -> Result<io::Result<Answer>, ConsoleError> {
        let path = match self.drafts.save(draft, text) {
            Ok(path) => path,
            Err(error) => return Ok(Err(error)),
        };
        // The old stream must not read what is typed into the editor.
        self.inputs = Box::pin(futures::stream::pending());
        surface.leave()?;
        let open = Arc::clone(&self.options.open_editor);
        let file = path.clone();
        let closed = tokio::task::spawn_blocking(move || open(&file, None)).await;
        surface.enter()?;
        self.inputs = surface.inputs();
        let closed = closed.unwrap_or_else(|error| Err(io::Error::other(error)));
        Ok(closed.and_then(|()| read_bounded(&path)).map(|text| Answer::Edited { text }))
    }

    async fn obey(&mut self, told: Told, surface: &mut dyn Surface) -> Result<(), ConsoleError> {
        match told {
            Told::End => self.apply(Action::Hangup, surface).await,
            Told::Stop => self.suspend(surface),
            Told::Continue => {
                surface.enter()?;
                self.resized(surface).await
            }
        }
    }

    /// Stops this process until the shell continues it.
    fn suspend(&mut self, surface: &mut dyn Surface) -> Result<(), ConsoleError> {
        surface.leave()?;
        let stopped = (self.options.stop_process)();
        surface.enter()?;
        if let Err(error) = stopped {
            self.ready.push_back(Action::Failed(format!("cannot suspend: {error}")));
        }
        self.is_dirty = true;
        Ok(())
    }

    /// The window may have changed while the process was stopped.
    async fn resized(&mut self, surface: &mut dyn Surface) -> Result<(), ConsoleError> {
        let (columns, rows) = surface.size()?;
        self.apply(Action::Resize { columns, rows }, surface).await
    }
}

/// `SIGTSTP` has the same number on Linux and everywhere else but there.
const fn libc_sigtstp() -> i32 {
    if cfg!(target_os = "linux") { 20 } else { 18 }
}

/// `SIGCONT`, likewise.
const fn libc_sigcont() -> i32 {
    if cfg!(target_os = "linux") { 18 } else { 19 }
}
