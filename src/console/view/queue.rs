//! The queue: one line per run, and a preview of the selected one.
use crate::console::layout;
use crate::console::model::Model;
use crate::console::model::OutageKind;
use crate::console::model::focus::Focus;
use crate::console::model::queue::Attention;
use crate::console::model::queue::age;
use crate::console::theme::Role;
use crate::console::view::chrome::READING;
use crate::console::view::paint::Pen;
use crate::console::view::paint::columns as cell_width;
use crate::console::view::paint::line_at;
use crate::console::view::paint::piece;
use crate::console::view::paint::wrap_words;
use crate::console::view::words;
use crate::domain::Patch;
use crate::domain::Run;
use crate::domain::RunDetail;
use ratatui::layout::Rect;

/// Where the columns of the list begin and how wide they are.
#[derive(Debug, Clone, Copy)]
struct Columns {
    id: u16,
    repository: u16,
    branch: u16,
    failing: u16,
}

const STATE: u16 = 12;
const WAIT: u16 = 5;
const ATTEMPTS: u16 = 4;

impl Columns {
    /// Divides what the fixed columns leave: names get what they need, up to a third each; the failure gets the rest.
    fn fit(width: u16, runs: &[&Run]) -> Self {
        let id = if width >= 84 { 9 } else { 0 };
        let free = width.saturating_sub(2 + STATE + 1 + WAIT + 1 + ATTEMPTS + 3 + id);
        let longest = |text: fn(&Run) -> &str| runs.iter().map(|it| cell_width(text(it))).max().unwrap_or(0);
        let fit = |needed: u16| needed.max(10).min(free / 3);
        let repository = fit(longest(|it| &it.repository));
        let branch = fit(longest(|it| &it.branch));
        Self { id, repository, branch, failing: free.saturating_sub(repository + branch) }
    }
}

/// Draws the queue.
pub fn view(model: &Model, pen: &mut Pen<'_>, body: Rect) {
    let areas = layout::queue(body);
    list(model, pen, areas.list);
    preview(model, pen, areas.preview, areas.is_beside);
}

fn list(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let queue = &model.queue;
    let visible = queue.visible();
    let filter = if queue.filter.is_empty() { String::new() } else { format!("   filter: {}", queue.filter) };
    let at = queue.position().map_or(0, |it| it + 1);
    let foot = format!("{at} of {}{filter}", visible.len());
    let stale = model.outage.as_ref().filter(|it| it.kind != OutageKind::Broken).and(model.read_at);
    let about = match stale {
        Some(read) => piece(format!("  stale: as of {}Z", words::clock(read)), Role::NoticeBad),
        None => piece("  who needs you first", Role::Dim),
    };
    let title = [piece("Queue", Role::Title), about];
    let inside = pen.frame(area, &title, &foot, true);
    let columns = Columns::fit(inside.width, &visible);
    header(pen, inside, columns);
    if visible.is_empty() {
        let is_away = model.outage.is_some();
        let text = match (queue.is_loaded, queue.runs.is_empty()) {
            (false, _) if is_away => "Nothing was read yet; why is told below. It is tried again by itself.",
            (false, _) => READING,
            (true, true) if model.server.is_some() => {
                "No runs yet. CI reports failures to this server's webhook; `paramedic ingest FILE` hands one in."
            }
            (true, true) => "No runs yet. `paramedic heal` in a repository with red tests makes the first one.",
            (true, false) => "No run matches the filter; esc clears it.",
        };
        for (idx, line) in wrap_words(text, usize::from(inside.width.saturating_sub(4))).iter().enumerate() {
            pen.put(inside.x + 2, line_at(inside, idx + 2).y, inside.width.saturating_sub(4), line, Role::Dim);
        }
        return;
    }
    let rows = usize::from(inside.height.saturating_sub(1));
    for (idx, run) in visible.iter().skip(queue.offset).take(rows).enumerate() {
        let line = line_at(inside, idx + 1);
        let is_selected = queue.selected == Some(run.id);
        row(model, pen, line, columns, run, is_selected);
    }
}

fn header(pen: &mut Pen<'_>, area: Rect, columns: Columns) {
    let mut at = area.x + 2;
    for (name, width) in [
        ("ID", columns.id),
        ("STATE", STATE + 1),
        (" WAIT", WAIT + 1),
        ("REPOSITORY", columns.repository + 1),
        ("BRANCH", columns.branch + 1),
        ("FAILING", columns.failing + 1),
        ("ATT", ATTEMPTS),
    ] {
        if width > 1 {
            pen.put(at, area.y, width.saturating_sub(1).max(1), name, Role::Label);
            at += width;
        }
    }
}

