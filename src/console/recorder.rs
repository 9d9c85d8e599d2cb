//! Remembers every action of a session: a bug report is a recording, a screenshot is a recording replayed.
use crate::console::action::Action;
use crate::console::action::Answer;
use crate::console::keymap::Keymap;
use crate::console::model::Model;
use crate::console::model::Opening;
use crate::console::theme::Theme;
use crate::console::update;
use crate::console::view::view;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use std::collections::VecDeque;
use std::io;
use std::io::Write;

/// How many actions are remembered.
const CAPACITY: usize = 10_000;
/// How much of one stored output is recorded.
const MAX_OUTPUT_BYTES: usize = 256 * 1024;

/// A ring of the latest actions, and where to write them as they come.
pub struct Recorder {
    opening: Opening,
    actions: VecDeque<Action>,
    sink: Option<Box<dyn Write + Send>>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder")
            .field("opening", &self.opening)
            .field("actions", &self.actions.len())
            .finish_non_exhaustive()
    }
}

impl Recorder {
    /// Begins a recording; with a sink, its first line is the opening.
    pub fn new(opening: Opening, mut sink: Option<Box<dyn Write + Send>>) -> Self {
        if sink.as_mut().is_some_and(|it| write_line(it, &opening).is_err()) {
            sink = None;
        }
        Self { opening, actions: VecDeque::new(), sink }
    }

    /// Remembers an action before `update` sees it. Of several ticks in a row only the last matters.
    pub fn record(&mut self, action: &Action) {
        let action = bounded(action);
        if let Some(sink) = &mut self.sink
            && write_line(sink, &action).is_err()
        {
            // A full disk must not end the session; the ring goes on.
            self.sink = None;
        }
        if matches!((&action, self.actions.back()), (Action::Tick(_), Some(Action::Tick(_)))) {
            self.actions.pop_back();
        }
        if self.actions.len() == CAPACITY {
            self.actions.pop_front();
        }
        self.actions.push_back(action);
    }

    /// Returns the session as JSON lines: the opening, then one action a line.
    pub fn dump(&self) -> Result<String, serde_json::Error> {
        let mut lines = vec![serde_json::to_string(&self.opening)?];
        for action in &self.actions {
            lines.push(serde_json::to_string(action)?);
        }
        Ok(lines.join("\n") + "\n")
    }
}

fn write_line(sink: &mut Box<dyn Write + Send>, value: &impl serde::Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    sink.write_all(&line)
}

/// Returns the action with what is too long to record cut.
fn bounded(action: &Action) -> Action {
    let mut action = action.clone();
    if let Action::Answered { answer, .. } = &mut action
        && let Answer::Output { output: Some(output), .. } | Answer::CiLog { output, .. } = &mut **answer
        && output.text.len() > MAX_OUTPUT_BYTES
    {
        let mut end = MAX_OUTPUT_BYTES;
        while !output.text.is_char_boundary(end) {
            end -= 1;
        }
        output.dropped_bytes += (output.text.len() - end) as u64;
        output.text.truncate(end);
    }
    action
}

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[error("recording, line {line}: {source}")]
pub struct RecordingError {
    pub line: usize,
    #[source]
    pub source: serde_json::Error,
}

/// Reads a session from JSON lines.
pub fn parse(text: &str) -> Result<(Opening, Vec<Action>), RecordingError> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let opening = serde_json::from_str(first).map_err(|source| RecordingError { line: 1, source })?;
    let lines = rest.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let actions = lines
        .map(|(idx, line)| serde_json::from_str(line).map_err(|source| RecordingError { line: idx + 2, source }))
        .collect::<Result<_, _>>()?;
    Ok((opening, actions))
}

/// Replays a session through the real `update` and `view` in a window of another size. Nothing is executed, so it can do no harm.
pub fn replay(opening: &Opening, actions: &[Action], size: (u16, u16), theme: &Theme) -> Buffer {
    let (columns, rows) = size;
    let opening = Opening { columns, rows, ..opening.clone() };
    let mut model = Model::new(&opening, Keymap::load(None).unwrap_or_default());
    update::open(&mut model);
    for action in actions.iter().filter(|it| !matches!(it, Action::Resize { .. })) {
        update::update(&mut model, action.clone());
    }
    frame(&model, theme)
}

/// Draws one frame of a model.
pub fn frame(model: &Model, theme: &Theme) -> Buffer {
    let Ok(mut terminal) = Terminal::new(TestBackend::new(model.columns, model.rows));
    let Ok(_) = terminal.draw(|frame| view(model, theme, frame));
    terminal.backend().buffer().clone()
}
