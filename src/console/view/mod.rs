//! Draws a model. Takes `&Model`, so drawing cannot change it, and cleans every text that is not the program's own.
pub mod chrome;
pub mod ci;
pub mod ci_run;
pub mod dialogs;
pub mod fix;
pub mod help;
pub mod log;
pub mod paint;
pub mod palette;
pub mod queue;
pub mod review;
pub mod run;
pub mod words;

use crate::console::layout;
use crate::console::model::Model;
use crate::console::model::Screen;
use crate::console::theme::Role;
use crate::console::theme::Theme;
use crate::console::view::paint::Pen;
use ratatui::Frame;

/// Draws the whole screen.
pub fn view(model: &Model, theme: &Theme, frame: &mut Frame<'_>) {
    // The window may be a moment ahead of the model; nothing is better than something beside it.
    let area = frame.area();
    if (area.width, area.height) != (model.columns, model.rows) {
        return;
    }
    let mut pen = Pen::new(frame.buffer_mut(), theme);
    pen.fill(pen.area(), Role::Text);
    if layout::is_too_small(model.columns, model.rows) {
        chrome::too_small(model, &mut pen);
    } else {
        let chrome = model.chrome();
        chrome::top(model, &mut pen, chrome.top);
        match model.screen() {
            Screen::Queue => queue::view(model, &mut pen, chrome.body),
            Screen::Run => run::view(model, &mut pen, chrome.body),
            Screen::Review => review::view(model, &mut pen, chrome.body),
            Screen::Log => log::view(model, &mut pen, chrome.body, model.log.as_ref()),
            Screen::Ci => ci::view(model, &mut pen, chrome.body),
            Screen::CiRun => ci_run::view(model, &mut pen, chrome.body),
            Screen::CiLog => log::view(model, &mut pen, chrome.body, model.ci_log.as_ref()),
            Screen::Fix => fix::view(model, &mut pen, chrome.body),
            Screen::Help => help::view(model, &mut pen, chrome.body),
        }
        chrome::hints(model, &mut pen, chrome.look, chrome.decide);
        chrome::status(model, &mut pen, chrome.status);
        palette::view(model, &mut pen, chrome.body);
        dialogs::view(model, &mut pen, chrome.body);
    }
    pen.scrub();
}
