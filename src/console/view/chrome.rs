//! What every screen has: the top line, the hint lines drawn from the keymap, the status line.
use crate::console::action::Command;
use crate::console::effect::Slot;
use crate::console::keymap::Binding;
use crate::console::keymap::Context;
use crate::console::model::Model;
use crate::console::model::Outage;
use crate::console::model::OutageKind;
use crate::console::model::Screen;
use crate::console::model::Tone;
use crate::console::model::overlay::PromptKind;
use crate::console::model::queue::age;
use crate::console::model::server::Server;
use crate::console::theme::Role;
use crate::console::view::paint::Pen;
use crate::console::view::paint::Piece;
use crate::console::view::paint::columns;
use crate::console::view::paint::height_of;
use crate::console::view::paint::line_at;
use crate::console::view::paint::piece;
use crate::console::view::paint::wrap_words;
use crate::console::view::words;
use ratatui::layout::Rect;

/// Lines that a text at the foot may take.
const FOOT_LINES: usize = 3;

/// Shown where data will be.
pub const READING: &str = "reading the backlog…";

/// Says the one fact that matters when there is no room for more.
pub fn too_small(model: &Model, pen: &mut Pen<'_>) {
    let text = format!("⚑ {} need you · window too small (60x16)", model.queue.needy());
    pen.put(0, 0, model.columns, &text, Role::StatusNeedsYou);
    if let Some(notice) = &model.notice {
        pen.put(0, 1, model.columns, &notice.text, Role::Text);
    }
}

/// Draws the top line: where one is, how the backlog stands, the time.
pub fn top(model: &Model, pen: &mut Pen<'_>, line: Rect) {
    let (clock, role) = match badge(model) {
        Some(badge) => (format!(" {badge} "), Role::NoticeBad),
        None => (format!("{}Z ", words::clock(model.now)), Role::Dim),
    };
    pen.put_right(line, &clock, role);
    let room = line.width.saturating_sub(columns(&clock) + 1);
    if model.screen() == Screen::Queue {
        summary(model, pen, Rect { width: room, ..line });
    } else {
        breadcrumb(model, pen, Rect { width: room, ..line });
    }
}

/// Says in the place of the clock that what is shown is old; nothing covers it.
fn badge(model: &Model) -> Option<String> {
    let outage = model.outage.as_ref()?;
    let since = words::clock(outage.since);
    match outage.kind {
        OutageKind::Offline => Some(format!("OFFLINE since {since}Z")),
        OutageKind::NotAuthenticated => Some(format!("NOT LOGGED IN since {since}Z")),
        OutageKind::Broken => None,
    }
}

fn counts(model: &Model) -> Vec<Piece> {
    let summary = &model.queue.summary;
    let role = |n: u64, role: Role| if n == 0 { Role::Dim } else { role };
    if model.read_at.is_none() {
        // Zeros would say that all is well.
        return Vec::new();
    }
    vec![
        piece(format!("⚑ {} fixed", summary.fixed), role(summary.fixed, Role::StatusNeedsYou)),
        piece(format!("✗ {} escalated", summary.escalated), role(summary.escalated, Role::StatusEscalated)),
        piece(format!("● {} running", summary.running), role(summary.running, Role::StatusHealing)),
        piece(format!("○ {} queued", summary.queued), role(summary.queued, Role::StatusQueued)),
        piece(format!("{:.1} % healed", summary.ai_success_rate), Role::Text),
    ]
}

fn summary(model: &Model, pen: &mut Pen<'_>, line: Rect) {
    let counts = counts(model);
    let needed: u16 = counts.iter().map(|(text, _)| columns(text) + 2).sum();
    let mut at = line.x + 1;
    let label = model.server.as_ref().map(Server::label).unwrap_or_default();
    if needed + 12 <= line.width {
        at = pen.put(at, line.y, line.width, "paramedic", Role::Title) + 2;
    }
    if !label.is_empty() && needed + 14 + columns(&label) <= line.width {
        at = pen.put(at, line.y, columns(&label), &label, Role::Strong) + 2;
    }
    for (text, role) in counts {
        if line.right() < at + columns(&text) {
            break;
        }
        at = pen.put(at, line.y, columns(&text), &text, role) + 2;
    }
}

