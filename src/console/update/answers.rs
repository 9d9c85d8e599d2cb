//! Answers to requests: taken if they are the awaited ones, dropped if not.
use crate::console::action::Answer;
use crate::console::action::Outcome;
use crate::console::action::Refusal;
use crate::console::action::RefusalKind;
use crate::console::action::RequestId;
use crate::console::effect::Ask;
use crate::console::effect::Effect;
use crate::console::effect::Slot;
use crate::console::model::Model;
use crate::console::model::Outage;
use crate::console::model::Tone;
use crate::console::model::dialog::Stage;
use crate::console::update::fix;
use crate::console::update::log;
use crate::console::update::review;
use crate::domain::RunDetail;
use jiff::SignedDuration;

/// Takes an answer.
pub fn update(model: &mut Model, request: RequestId, answer: Answer) -> Vec<Effect> {
    let Some(slot) = model.requests.finish(request) else { return Vec::new() };
    let mut effects = match answer {
        Answer::Queue { runs, total, summary } => {
            model.queue.take(runs, total, summary);
            readable(model);
            Vec::new()
        }
        Answer::Run(detail) => run_read(model, detail),
        Answer::Outputs(outputs) => log::outputs_read(model, outputs),
        Answer::Output { name, output } => {
            log::output_read(model, &name, output);
            Vec::new()
        }
        Answer::Live(live) => {
            if let Some(focus) = &mut model.focus {
                focus.live = live;
            }
            Vec::new()
        }
        Answer::Acted(outcome) => acted(model, outcome),
        Answer::Draft { path, text } => fix::draft_read(model, path, text),
        Answer::Saved { path } => {
            fix::saved(model, path);
            Vec::new()
        }
        Answer::Edited { text } => {
            fix::edited(model, &text);
            Vec::new()
        }
        Answer::Copied { bytes } => {
            let tmux = if model.in_tmux { "; tmux needs set-clipboard on" } else { "" };
            model.say(Tone::Good, format!("sent to the terminal clipboard (OSC 52, {bytes} B){tmux}"));
            Vec::new()
        }
        Answer::Refused(refusal) => refused(model, slot, refusal),
    };
    effects.extend(ask_again(model, slot));
    effects
}

fn ask_again(model: &mut Model, slot: Slot) -> Option<Effect> {
    if !model.requests.take_again(slot) {
        return None;
    }
    match slot {
        Slot::Queue => Some(model.ask(Ask::Queue)),
        Slot::Run => {
            let id = model.focus.as_ref()?.id;
            Some(model.ask(Ask::Run(id)))
        }
        _ => None,
    }
}

fn readable(model: &mut Model) {
    model.read_at = Some(model.now);
    if model.outage.take().is_some() {
        model.say(Tone::Good, "the backlog can be read again");
    }
}

/// Remembers since when and why the backlog cannot be read; the last data stay on screen.
pub fn unreadable(model: &mut Model, why: &str) {
    let (since, tries) = model.outage.as_ref().map_or((model.now, 0), |it| (it.since, it.tries));
    let wait = 1_i64 << tries.min(5);
    model.outage = Some(Outage {
        since,
        why: why.to_owned(),
        tries: tries + 1,
        retry_at: model.now.checked_add(SignedDuration::from_secs(wait)).unwrap_or(model.now),
    });
}

fn run_read(model: &mut Model, detail: RunDetail) -> Vec<Effect> {
    let Some(focus) = model.focus.as_mut().filter(|it| it.id == detail.run.id) else { return Vec::new() };
    if detail.run.status.is_at_rest() {
        focus.live = None;
    }
    focus.refusal = None;
    focus.detail = Some(detail);
    review::run_read(model);
    fix::run_read(model);
    log::run_read(model)
}

fn acted(model: &mut Model, outcome: Outcome) -> Vec<Effect> {
    let mut effects = vec![model.ask(Ask::Queue)];
    if let Some(id) = model.focus.as_ref().map(|it| it.id) {
        effects.push(model.ask(Ask::Run(id)));
    }
    if let Some(draft) = model.sent.take() {
        effects.extend(fix::sent(model, draft));
    }
    match &mut model.dialog {
        Some(dialog) if dialog.stage == Stage::Sending => dialog.stage = Stage::Done(Box::new(outcome)),
        _ => model.say(Tone::Good, format!("{}: {}", outcome.run.id.short(), outcome.message)),
    }
    effects
}

fn refused(model: &mut Model, slot: Slot, refusal: Refusal) -> Vec<Effect> {
    match slot {
        Slot::Queue => unreadable(model, &refusal.text),
        Slot::Run => {
            if let Some(focus) = &mut model.focus {
                focus.refusal = Some(refusal.text.clone());
            }
            if refusal.kind == RefusalKind::Failed {
                unreadable(model, &refusal.text);
            } else {
                model.say(Tone::Bad, refusal.text);
            }
        }
        Slot::Act => {
            model.sent = None;
            match &mut model.dialog {
                Some(dialog) if dialog.stage == Stage::Sending => dialog.stage = Stage::Refused(refusal),
                _ => model.say(Tone::Bad, format!("refused: {}", refusal.text)),
            }
        }
        Slot::Outputs | Slot::Output => log::refused(model, &refusal.text),
        Slot::LoadDraft | Slot::Edit => fix::refused(model, &refusal.text),
        Slot::SaveDraft => fix::not_saved(model, &refusal.text),
        Slot::Copy => model.say(Tone::Bad, refusal.text),
        // The pane simply stays as it was; the next second asks again.
        Slot::Live => {}
    }
    Vec::new()
}
