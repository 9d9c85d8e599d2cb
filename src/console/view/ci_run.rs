//! A workflow run: attempts, jobs and steps, and the log of the job that the cursor is about.
use crate::console::layout;
use crate::console::model::Model;
use crate::console::model::ci_run::CiRunPage;
use crate::console::model::ci_run::Node;
use crate::console::model::ci_run::Pane;
use crate::console::model::queue::age;
use crate::console::theme::Role;
use crate::console::update::ci_run::HEAD;
use crate::console::view::ci::healing;
use crate::console::view::log;
use crate::console::view::paint::Pen;
use crate::console::view::paint::line_at;
use crate::console::view::paint::piece;
use crate::console::view::words;
use crate::domain::CiJob;
use crate::domain::CiState;
use crate::domain::SeenRun;
use jiff::Timestamp;
use ratatui::layout::Rect;

/// Columns of a state in the tree.
const STATE: u16 = 11;

/// Draws the screen.
pub fn view(model: &Model, pen: &mut Pen<'_>, body: Rect) {
    let Some(page) = &model.ci_run else {
        let inside = pen.frame(body, &[piece("CI run", Role::Title)], "", true);
        pen.put(inside.x + 1, inside.y, inside.width, "no run is open", Role::Dim);
        return;
    };
    let areas = layout::ci_run(body);
    jobs(model, pen, areas.jobs, page);
    preview(model, pen, areas.log, page);
}

fn jobs(model: &Model, pen: &mut Pen<'_>, area: Rect, page: &CiRunPage) {
    let mut title = vec![piece(format!("Run {}", page.run), Role::Title)];
    if let Some(seen) = &page.seen {
        let (word, role) = words::ci_state(seen.run.state);
        title = vec![
            piece(format!("{} #{}", seen.run.workflow, seen.run.number), Role::Title),
            piece(format!("  {word}"), role),
            piece(format!("  {} · {} by {}", seen.run.branch, seen.run.event, seen.run.actor), Role::Text),
        ];
    }
    let foot = foot(page);
    let inside = pen.frame(area, &title, &foot, page.pane == Pane::Jobs);
    head(model, pen, inside, page.seen.as_ref());
    let tree = Rect { y: inside.y + HEAD, height: inside.height.saturating_sub(HEAD), ..inside };
    let nodes = page.nodes();
    for (idx, node) in nodes.iter().enumerate().skip(page.offset).take(usize::from(tree.height)) {
        let line = line_at(tree, idx - page.offset);
        if idx == page.cursor {
            pen.tint(line, Role::Selection);
            pen.put(line.x, line.y, 1, "▌", Role::BorderFocused);
        }
        row(pen, line, node, page, model.ci.now(model.now));
    }
    if page.jobs.is_none() || page.refusal.is_some() {
        let text = page.refusal.as_deref().unwrap_or("reading the jobs…");
        let role = if page.refusal.is_some() { Role::NoticeBad } else { Role::Dim };
        let line = line_at(tree, nodes.len().saturating_sub(page.offset));
        let y = line.y.min(tree.bottom().saturating_sub(1));
        pen.put(line.x + 3, y, line.width.saturating_sub(4), text, role);
    }
}

fn foot(page: &CiRunPage) -> String {
    let Some(jobs) = &page.jobs else { return String::new() };
    let count = |state: CiState| jobs.iter().filter(|it| it.state == state).count();
    let counted = [
        (CiState::Red, "red"),
        (CiState::Waiting, "waiting"),
        (CiState::Running, "running"),
        (CiState::Queued, "queued"),
        (CiState::Green, "green"),
    ];
    let parts: Vec<String> = counted
        .iter()
        .map(|(state, word)| (count(*state), word))
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}"))
        .collect();
    format!("{} {}: {}", jobs.len(), if jobs.len() == 1 { "job" } else { "jobs" }, parts.join(", "))
}

