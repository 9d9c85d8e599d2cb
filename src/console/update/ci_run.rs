//! A workflow run: moving through attempts, jobs and steps; the log beside them follows the cursor.
use crate::console::action::Command;
use crate::console::effect::Ask;
use crate::console::effect::Effect;
use crate::console::effect::Slot;
use crate::console::layout;
use crate::console::model::Model;
use crate::console::model::Screen;
use crate::console::model::Tone;
use crate::console::model::ci_run::CiRunPage;
use crate::console::model::ci_run::Node;
use crate::console::model::ci_run::Pane;
use crate::console::model::log::Log;
use crate::console::model::log::Owner;
use crate::console::update::ci;
use crate::console::update::log;
use crate::console::update::motion;
use crate::domain::CiJob;
use crate::domain::CiState;
use crate::domain::Deployment;
use jiff::SignedDuration;

/// How often the jobs of a run that goes on are read while it is on screen.
const EVERY: SignedDuration = SignedDuration::from_secs(10);
/// How long the cursor must rest on a job before its log is fetched.
const REST: SignedDuration = SignedDuration::from_millis(400);
/// Lines above the tree that say what the run is.
pub const HEAD: u16 = 2;

/// Opens a run.
pub fn open(model: &mut Model, repository: &str, run: u64) -> Vec<Effect> {
    let seen = model.ci.find(repository, run).map(|(_, seen)| seen.clone());
    let is_same = model.ci_run.as_ref().is_some_and(|it| it.run == run && it.repository == repository);
    if !is_same {
        model.ci_run = Some(CiRunPage::new(repository, run, seen, model.now));
        model.ci_log = None;
    }
    model.go(Screen::CiRun);
    reread(model)
}

/// Reads anew what the screens of CI show, and the log that could not be read.
pub fn refresh(model: &mut Model) -> Vec<Effect> {
    let mut effects = reread(model);
    if model.ci_log.as_ref().is_some_and(|it| it.document.is_none()) {
        effects.extend(load_log(model));
    }
    effects
}

/// Reads anew what the screens of CI show, but no log.
pub fn reread(model: &mut Model) -> Vec<Effect> {
    let mut effects = vec![ci::ask(model)];
    effects.extend(ask_jobs(model));
    effects.extend(ask_waiting(model));
    effects
}

fn ask_jobs(model: &mut Model) -> Option<Effect> {
    let page = model.ci_run.as_mut()?;
    page.asked_at = Some(model.now);
    let ask = Ask::CiJobs(page.repository.clone(), page.run, page.attempt);
    Some(model.ask(ask))
}

/// Asks what waits for an answer, where something does.
fn ask_waiting(model: &mut Model) -> Option<Effect> {
    let page = model.ci_run.as_mut()?;
    if page.seen.as_ref().is_none_or(|it| it.run.state != CiState::Waiting) {
        page.waiting = None;
        return None;
    }
    let ask = Ask::CiDeployments(page.repository.clone(), page.run);
    Some(model.ask(ask))
}

/// Follows the run through a new picture: another attempt or another state means other jobs.
pub fn view_read(model: &mut Model) -> Vec<Effect> {
    let Some(page) = &mut model.ci_run else { return Vec::new() };
    let Some(seen) = model.ci.find(&page.repository, page.run).map(|(_, seen)| seen.clone()) else { return Vec::new() };
    let was = page.seen.replace(seen.clone());
    let has_moved = was.is_none_or(|it| (it.run.attempt, it.run.state) != (seen.run.attempt, seen.run.state));
    if !has_moved || !is_on_screen(model) {
        return Vec::new();
    }
    ask_jobs(model).into_iter().chain(ask_waiting(model)).collect()
}

fn is_on_screen(model: &Model) -> bool {
    matches!(model.screen(), Screen::CiRun | Screen::CiLog)
}

/// Takes the jobs; the cursor stays on its job, or goes to what failed.
pub fn jobs_read(model: &mut Model, repository: &str, run: u64, attempt: Option<u32>, jobs: Vec<CiJob>) -> Vec<Effect> {
    let page = model.ci_run.as_mut().filter(|it| it.run == run && it.repository == repository && it.attempt == attempt);
    let Some(page) = page else { return Vec::new() };
    let here = page.nodes().get(page.cursor).map(key);
    (page.jobs, page.refusal) = (Some(jobs), None);
    if let Some(idx) = here.and_then(|here| page.nodes().iter().position(|it| key(it) == here)) {
        page.cursor = idx;
    }
    page.place();
    follow(model)
}

