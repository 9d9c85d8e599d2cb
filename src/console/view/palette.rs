//! The command palette, over the screen.
use crate::console::layout;
use crate::console::model::Model;
use crate::console::model::overlay::palette_commands;
use crate::console::theme::Role;
use crate::console::view::chrome::field;
use crate::console::view::paint::Pen;
use crate::console::view::paint::line_at;
use crate::console::view::paint::piece;
use ratatui::layout::Rect;

/// Draws the palette, if it is open.
pub fn view(model: &Model, pen: &mut Pen<'_>, body: Rect) {
    let Some(palette) = &model.palette else { return };
    let commands = palette_commands(model);
    let area = layout::centred(body, 66.min(body.width.saturating_sub(4)), 16);
    pen.fill(area, Role::DialogText);
    let title = [piece("Command palette", Role::Title)];
    let inside = pen.frame(area, &title, "enter run   esc close", true);
    let at = pen.put(inside.x + 1, inside.y, 2, ":", Role::Label) + 1;
    field(pen, Rect { x: at, width: inside.right().saturating_sub(at + 1), y: inside.y, height: 1 }, &palette.field);
    let rows = usize::from(inside.height.saturating_sub(1));
    let offset = layout::keep_visible(0, palette.selected, rows);
    for (idx, binding) in commands.iter().enumerate().skip(offset).take(rows) {
        let line = line_at(inside, idx - offset + 1);
        if idx == palette.selected {
            pen.tint(line, Role::Selection);
            pen.put(line.x, line.y, 1, "▌", Role::BorderFocused);
        }
        let role = if binding.command.is_decision() { Role::HintDecide } else { Role::Text };
        pen.put(line.x + 2, line.y, 18, binding.command.as_str(), role);
        pen.put(line.x + 21, line.y, 8, &binding.keys.first().map(|it| it.label()).unwrap_or_default(), Role::HintKey);
        pen.put(line.x + 30, line.y, line.width.saturating_sub(31), &binding.about, Role::Dim);
    }
    if commands.is_empty() {
        pen.put(inside.x + 2, inside.y + 1, inside.width, "no command has these letters", Role::Dim);
    }
}