fn row(model: &Model, pen: &mut Pen<'_>, line: Rect, columns: Columns, run: &Run, is_selected: bool) {
    if is_selected {
        pen.tint(line, Role::Selection);
        pen.put(line.x, line.y, 1, "▌", Role::BorderFocused);
    }
    let mut at = line.x + 2;
    if columns.id > 0 {
        pen.put(at, line.y, columns.id - 1, &run.id.short(), Role::Dim);
        at += columns.id;
    }
    let (word, role) = words::status(run);
    pen.put(at, line.y, STATE, word, role);
    at += STATE + 1;
    pen.put_right(Rect { x: at, width: WAIT, ..line }, &age(run.updated_at, model.now), Role::Text);
    at += WAIT + 1;
    let quiet = Attention::of(run) == Attention::Quiet;
    let role = if quiet { Role::Dim } else { Role::Text };
    pen.put(at, line.y, columns.repository, &run.repository, role);
    at += columns.repository + 1;
    pen.put(at, line.y, columns.branch, &run.branch, role);
    at += columns.branch + 1;
    let failing = match run.escalation_reason {
        Some(reason) => format!("{reason}: {}", failing(run)),
        None => failing(run),
    };
    pen.put(at, line.y, columns.failing, &failing, role);
    at += columns.failing + 1;
    pen.put(at, line.y, ATTEMPTS, &format!("{}/{}", run.attempt_count, run.max_attempts), role);
}

/// Returns what is failing, in few words: the first failing test, else the error.
fn failing(run: &Run) -> String {
    let tests = run.failure.as_ref().and_then(|it| it.report.as_ref()).map(crate::domain::TestReport::failing);
    match tests.as_deref() {
        Some([only]) => last_part(only).to_owned(),
        Some([first, rest @ ..]) => format!("{} +{}", last_part(first), rest.len()),
        _ if run.error_summary.is_empty() => "not yet reproduced".to_owned(),
        _ => run.error_summary.clone(),
    }
}

/// Returns the last part of a test's full name: the column is too narrow for where the test lives.
fn last_part(test: &str) -> &str {
    let name = test.rsplit("::").next().unwrap_or(test);
    let is_path = name.chars().all(|it| it.is_alphanumeric() || "._".contains(it));
    let last = name.rsplit('.').next().filter(|it| is_path && !it.is_empty());
    last.unwrap_or(name)
}

fn preview(model: &Model, pen: &mut Pen<'_>, area: Rect, is_beside: bool) {
    if area.height < 3 {
        return;
    }
    let Some(focus) = model.focus.as_ref().filter(|it| model.queue.selected == Some(it.id)) else {
        pen.frame(area, &[], "", false);
        return;
    };
    let mut title = vec![piece(format!("Run {}", focus.id.short()), Role::Title)];
    if let Some(run) = model.queue.current() {
        title.push(piece(format!("  {} · {}", run.repository, run.branch), Role::Text));
    }
    let inside = pen.frame(area, &title, "", false);
    let inside = Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside };
    match (&focus.detail, &focus.refusal) {
        (Some(detail), _) => facts(pen, inside, detail, focus, is_beside),
        (None, Some(refusal)) => {
            pen.put(inside.x, inside.y, inside.width, refusal, Role::NoticeBad);
        }
        (None, None) => {
            pen.put(inside.x, inside.y, inside.width, "reading…", Role::Dim);
        }
    }
}

/// A place where labelled lines are put below each other until there is no room.
struct Sheet<'a, 'b> {
    pen: &'a mut Pen<'b>,
    area: Rect,
    y: u16,
}

impl Sheet<'_, '_> {
    fn line(&mut self, label: &str, text: &str, role: Role) {
        if self.y < self.area.bottom() {
            let at = self.pen.put(self.area.x, self.y, 9, label, Role::Label).max(self.area.x + 9);
            self.pen.put(at, self.y, self.area.width.saturating_sub(9), text, role);
            self.y += 1;
        }
    }

