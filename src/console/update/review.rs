//! The review: moving through a patch by line, hunk, file and match.
use crate::console::action::Command;
use crate::console::document::DiffDocument;
use crate::console::document::wrap;
use crate::console::effect::Ask;
use crate::console::effect::Effect;
use crate::console::layout;
use crate::console::model::Model;
use crate::console::model::Screen;
use crate::console::model::Tone;
use crate::console::model::overlay::PromptKind;
use crate::console::model::review::Review;
use crate::console::update::log;
use crate::console::update::motion;
use crate::console::update::prompt;
use crate::domain::Attempt;
use crate::domain::RunId;

const SIDEWAYS: usize = 8;

/// Opens the patch of the attempt that the screen is about.
pub fn open(model: &mut Model) -> Vec<Effect> {
    let Some(focus) = &model.focus else { return Vec::new() };
    if focus.detail.is_none() {
        model.say(Tone::Info, "the run is still being read");
        return Vec::new();
    }
    let attempt = match model.screen() {
        Screen::Run => model.run.selected(focus),
        Screen::Log => log::attempt(model).or(focus.candidate()),
        _ => focus.candidate(),
    };
    let review = attempt.and_then(|it| pin(focus.id, it));
    let Some(review) = review else {
        let what = attempt.map_or("this run".to_owned(), |it| format!("attempt {}", it.attempt_no));
        model.say(Tone::Info, format!("{what} has no patch"));
        return Vec::new();
    };
    let is_same = model.review.as_ref().is_some_and(|it| it.run == review.run && it.digest == review.digest);
    if !is_same {
        model.review = Some(review);
        run_read(model);
    }
    model.go(Screen::Review);
    Vec::new()
}

/// Notes that the patch on screen was looked at.
pub fn note_look(model: &mut Model) {
    if let Some(review) = model.review.as_ref().filter(|_| model.screen() == Screen::Review)
        && !model.looked_at.contains(&review.digest)
    {
        model.looked_at.insert(review.digest.clone());
    }
}

fn pin(run: RunId, attempt: &Attempt) -> Option<Review> {
    let patch = attempt.proposed_fix.as_ref()?;
    let mut document = DiffDocument::new(patch.text());
    if let Some(guard) = &attempt.guard {
        document.annotate(&guard.findings);
    }
    Some(Review {
        run,
        attempt_no: attempt.attempt_no,
        digest: attempt.patch_digest.clone().unwrap_or_else(|| patch.digest()),
        document,
        cursor: 0,
        offset: 0,
        left: 0,
        wraps: false,
        shows_why: true,
        needle: String::new(),
        hits: Vec::new(),
        newer: None,
    })
}

/// Notes when the run's candidate is no longer the patch on screen.
pub fn run_read(model: &mut Model) {
    let Some(focus) = &model.focus else { return };
    let Some(review) = model.review.as_mut().filter(|it| it.run == focus.id) else { return };
    let last = focus.candidate().filter(|it| it.attempt_no > review.attempt_no);
    review.newer = last.and_then(|it| Some((it.attempt_no, it.patch_digest.clone()?)));
}

/// Shows the run's candidate instead of the patch on screen.
pub fn reload(model: &mut Model) {
    let candidate = model.focus.as_ref().and_then(|focus| pin(focus.id, focus.candidate()?));
    if let Some(review) = candidate {
        model.review = Some(review);
    }
}

