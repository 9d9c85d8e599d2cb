//! A fix by hand, until it is sent.
use crate::console::effect::Draft;
use crate::console::effect::DraftKind;
use crate::domain::RunId;
use jiff::Timestamp;
use ratatui_textarea::TextArea;
use std::path::PathBuf;

/// How much a draft holds.
pub const MAX_DRAFT_BYTES: usize = 1024 * 1024;

/// The ways to give a fix.
pub const CHOICES: &[(&str, DraftKind, &str)] = &[
    ("edit the candidate patch here", DraftKind::Patch, "a text area; the patch is judged like any other"),
    ("edit the candidate patch in your editor", DraftKind::Patch, "$VISUAL or $EDITOR"),
    ("give the agent a hint", DraftKind::Hint, "words, no patch; the next attempt is the agent's"),
];

/// What the screen shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Choosing,
    /// The draft is being read from disk.
    Loading,
    Editing,
}

/// A draft and where it is kept.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each answers another question about the draft")]
pub struct Fix {
    pub run: RunId,
    /// The version that was on the screen when the fix was begun.
    pub version: u64,
    pub choice: usize,
    pub stage: Stage,
    pub kind: DraftKind,
    pub area: TextArea<'static>,
    /// What a new patch draft starts from.
    pub candidate: String,
    pub path: Option<PathBuf>,
    /// Whether the text differs from what is on disk.
    pub is_dirty: bool,
    pub changed_at: Timestamp,
    /// Whether the draft was found on disk, from an earlier time.
    pub is_resumed: bool,
    /// Whether to go on to the person's editor once the draft is read.
    pub wants_editor: bool,
    /// Whether the person asked to look at the run again, so that the fix is bound to what they see next.
    pub is_following: bool,
    /// Whether a draft was read or written, so that there is something to send.
    pub has_draft: bool,
}

impl Fix {
    /// Returns the draft's name.
    pub const fn draft(&self) -> Draft {
        Draft { run: self.run, kind: self.kind }
    }

    /// Returns the text; a patch ends with a line break, as git wants it.
    pub fn text(&self) -> String {
        let mut text = self.area.lines().join("\n");
        if self.kind == DraftKind::Patch && !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}

/// Returns a text area that holds `text`.
pub fn area(text: &str) -> TextArea<'static> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut area = TextArea::new(text.split('\n').map(str::to_owned).collect());
    area.set_max_histories(200);
    area.set_hard_tab_indent(true);
    area
}
