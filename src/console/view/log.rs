//! The log: one stored output or the log of one job, its groups, errors and matches.
use crate::console::document::Ground;
use crate::console::model::Model;
use crate::console::model::log::Log;
use crate::console::model::log::attempt_of;
use crate::console::model::log::label;
use crate::console::theme::Role;
use crate::console::view::paint::Pen;
use crate::console::view::paint::Piece;
use crate::console::view::paint::columns;
use crate::console::view::paint::piece;
use crate::console::view::words;
use ratatui::layout::Rect;

/// Draws a log.
pub fn view(model: &Model, pen: &mut Pen<'_>, body: Rect, log: Option<&Log>) {
    let Some(log) = log else {
        let inside = pen.frame(body, &[piece("Log", Role::Title)], "", true);
        pen.put(inside.x + 1, inside.y, inside.width, "no log is open", Role::Dim);
        return;
    };
    framed(pen, body, &tabs(model, log, body.width), log, true);
}

/// Draws a log in a frame of this title; what scrolls it must know the area.
pub fn framed(pen: &mut Pen<'_>, area: Rect, title: &[Piece], log: &Log, is_focused: bool) {
    let inside = pen.frame(area, title, &foot(log), is_focused);
    let Some(document) = &log.document else {
        let text = match (&log.refusal, log.outputs.is_empty()) {
            (Some(refusal), _) => refusal.clone(),
            (None, true) if log.job().is_none() => "no output is stored yet".to_owned(),
            (None, _) => "reading…".to_owned(),
        };
        pen.put(inside.x + 1, inside.y, inside.width.saturating_sub(1), &text, Role::Dim);
        return;
    };
    let row_at = |idx: usize| {
        let row = (idx < document.len()).then(|| document.row(idx))?;
        Some(if idx == log.cursor { row.current().on(Ground::Selected) } else { row })
    };
    pen.rows(inside, log.offset, log.cursor, (!log.wraps).then_some(log.left), row_at);
}

/// Returns the names of the outputs, the one on screen marked; where there is no room for all, the first ones go.
fn tabs(model: &Model, log: &Log, width: u16) -> Vec<Piece> {
    let attempt = log.run().and(log.name()).and_then(attempt_of).and_then(|no| model.focus.as_ref()?.attempt(no));
    let is_recorded = attempt.is_some_and(|it| it.recorded);
    let tab = |idx: usize, (name, bytes): &(String, u64)| {
        if idx != log.current {
            return format!("  {}", name_of(log, name));
        }
        let recorded = if is_recorded { " · recorded answer" } else { "" };
        let size = if *bytes == 0 && log.job().is_some() { String::new() } else { words::size(*bytes) };
        format!(" ▸{} {size}{recorded}", name_of(log, name))
    };
    let tabs: Vec<String> = log.outputs.iter().enumerate().map(|(idx, it)| tab(idx, it)).collect();
    let room = width.saturating_sub(10);
    let needed = |first: usize| tabs[first..=log.current].iter().map(|it| columns(it)).sum::<u16>();
    let first = (0..log.current).find(|first| needed(*first) <= room).unwrap_or(log.current);
    let mut pieces = vec![piece("Log", Role::Title)];
    if first > 0 {
        pieces.push(piece(" ‹", Role::Dim));
    }
    for (idx, tab) in tabs.into_iter().enumerate().skip(first) {
        pieces.push(piece(tab, if idx == log.current { Role::Strong } else { Role::Dim }));
    }
    pieces
}

/// Returns how a log is called on screen; a job by its own name.
fn name_of(log: &Log, name: &str) -> String {
    if log.job().is_some() { name.to_owned() } else { label(name) }
}

fn foot(log: &Log) -> String {
    let Some(document) = &log.document else { return String::new() };
    let mut parts = vec![format!("line {}", document.line_number(log.cursor))];
    parts.push(match (document.error_at(log.cursor), document.error_count()) {
        (Some((at, n)), _) => format!("error {at}/{n}"),
        (None, 1) => "1 error".to_owned(),
        (None, n) => format!("{n} errors"),
    });
    if !log.needle.is_empty() {
        let only = if log.only_matches { " only" } else { "" };
        parts.push(match document.match_at(log.cursor) {
            Some((at, n)) => format!("/{} match {at}/{n}{only}", log.needle),
            None => format!("/{} {} matches{only}", log.needle, log.n_matches),
        });
    }
    if log.left > 0 {
        parts.push(format!("from column {}", log.left + 1));
    }
    parts.join("   ")
}
