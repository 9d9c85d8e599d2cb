//! CI: what the forge still lets us ask, and one line per workflow run below its repository.
use crate::console::layout;
use crate::console::model::Model;
use crate::console::model::ci::Mood;
use crate::console::model::ci::Row;
use crate::console::model::ci::count;
use crate::console::model::ci::is_stale;
use crate::console::model::queue::age;
use crate::console::theme::Role;
use crate::console::view::paint::Pen;
use crate::console::view::paint::Piece;
use crate::console::view::paint::columns as cell_width;
use crate::console::view::paint::line_at;
use crate::console::view::paint::piece;
use crate::console::view::paint::wrap_words;
use crate::console::view::words;
use crate::domain::Budget;
use crate::domain::ChecksSummary;
use crate::domain::CiState;
use crate::domain::Picture;
use crate::domain::RunId;
use crate::domain::SeenPull;
use crate::domain::SeenRun;
use jiff::Timestamp;
use ratatui::layout::Rect;

const STATE: u16 = 11;
const AGE: u16 = 5;
const NUMBER: u16 = 8;
const EVENT: u16 = 12;
const HEALING: u16 = 20;
/// From this width on the list has the event, too.
const WITH_EVENT: u16 = 100;

/// Where the columns of the list begin and how wide they are.
#[derive(Debug, Clone, Copy)]
struct Columns {
    workflow: u16,
    branch: u16,
    event: u16,
    healing: u16,
}

