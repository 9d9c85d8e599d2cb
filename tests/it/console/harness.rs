//! A console without a terminal: keys go through the real keymap and `update`, effects are answered at once from a backlog in memory.
use super::ci_fixture;
use super::fixture;
use jiff::SignedDuration;
use jiff::Timestamp;
use paramedic::backlog::ActionRequest;
use paramedic::backlog::CiAct;
use paramedic::backlog::Live;
use paramedic::backlog::Me;
use paramedic::console::action::Action;
use paramedic::console::action::Answer;
use paramedic::console::action::Outcome;
use paramedic::console::action::Refusal;
use paramedic::console::action::RequestId;
use paramedic::console::action::StoredOutput;
use paramedic::console::effect::Ask;
use paramedic::console::effect::Draft;
use paramedic::console::effect::Effect;
use paramedic::console::key::Code;
use paramedic::console::key::Key;
use paramedic::console::keymap::Keymap;
use paramedic::console::model::Model;
use paramedic::console::model::Opening;
use paramedic::console::recorder::Recorder;
use paramedic::console::recorder::frame;
use paramedic::console::theme::Theme;
use paramedic::console::update;
use paramedic::domain::{CiState, CiView, Role, RunDetail, RunId, Status, Summary};
use ratatui::buffer::Buffer;
use std::collections::BTreeMap;

/// A console and the world around it.
pub(super) struct Console {
    pub(super) model: Model,
    pub(super) runs: Vec<RunDetail>,
    pub(super) outputs: Vec<(String, String)>,
    pub(super) recorder: Recorder,
    pub(super) sent: Vec<(RunId, ActionRequest)>,
    pub(super) ci: CiView,
    /// What was done at the forge, and by whom.
    pub(super) done: Vec<(CiAct, String)>,
    /// The jobs whose logs were fetched.
    pub(super) fetched: Vec<u64>,
    pub(super) job_log: String,
    /// What became of the second job of every run, unless it is as it was.
    pub(super) job_state: Option<CiState>,
    pub(super) copied: Vec<String>,
    pub(super) drafts: BTreeMap<Draft, String>,
    /// What the person's editor leaves.
    pub(super) editor: Option<String>,
    /// What decisions are answered with; without it they succeed.
    pub(super) refusal: Option<Refusal>,
    /// What every reading is answered with, while there is such a thing.
    pub(super) outage: Option<Refusal>,
    /// Who the person is on the server.
    pub(super) me: Option<Me>,
    /// Requests that are kept back while `is_slow`.
    pub(super) held: Vec<(RequestId, Ask)>,
    pub(super) is_slow: bool,
    pub(super) has_quit: bool,
}

pub(super) fn opening() -> Opening {
    Opening {
        operator: "jdoe".to_owned(),
        server: None,
        read_only: false,
        columns: 80,
        rows: 24,
        now: fixture::noon(),
        run: None,
        in_tmux: false,
    }
}

impl Console {
    pub(super) fn new() -> Self {
        Self::with(&opening(), fixture::backlog())
    }

    pub(super) fn with(opening: &Opening, runs: Vec<RunDetail>) -> Self {
        Self::opened(opening, runs, None)
    }

    /// Opens on a backlog that cannot be read.
    pub(super) fn waiting(opening: &Opening, outage: Refusal) -> Self {
        Self::opened(opening, fixture::backlog(), Some(outage))
    }

    fn opened(opening: &Opening, runs: Vec<RunDetail>, outage: Option<Refusal>) -> Self {
        let mut console = Self {
            model: Model::new(opening, Keymap::load(None).unwrap()),
            runs,
            outputs: ["base.log", "test_output_attempt_1.log", "test_output_attempt_2.log"]
                .map(|it| (it.to_owned(), fixture::LOG.to_owned()))
                .to_vec(),
            recorder: Recorder::new(opening.clone(), None),
            sent: Vec::new(),
            ci: ci_fixture::view(),
            done: Vec::new(),
            fetched: Vec::new(),
            job_log: ci_fixture::JOB_LOG.to_owned(),
            job_state: None,
            copied: Vec::new(),
            drafts: BTreeMap::new(),
            editor: None,
            refusal: None,
            outage,
            me: Some(Me { name: "jdoe".to_owned(), role: Role::Operator }),
            held: Vec::new(),
            is_slow: false,
            has_quit: false,
        };
        let effects = update::open(&mut console.model);
        console.execute(effects);
        console
    }

