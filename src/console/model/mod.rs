//! Everything the console knows: what is shown, what is typed, what is awaited, and the time. Pure.
pub mod ci;
pub mod ci_run;
pub mod dialog;
pub mod field;
pub mod fix;
pub mod focus;
pub mod log;
pub mod overlay;
pub mod queue;
pub mod requests;
pub mod review;
pub mod run;
pub mod server;

use crate::backlog::ActionKind;
use crate::console::effect::Ask;
use crate::console::effect::Draft;
use crate::console::effect::Effect;
use crate::console::keymap::Context;
use crate::console::keymap::Keymap;
use crate::console::layout;
use crate::console::layout::Chrome;
use crate::console::model::ci::Ci;
use crate::console::model::ci_run::CiRunPage;
use crate::console::model::dialog::Dialog;
use crate::console::model::field::Field;
use crate::console::model::fix::Fix;
use crate::console::model::fix::Stage;
use crate::console::model::focus::Focus;
use crate::console::model::log::Log;
use crate::console::model::overlay::HelpPage;
use crate::console::model::overlay::Palette;
use crate::console::model::overlay::Prompt;
use crate::console::model::queue::Queue;
use crate::console::model::requests::Requests;
use crate::console::model::review::Review;
use crate::console::model::run::RunPage;
use crate::console::model::server::Identity;
use crate::console::model::server::Lost;
use crate::console::model::server::Server;
use crate::domain::Digest;
use crate::domain::Role;
use crate::domain::RunId;
use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeSet;

/// What a session starts with; the first line of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opening {
    pub operator: String,
    /// Host and port of the server that is asked, if it is one.
    #[serde(default)]
    pub server: Option<String>,
    pub read_only: bool,
    pub columns: u16,
    pub rows: u16,
    pub now: Timestamp,
    /// The run to open at once.
    pub run: Option<RunId>,
    /// Whether a terminal multiplexer stands between us and the clipboard.
    pub in_tmux: bool,
}

/// The screens, the queue at the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Screen {
    Queue,
    Run,
    Review,
    Log,
    /// The workflow runs of the watched repositories.
    Ci,
    /// One of them.
    CiRun,
    /// The log of one of its jobs.
    CiLog,
    Fix,
    Help,
}

impl Screen {
    /// Whether it is about the forge's CI: then no key decides about a run of ours.
    pub const fn is_ci(self) -> bool {
        matches!(self, Self::Ci | Self::CiRun | Self::CiLog)
    }

    /// Returns the section of the keymap that belongs to the screen.
    pub const fn context(self) -> Context {
        match self {
            Self::Queue => Context::Queue,
            Self::Run => Context::Run,
            Self::Review => Context::Review,
            Self::Log => Context::Log,
            Self::Ci => Context::Ci,
            Self::CiRun => Context::CiRun,
            Self::CiLog => Context::CiLog,
            Self::Fix => Context::Fix,
            Self::Help => Context::Help,
        }
    }
}

/// How a notice is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Info,
    Good,
    Bad,
}

/// One sentence to the person, at the foot of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub tone: Tone,
    pub text: String,
    pub at: Timestamp,
}

/// Why the backlog cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutageKind {
    /// Something is wrong with it.
    Broken,
    /// The server does not answer.
    Offline,
    /// The server does not know who asks, or no longer.
    NotAuthenticated,
}

/// Since when the backlog could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    pub since: Timestamp,
    pub kind: OutageKind,
    pub why: String,
    /// How many tries failed in a row.
    pub tries: u32,
    pub retry_at: Timestamp,
}

/// The whole state of a session.
#[derive(Debug)]
pub struct Model {
    pub operator: String,
    /// The server that is asked; none = the backlog of this machine.
    pub server: Option<Server>,
    pub is_read_only: bool,
    pub in_tmux: bool,
    pub columns: u16,
    pub rows: u16,
    pub now: Timestamp,
    pub keymap: Keymap,
    /// Where the person came from; never empty, the queue at the bottom.
    pub stack: Vec<Screen>,
    pub queue: Queue,
    /// The run that the screens below the queue are about, or that the queue previews.
    pub focus: Option<Focus>,
    pub run: RunPage,
    pub review: Option<Review>,
    /// Patches that were open in the review.
    pub looked_at: BTreeSet<Digest>,
    pub log: Option<Log>,
    pub ci: Ci,
    pub ci_run: Option<CiRunPage>,
    /// The logs of the jobs of that run.
    pub ci_log: Option<Log>,
    pub fix: Option<Fix>,
    pub help: HelpPage,
    pub palette: Option<Palette>,
    pub prompt: Option<Prompt>,
    pub dialog: Option<Dialog>,
    pub notice: Option<Notice>,
    pub outage: Option<Outage>,
    /// When the backlog was last read without an error.
    pub read_at: Option<Timestamp>,
    pub interrupted_at: Option<Timestamp>,
    /// When live output was last asked for.
    pub run_polled_at: Option<Timestamp>,
    pub requests: Requests,
    /// The draft that belongs to the decision on its way.
    pub sent: Option<Draft>,
    /// The decision on its way, as it was sent.
    pub sending: Option<Lost>,
    /// A decision of which nobody knows whether it arrived.
    pub lost: Option<Lost>,
    /// What was written in a dialog that did not get through; the next one of its kind begins with it.
    pub kept_note: Option<(RunId, ActionKind, Field)>,
}

