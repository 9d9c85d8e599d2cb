//! The real terminal: modes on, modes off, frames, clipboard. Whatever ends the session, the modes are put back.
use crate::console::key::Code;
use crate::console::key::Key;
use crate::console::model::Model;
use crate::console::theme::Theme;
use crate::console::view::view;
use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::DisableBracketedPaste;
use crossterm::event::EnableBracketedPaste;
use crossterm::event::Event;
use crossterm::event::EventStream;
use crossterm::event::KeyCode;
use crossterm::event::KeyEvent;
use crossterm::event::KeyEventKind;
use crossterm::event::KeyModifiers;
use crossterm::execute;
use crossterm::style::ResetColor;
use crossterm::terminal::EnterAlternateScreen;
use crossterm::terminal::LeaveAlternateScreen;
use futures::Stream;
use futures::StreamExt as _;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use std::io;
use std::io::Stdout;
use std::pin::Pin;
use std::sync::Once;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

/// Base64 characters that terminals take in one OSC 52 sequence.
const MAX_CLIPBOARD_CHARS: usize = 74_994;

/// What a terminal tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Key(Key),
    Paste(String),
    Resize(u16, u16),
}

/// A stream of what a terminal tells; its end means that the terminal is gone.
pub type Inputs = Pin<Box<dyn Stream<Item = io::Result<Input>> + Send>>;

/// What the runtime needs of a terminal; tests bring their own.
pub trait Surface: Send {
    /// Returns columns and rows.
    fn size(&self) -> io::Result<(u16, u16)>;
    /// Draws what differs from the frame before.
    fn draw(&mut self, model: &Model, theme: &Theme) -> io::Result<()>;
    /// Makes the next frame a whole one.
    fn clear(&mut self) -> io::Result<()>;
    /// Sends a text to the terminal's clipboard; returns how many bytes were sent.
    fn copy(&mut self, text: &str) -> io::Result<usize>;
    /// Takes the terminal over.
    fn enter(&mut self) -> io::Result<()>;
    /// Gives the terminal back.
    fn leave(&mut self) -> io::Result<()>;
    /// Returns what the terminal tells from now on.
    fn inputs(&mut self) -> Inputs;
}

static IS_ENTERED: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// Puts the terminal's modes back, if they were changed. The one function for every way out.
pub fn restore() -> io::Result<()> {
    if !IS_ENTERED.swap(false, Ordering::SeqCst) {
        return Ok(());
    }
    let shown = execute!(io::stdout(), DisableBracketedPaste, ResetColor, LeaveAlternateScreen, Show);
    crossterm::terminal::disable_raw_mode().and(shown)
}

/// A panic puts the modes back before the report is printed.
fn install_hook() {
    HOOK.call_once(|| {
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let _ = restore();
            next(info);
        }));
    });
}

/// Standard output as a full-screen terminal.
#[derive(Debug)]
pub struct RealTerminal {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl RealTerminal {
    /// Takes the terminal over until this is dropped.
    pub fn open() -> io::Result<Self> {
        install_hook();
        let mut real = Self { terminal: Terminal::new(CrosstermBackend::new(io::stdout()))? };
        real.enter()?;
        Ok(real)
    }
}

impl Drop for RealTerminal {
    fn drop(&mut self) {
        let _ = restore();
    }
}

impl Surface for RealTerminal {
    fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    fn draw(&mut self, model: &Model, theme: &Theme) -> io::Result<()> {
        self.terminal.draw(|frame| view(model, theme, frame)).map(drop)
    }

    fn clear(&mut self) -> io::Result<()> {
        // `Terminal::clear` asks the terminal where the cursor is, and the answer would get lost among the keys.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::new(0, 0, size.width, size.height))
    }

    fn copy(&mut self, text: &str) -> io::Result<usize> {
        if MAX_CLIPBOARD_CHARS < text.len().div_ceil(3) * 4 {
            return Err(io::Error::other("too long for the terminal's clipboard; `paramedic diff` and `log` print it"));
        }
        execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text))?;
        Ok(text.len())
    }

    fn enter(&mut self) -> io::Result<()> {
        IS_ENTERED.store(true, Ordering::SeqCst);
        crossterm::terminal::enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
        self.terminal.hide_cursor()?;
        self.clear()
    }

    fn leave(&mut self) -> io::Result<()> {
        restore()
    }

    fn inputs(&mut self) -> Inputs {
        Box::pin(EventStream::new().filter_map(|event| async move { event.map(input_of).transpose() }))
    }
}

/// Returns what an event means to us, if anything.
pub fn input_of(event: Event) -> Option<Input> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => key_of(key).map(Input::Key),
        Event::Paste(text) => Some(Input::Paste(text)),
        Event::Resize(columns, rows) => Some(Input::Resize(columns, rows)),
        _ => None,
    }
}

fn key_of(event: KeyEvent) -> Option<Key> {
    let code = match event.code {
        KeyCode::Char(ch) => Code::Char(ch),
        KeyCode::Enter => Code::Enter,
        KeyCode::Esc => Code::Esc,
        KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => Code::BackTab,
        KeyCode::Tab => Code::Tab,
        KeyCode::BackTab => Code::BackTab,
        KeyCode::Backspace => Code::Backspace,
        KeyCode::Delete => Code::Delete,
        KeyCode::Up => Code::Up,
        KeyCode::Down => Code::Down,
        KeyCode::Left => Code::Left,
        KeyCode::Right => Code::Right,
        KeyCode::Home => Code::Home,
        KeyCode::End => Code::End,
        KeyCode::PageUp => Code::PageUp,
        KeyCode::PageDown => Code::PageDown,
        KeyCode::F(n) => Code::F(n),
        _ => return None,
    };
    let has = |modifier| event.modifiers.contains(modifier);
    Some(Key { code, ctrl: has(KeyModifiers::CONTROL), alt: has(KeyModifiers::ALT) })
}

/// Returns the width of the terminal in columns, `None` without one.
pub fn columns() -> Option<u16> {
    crossterm::terminal::size().ok().map(|(columns, _)| columns)
}
