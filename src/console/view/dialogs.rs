//! A decision being asked, sent, done or refused.
use crate::backlog::ActionKind;
use crate::console::action::Command;
use crate::console::action::RefusalKind;
use crate::console::keymap::Context;
use crate::console::layout;
use crate::console::model::Model;
use crate::console::model::dialog::Dialog;
use crate::console::model::dialog::Spot;
use crate::console::model::dialog::Stage;
use crate::console::theme::Role;
use crate::console::view::chrome::field;
use crate::console::view::paint::Pen;
use crate::console::view::paint::height_of;
use crate::console::view::paint::line_at;
use crate::console::view::paint::piece;
use crate::console::view::paint::wrap_words;
use ratatui::layout::Rect;

const WIDTH: u16 = 74;
const LABEL: u16 = 9;

/// One line of a dialog.
enum Line<'a> {
    Fact(&'a str, String, Role),
    Field(&'a str, Spot, &'a crate::console::model::field::Field),
    Blank,
}

/// Draws the dialog, if one is open.
pub fn view(model: &Model, pen: &mut Pen<'_>, body: Rect) {
    let Some(dialog) = &model.dialog else { return };
    let width = WIDTH.min(body.width.saturating_sub(2));
    let lines = lines(model, dialog, usize::from(width.saturating_sub(4 + LABEL)));
    let area = layout::centred(body, width, height_of(lines.len() + 2));
    pen.fill(area, Role::DialogText);
    let role = if dialog.deed.is_danger() { Role::DialogDanger } else { Role::DialogBorder };
    let inside = pen.frame_in(area, &[piece(dialog.title.clone(), role)], "", role, true);
    let inside = Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside };
    // The last lines say how to answer; when there is no room they stay and facts go.
    let hidden = lines.len().saturating_sub(usize::from(inside.height));
    let n_facts = lines.iter().take_while(|it| matches!(it, Line::Fact(label, ..) if !label.is_empty())).count();
    let kept = lines.iter().enumerate().filter(|(idx, _)| *idx >= n_facts || *idx + hidden < n_facts).map(|(_, it)| it);
    for (idx, line) in kept.take(usize::from(inside.height)).enumerate() {
        let row = line_at(inside, idx);
        draw(pen, row, line, dialog);
    }
}

fn draw(pen: &mut Pen<'_>, row: Rect, line: &Line<'_>, dialog: &Dialog) {
    match line {
        Line::Fact(label, text, role) => {
            pen.put(row.x, row.y, LABEL, label, Role::Label);
            let indent = if label.is_empty() { 0 } else { LABEL };
            pen.put(row.x + indent, row.y, row.width.saturating_sub(indent), text, *role);
        }
        Line::Field(label, spot, content) => {
            let is_here = dialog.spot == *spot;
            let at = pen.put(row.x, row.y, row.width, label, if is_here { Role::Strong } else { Role::Label }) + 1;
            let rest = Rect { x: at, width: row.right().saturating_sub(at), ..row };
            if is_here {
                field(pen, rest, content);
            } else {
                pen.put(rest.x, rest.y, rest.width, &content.text(), Role::Field);
            }
        }
        Line::Blank => {}
    }
}

