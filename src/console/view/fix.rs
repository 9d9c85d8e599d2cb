//! A fix by hand: the choice, the text area, what happens next.
use crate::console::effect::DraftKind;
use crate::console::model::Model;
use crate::console::model::fix::CHOICES;
use crate::console::model::fix::Fix;
use crate::console::model::fix::Stage;
use crate::console::theme::Role;
use crate::console::view::paint::Pen;
use crate::console::view::paint::height_of;
use crate::console::view::paint::line_at;
use crate::console::view::paint::piece;
use crate::console::view::paint::wrap_words;
use crate::domain::Patch;
use crate::evidence::text::is_deceptive;
use ratatui::layout::Rect;
use ratatui::widgets::Widget as _;

/// Draws the fix screen.
pub fn view(model: &Model, pen: &mut Pen<'_>, body: Rect) {
    let Some(fix) = &model.fix else {
        let inside = pen.frame(body, &[piece("Your fix", Role::Title)], "", true);
        pen.put(inside.x + 1, inside.y, inside.width, "nothing is being fixed by hand; F on a run begins", Role::Dim);
        return;
    };
    match fix.stage {
        Stage::Choosing | Stage::Loading => choose(model, pen, body, fix),
        Stage::Editing => edit(pen, body, fix),
    }
}

fn choose(model: &Model, pen: &mut Pen<'_>, body: Rect, fix: &Fix) {
    let upper = Rect { height: height_of(CHOICES.len() * 2 + 3).min(body.height), ..body };
    let inside = pen.frame(upper, &[piece("How do you want to give the fix?", Role::Title)], "", true);
    for (idx, (name, _, about)) in CHOICES.iter().enumerate() {
        let line = line_at(inside, idx * 2 + 1);
        if idx == fix.choice {
            pen.tint(line, Role::Selection);
            pen.put(line.x + 1, line.y, 1, "▌", Role::BorderFocused);
        }
        pen.put(line.x + 3, line.y, line.width.saturating_sub(3), &format!("{}  {name}", idx + 1), Role::Text);
        if line.y + 1 < inside.bottom() {
            pen.put(line.x + 6, line.y + 1, line.width.saturating_sub(6), about, Role::Dim);
        }
    }
    let lower = Rect { y: upper.bottom(), height: body.bottom().saturating_sub(upper.bottom()), ..body };
    let inside = pen.frame(lower, &[piece("What happens next", Role::Title)], "", false);
    let mut lines = vec![(next(model, fix), Role::Text)];
    if fix.candidate.is_empty() {
        lines.push(("This run has no patch yet: a patch of yours starts from an empty text.".to_owned(), Role::Dim));
    }
    if let Some(path) = &fix.path {
        lines.push((format!("draft: {}", path.display()), Role::Dim));
    }
    if fix.stage == Stage::Loading {
        lines.push(("reading the draft…".to_owned(), Role::StatusHealing));
    }
    let mut y = inside.y;
    for (text, role) in lines {
        for line in wrap_words(&text, usize::from(inside.width.saturating_sub(2))) {
            if y < inside.bottom() {
                pen.put(inside.x + 1, y, inside.width.saturating_sub(2), &line, role);
                y += 1;
            }
        }
    }
}

fn next(model: &Model, fix: &Fix) -> String {
    let run = model.focus.as_ref().and_then(|it| it.detail.as_ref()).map(|it| &it.run);
    let no = run.map_or(1, |it| it.attempt_count + 1);
    match CHOICES[fix.choice].1 {
        DraftKind::Patch => format!(
            "Your patch becomes attempt {no}: the same guard judges it, the same tests prove it. Red? Then the loop goes on from it with a \
             fresh budget. Nothing is sent before you say y."
        ),
        DraftKind::Hint => format!(
            "Attempt {no} is the agent's, with your words in its context, and a fresh budget. Nothing is sent before you say y."
        ),
    }
}

fn edit(pen: &mut Pen<'_>, body: Rect, fix: &Fix) {
    let what = match fix.kind {
        DraftKind::Patch => {
            let (files, added, removed) = Patch(fix.text()).stat();
            format!("Your patch  {files} {} +{added} −{removed}", if files == 1 { "file" } else { "files" })
        }
        DraftKind::Hint => "Your words for the agent".to_owned(),
    };
    let mut title = vec![piece(what, Role::Title)];
    if fix.is_resumed {
        title.push(piece("  your earlier draft", Role::Note));
    }
    let hidden: usize = fix.area.lines().iter().map(|it| it.chars().filter(|ch| is_deceptive(*ch)).count()).sum();
    if hidden > 0 {
        title.push(piece(format!("  ⚠ {hidden} hidden characters"), Role::Warning));
    }
    let cursor = fix.area.cursor();
    let saved = if fix.is_dirty { "not saved yet" } else { "saved" };
    let path = fix.path.as_ref().map(|it| it.display().to_string()).unwrap_or_default();
    let foot = format!("{}:{}  {saved} {path}", cursor.0 + 1, cursor.1 + 1);
    let inside = pen.frame(body, &title, &foot, true);
    let mut area = fix.area.clone();
    let theme = pen.theme();
    area.set_style(theme.style(Role::Text));
    area.set_cursor_style(theme.style(Role::Cursor));
    area.set_cursor_line_style(ratatui::style::Style::default());
    area.set_line_number_style(theme.style(Role::LineNumber));
    (&area).render(inside, pen.buffer());
    tint(pen, inside);
}

/// Gives the lines of a patch the colours of a diff, as far as they can be told by their first sign.
fn tint(pen: &mut Pen<'_>, inside: Rect) {
    for y in inside.y..inside.bottom() {
        let text: String = (inside.x..inside.right()).map(|x| pen.buffer()[(x, y)].symbol().to_owned()).collect();
        let rest = text.trim_start().trim_start_matches(|it: char| it.is_ascii_digit());
        let role = match rest.strip_prefix(' ').unwrap_or(rest).chars().next() {
            Some('+') => Role::DiffAdded,
            Some('-') => Role::DiffRemoved,
            Some('@') => Role::DiffHunk,
            _ => continue,
        };
        let style = pen.theme().style(role);
        for x in inside.x..inside.right() {
            let cell = &mut pen.buffer()[(x, y)];
            let is_cursor = cell.modifier.contains(ratatui::style::Modifier::REVERSED);
            if !is_cursor {
                cell.set_style(style);
            }
        }
    }
}