impl Model {
    /// Returns the state of a session that has just begun.
    pub fn new(opening: &Opening, keymap: Keymap) -> Self {
        Self {
            operator: opening.operator.clone(),
            server: opening.server.clone().map(Server::new),
            is_read_only: opening.read_only,
            in_tmux: opening.in_tmux,
            columns: opening.columns,
            rows: opening.rows,
            now: opening.now,
            keymap: if opening.read_only { keymap.read_only() } else { keymap },
            stack: if opening.run.is_some() { vec![Screen::Queue, Screen::Run] } else { vec![Screen::Queue] },
            queue: Queue { selected: opening.run, ..Queue::default() },
            focus: opening.run.map(Focus::new),
            run: RunPage::default(),
            review: None,
            looked_at: BTreeSet::new(),
            log: None,
            ci: Ci::default(),
            ci_run: None,
            ci_log: None,
            fix: None,
            help: HelpPage::default(),
            palette: None,
            prompt: None,
            dialog: None,
            notice: None,
            outage: None,
            read_at: None,
            interrupted_at: None,
            run_polled_at: None,
            requests: Requests::default(),
            sent: None,
            sending: None,
            lost: None,
            kept_note: None,
        }
    }

    /// Returns the screen on top.
    pub fn screen(&self) -> Screen {
        self.stack.last().copied().unwrap_or(Screen::Queue)
    }

    /// Returns where keys are looked up: what lies on top has them all.
    pub fn context(&self) -> Context {
        if let Some(dialog) = &self.dialog {
            return if dialog.is_typing() { Context::Typing } else { Context::Dialog };
        }
        if self.palette.is_some() {
            return Context::Palette;
        }
        if self.prompt.is_some() {
            return Context::Typing;
        }
        let is_editing = self.fix.as_ref().is_some_and(|it| it.stage == Stage::Editing);
        match self.screen() {
            Screen::Fix if is_editing => Context::Editor,
            screen => screen.context(),
        }
    }

    /// Returns the effect that asks for something; its answer counts until the next request of the same slot.
    pub fn ask(&mut self, ask: Ask) -> Effect {
        Effect::Ask { request: self.requests.begin(ask.slot(), self.now), ask }
    }

    /// Shows a sentence at the foot of the screen.
    pub fn say(&mut self, tone: Tone, text: impl Into<String>) {
        self.notice = Some(Notice { tone, text: text.into(), at: self.now });
    }

    /// Returns where things are on the screen. While the backlog cannot be read, a narrow window has two lines at the foot to say why: it must
    /// not take the place of the keys.
    pub fn chrome(&self) -> Chrome {
        let foot = if self.outage.is_some() && self.columns < 160 { 2 } else { 1 };
        layout::chrome(self.columns, self.rows, foot)
    }

    /// Returns why this person never decides here: it would only be refused, so it is not even asked.
    pub fn forbidden(&self) -> Option<String> {
        if self.is_read_only {
            return Some("read-only: decisions are off".to_owned());
        }
        let server = self.server.as_ref()?;
        let Identity::Known(me) = &server.identity else { return None };
        let may = me.role.includes(Role::Operator);
        (!may).then(|| format!("{} is a {} on {}: deciding needs an operator's token", me.name, me.role, server.place))
    }

    /// Returns why nothing can be decided now: what is not reached is not asked, and nothing waits to be sent later.
    pub fn undecidable(&self) -> Option<String> {
        let outage = self.outage.as_ref().filter(|_| self.server.is_some())?;
        let since = outage.since.strftime("%H:%M:%S");
        Some(match outage.kind {
            OutageKind::NotAuthenticated => format!("the server has not known you since {since}Z; nothing was sent"),
            OutageKind::Offline | OutageKind::Broken => {
                format!("offline since {since}Z: nothing was sent; decide when the server answers again")
            }
        })
    }

    /// Goes to a screen; a screen that is already below comes back to the top.
    pub fn go(&mut self, screen: Screen) {
        if let Some(idx) = self.stack.iter().position(|it| *it == screen) {
            self.stack.truncate(idx);
        }
        self.stack.push(screen);
    }
}