/// What a row is known by, whatever comes before it.
fn key(node: &Node<'_>) -> (u8, u64, u32) {
    match node {
        Node::Attempt(no, _) => (0, 0, *no),
        Node::Waiting(it) => (1, it.environment_id, 0),
        Node::Job(job, _) => (2, job.id, 0),
        Node::Step(job, step) => (3, job.id, step.number),
    }
}

/// Tells why the jobs could not be read; those that were read stay.
pub fn jobs_refused(model: &mut Model, why: String) {
    if let Some(page) = &mut model.ci_run {
        page.refusal = Some(why);
    }
}

/// Takes what waits for an answer.
pub fn waiting_read(model: &mut Model, repository: &str, run: u64, waiting: Vec<Deployment>) {
    let page = model.ci_run.as_mut().filter(|it| it.run == run && it.repository == repository);
    if let Some(page) = page {
        page.waiting = Some(waiting);
    }
}

/// Reads again what goes on, and the log that the cursor has come to rest on.
pub fn tick(model: &mut Model) -> Vec<Effect> {
    if !is_on_screen(model) {
        return Vec::new();
    }
    let Some(page) = &model.ci_run else { return Vec::new() };
    let is_due = page.asked_at.is_none_or(|at| EVERY <= model.now.duration_since(at));
    let rests = REST <= model.now.duration_since(page.moved_at);
    let mut effects = Vec::new();
    if is_due && (page.is_going_on() || page.jobs.is_none()) && !model.requests.is_waiting(Slot::CiJobs) {
        effects.extend(ask_jobs(model));
    }
    if rests && model.screen() == Screen::CiRun {
        effects.extend(follow(model));
    }
    effects
}

/// Shows the log of the job that the cursor is about; that of a green one only when it is asked for.
fn follow(model: &mut Model) -> Vec<Effect> {
    let Some(page) = &model.ci_run else { return Vec::new() };
    match page.job().map(|it| (it.id, it.state)) {
        Some((id, CiState::Red)) => show_log(model, id),
        _ => Vec::new(),
    }
}

/// Makes a job's log the one that is read; returns nothing to do where it is that already.
fn show_log(model: &mut Model, job: u64) -> Vec<Effect> {
    let Some(page) = &model.ci_run else { return Vec::new() };
    let jobs = page.jobs.as_deref().unwrap_or_default();
    let ids: Vec<u64> = jobs.iter().map(|it| it.id).collect();
    let names: Vec<(String, u64)> = jobs.iter().map(|it| (it.name.clone(), 0)).collect();
    let Some(current) = ids.iter().position(|it| *it == job) else { return Vec::new() };
    let owner = Owner::Jobs { repository: page.repository.clone(), run: page.run, attempt: page.shown(), ids };
    match &mut model.ci_log {
        Some(log) if log.owner == owner && log.current == current && log.is_asked => {
            return Vec::new();
        }
        Some(log) if log.owner == owner => log.current = current,
        _ => model.ci_log = Some(Log { current, ..Log::of(owner, names, None) }),
    }
    load_log(model)
}

/// Fetches the log of the job that is read, where there is one.
pub fn load_log(model: &mut Model) -> Vec<Effect> {
    let Some((log, page)) = model.ci_log.as_mut().zip(model.ci_run.as_ref()) else { return Vec::new() };
    (log.document, log.refusal, log.is_asked) = (None, None, false);
    let Some(job) = log.job().and_then(|id| page.jobs.iter().flatten().find(|it| it.id == id)) else {
        return Vec::new();
    };
    log.refusal = match job.state {
        CiState::Queued | CiState::Waiting => Some("it has not begun".to_owned()),
        CiState::Running => Some("GitHub gives the log when the job is done".to_owned()),
        CiState::Skipped => Some("it was skipped; there is no log".to_owned()),
        _ => None,
    };
    if log.refusal.is_some() {
        model.requests.forget(Slot::CiLog);
        return Vec::new();
    }
    log.is_asked = true;
    let ask = Ask::CiLog(page.repository.clone(), job.id);
    vec![model.ask(ask)]
}

/// Runs a command of the screen.
pub fn run(model: &mut Model, command: Command) -> Vec<Effect> {
    let Some(page) = &mut model.ci_run else { return Vec::new() };
    match command {
        Command::Pane | Command::PreviousPane => page.pane = page.pane.other(),
        Command::Next => return other_attempt(model, true),
        Command::Previous => return other_attempt(model, false),
        Command::Open => return enter(model),
        Command::Toggle => toggle(model),
        Command::Log => return open_log(model),
        Command::HealingRun => {
            let heal = page.seen.as_ref().and_then(|it| it.heal);
            return ci::open_healing(model, heal);
        }
        Command::Copy => {
            let Some(url) = url(model) else { return Vec::new() };
            return vec![model.ask(Ask::Copy(url))];
        }
        _ if page.pane == Pane::Log => return log::run(model, command),
        _ => {
            let len = page.nodes().len();
            let rows = layout::rows(layout::ci_run(model.chrome().body).jobs, HEAD);
            move_cursor(model, command, len, rows);
        }
    }
    Vec::new()
}

