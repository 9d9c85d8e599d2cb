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
use crate::console::model::OutageKind;
use crate::console::model::Tone;
use crate::console::model::dialog::Stage;
use crate::console::model::server::Identity;
use crate::console::update::ci;
use crate::console::update::ci_run;
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
            readable(model)
        }
        Answer::Run(detail) if slot == Slot::Reread => tell_what_became(model, &detail),
        Answer::Me(me) => {
            if let Some((server, me)) = model.server.as_mut().zip(me) {
                model.operator.clone_from(&me.name);
                server.identity = Identity::Known(me);
            }
            Vec::new()
        }
        Answer::Run(detail) => run_read(model, *detail),
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
        Answer::Acted(outcome) => acted(model, *outcome),
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
        Answer::Ci(view) => ci::read(model, *view),
        Answer::CiJobs { repository, run, attempt, jobs } => ci_run::jobs_read(model, &repository, run, attempt, jobs),
        Answer::CiLog { job, output } => {
            log::job_log_read(model, job, &output);
            Vec::new()
        }
        Answer::CiDeployments { repository, run, waiting } => {
            ci_run::waiting_read(model, &repository, run, waiting);
            Vec::new()
        }
        Answer::CiActed(message) => ci_acted(model, message),
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

fn readable(model: &mut Model) -> Vec<Effect> {
    model.read_at = Some(model.now);
    let mut effects = Vec::new();
    if let Some(outage) = model.outage.take() {
        let since = outage.since.strftime("%H:%M:%S");
        let text = match outage.kind {
            OutageKind::Offline => format!("back online; it was offline since {since}Z"),
            OutageKind::NotAuthenticated => "the server knows you again".to_owned(),
            OutageKind::Broken => "the backlog can be read again".to_owned(),
        };
        model.say(Tone::Good, text);
        if let Some(dialog) = &mut model.dialog {
            dialog.hint = None;
        }
        if model.server.is_some() {
            // What else was asked meanwhile failed too.
            effects.push(model.ask(Ask::Me));
            effects.extend(model.focus.as_ref().map(|it| it.id).map(|id| model.ask(Ask::Run(id))));
        }
    }
    if let Some(lost) = &model.lost
        && !model.requests.is_waiting(Slot::Reread)
    {
        let id = lost.run;
        effects.push(model.ask(Ask::Reread(id)));
    }
    effects
}

/// Tells what became of a decision whose answer was lost. It is never sent again by itself.
fn tell_what_became(model: &mut Model, detail: &RunDetail) -> Vec<Effect> {
    let Some(lost) = model.lost.take().filter(|it| it.run == detail.run.id) else { return Vec::new() };
    let (kind, run) = (lost.kind, &detail.run);
    let state = format!("run {} is {} now, version {}", run.id.short(), run.status, run.version);
    if lost.has_arrived(detail, &model.operator) {
        model.kept_note = None;
        model.say(Tone::Good, format!("your {kind} did arrive: {state}"));
        return lost.draft.and_then(|draft| fix::sent(model, draft)).into_iter().collect();
    }
    model.say(Tone::Bad, format!("your {kind} has not arrived: {state}; it is not sent again by itself"));
    Vec::new()
}

/// Remembers since when and why the backlog cannot be read; the last data stay on screen.
pub fn unreadable(model: &mut Model, kind: OutageKind, why: &str) {
    let (since, tries) = model.outage.as_ref().map_or((model.now, 0), |it| (it.since, it.tries));
    let wait = 1_i64 << tries.min(5);
    model.outage = Some(Outage {
        since,
        kind,
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
    (model.sending, model.kept_note) = (None, None);
    if let Some(draft) = model.sent.take() {
        effects.extend(fix::sent(model, draft));
    }
    match &mut model.dialog {
        Some(dialog) if dialog.stage == Stage::Sending => dialog.stage = Stage::Done(Box::new(outcome)),
        _ => model.say(Tone::Good, format!("{}: {}", outcome.run.id.short(), outcome.message)),
    }
    effects
}

fn ci_acted(model: &mut Model, message: String) -> Vec<Effect> {
    match &mut model.dialog {
        Some(dialog) if dialog.stage == Stage::Sending => dialog.stage = Stage::Told(message),
        _ => model.say(Tone::Good, message),
    }
    ci_run::reread(model)
}

fn refused(model: &mut Model, slot: Slot, refusal: Refusal) -> Vec<Effect> {
    let outage = outage_of(model, refusal.kind);
    match slot {
        Slot::Queue => unreadable(model, outage.unwrap_or(OutageKind::Broken), &refusal.text),
        Slot::Run => {
            if let Some(focus) = &mut model.focus {
                focus.refusal = Some(refusal.text.clone());
            }
            match outage {
                Some(kind) => unreadable(model, kind, &refusal.text),
                None => model.say(Tone::Bad, refusal.text),
            }
        }
        Slot::Act => {
            model.sent = None;
            let sending = model.sending.take();
            let is_lost = refusal.kind == RefusalKind::Unreachable;
            match &mut model.dialog {
                Some(dialog) if dialog.stage == Stage::Sending => dialog.stage = Stage::Refused(refusal),
                _ if is_lost => model.say(Tone::Bad, refusal.text),
                _ => model.say(Tone::Bad, format!("refused: {}", refusal.text)),
            }
            if is_lost {
                model.lost = sending;
                return vec![model.ask(Ask::Queue)];
            }
        }
        Slot::Ci => ci::refused(model, refusal.text),
        Slot::CiJobs => ci_run::jobs_refused(model, refusal.text),
        Slot::CiLog => log::job_log_refused(model, &refusal.text),
        Slot::CiAct => {
            match &mut model.dialog {
                Some(dialog) if dialog.stage == Stage::Sending => dialog.stage = Stage::Refused(refusal),
                _ => model.say(Tone::Bad, format!("refused: {}", refusal.text)),
            }
            return ci_run::reread(model);
        }
        Slot::Outputs | Slot::Output => log::refused(model, &refusal.text),
        Slot::LoadDraft | Slot::Edit => fix::refused(model, &refusal.text),
        Slot::SaveDraft => fix::not_saved(model, &refusal.text),
        Slot::Copy | Slot::CiDeployments => model.say(Tone::Bad, refusal.text),
        Slot::Me => {
            let is_stranger = refusal.kind == RefusalKind::NotAuthenticated;
            if let Some(server) = model.server.as_mut().filter(|_| is_stranger) {
                server.identity = Identity::Stranger(refusal.text.clone());
                model.say(Tone::Bad, refusal.text);
            }
        }
        // What is lost is looked for as soon as the backlog can be read; the live pane stays as it was, the next second asks again.
        Slot::Reread | Slot::Live => {}
    }
    Vec::new()
}

/// Returns what a refusal says about the backlog as a whole.
const fn outage_of(model: &Model, kind: RefusalKind) -> Option<OutageKind> {
    match kind {
        RefusalKind::NotAuthenticated => Some(OutageKind::NotAuthenticated),
        RefusalKind::Unreachable if model.server.is_some() => Some(OutageKind::Offline),
        RefusalKind::Unreachable | RefusalKind::Failed => Some(OutageKind::Broken),
        _ => None,
    }
}