fn lines<'a>(model: &Model, dialog: &'a Dialog, width: usize) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> =
        dialog.facts.iter().map(|(label, text)| Line::Fact(label.as_str(), text.clone(), Role::DialogText)).collect();
    for warning in &dialog.warnings {
        lines.push(Line::Fact("", format!("⚠ {warning}"), Role::Warning));
    }
    lines.push(Line::Blank);
    match &dialog.stage {
        Stage::Asking => asking(model, dialog, &mut lines, width + usize::from(LABEL)),
        Stage::Sending => {
            lines.push(Line::Fact("", "sending…".to_owned(), Role::StatusHealing));
            lines.push(Line::Fact("", "esc closes this; the answer is told at the foot".to_owned(), Role::Dim));
        }
        Stage::Done(outcome) => {
            if let Some((kind, _)) = dialog.decision() {
                let (word, role) = done_word(kind, outcome.is_repeat, outcome.needs_second_key);
                lines.push(Line::Fact("", word.to_owned(), role));
            }
            let width = width + usize::from(LABEL);
            let merge = outcome.run.merge_command();
            match &merge {
                Some(merge) => {
                    paragraph(&mut lines, "Nothing is merged yet. This does it:", width, Role::DialogText);
                    paragraph(&mut lines, merge, width, Role::Strong);
                }
                None => paragraph(&mut lines, &outcome.message, width, Role::DialogText),
            }
            lines.push(Line::Blank);
            let what = if merge.is_some() { "copy the command" } else { "copy this" };
            lines.push(Line::Fact("", format!("y = {what}   esc = close"), Role::Dim));
        }
        Stage::Told(message) => {
            lines.push(Line::Fact("", "✓ DONE".to_owned(), Role::NoticeGood));
            paragraph(&mut lines, message, width + usize::from(LABEL), Role::DialogText);
            lines.push(Line::Blank);
            lines.push(Line::Fact("", "y = copy this   esc = close".to_owned(), Role::Dim));
        }
        Stage::Refused(refusal) => {
            paragraph(&mut lines, &format!("✗ {}", refusal.text), width + usize::from(LABEL), Role::NoticeBad);
            let after = match refusal.kind {
                RefusalKind::Unreachable if dialog.decision().is_none() => {
                    "It is not sent again by itself: look at the run first."
                }
                RefusalKind::Unreachable => "It is not sent again by itself; what became of it is told at the foot.",
                RefusalKind::Failed => "Whether it was done is not known: read the run before you decide again.",
                _ => "Nothing was changed.",
            };
            lines.push(Line::Fact("", after.to_owned(), Role::Strong));
            lines.push(Line::Blank);
            lines.push(Line::Fact("", "r = read the run again   esc = close".to_owned(), Role::Dim));
        }
    }
    lines
}

fn asking<'a>(model: &Model, dialog: &'a Dialog, lines: &mut Vec<Line<'a>>, width: usize) {
    if let Some(challenge) = &dialog.challenge {
        lines.push(Line::Fact("", challenge.why.clone(), Role::Warning));
        lines.push(Line::Field("type it:", Spot::Challenge, &challenge.field));
    }
    let label = if dialog.needs_note { "reason (goes to the next attempt):" } else { "note (may stay empty):" };
    lines.push(Line::Field(label, Spot::Note, &dialog.note));
    lines.push(Line::Blank);
    if let Some(hint) = &dialog.hint {
        paragraph(lines, &format!("⚠ {hint}"), width, Role::Warning);
    }
    let verb = dialog.deed.verb();
    let key = |command| model.keymap.key_of(Context::Dialog, command).unwrap_or("-".to_owned());
    let text = if dialog.is_typing() {
        "enter or esc leaves the text; then y confirms".to_owned()
    } else {
        let (yes, tab, no) = (key(Command::Confirm), key(Command::Field), key(Command::Cancel));
        format!("{yes} = {verb}   {tab} = text   [ {no} = cancel ]   (enter does nothing)")
    };
    let role = if dialog.is_deaf(model.now) { Role::Dim } else { Role::Strong };
    lines.push(Line::Fact("", text, role));
}

const fn done_word(kind: ActionKind, is_repeat: bool, needs_second_key: bool) -> (&'static str, Role) {
    if is_repeat && needs_second_key {
        return ("⚑ THE FIRST KEY WAS KEPT BEFORE; another person must approve too", Role::StatusNeedsYou);
    }
    if is_repeat {
        return ("· that was done before; nothing changed", Role::NoticeInfo);
    }
    match kind {
        ActionKind::Approve if needs_second_key => {
            ("⚑ FIRST KEY KEPT; another person must approve too", Role::StatusNeedsYou)
        }
        ActionKind::Approve => ("✓ APPROVED", Role::NoticeGood),
        ActionKind::Deny => ("✗ DENIED", Role::NoticeGood),
        ActionKind::Abort => ("⊘ ABORTED", Role::NoticeGood),
        ActionKind::Retry => ("○ QUEUED again", Role::NoticeGood),
        ActionKind::Publish => ("✓ ASKED FOR", Role::NoticeGood),
        ActionKind::HumanFix => ("○ SENT; it is healed like any other attempt", Role::NoticeGood),
    }
}

fn paragraph(lines: &mut Vec<Line<'_>>, text: &str, width: usize, role: Role) {
    lines.extend(wrap_words(text, width).into_iter().map(|it| Line::Fact("", it, role)));
}
