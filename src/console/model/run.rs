//! The run screen: attempts, timeline, output.
use crate::console::model::Model;
use crate::console::model::focus::Focus;
use crate::domain::Attempt;

/// The panes of the run screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pane {
    #[default]
    Attempts,
    Timeline,
    Output,
}

impl Pane {
    /// Returns the pane after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::Attempts => Self::Timeline,
            Self::Timeline => Self::Output,
            Self::Output => Self::Attempts,
        }
    }

    /// Returns the pane before this one.
    #[must_use]
    pub const fn previous(self) -> Self {
        self.next().next()
    }
}

/// What is selected and how far things are scrolled.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunPage {
    pub pane: Pane,
    /// The attempt chosen by hand; without one, the candidate or the latest.
    pub attempt: Option<u32>,
    /// Rows that the timeline is scrolled up from its end.
    pub timeline_back: usize,
    /// Rows that the output is scrolled up from its end.
    pub output_back: usize,
}

impl RunPage {
    /// Returns the attempt that the screen is about.
    pub fn selected<'a>(&self, focus: &'a Focus) -> Option<&'a Attempt> {
        let attempts = &focus.detail.as_ref()?.attempts;
        let chosen = self.attempt.and_then(|no| attempts.iter().find(|it| it.attempt_no == no));
        chosen.or_else(|| attempts.last().filter(|it| it.proposed_fix.is_none())).or_else(|| focus.candidate())
    }
}

/// Returns what the output pane shows: what is being printed now, else the end of the selected attempt's proof.
pub fn output_text(model: &Model) -> &str {
    let Some(focus) = &model.focus else { return "" };
    if let Some(live) = &focus.live {
        return &live.tail;
    }
    model.run.selected(focus).map_or("", |it| it.validation_log.as_str())
}