impl Columns {
    /// Divides what the fixed columns leave: names get what they need, up to a third each; the rest says what heals it.
    fn fit(width: u16, rows: &[Row<'_>]) -> Self {
        let event = if width >= WITH_EVENT { EVENT + 1 } else { 0 };
        let free = width.saturating_sub(2 + STATE + 1 + AGE + 1 + NUMBER + 1 + 2 + event);
        let names = free.saturating_sub(HEALING);
        let longest = |text: fn(&SeenRun) -> &str| {
            let runs = rows
                .iter()
                .filter_map(|it| if let Row::Run(_, seen) = it { Some(cell_width(text(seen))) } else { None });
            runs.max().unwrap_or(0).max(8)
        };
        let workflow = longest(|it| &it.run.workflow).min(names / 2);
        let branch = longest(|it| &it.run.branch).min(names.saturating_sub(workflow));
        Self { workflow, branch, event, healing: free.saturating_sub(workflow + branch) }
    }
}

/// Draws the screen.
pub fn view(model: &Model, pen: &mut Pen<'_>, body: Rect) {
    let areas = layout::queue(body);
    list(model, pen, areas.list);
    preview(model, pen, areas.preview);
}

fn list(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    let ci = &model.ci;
    let now = ci.now(model.now);
    let n_visible = ci.visible().len();
    let at = ci.position().map_or(0, |it| it + 1);
    let filter = if ci.filter.is_empty() { String::new() } else { format!("   filter: {}", ci.filter) };
    let title = [piece("CI", Role::Title), freshness(model, now)];
    let inside = pen.frame(area, &title, &format!("{at} of {n_visible}{filter}"), true);
    let (text, role) = budget(ci.view.as_ref().and_then(|it| it.budget.as_ref()), now);
    pen.put(inside.x + 1, inside.y, inside.width.saturating_sub(2), &text, role);
    let rows = ci.rows();
    if rows.is_empty() {
        let text = nothing(model);
        for (idx, line) in wrap_words(&text, usize::from(inside.width.saturating_sub(4))).iter().enumerate() {
            pen.put(inside.x + 2, line_at(inside, idx + 2).y, inside.width.saturating_sub(4), line, Role::Dim);
        }
        return;
    }
    let columns = Columns::fit(inside.width, &rows);
    let height = usize::from(inside.height.saturating_sub(1));
    for (idx, row) in rows.iter().skip(ci.offset).take(height).enumerate() {
        let line = line_at(inside, idx + 1);
        match row {
            Row::Repository(picture) => repository(pen, line, picture, now),
            Row::Remark(mood, text) => {
                let (sign, role) = match mood {
                    Mood::Plain => ("·", Role::Dim),
                    Mood::Careful => ("⚠", Role::Warning),
                    Mood::Bad => ("✗", Role::NoticeBad),
                };
                pen.put(line.x + 3, line.y, line.width.saturating_sub(4), &format!("{sign} {text}"), role);
            }
            Row::Pull(pull) => {
                let role = if is_red(pull) { Role::Warning } else { Role::Text };
                pen.put(line.x + 3, line.y, line.width.saturating_sub(4), &pull_line(pull), role);
            }
            Row::Run(picture, seen) => {
                let is_selected = ci.is_selected(picture, seen);
                run(model, pen, line, columns, seen, is_selected, is_stale(picture, now));
            }
        }
    }
}

/// Says how old the newest of what is shown is, or why it is not read.
fn freshness(model: &Model, now: Timestamp) -> Piece {
    if let Some(refusal) = &model.ci.refusal {
        return piece(format!("  cannot be read: {refusal}"), Role::NoticeBad);
    }
    let pictures = model.ci.pictures();
    let Some(seen_at) = pictures.iter().filter_map(|it| it.seen_at).max() else { return piece("", Role::Dim) };
    let is_old = pictures.iter().all(|it| it.seen_at.is_none() || is_stale(it, now));
    let ago = age(seen_at, now);
    if is_old {
        piece(format!("  stale: as of {ago} ago"), Role::NoticeBad)
    } else {
        piece(format!("  as of {ago} ago"), Role::Dim)
    }
}

/// Returns what the forge still lets us ask, in one line.
fn budget(budget: Option<&Budget>, now: Timestamp) -> (String, Role) {
    let Some(budget) = budget else { return ("GitHub was not asked yet".to_owned(), Role::Dim) };
    if let Some(until) = budget.blocked_until.filter(|it| now < *it) {
        let why = budget.why.as_deref().unwrap_or("its limit is reached");
        return (format!("✗ GitHub asks us to wait until {}Z: {why}", words::clock(until)), Role::NoticeBad);
    }
    let mut parts = Vec::new();
    if let Some((remaining, limit)) = budget.remaining.zip(budget.limit) {
        parts.push(format!("{remaining}/{limit}"));
    }
    if let Some(resets_at) = budget.resets_at.filter(|it| now < *it) {
        // An age counts back from now; this counts forward.
        parts.push(format!("resets {}", age(now, resets_at)));
    }
    if let Some(percent) = (budget.unchanged * 100).checked_div(budget.requests) {
        parts.push(format!("304 {percent} %"));
    }
    parts.push(format!("~{}/h", budget.per_hour));
    let is_short = budget.remaining.zip(budget.limit).is_some_and(|(remaining, limit)| remaining < limit / 5);
    (format!("GitHub {}", parts.join(" · ")), if is_short { Role::Warning } else { Role::Dim })
}

fn nothing(model: &Model) -> String {
    let view = model.ci.view.as_ref();
    match (view, &model.ci.refusal) {
        (None, Some(_)) => "Nothing was read yet; why is told above. It is tried again by itself.".to_owned(),
        (None, None) => "reading…".to_owned(),
        (Some(view), _) if view.pictures.is_empty() => {
            "No repository is watched. `watch = [\"owner/name\"]` of [github] in the settings names them.".to_owned()
        }
        (Some(_), _) => "No run matches the filter; esc clears it.".to_owned(),
    }
}

fn repository(pen: &mut Pen<'_>, line: Rect, picture: &Picture, now: Timestamp) {
    let mut pieces = vec![piece(picture.repository.clone(), Role::Strong)];
    if !picture.default_branch.is_empty() {
        pieces.push(piece(format!("  {}", picture.default_branch), Role::Dim));
    }
    pieces.push(match picture.seen_at {
        None if picture.error.is_some() => piece("  never read", Role::NoticeBad),
        None => piece("  not looked at yet", Role::Dim),
        Some(seen_at) if is_stale(picture, now) => {
            piece(format!("  stale: as of {} ago", age(seen_at, now)), Role::NoticeBad)
        }
        Some(seen_at) => piece(format!("  as of {} ago", age(seen_at, now)), Role::Dim),
    });
    if let Some(next_at) = picture.next_at.filter(|it| now < *it) {
        pieces.push(piece(format!(" · next in {}", age(now, next_at)), Role::Dim));
    }
    let limits = &picture.limits;
    if limits.prs_today.limit.is_some() {
        let (today, open) = (count(limits.prs_today), count(limits.open_prs));
        pieces.push(piece(format!(" · PRs {today} today, {open} open"), Role::Dim));
    }
    pen.pieces(line.x + 1, line.y, line.width.saturating_sub(1), &pieces);
}

fn is_red(pull: &SeenPull) -> bool {
    pull.checks.as_ref().is_some_and(|it| it.red > 0)
}

/// Returns a pull request in one line.
fn pull_line(pull: &SeenPull) -> String {
    let draft = if pull.is_draft { " draft" } else { "" };
    let checks = pull.checks.as_ref().map(|it| format!(" · checks {}", checks(it))).unwrap_or_default();
    format!("→ PR #{}{draft}{checks} · {}", pull.number, pull.branch)
}

/// Returns the checks of a commit in few words.
fn checks(checks: &ChecksSummary) -> String {
    let counted = [(checks.red, "red"), (checks.pending, "pending"), (checks.green, "green")];
    let parts: Vec<String> = counted.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

fn run(
    model: &Model,
    pen: &mut Pen<'_>,
    line: Rect,
    columns: Columns,
    seen: &SeenRun,
    is_selected: bool,
    is_old: bool,
) {
    if is_selected {
        pen.tint(line, Role::Selection);
        pen.put(line.x, line.y, 1, "▌", Role::BorderFocused);
    }
    let run = &seen.run;
    // What is old is said above; nothing of it is shown as if it were so now.
    let role = |role: Role| if is_old { Role::Dim } else { role };
    let (word, state) = words::ci_state(run.state);
    let mut at = line.x + 2;
    pen.put(at, line.y, STATE, word, role(state));
    at += STATE + 1;
    let now = model.ci.now(model.now);
    pen.put_right(Rect { x: at, width: AGE, ..line }, &age(run.created_at, now), role(Role::Text));
    at += AGE + 1;
    let again = if run.attempt > 1 { format!(".{}", run.attempt) } else { String::new() };
    pen.put(at, line.y, NUMBER, &format!("#{}{again}", run.number), role(Role::Text));
    at += NUMBER + 1;
    pen.put(at, line.y, columns.workflow, &run.workflow, role(Role::Text));
    at += columns.workflow + 1;
    pen.put(at, line.y, columns.branch, &run.branch, role(Role::Text));
    at += columns.branch + 1;
    if columns.event > 0 {
        pen.put(at, line.y, columns.event - 1, &run.event, Role::Dim);
        at += columns.event;
    }
    let (text, healing) = healing(model, seen);
    pen.put(at, line.y, columns.healing, &text, role(healing));
}

/// Returns which run heals a run of CI and how far that is, or why none does.
pub fn healing(model: &Model, seen: &SeenRun) -> (String, Role) {
    match (seen.heal, &seen.ignored) {
        (Some(id), _) => {
            let (word, role) = status(model, id);
            (format!("→ {}{word}", id.short()), role)
        }
        (None, Some(why)) => (why.clone(), Role::Dim),
        (None, None) if seen.run.state == CiState::Red => ("not taken in yet".to_owned(), Role::Dim),
        (None, None) => (String::new(), Role::Dim),
    }
}

/// Returns how far a run of ours is, where the queue has it.
fn status(model: &Model, id: RunId) -> (String, Role) {
    match model.queue.runs.iter().find(|it| it.id == id) {
        Some(run) => {
            let (_, role) = words::status(run);
            (format!(" {}", run.status), role)
        }
        None => (String::new(), Role::Text),
    }
}

fn preview(model: &Model, pen: &mut Pen<'_>, area: Rect) {
    if area.height < 3 {
        return;
    }
    let Some((picture, seen)) = model.ci.current() else {
        pen.frame(area, &[], "", false);
        return;
    };
    let run = &seen.run;
    let (word, role) = words::ci_state(run.state);
    let title = [
        piece(format!("{} #{}", run.workflow, run.number), Role::Title),
        piece(format!("  {} · {}", picture.repository, run.branch), Role::Text),
        piece(format!("  {word}"), role),
    ];
    let inside = pen.frame(area, &title, "", false);
    let mut lines: Vec<(&str, String, Role)> = vec![("title", run.title.clone(), Role::Strong)];
    let healing = healing(model, seen);
    let label = if seen.heal.is_some() { "healing" } else { "why not" };
    if !healing.0.is_empty() {
        lines.push((label, healing.0, healing.1));
    }
    if let Some(why) = &picture.rules.refusal {
        lines.push(("paused", why.clone(), Role::NoticeBad));
    }
    if let Some(why) = &picture.error {
        lines.push(("stale", why.clone(), Role::NoticeBad));
    }
    let fork = run.head_repository.as_ref().filter(|it| !it.eq_ignore_ascii_case(&picture.repository));
    let from = fork.map(|it| format!(" from the fork {it}")).unwrap_or_default();
    let sha = run.commit_sha.get(..7).unwrap_or(&run.commit_sha);
    lines.push(("commit", format!("{sha} by {} · {}{from}", run.actor, run.event), Role::Text));
    if let Some(conclusion) = run.conclusion.as_deref().filter(|it| !matches!(*it, "success" | "failure")) {
        lines.push(("ended", conclusion.replace('_', " "), Role::Text));
    }
    if let Some(subject) = run.commit_message.lines().next().filter(|it| *it != run.title) {
        lines.push(("message", subject.to_owned(), Role::Dim));
    }
    lines.push(("url", run.url.clone(), Role::Dim));
    labelled(pen, inside, &lines);
}

/// Puts labelled texts below each other, wrapped, until there is no room.
fn labelled(pen: &mut Pen<'_>, area: Rect, lines: &[(&str, String, Role)]) {
    const LABEL: u16 = 9;
    let width = area.width.saturating_sub(LABEL + 2);
    let mut y = area.y;
    for (label, text, role) in lines {
        for (idx, part) in wrap_words(text, usize::from(width)).iter().take(3).enumerate() {
            if y >= area.bottom() {
                return;
            }
            if idx == 0 {
                pen.put(area.x + 1, y, LABEL, label, Role::Label);
            }
            pen.put(area.x + 1 + LABEL, y, width, part, *role);
            y += 1;
        }
    }
}
