//! The run: its attempts, its timeline, and what is being printed.
use crate::console::layout;
use crate::console::model::Model;
use crate::console::model::focus::Focus;
use crate::console::model::queue::age;
use crate::console::model::run::Pane;
use crate::console::model::run::output_text;
use crate::console::theme::Role;
use crate::console::view::paint::Pen;
use crate::console::view::paint::columns;
use crate::console::view::paint::line_at;
use crate::console::view::paint::piece;
use crate::console::view::paint::wrap_words;
use crate::console::view::words;
use crate::domain::Attempt;
use crate::domain::Event;
use crate::domain::EventType;
use crate::domain::Run;
use crate::domain::RunDetail;
use ratatui::layout::Rect;

/// Columns of an event before its words.
const EVENT_HEAD: u16 = 12;
/// Lines that the words of one event may take.
const EVENT_LINES: usize = 3;

/// Draws the run screen.
pub fn view(model: &Model, pen: &mut Pen<'_>, body: Rect) {
    let areas = layout::run(body);
    let Some((focus, detail)) = model.focus.as_ref().and_then(|it| Some((it, it.detail.as_ref()?))) else {
        let inside = pen.frame(body, &[piece("Run", Role::Title)], "", true);
        let refusal = model.focus.as_ref().and_then(|it| it.refusal.clone());
        pen.put(inside.x + 1, inside.y, inside.width, &refusal.unwrap_or("reading…".to_owned()), Role::Dim);
        return;
    };
    attempts(model, pen, areas.attempts, focus, detail);
    timeline(model, pen, areas.timeline, detail);
    output(model, pen, areas.output, focus);
}

fn attempts(model: &Model, pen: &mut Pen<'_>, area: Rect, focus: &Focus, detail: &RunDetail) {
    let run = &detail.run;
    let foot = format!("{} left of {}", run.budget, run.max_attempts);
    let inside = pen.frame(area, &[piece("Attempts", Role::Title)], &foot, model.run.pane == Pane::Attempts);
    let mut y = inside.y;
    pen.put(inside.x + 2, y, inside.width, "#  RESULT", Role::Label);
    let patch_x = inside.x + inside.width.saturating_sub(15);
    pen.put(patch_x, y, 7, "PATCH", Role::Label);
    pen.put(patch_x + 8, y, 6, "TIME", Role::Label);
    y += 1;
    let selected = model.run.selected(focus);
    let n_shown = usize::from(inside.height / 2).max(3);
    let first = detail.attempts.len().saturating_sub(n_shown);
    for attempt in &detail.attempts[first..] {
        let line = Rect { y, height: 1, ..inside };
        let is_selected = selected.is_some_and(|it| it.attempt_no == attempt.attempt_no);
        if is_selected {
            pen.tint(line, Role::Selection);
            pen.put(line.x, y, 1, "▌", Role::BorderFocused);
        }
        let (result, role) = words::result(attempt);
        pen.put(line.x + 2, y, 3, &attempt.attempt_no.to_string(), Role::Text);
        pen.put(line.x + 5, y, patch_x.saturating_sub(line.x + 6), &result, role);
        let digest = attempt.patch_digest.as_ref().map_or("-", |it| it.short());
        pen.put(patch_x, y, 7, digest, Role::Text);
        let is_timed = attempt.duration_ms > 0;
        let time = if is_timed { words::duration(attempt.duration_ms) } else { "-".to_owned() };
        pen.put(patch_x + 8, y, 6, &time, Role::Dim);
        y += 1;
    }
    if detail.attempts.is_empty() {
        pen.put(inside.x + 2, y, inside.width.saturating_sub(2), "none yet", Role::Dim);
        y += 1;
    }
    let width = usize::from(inside.width.saturating_sub(4));
    for (text, role) in detail.forge.iter().flat_map(words::at_forge) {
        for part in wrap_words(&text, width) {
            if y < inside.bottom() {
                pen.put(inside.x + 2, y, inside.width.saturating_sub(3), &part, role);
                y += 1;
            }
        }
    }
    let rest = Rect { y: y + 1, height: inside.bottom().saturating_sub(y + 1), ..inside };
    match selected {
        Some(attempt) => about(pen, rest, attempt, run),
        None => paragraph(pen, rest, &words::situation(run), Role::Text),
    }
}

fn about(pen: &mut Pen<'_>, area: Rect, attempt: &Attempt, run: &Run) {
    let mut lines: Vec<(String, Role)> = Vec::new();
    let width = usize::from(area.width.saturating_sub(2));
    let mut add = |text: String, role: Role| lines.extend(wrap_words(&text, width).into_iter().map(|it| (it, role)));
    let recorded = if attempt.recorded { " · recorded answer" } else { "" };
    add(format!("#{} by {}{recorded}", attempt.attempt_no, attempt.author), Role::Strong);
    if let Some(guard) = &attempt.guard {
        let (word, role) = words::verdict(guard.verdict);
        add(format!("guard {word}"), role);
        for finding in &guard.findings {
            add(format!("{}: {} ({})", finding.rule, finding.reason, finding.file), role);
        }
    }
    if let Some(reason) = &attempt.failure_reason {
        add(reason.clone(), Role::Bad);
    }
    if let Some(hint) = &attempt.hint {
        add(format!("hint: {hint}"), Role::Note);
    }
    add(attempt.diagnosis.trim().to_owned(), Role::Text);
    let cost = [attempt.tokens.map(|it| format!("{it} tokens")), attempt.cost_usd.map(|it| format!("$ {it:.2}"))];
    let cost: Vec<String> = cost.into_iter().flatten().collect();
    if !cost.is_empty() {
        add(cost.join("  "), Role::Dim);
    }
    add(words::situation(run), Role::Dim);
    if let Some(merge) = &run.merge_command() {
        add(format!("merge it: {merge}  (y copies it)"), Role::Strong);
    }
    for (idx, (text, role)) in lines.iter().take(usize::from(area.height)).enumerate() {
        pen.put(area.x + 1, line_at(area, idx).y, area.width.saturating_sub(2), text, *role);
    }
}