    fn text(&mut self, label: &str, text: &str, max: usize, role: Role) {
        let width = usize::from(self.area.width.saturating_sub(9));
        for (idx, line) in wrap_words(text, width).iter().take(max).enumerate() {
            self.line(if idx == 0 { label } else { "" }, line, role);
        }
    }

    fn gap(&mut self) {
        self.y += 1;
    }

    fn left(&self) -> usize {
        usize::from(self.area.bottom().saturating_sub(self.y))
    }
}

fn facts(pen: &mut Pen<'_>, area: Rect, detail: &RunDetail, focus: &Focus, is_beside: bool) {
    let run = &detail.run;
    let mut sheet = Sheet { pen, area, y: area.y };
    let (_, role) = words::status(run);
    sheet.text("why", &words::situation(run), if is_beside { 8 } else { 1 }, role);
    if let Some(merge) = run.merge_command() {
        sheet.text("merge", &format!("{merge}  (y copies it)"), 3, Role::Strong);
    }
    for (text, role) in detail.forge.iter().flat_map(words::at_forge).take(if is_beside { 4 } else { 1 }) {
        sheet.text("forge", &text, 2, role);
    }
    let kind = run.error_type.as_deref().unwrap_or("error");
    sheet.text(kind_label(kind), &run.error_summary, if is_beside { 4 } else { 1 }, Role::Text);
    if let Some(attempt) = detail.candidate() {
        let (files, added, removed) = attempt.proposed_fix.as_ref().map_or((0, 0, 0), Patch::stat);
        let digest = attempt.patch_digest.as_ref().map_or("", |it| it.short());
        let recorded = if attempt.recorded { " · recorded answer" } else { "" };
        let files = format!("{files} {}", if files == 1 { "file" } else { "files" });
        sheet.line(
            "patch",
            &format!("{digest}  {files} +{added} −{removed}  by {}{recorded}", attempt.author),
            Role::Text,
        );
        if let Some(guard) = &attempt.guard {
            let (word, role) = words::verdict(guard.verdict);
            sheet.line("guard", word, role);
        }
    }
    if !detail.attempts.is_empty() {
        let history: Vec<String> =
            detail.attempts.iter().map(|it| format!("#{} {}", it.attempt_no, words::result(it).0)).collect();
        sheet.line("history", &history.join(" → "), Role::Text);
    }
    let says = detail.attempts.last().map_or("", |it| it.diagnosis.trim());
    let room = sheet.left();
    if !says.is_empty() && room > 0 {
        sheet.text("says", says, if is_beside { 6 } else { room }, Role::Dim);
    }
    if is_beside {
        excerpt(&mut sheet, detail, focus);
    }
}

fn kind_label(kind: &str) -> &str {
    // The label column is narrow; a long type would run into the text.
    if kind.chars().count() <= 8 { kind } else { "error" }
}

/// Fills the room beside the list with the patch and the end of the proof: most decisions need no more.
fn excerpt(sheet: &mut Sheet<'_, '_>, detail: &RunDetail, focus: &Focus) {
    if let Some(patch) = focus.candidate().and_then(|it| it.proposed_fix.as_ref()) {
        sheet.gap();
        sheet.line("patch", "", Role::Label);
        let room = sheet.left().saturating_sub(8).max(4);
        let lines = patch.text().lines().filter(|it| !it.starts_with("diff --git ") && !it.starts_with("index "));
        for text in lines.take(room) {
            if sheet.left() == 0 {
                return;
            }
            let role = match text.chars().next() {
                Some('+') => Role::DiffAdded,
                Some('-') => Role::DiffRemoved,
                Some('@') => Role::DiffHunk,
                _ => Role::Text,
            };
            sheet.pen.put(sheet.area.x + 1, sheet.y, sheet.area.width.saturating_sub(1), text, role);
            sheet.y += 1;
        }
    }
    let output = detail.attempts.last().map_or("", |it| it.validation_log.as_str());
    let failure = detail.run.failure.as_ref().map_or("", |it| it.reduced_log.as_str());
    let (label, text) = if output.trim().is_empty() { ("failure", failure) } else { ("proof", output) };
    if text.trim().is_empty() || sheet.left() < 3 {
        return;
    }
    sheet.gap();
    sheet.line(label, "", Role::Label);
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(sheet.left());
    for text in &lines[first..] {
        sheet.pen.put(sheet.area.x + 1, sheet.y, sheet.area.width.saturating_sub(1), text, Role::Dim);
        sheet.y += 1;
    }
}