fn move_cursor(model: &mut Model, command: Command, len: usize, rows: usize) {
    let now = model.now;
    if let Some(page) = &mut model.ci_run
        && let Some(idx) = motion(command, page.cursor, len, rows)
    {
        (page.cursor, page.moved_at) = (idx, now);
    }
}

/// Opens what the cursor stands on: an attempt its jobs, a job its steps, a step its log.
fn enter(model: &mut Model) -> Vec<Effect> {
    let Some(page) = &model.ci_run else { return Vec::new() };
    match page.nodes().get(page.cursor) {
        Some(Node::Attempt(no, _)) => {
            let no = *no;
            choose_attempt(model, no)
        }
        Some(Node::Job(..)) => {
            toggle(model);
            Vec::new()
        }
        Some(Node::Step(..)) => open_log(model),
        Some(Node::Waiting(_)) => {
            model.say(Tone::Info, "A approves the deployments that wait, D rejects them");
            Vec::new()
        }
        None => Vec::new(),
    }
}

/// Folds or unfolds the job that the cursor is in.
fn toggle(model: &mut Model) {
    let Some(page) = &mut model.ci_run else { return };
    let (id, is_unfolded) = match page.nodes().get(page.cursor) {
        Some(Node::Job(job, is_unfolded)) => (job.id, *is_unfolded),
        Some(Node::Step(job, _)) => (job.id, true),
        _ => return,
    };
    page.unfolded.insert(id, !is_unfolded);
    let found = page.nodes().iter().position(|it| matches!(it, Node::Job(job, _) if job.id == id));
    page.cursor = found.unwrap_or(page.cursor);
}

fn other_attempt(model: &mut Model, is_next: bool) -> Vec<Effect> {
    let Some(page) = &model.ci_run else { return Vec::new() };
    let shown = page.shown();
    let wanted = if is_next { shown.saturating_add(1) } else { shown.saturating_sub(1) };
    if wanted == 0 || wanted > page.latest() {
        model.say(Tone::Info, "there is no other attempt that way");
        return Vec::new();
    }
    choose_attempt(model, wanted)
}

/// Shows the jobs of an attempt.
fn choose_attempt(model: &mut Model, no: u32) -> Vec<Effect> {
    let Some(page) = &mut model.ci_run else { return Vec::new() };
    if page.shown() == no && page.jobs.is_some() {
        return Vec::new();
    }
    page.attempt = Some(no).filter(|it| *it != page.latest());
    (page.jobs, page.refusal, page.is_placed, page.cursor) = (None, None, false, 0);
    model.ci_log = None;
    ask_jobs(model).into_iter().collect()
}

/// Opens the whole log of the job that the cursor is about.
fn open_log(model: &mut Model) -> Vec<Effect> {
    let Some(job) = model.ci_run.as_ref().and_then(CiRunPage::job).map(|it| it.id) else {
        model.say(Tone::Info, "the jobs are still being read");
        return Vec::new();
    };
    let effects = show_log(model, job);
    model.go(Screen::CiLog);
    effects
}

/// Says where the run, or the job that the cursor is about, is at the forge.
pub fn show_url(model: &mut Model) -> Vec<Effect> {
    let text = url(model).unwrap_or("its address is not known yet".to_owned());
    model.say(Tone::Info, text);
    Vec::new()
}

fn url(model: &Model) -> Option<String> {
    let run = |it: &crate::domain::SeenRun| it.run.url.clone();
    if model.screen() == Screen::Ci {
        return model.ci.current().map(|(_, seen)| run(seen));
    }
    let page = model.ci_run.as_ref()?;
    let job = match page.nodes().get(page.cursor) {
        Some(Node::Job(job, _) | Node::Step(job, _)) => Some(job.url.clone()).filter(|it| !it.is_empty()),
        _ => None,
    };
    job.or_else(|| page.seen.as_ref().map(run))
}

/// Scrolls so that the cursor is on the screen.
pub fn keep_visible(model: &mut Model) {
    let rows = layout::rows(layout::ci_run(model.chrome().body).jobs, HEAD);
    let Some(page) = &mut model.ci_run else { return };
    let len = page.nodes().len();
    page.cursor = page.cursor.min(len.saturating_sub(1));
    page.offset = layout::keep_visible(page.offset.min(len.saturating_sub(rows)), page.cursor, rows);
}