fn breadcrumb(model: &Model, pen: &mut Pen<'_>, line: Rect) {
    let screen = match model.screen() {
        Screen::Queue => "queue",
        Screen::Run => "run",
        Screen::Review => "review",
        Screen::Log => "log",
        Screen::Ci => "ci",
        Screen::CiRun => "ci run",
        Screen::CiLog => "ci log",
        Screen::Fix => "your fix",
        Screen::Help => "help",
    };
    let mut pieces = vec![piece(" paramedic › ", Role::Dim)];
    let run = model.focus.as_ref().and_then(|it| it.detail.as_ref()).map(|it| &it.run);
    let run = run.filter(|_| !model.screen().is_ci());
    let mut right = Vec::new();
    match run.filter(|_| model.screen() != Screen::Help) {
        Some(run) => {
            pieces.push(piece(run.id.short(), Role::Strong));
            pieces.push(piece(format!(" {screen} "), Role::Title));
            pieces.push(piece(format!("{} · {}", run.repository, run.branch), Role::Text));
            let (word, role) = words::status(run);
            right.push(piece(format!(" {word} {}", age(run.updated_at, model.now)), role));
        }
        None => pieces.push(piece(screen, Role::Title)),
    }
    if let Some(page) = model.ci_run.as_ref().filter(|_| matches!(model.screen(), Screen::CiRun | Screen::CiLog)) {
        let number = page.seen.as_ref().map_or(String::new(), |it| format!(" · {} #{}", it.run.workflow, it.run.number));
        pieces.push(piece(format!(" {}{number}", page.repository), Role::Text));
    }
    if line.width > 110 {
        for (text, role) in counts(model).into_iter().rev().skip(1).rev() {
            right.push(piece(format!("  {text}"), role));
        }
    }
    let width: u16 = right.iter().map(|(text, _)| columns(text)).sum();
    pen.pieces(line.x, line.y, line.width.saturating_sub(width), &pieces);
    pen.pieces(line.right().saturating_sub(width), line.y, width, &right);
}

/// Draws the two hint lines: keys that look, keys that decide.
pub fn hints(model: &Model, pen: &mut Pen<'_>, look: Rect, decide: Rect) {
    let context = model.context();
    let bindings: Vec<&Binding> = model.keymap.bindings(context).filter(|it| it.hint.is_some()).collect();
    let (deciding, looking): (Vec<&Binding>, Vec<&Binding>) =
        bindings.into_iter().partition(|it| it.command.is_decision() && context != Context::Dialog);
    hint_line(pen, look, &looking, Role::HintKey);
    if let Some(why) = model.forbidden() {
        pen.put(decide.x + 1, decide.y, decide.width.saturating_sub(1), &why, Role::Dim);
    } else {
        hint_line(pen, decide, &deciding, Role::HintDecide);
    }
}

fn hint_line(pen: &mut Pen<'_>, line: Rect, bindings: &[&Binding], role: Role) {
    let mut at = line.x + 1;
    // The last two (help, back) are kept when the line is short: without them one is lost.
    let widths: Vec<u16> = bindings.iter().map(|it| hint_width(it)).collect();
    let n_kept = bindings.iter().filter(|it| matches!(it.command, Command::Help | Command::Back)).count();
    let reserved: u16 = widths.iter().rev().take(n_kept).sum();
    for (idx, binding) in bindings.iter().enumerate() {
        let is_kept = idx + n_kept >= bindings.len();
        let room = line.right().saturating_sub(at).saturating_sub(if is_kept { 0 } else { reserved });
        if room < widths[idx].saturating_sub(2) {
            continue;
        }
        let key = hint_key(binding);
        at = pen.put(at, line.y, room, &key, role);
        at = pen.put(at + 1, line.y, room, binding.hint.as_deref().unwrap_or_default(), Role::HintText) + 2;
    }
}

fn hint_key(binding: &Binding) -> String {
    let first = binding.keys.first().map(|it| it.label()).unwrap_or_default();
    match binding.command {
        // The way back is the mirrored sign; showing both costs nothing.
        Command::Next if first == "]" => "[ ]".to_owned(),
        Command::NextGroup if first == "}" => "{ }".to_owned(),
        _ => first,
    }
}

fn hint_width(binding: &Binding) -> u16 {
    columns(&hint_key(binding)) + 1 + columns(binding.hint.as_deref().unwrap_or_default()) + 2
}

