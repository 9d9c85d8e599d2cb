//! The terminal console: `update` decides, `view` draws, the runtime acts.
//!
//! An input gets its meaning from the keymap and becomes an `Action`; `update` changes the `Model` and returns `Effect`s; the runtime executes
//! them beside the loop and their answers come back as actions. Whatever is drawn was cleaned before; no decision leaves without a dialog.
pub mod action;
pub mod effect;
pub mod key;
pub mod keymap;
pub mod layout;
pub mod theme;

pub mod document;
pub mod model;
pub mod update;
pub mod view;

pub mod effects;
pub mod picture;
pub mod recorder;
pub mod runtime;
pub mod terminal;

pub use runtime::ConsoleError;
pub use theme::ColorChoice;
pub use theme::ThemeChoice;

use crate::backlog::Backlog;
use crate::console::terminal::RealTerminal;
use crate::domain::RunId;
use jiff::Timestamp;
use std::fmt;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

/// Opens a file in the person's editor, at a line if one is given, and returns when it was closed.
pub type OpenEditor = Arc<dyn Fn(&Path, Option<u32>) -> io::Result<()> + Send + Sync>;
/// Stops this process (`SIGSTOP`, as `SIGTSTP` is listened to) and returns when it was continued.
pub type StopProcess = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;
/// Tells the time.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a session is started with.
#[derive(Clone)]
pub struct Options {
    /// The name that decisions are made under; on a server its own word counts.
    pub operator: String,
    /// Host and port of the server that is asked, if it is one.
    pub server: Option<String>,
    pub theme: ThemeChoice,
    pub color: ColorChoice,
    /// Whether only ASCII signs are drawn.
    pub is_ascii: bool,
    /// The person's own keymap, as text.
    pub keymap: Option<String>,
    /// Without keys that decide.
    pub read_only: bool,
    /// The private folder for drafts of human fixes.
    pub drafts: PathBuf,
    /// Where to write the session's actions.
    pub recording: Option<PathBuf>,
    /// Whether tmux stands between us and the clipboard.
    pub in_tmux: bool,
    /// The run to open at once.
    pub run: Option<RunId>,
    pub now: Now,
    pub open_editor: OpenEditor,
    pub stop_process: StopProcess,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("operator", &self.operator)
            .field("theme", &self.theme)
            .field("read_only", &self.read_only)
            .field("drafts", &self.drafts)
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}

/// Runs the console in this terminal until the person quits or the terminal is gone. The terminal's modes are put back in every case.
pub async fn run(backlog: Arc<dyn Backlog>, options: Options) -> Result<(), ConsoleError> {
    // Mistakes in settings are told on the plain terminal.
    keymap::Keymap::load(options.keymap.as_deref())?;
    theme::Theme::load(&options.theme, options.color)?;
    let mut terminal = RealTerminal::open()?;
    runtime::drive(backlog, options, &mut terminal).await
}