    /// Presses keys, written with spaces between them.
    pub(super) fn press(&mut self, keys: &str) -> &mut Self {
        for key in keys.split_whitespace() {
            let key = key.parse().unwrap();
            self.key(key);
        }
        self
    }

    fn key(&mut self, key: Key) {
        if let Some(action) = self.model.keymap.translate(self.model.context(), key) {
            self.apply(action);
        }
    }

    /// Types a text, character by character.
    pub(super) fn write(&mut self, text: &str) -> &mut Self {
        for ch in text.chars() {
            self.key(Key::plain(Code::Char(ch)));
        }
        self
    }

    /// Lets time pass.
    pub(super) fn wait(&mut self, ms: i64) -> &mut Self {
        let now: Timestamp = self.model.now.checked_add(SignedDuration::from_millis(ms)).unwrap();
        self.apply(Action::Tick(now));
        self
    }

    pub(super) fn apply(&mut self, action: Action) {
        self.recorder.record(&action);
        let effects = update::update(&mut self.model, action);
        self.execute(effects);
    }

    fn execute(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Ask { request, ask } if self.is_slow => self.held.push((request, ask)),
                Effect::Ask { request, ask } => self.answer(request, ask),
                Effect::Quit => self.has_quit = true,
                Effect::Redraw | Effect::Suspend => {}
            }
        }
    }

    /// Answers what was kept back, the oldest first.
    pub(super) fn deliver(&mut self) -> &mut Self {
        self.is_slow = false;
        for (request, ask) in std::mem::take(&mut self.held) {
            self.answer(request, ask);
        }
        self
    }

    fn answer(&mut self, request: RequestId, ask: Ask) {
        let answer = self.find(ask);
        self.apply(Action::Answered { request, answer: Box::new(answer) });
    }

    fn find(&mut self, ask: Ask) -> Answer {
        let is_far = matches!(
            ask,
            Ask::Queue
                | Ask::Run(_)
                | Ask::Outputs(_)
                | Ask::Output(..)
                | Ask::Live(_)
                | Ask::Me
                | Ask::Reread(_)
                | Ask::Ci
                | Ask::CiJobs(..)
                | Ask::CiLog(..)
                | Ask::CiDeployments(..)
        );
        if let Some(refusal) = self.outage.clone().filter(|_| is_far) {
            return Answer::Refused(refusal);
        }
        match ask {
            Ask::Queue => self.queue(),
            Ask::Run(id) => self
                .runs
                .iter()
                .find(|it| it.run.id == id)
                .cloned()
                .map_or_else(|| Answer::Refused(Refusal::failed("no such run")), |it| Answer::Run(Box::new(it))),
            Ask::Outputs(_) => {
                Answer::Outputs(self.outputs.iter().map(|(name, text)| (name.clone(), text.len() as u64)).collect())
            }
            Ask::Output(_, name) => {
                let found = self.outputs.iter().find(|(it, _)| *it == name);
                let output = found.map(|(_, text)| StoredOutput { text: text.clone(), dropped_bytes: 0 });
                Answer::Output { name, output }
            }
            Ask::Live(_) => Answer::Live(Some(Live {
                phase: "attempt 1: proving".to_owned(),
                tail: "collected 417 items\ntests/test_api.py ......".to_owned(),
                updated_at: self.model.now,
            })),
            Ask::Me => Answer::Me(self.me.clone()),
            Ask::Reread(id) => self.find(Ask::Run(id)),
            Ask::Act(id, request) => self.act(id, request),
            Ask::Ci => Answer::Ci(Box::new(CiView { now: self.model.now, ..self.ci.clone() })),
            Ask::CiJobs(repository, run, attempt) => {
                let seen = self.ci.pictures.iter().flat_map(|it| &it.runs).find(|it| it.run.id == run);
                let latest = seen.map_or(1, |it| it.run.attempt);
                let mut jobs = ci_fixture::jobs(run, attempt.unwrap_or(latest));
                if let Some(state) = self.job_state {
                    jobs[1].state = state;
                }
                Answer::CiJobs { repository, run, attempt, jobs }
            }
            Ask::CiLog(_, job) => {
                self.fetched.push(job);
                Answer::CiLog { job, output: StoredOutput { text: self.job_log.clone(), dropped_bytes: 0 } }
            }
            Ask::CiDeployments(repository, run) => {
                Answer::CiDeployments { repository, run, waiting: ci_fixture::waiting() }
            }
            Ask::CiAct(act, by) => {
                let message = format!("GitHub was asked to {} run {} of {}", act.kind, act.run, act.repository);
                self.done.push((act, by));
                self.refusal.take().map_or(Answer::CiActed(message), Answer::Refused)
            }
            Ask::LoadDraft(draft) => Answer::Draft { path: path(draft), text: self.drafts.get(&draft).cloned() },
            Ask::SaveDraft(draft, text) => {
                self.drafts.insert(draft, text);
                Answer::Saved { path: path(draft) }
            }
            Ask::DropDraft(draft) => {
                self.drafts.remove(&draft);
                Answer::Saved { path: path(draft) }
            }
            Ask::Edit(draft, text) => {
                let text = self.editor.take().unwrap_or(text);
                self.drafts.insert(draft, text.clone());
                Answer::Edited { text }
            }
            Ask::Copy(text) => {
                let bytes = text.len();
                self.copied.push(text);
                Answer::Copied { bytes }
            }
        }
    }

    fn queue(&self) -> Answer {
        let runs: Vec<_> = self.runs.iter().map(|it| it.run.clone()).collect();
        let rows = runs.iter().map(|it| (it.status, matches!(it.status, Status::Fixed | Status::Resolved), 1));
        Answer::Queue { total: runs.len() as u64, summary: Summary::from_rows(rows), runs }
    }

    fn act(&mut self, id: RunId, request: ActionRequest) -> Answer {
        self.sent.push((id, request));
        if let Some(refusal) = self.refusal.take() {
            return Answer::Refused(refusal);
        }
        let detail = self.runs.iter_mut().find(|it| it.run.id == id).unwrap();
        detail.run.version += 1;
        detail.run.status = Status::Resolved;
        Answer::Acted(Box::new(Outcome {
            run: detail.run.clone(),
            message: "one commit on a new branch; merge it with\ngit merge heal/3f1c9a00-11b2c3d4".to_owned(),
            is_repeat: false,
            needs_second_key: false,
        }))
    }

    pub(super) fn buffer(&self) -> Buffer {
        frame(&self.model, &Theme::named("dark").unwrap())
    }

    /// Returns what is on the screen as lines of text.
    pub(super) fn screen(&self) -> String {
        text(&self.buffer())
    }

    /// Returns the screen in a window of another size.
    pub(super) fn screen_at(&mut self, columns: u16, rows: u16) -> String {
        self.apply(Action::Resize { columns, rows });
        self.screen()
    }
}

fn path(draft: Draft) -> std::path::PathBuf {
    std::path::Path::new("~/.local/state/paramedic/drafts").join(draft.file_name())
}

/// Returns the text of a frame without trailing blanks.
pub(super) fn text(buffer: &Buffer) -> String {
    let mut lines = Vec::new();
    for y in buffer.area.y..buffer.area.bottom() {
        let mut line = String::new();
        let mut x = buffer.area.x;
        while x < buffer.area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(unicode_width::UnicodeWidthStr::width(symbol)).unwrap().max(1);
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n") + "\n"
}