/// Draws the line at the foot: what is typed, a notice, or how fresh the data are.
pub fn status(model: &Model, pen: &mut Pen<'_>, line: Rect) {
    if let Some(prompt) = &model.prompt {
        let label = match prompt.kind {
            PromptKind::Filter | PromptKind::FilterCi => " filter: ",
            PromptKind::SearchReview | PromptKind::SearchLog => " search: ",
            PromptKind::SearchHelp => " search the help: ",
        };
        let at = pen.put(line.x, line.y, line.width, label, Role::Label);
        field(pen, Rect { x: at, width: line.right().saturating_sub(at), ..line }, &prompt.field);
        return;
    }
    if let Some(notice) = &model.notice {
        let (sign, role) = match notice.tone {
            Tone::Info => ("·", Role::NoticeInfo),
            Tone::Good => ("✓", Role::NoticeGood),
            Tone::Bad => ("✗", Role::NoticeBad),
        };
        foot(pen, line, &format!("{sign} {}", notice.text), role);
        return;
    }
    if let Some(outage) = &model.outage {
        foot(pen, line, &outage_text(model, outage), Role::NoticeBad);
        return;
    }
    let freshness = match model.read_at {
        Some(_) => format!("live · {} of {} runs", model.queue.runs.len(), model.queue.total),
        None => READING.to_owned(),
    };
    let is_sent = model.requests.is_waiting(Slot::Act) || model.requests.is_waiting(Slot::CiAct);
    let waiting = if is_sent { " · a decision is on its way…" } else { "" };
    let who = model.server.as_ref().map_or_else(|| model.operator.clone(), Server::label);
    let idle = if model.queue.summary.workers == Some(0) { " · no worker is running" } else { "" };
    let text = format!("{freshness} · {who}{idle}{waiting}");
    pen.put(line.x + 1, line.y, line.width.saturating_sub(1), &text, Role::Dim);
}

/// Says since when and why the backlog cannot be read, and how old what is shown is.
fn outage_text(model: &Model, outage: &Outage) -> String {
    let (since, why) = (words::clock(outage.since), &outage.why);
    let read = model.read_at.map(words::clock);
    match outage.kind {
        OutageKind::Broken => {
            let read = read.map_or("never read".to_owned(), |it| format!("data of {it}Z"));
            format!("✗ no backlog since {since}Z, {read}: {why}")
        }
        OutageKind::Offline | OutageKind::NotAuthenticated => {
            let word = if outage.kind == OutageKind::Offline { "offline" } else { "not logged in" };
            let stale = read.map_or("nothing was read yet".to_owned(), |it| format!("stale, as of {it}Z"));
            format!("✗ {word} since {since}Z · {stale} · decisions are off: {why}")
        }
    }
}

/// Draws a text at the foot; a long one grows upwards over the hints, because half a reason is none.
fn foot(pen: &mut Pen<'_>, line: Rect, text: &str, role: Role) {
    let width = line.width.saturating_sub(2);
    let mut lines = wrap_words(text, usize::from(width));
    lines.truncate(FOOT_LINES);
    let y = line.y.saturating_sub(height_of(lines.len()).saturating_sub(1));
    for (idx, text) in lines.iter().enumerate() {
        let row = line_at(Rect { y, ..line }, idx);
        pen.fill(row, Role::Text);
        pen.put(row.x + 1, row.y, width, text, role);
    }
}

/// Draws a line being typed, with its cursor; the end stays visible.
pub fn field(pen: &mut Pen<'_>, area: Rect, field: &crate::console::model::field::Field) {
    let (before, after) = field.parts();
    let mut before: Vec<char> = before.chars().collect();
    while columns(&before.iter().collect::<String>()) + 2 > area.width && !before.is_empty() {
        before.remove(0);
    }
    let before: String = before.into_iter().collect();
    let at = pen.put(area.x, area.y, area.width, &before, Role::Field);
    let mut rest = after.chars();
    let under = rest.next().map_or(" ".to_owned(), String::from);
    let at = pen.put(at, area.y, area.right().saturating_sub(at), &under, Role::Cursor);
    let rest: String = rest.collect();
    pen.put(at, area.y, area.right().saturating_sub(at), &rest, Role::Field);
}