/// Runs a command of the review.
pub fn run(model: &mut Model, command: Command) -> Vec<Effect> {
    match command {
        Command::Log => return log::open(model),
        Command::Search => return prompt::open(model, PromptKind::SearchReview),
        Command::Copy => return copy(model),
        Command::Pane => other_attempt(model, true),
        Command::PreviousPane => other_attempt(model, false),
        _ => {}
    }
    let page = page(model);
    let Some(review) = &mut model.review else { return Vec::new() };
    let at = review.cursor;
    let found = match command {
        Command::Next => review.document.next_hunk(at),
        Command::Previous => review.document.prev_hunk(at),
        Command::NextGroup => review.document.next_file(at),
        Command::PreviousGroup => review.document.prev_file(at),
        Command::NextMatch => review.hits.iter().copied().find(|it| *it > at).or(review.hits.first().copied()),
        Command::PreviousMatch => review.hits.iter().rev().copied().find(|it| *it < at).or(review.hits.last().copied()),
        Command::Left => {
            review.left = review.left.saturating_sub(SIDEWAYS);
            None
        }
        Command::Right if !review.wraps => {
            review.left = (review.left + SIDEWAYS).min(4_000);
            None
        }
        Command::Wrap => {
            (review.wraps, review.left) = (!review.wraps, 0);
            None
        }
        Command::Why => {
            review.shows_why = !review.shows_why;
            None
        }
        _ => motion(command, at, review.document.len(), page),
    };
    if let Some(row) = found {
        review.cursor = row;
        if matches!(command, Command::Next | Command::Previous | Command::NextGroup | Command::PreviousGroup) {
            // A jump shows what follows, not only the head line.
            review.offset = row.saturating_sub(1);
        }
    }
    Vec::new()
}

/// Goes to the patch of the next or previous attempt that has one.
fn other_attempt(model: &mut Model, is_next: bool) {
    let Some((focus, review)) = model.focus.as_ref().zip(model.review.as_ref()) else { return };
    let attempts = focus.detail.as_ref().map_or(&[][..], |it| &it.attempts);
    let with_patch = |it: &&Attempt| it.proposed_fix.is_some();
    let found = if is_next {
        attempts.iter().filter(with_patch).find(|it| it.attempt_no > review.attempt_no)
    } else {
        attempts.iter().rev().filter(with_patch).find(|it| it.attempt_no < review.attempt_no)
    };
    match found.and_then(|it| pin(focus.id, it)) {
        Some(other) => {
            model.review = Some(other);
            run_read(model);
        }
        None => model.say(Tone::Info, "there is no other attempt with a patch that way"),
    }
}

/// Searches the patch and goes to the first match from the cursor on.
pub fn search(model: &mut Model, needle: &str) {
    let Some(review) = &mut model.review else { return };
    needle.clone_into(&mut review.needle);
    review.hits = if needle.is_empty() { Vec::new() } else { review.document.search(needle) };
    let found = review.hits.iter().copied().find(|it| *it >= review.cursor).or(review.hits.first().copied());
    match found {
        Some(row) => review.cursor = row,
        None if !needle.is_empty() => model.say(Tone::Info, format!("`{needle}` is not in this patch")),
        None => {}
    }
}

fn copy(model: &mut Model) -> Vec<Effect> {
    let Some((focus, review)) = model.focus.as_ref().zip(model.review.as_ref()) else { return Vec::new() };
    let patch = focus.attempt(review.attempt_no).and_then(|it| it.proposed_fix.as_ref());
    let Some(text) = patch.map(|it| it.text().to_owned()) else { return Vec::new() };
    vec![model.ask(Ask::Copy(text))]
}

fn page(model: &Model) -> usize {
    let shows_why = model.review.as_ref().is_some_and(|it| it.shows_why);
    let body = model.chrome().body;
    layout::rows(layout::review(body, shows_why).diff, 0)
}

/// Scrolls so that the cursor is on the screen.
pub fn keep_visible(model: &mut Model) {
    let rows = page(model);
    let shows_why = model.review.as_ref().is_some_and(|it| it.shows_why);
    let width = layout::text_columns(layout::review(model.chrome().body, shows_why).diff);
    if let Some(review) = &mut model.review {
        review.cursor = review.cursor.min(review.document.len().saturating_sub(1));
        let last = review.document.len().saturating_sub(rows);
        review.offset = layout::keep_visible(review.offset.min(last), review.cursor, rows);
        if review.wraps {
            let height = |idx| wrap(&review.document.row(idx, None), width).len();
            review.offset = review.offset.max(layout::wrapped_offset(review.cursor, rows, height));
        }
    }
}
