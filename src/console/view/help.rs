//! The help, drawn from the keymap.
use crate::console::model::Model;
use crate::console::model::overlay::HelpLine;
use crate::console::model::overlay::help_lines;
use crate::console::theme::Role;
use crate::console::view::paint::Pen;
use crate::console::view::paint::line_at;
use crate::console::view::paint::piece;
use ratatui::layout::Rect;

const KEYS: u16 = 18;

/// Draws the help; two columns where there is room.
pub fn view(model: &Model, pen: &mut Pen<'_>, body: Rect) {
    let context = model.help.about.context();
    let filter = if model.help.filter.is_empty() { String::new() } else { format!("search: {}", model.help.filter) };
    let title = [piece(format!("Help · {context}"), Role::Title), piece("  from your keymap", Role::Dim)];
    let inside = pen.frame(body, &title, &filter, true);
    let lines = help_lines(model);
    if lines.is_empty() {
        pen.put(inside.x + 2, inside.y + 1, inside.width, "no key has these words", Role::Dim);
        return;
    }
    let rows = usize::from(inside.height);
    let n_columns: u16 = if inside.width >= 110 { 2 } else { 1 };
    let width = inside.width / n_columns;
    let shown = lines.iter().skip(model.help.offset).take(rows * usize::from(n_columns));
    for (idx, line) in shown.enumerate() {
        let column = u16::try_from(idx / rows).unwrap_or(0);
        let area = Rect { x: inside.x + column * width, width, ..line_at(inside, idx % rows) };
        draw(pen, area, line);
    }
}

fn draw(pen: &mut Pen<'_>, area: Rect, line: &HelpLine) {
    match line {
        HelpLine::Heading(text) => {
            pen.put(area.x + 1, area.y, area.width.saturating_sub(1), text, Role::Title);
        }
        HelpLine::Entry { keys, about, is_decision } => {
            let role = if *is_decision { Role::HintDecide } else { Role::HintKey };
            pen.put(area.x + 3, area.y, KEYS, keys, role);
            let at = area.x + 4 + KEYS;
            pen.put(at, area.y, area.right().saturating_sub(at + 1), about, Role::Text);
        }
        HelpLine::Blank => {}
    }
}