fn paragraph(pen: &mut Pen<'_>, area: Rect, text: &str, role: Role) {
    let lines = wrap_words(text, usize::from(area.width.saturating_sub(2)));
    for (idx, line) in lines.iter().take(usize::from(area.height)).enumerate() {
        pen.put(area.x + 1, line_at(area, idx).y, area.width.saturating_sub(2), line, role);
    }
}

/// One row of the timeline.
#[derive(Debug)]
pub struct TimelineRow {
    event: usize,
    is_first: bool,
    is_last: bool,
    text: String,
}

/// Returns the rows of the timeline: as many an event as a person may need to act on its words.
pub fn timeline_rows(events: &[Event], area: Rect) -> Vec<TimelineRow> {
    let width = usize::from(layout::text_columns(area).saturating_sub(EVENT_HEAD));
    let mut rows = Vec::new();
    for (event, it) in events.iter().enumerate() {
        let mut lines = wrap_words(&it.message, width);
        if lines.len() > EVENT_LINES {
            // What is too long for the last line is cut where it is drawn.
            let rest = lines.split_off(EVENT_LINES - 1).join(" ");
            lines.push(rest);
        }
        let n_lines = lines.len().max(1);
        let lines = lines.into_iter().chain([String::new()]).take(n_lines).enumerate();
        rows.extend(lines.map(|(idx, text)| TimelineRow {
            event,
            is_first: idx == 0,
            is_last: idx + 1 == n_lines,
            text,
        }));
    }
    rows
}

fn timeline(model: &Model, pen: &mut Pen<'_>, area: Rect, detail: &RunDetail) {
    let n = detail.events.len();
    let foot = format!("{n} {}", if n == 1 { "event" } else { "events" });
    let inside = pen.frame(area, &[piece("Timeline", Role::Title)], &foot, model.run.pane == Pane::Timeline);
    let rows = timeline_rows(&detail.events, area);
    let height = usize::from(inside.height);
    let last = rows.len() - model.run.timeline_back.min(rows.len().saturating_sub(height));
    let first = last.saturating_sub(height);
    for (idx, row) in rows[first..last].iter().enumerate() {
        let (y, event) = (line_at(inside, idx).y, &detail.events[row.event]);
        let role = event_role(event);
        if row.is_first {
            let at = pen.put(inside.x + 1, y, 9, &words::clock(event.created_at), Role::Dim) + 1;
            pen.put(at, y, 2, sign(event), role);
        }
        let at = inside.x + EVENT_HEAD;
        let at = pen.put(at, y, inside.right().saturating_sub(at + 1), &row.text, role);
        let has_room = at + columns(&event.actor) + 4 < inside.right();
        if row.is_last && has_room && !event.actor.is_empty() && event.actor != "system" {
            pen.put(at + 1, y, columns(&event.actor) + 2, &format!("({})", event.actor), Role::Dim);
        }
    }
}

const fn sign(event: &Event) -> &'static str {
    match event.kind {
        EventType::AttemptSucceeded | EventType::RunApproved | EventType::PrMerged => "✓",
        EventType::AttemptFailed | EventType::RunEscalated | EventType::RunDenied => "✗",
        EventType::RunAborted => "⊘",
        EventType::RunHumanFixed => "⚑",
        _ => "·",
    }
}

const fn event_role(event: &Event) -> Role {
    match event.kind {
        EventType::AttemptSucceeded | EventType::RunApproved | EventType::PrMerged => Role::Good,
        EventType::AttemptFailed | EventType::RunEscalated | EventType::RunDenied => Role::Bad,
        _ => Role::Text,
    }
}

fn output(model: &Model, pen: &mut Pen<'_>, area: Rect, focus: &Focus) {
    let mut title = vec![piece("Output", Role::Title)];
    let mut foot = String::new();
    match &focus.live {
        Some(live) => {
            title.push(piece(format!("  ● live · {}", live.phase), Role::StatusHealing));
            let word = if live.tail.is_empty() { "began" } else { "printed" };
            foot = format!("{word} {} ago", age(live.updated_at, model.now));
        }
        None => {
            if let Some(attempt) = model.run.selected(focus) {
                title.push(piece(format!("  end of the proof of attempt {}", attempt.attempt_no), Role::Dim));
            }
        }
    }
    let inside = pen.frame(area, &title, &foot, model.run.pane == Pane::Output);
    let lines: Vec<&str> = output_text(model).lines().collect();
    if lines.is_empty() {
        let text = match focus.live {
            Some(_) => "nothing printed yet; what an agent says comes when it is done",
            None => "nothing printed yet; l opens the log",
        };
        pen.put(inside.x + 1, inside.y, inside.width.saturating_sub(2), text, Role::Dim);
        return;
    }
    let rows = usize::from(inside.height);
    let last = lines.len() - model.run.output_back.min(lines.len().saturating_sub(rows));
    let first = last.saturating_sub(rows);
    for (idx, line) in lines[first..last].iter().enumerate() {
        pen.put(inside.x + 1, line_at(inside, idx).y, inside.width.saturating_sub(2), line, Role::Text);
    }
}