/// Says what the run is about and what heals it.
fn head(model: &Model, pen: &mut Pen<'_>, area: Rect, seen: Option<&SeenRun>) {
    let Some(seen) = seen else { return };
    let width = area.width.saturating_sub(2);
    let sha = seen.run.commit_sha.get(..7).unwrap_or(&seen.run.commit_sha);
    pen.put(area.x + 1, area.y, width, &format!("{sha} {}", seen.run.title), Role::Strong);
    let (text, role) = healing(model, seen);
    let text = if seen.heal.is_some() { format!("{text}   (h shows it)") } else { text };
    pen.put(area.x + 1, area.y + 1, width, &text, role);
}

fn row(pen: &mut Pen<'_>, line: Rect, node: &Node<'_>, page: &CiRunPage, now: Timestamp) {
    let room = |at: u16| line.right().saturating_sub(at + 1);
    match node {
        Node::Attempt(no, is_shown) => {
            let sign = if *is_shown { "▾" } else { "▸" };
            let role = if *is_shown { Role::Strong } else { Role::Text };
            let hint = if *no == page.latest() { "" } else { "  (earlier)" };
            pen.put(line.x + 1, line.y, room(line.x), &format!("{sign} attempt {no}{hint}"), role);
        }
        Node::Waiting(it) => {
            let who =
                if it.may_approve { "A approves it".to_owned() } else { format!("{} may", it.reviewers.join(", ")) };
            let at = line.x + 3;
            pen.put(
                at,
                line.y,
                room(at),
                &format!("⚑ waits to deploy to {}: {who}", it.environment),
                Role::StatusNeedsYou,
            );
        }
        Node::Job(job, is_unfolded) => {
            let sign = if *is_unfolded { "▾" } else { "▸" };
            pen.put(line.x + 3, line.y, 1, sign, Role::Dim);
            let (word, role) = words::ci_state(job.state);
            pen.put(line.x + 5, line.y, STATE, word, role);
            let time = took(job, now);
            let at = line.x + 6 + STATE;
            let name = room(at).saturating_sub(u16::try_from(time.len()).unwrap_or(0) + 1);
            pen.put(at, line.y, name, &job.name, Role::Text);
            pen.put_right(Rect { width: line.width.saturating_sub(1), ..line }, &time, Role::Dim);
        }
        Node::Step(_, step) => {
            let (word, role) = words::ci_state(step.state);
            pen.put(line.x + 7, line.y, STATE, word, role);
            let at = line.x + 8 + STATE;
            pen.put(at, line.y, room(at), &format!("{} {}", step.number, step.name), Role::Text);
        }
    }
}

/// Returns how long a job took, or is taking.
fn took(job: &CiJob, now: Timestamp) -> String {
    let end = job.completed_at.or_else(|| (job.state == CiState::Running).then_some(now));
    job.started_at.zip(end).map(|(start, end)| age(start, end)).unwrap_or_default()
}

fn preview(model: &Model, pen: &mut Pen<'_>, area: Rect, page: &CiRunPage) {
    let job = page.job();
    let log = model.ci_log.as_ref().filter(|it| job.is_some_and(|job| it.job() == Some(job.id)));
    let mut title = vec![piece("Log", Role::Title)];
    if let Some(job) = job {
        title.push(piece(format!("  {}", job.name), Role::Text));
    }
    let is_focused = page.pane == Pane::Log;
    if let Some(log) = log {
        log::framed(pen, area, &title, log, is_focused);
        return;
    }
    let inside = pen.frame(area, &title, "", is_focused);
    let text = match job.map(|it| it.state) {
        None => "",
        Some(CiState::Red) => "reading…",
        Some(CiState::Running | CiState::Queued | CiState::Waiting) => "GitHub gives the log when the job is done",
        Some(_) => "l fetches the log of this job",
    };
    pen.put(inside.x + 1, inside.y, inside.width.saturating_sub(2), text, Role::Dim);
}
