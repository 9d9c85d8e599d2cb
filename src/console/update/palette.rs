//! The command palette: type a few letters, run the command by name.
use crate::console::action::Command;
use crate::console::effect::Effect;
use crate::console::key::Key;
use crate::console::model::Model;
use crate::console::model::Tone;
use crate::console::model::overlay::Palette;
use crate::console::model::overlay::palette_commands;
use crate::console::update::motion;
use crate::console::update::run_on_screen;

/// Opens the palette.
pub fn open(model: &mut Model) -> Vec<Effect> {
    model.palette = Some(Palette::default());
    Vec::new()
}

/// Runs a command while the palette is open. Choosing a decision only opens its dialog.
pub fn run(model: &mut Model, command: Command) -> Vec<Effect> {
    let commands = palette_commands(model);
    let Some(palette) = &mut model.palette else { return Vec::new() };
    match command {
        Command::Leave => model.palette = None,
        Command::Accept => {
            let chosen = commands.get(palette.selected).map(|it| it.command);
            model.palette = None;
            match chosen {
                Some(chosen) => return run_on_screen(model, chosen),
                None => model.say(Tone::Bad, "no such command"),
            }
        }
        _ => {
            if let Some(idx) = motion(command, palette.selected, commands.len(), 10) {
                palette.selected = idx;
            }
        }
    }
    Vec::new()
}

/// Types into the palette.
pub fn type_key(model: &mut Model, key: Key) {
    if let Some(palette) = &mut model.palette {
        palette.field.press(key);
        palette.selected = 0;
    }
}
