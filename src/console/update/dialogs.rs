//! Decisions: a dialog is opened by a key, frozen on what was seen, and sent by `y` alone.
use crate::backlog::ActionKind;
use crate::backlog::ActionRequest;
use crate::backlog::CiAct;
use crate::console::action::Command;
use crate::console::effect::Ask;
use crate::console::effect::Effect;
use crate::console::effect::Slot;
use crate::console::model::Model;
use crate::console::model::Screen;
use crate::console::model::Tone;
use crate::console::model::dialog::Challenge;
use crate::console::model::dialog::Deed;
use crate::console::model::dialog::Dialog;
use crate::console::model::dialog::Seen;
use crate::console::model::dialog::Spot;
use crate::console::model::dialog::Stage;
use crate::console::model::field::Field;
use crate::console::model::server::Lost;
use crate::console::update::ci_run;
use crate::domain::Attempt;
use crate::domain::ChecksState;
use crate::domain::PrState;
use crate::domain::RunDetail;
use crate::domain::RunPull;
use crate::domain::Status;
use crate::domain::Verdict;
use crate::domain::transition::Decision;
use crate::evidence::text::has_deceptive;
use crate::evidence::text::is_blank;

/// Opens the dialog of a decision about the run in focus, if the run can be decided on so.
pub fn open(model: &mut Model, command: Command) -> Vec<Effect> {
    let kind = match command {
        Command::Approve => ActionKind::Approve,
        Command::Deny => ActionKind::Deny,
        Command::Abort => ActionKind::Abort,
        Command::Publish => ActionKind::Publish,
        _ => ActionKind::Retry,
    };
    match prepare(model, kind) {
        Ok(dialog) => model.dialog = Some(dialog),
        Err(why) => model.say(Tone::Bad, why),
    }
    Vec::new()
}

/// Returns the dialog, or why there is nothing to ask.
fn prepare(model: &Model, kind: ActionKind) -> Result<Dialog, String> {
    may_ask(model)?;
    let Some(detail) = model.focus.as_ref().and_then(|it| it.detail.as_ref()) else {
        return Err("the run is still being read; press again when it is shown".to_owned());
    };
    let seen = seen(model, detail, kind)?;
    let decision = Decision {
        by: &model.operator,
        is_authenticated: model.server.is_some(),
        note: None,
        rev: seen.digest.as_ref().map(crate::domain::Digest::as_str),
        version: seen.version,
        machine: None,
        now: model.now,
    };
    // The backlog decides in the end; asking the same rules first spares the person a dialog that cannot succeed.
    let (run, attempts) = (&detail.run, detail.attempts.as_slice());
    let judged = match kind {
        ActionKind::Approve => run.approve(attempts, &decision),
        ActionKind::Deny => run.deny(attempts, &decision),
        ActionKind::Abort => run.abort(attempts, &decision),
        ActionKind::Retry | ActionKind::HumanFix => run.retry(&decision),
        ActionKind::Publish => {
            may_publish(detail)?;
            return Ok(dialog(model, kind, detail, seen));
        }
    };
    // A pull request that is open, perhaps again, may be refused again.
    let is_no_again = matches!(kind, ActionKind::Deny | ActionKind::Abort) && open_pull(detail).is_some();
    match judged {
        Ok(crate::domain::transition::Decided::AlreadyDone(what)) if !is_no_again => return Err(what),
        Ok(_) => {}
        Err(why) => return Err(why.to_string()),
    }
    Ok(dialog(model, kind, detail, seen))
}

/// Says why there is nothing to publish; whether the forge may be changed at all is the backlog's to say.
fn may_publish(detail: &RunDetail) -> Result<(), String> {
    let run = &detail.run;
    if detail.forge.is_none() {
        return Err("this run is not of a watched repository; there is nowhere to publish it".to_owned());
    }
    if let Some((number, _)) = open_pull(detail) {
        return Err(format!("PR #{number} is open already"));
    }
    if !matches!(run.status, Status::Fixed | Status::Escalated) {
        return Err(format!("cannot publish a run that is {}", run.status));
    }
    detail.candidate().map(drop).ok_or_else(|| "there is no patch to publish".to_owned())
}

/// Returns why nothing can be decided now.
pub fn may_ask(model: &Model) -> Result<(), String> {
    if model.requests.is_waiting(Slot::Act) || model.requests.is_waiting(Slot::CiAct) {
        return Err("a decision is still on its way; wait for its answer".to_owned());
    }
    match model.forbidden().or_else(|| model.undecidable()) {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

/// Freezes what the decision is about: the patch on screen in the review, else the candidate.
fn seen(model: &Model, detail: &RunDetail, kind: ActionKind) -> Result<Seen, String> {
    let candidate = detail.candidate().and_then(|it| it.patch_digest.clone());
    let review = model.review.as_ref().filter(|it| model.screen() == Screen::Review && it.run == detail.run.id);
    let needs_digest = matches!(kind, ActionKind::Approve | ActionKind::Deny | ActionKind::Publish);
    if let Some(review) = review.filter(|it| needs_digest && Some(&it.digest) != candidate.as_ref()) {
        let now = candidate.as_ref().map_or("none", |it| it.short());
        let shown = review.digest.short();
        return Err(format!("the patch on screen is {shown}, the candidate is {now}; r shows the candidate"));
    }
    // A run at work makes a new version with every step; who wants it stopped wants that whatever step it is at.
    let is_to_stop = kind == ActionKind::Abort && !detail.run.status.is_at_rest();
    let version = (!is_to_stop).then_some(detail.run.version);
    Ok(Seen { run: detail.run.id, version, digest: candidate.filter(|_| needs_digest) })
}

fn dialog(model: &Model, kind: ActionKind, detail: &RunDetail, seen: Seen) -> Dialog {
    let run = &detail.run;
    let attempt = detail.candidate();
    let short = run.id.short();
    let title = match (kind, &seen.digest) {
        (ActionKind::Approve, Some(digest)) => format!("APPROVE patch {}", digest.short()),
        (ActionKind::Deny, Some(digest)) => format!("DENY patch {}", digest.short()),
        (ActionKind::Publish, Some(digest)) => format!("PUBLISH patch {}", digest.short()),
        (ActionKind::Publish, None) => format!("PUBLISH run {short}"),
        (ActionKind::Approve, None) => "APPROVE".to_owned(),
        (ActionKind::Deny, None) => format!("DENY run {short}"),
        (ActionKind::Abort, _) => format!("ABORT run {short}"),
        (ActionKind::Retry | ActionKind::HumanFix, _) => format!("RETRY run {short}"),
    };
    let is_unseen = seen.digest.as_ref().is_some_and(|it| !model.looked_at.contains(it));
    let mut dialog = blank(model, Deed::Decide(kind, seen), title);
    dialog.facts = facts(detail, kind);
    dialog.needs_note = kind == ActionKind::Deny;
    if kind == ActionKind::Approve {
        if is_unseen {
            dialog.warnings.push("you have not looked at this patch in this session; d shows it".to_owned());
        }
        warn_of_patch(&mut dialog, attempt);
        if let Some((_, pull)) = open_pull(detail) {
            if let Some(why) = &pull.hands_off {
                dialog.warnings.push(format!("somebody else pushed to its branch: {why}"));
            }
            if matches!(pull.checks, ChecksState::Pending | ChecksState::Red) {
                dialog.warnings.push(format!("its checks are {}; this may be refused for that", pull.checks));
            }
        }
    }
    if kind == ActionKind::Retry && run.status == Status::Fixed {
        dialog.warnings.push("this gives up the proved patch: to be approved it must be proved anew".to_owned());
    }
    if kind == ActionKind::Abort {
        dialog.challenge = Some(Challenge {
            why: "type the run's id to abort it".to_owned(),
            expected: short,
            field: Field::default(),
        });
    }
    dialog
}

/// Returns a dialog that asks nothing yet.
pub fn blank(model: &Model, deed: Deed, title: String) -> Dialog {
    let kept = model.kept_note.as_ref().filter(|(run, of, _)| match &deed {
        Deed::Decide(kind, seen) => (*run, *of) == (seen.run, *kind),
        Deed::Ci(_) => false,
    });
    let note = kept.map(|(.., note)| note.clone()).unwrap_or_default();
    Dialog {
        deed,
        title,
        facts: Vec::new(),
        warnings: Vec::new(),
        note,
        needs_note: false,
        challenge: None,
        spot: Spot::Question,
        stage: Stage::Asking,
        opened_at: model.now,
        hint: None,
        fix: None,
    }
}

fn facts(detail: &RunDetail, kind: ActionKind) -> Vec<(String, String)> {
    let run = &detail.run;
    let mut facts = vec![
        ("run".to_owned(), format!("{} · {} · {}", run.id.short(), run.repository, run.branch)),
        (
            "state".to_owned(),
            format!("{}, version {}, base {}", run.status, run.version, short_commit(run.working_commit())),
        ),
    ];
    if let Some(attempt) = detail.candidate().filter(|_| kind != ActionKind::Abort) {
        facts.push(("patch".to_owned(), patch_line(attempt)));
        facts.push(("proof".to_owned(), proof_line(attempt)));
        facts.push(("guard".to_owned(), guard_line(attempt)));
    }
    let pull = open_pull(detail);
    let effect = match (kind, pull) {
        (ActionKind::Approve, Some((number, pull))) => {
            let base = pull.base_branch.as_deref().unwrap_or("its base");
            format!("merges PR #{number} at head {} into {base}", short_head(&pull.head))
        }
        (ActionKind::Approve, None) => "one commit on a new branch; the checkout is left alone".to_owned(),
        (ActionKind::Deny, Some((number, _))) => format!("PR #{number} is closed with the reason; the patch is kept"),
        (ActionKind::Deny, None) => "the run is escalated; the patch is kept, nothing is committed".to_owned(),
        (ActionKind::Abort, Some((number, _))) => format!("what runs is killed, PR #{number} is closed"),
        (ActionKind::Abort, None) => "what runs is killed, late results are dropped".to_owned(),
        (ActionKind::Publish, _) if run.status == Status::Escalated => {
            "a draft pull request is opened, not proved".to_owned()
        }
        (ActionKind::Publish, _) => "a pull request with the proved patch is opened".to_owned(),
        (ActionKind::Retry | ActionKind::HumanFix, _) => "back to the queue with a fresh budget of attempts".to_owned(),
    };
    facts.push(("effect".to_owned(), effect));
    if let Some((_, pull)) = pull.filter(|_| kind == ActionKind::Approve) {
        let draft = if pull.is_draft { "; it is a draft still" } else { "" };
        facts.push(("checks".to_owned(), format!("{}{draft}", pull.checks)));
    }
    if !run.approved_by.is_empty() {
        facts.push(("keys".to_owned(), format!("first key: {}", run.approved_by.join(", "))));
    }
    facts
}

/// Returns the run's open pull request with its number.
fn open_pull(detail: &RunDetail) -> Option<(u64, &RunPull)> {
    let pull = detail.forge.as_ref()?.pull.as_ref().filter(|it| it.state == PrState::Open)?;
    Some((pull.number?, pull))
}

/// Returns the first eight characters of a commit.
fn short_head(sha: &str) -> &str {
    sha.get(..8).unwrap_or(sha)
}

fn patch_line(attempt: &Attempt) -> String {
    let (files, added, removed) = attempt.proposed_fix.as_ref().map_or((0, 0, 0), crate::domain::Patch::stat);
    let recorded = if attempt.recorded { " · recorded answer" } else { "" };
    format!(
        "attempt {} by {} · {files} {} +{added} −{removed}{recorded}",
        attempt.attempt_no,
        attempt.author,
        if files == 1 { "file" } else { "files" }
    )
}

fn proof_line(attempt: &Attempt) -> String {
    match attempt.status {
        crate::domain::AttemptStatus::Succeeded => "red before, green after, green again".to_owned(),
        crate::domain::AttemptStatus::Running => "still running".to_owned(),
        crate::domain::AttemptStatus::Failed => {
            format!("none: {}", attempt.failure_reason.as_deref().unwrap_or("the attempt failed"))
        }
    }
}

fn guard_line(attempt: &Attempt) -> String {
    let Some(guard) = &attempt.guard else { return "not judged".to_owned() };
    let n = guard.findings.len();
    match guard.verdict {
        Verdict::Ok => "ok".to_owned(),
        Verdict::NeedsTwoKeys => format!("two keys: two different people must approve ({n} findings)"),
        Verdict::Violation => format!("violation ({n} findings)"),
    }
}

/// Returns the first seven characters of a commit.
pub fn short_commit(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}

/// Asks for an extra word where a patch shows something other than it holds.
pub fn warn_of_patch(dialog: &mut Dialog, attempt: Option<&Attempt>) {
    let Some(attempt) = attempt else { return };
    if attempt.recorded {
        dialog.warnings.push("this patch is a recorded answer, no agent worked on it".to_owned());
    }
    if attempt.proposed_fix.as_ref().is_some_and(|it| has_deceptive(it.text())) {
        challenge_hidden(dialog);
    }
}

/// Makes the person type a word, because the patch has characters that hide or reorder text.
pub fn challenge_hidden(dialog: &mut Dialog) {
    dialog.warnings.push("the patch has hidden or text-reordering characters, shown as ⟨U+…⟩".to_owned());
    dialog.challenge = Some(Challenge {
        why: "type `hidden` to say that you looked at them".to_owned(),
        expected: "hidden".to_owned(),
        field: Field::default(),
    });
}

/// Runs a command while a dialog is open.
pub fn run(model: &mut Model, command: Command) -> Vec<Effect> {
    let Some(dialog) = &mut model.dialog else { return Vec::new() };
    match (&dialog.stage, command) {
        (Stage::Asking, Command::Confirm) => return confirm(model),
        (Stage::Asking, Command::Field) => walk(dialog, true),
        (Stage::Asking, Command::PreviousField) => walk(dialog, false),
        (Stage::Asking, Command::Accept | Command::Leave) => dialog.spot = Spot::Question,
        (Stage::Refused(_), Command::Reload) => return reload(model),
        (Stage::Told(message), Command::Confirm) => {
            let text = message.clone();
            return vec![model.ask(Ask::Copy(text))];
        }
        (Stage::Done(outcome), Command::Confirm) => {
            let text = outcome.run.merge_command().unwrap_or_else(|| outcome.message.clone());
            return vec![model.ask(Ask::Copy(text))];
        }
        (Stage::Sending, Command::Cancel) => {
            model.dialog = None;
            model.say(Tone::Info, "it was sent; the answer will be told here");
        }
        (_, Command::Cancel) => {
            let was_asking = dialog.stage == Stage::Asking;
            model.dialog = None;
            if was_asking {
                model.say(Tone::Info, "cancelled; nothing was sent");
            }
        }
        _ => {}
    }
    Vec::new()
}

fn walk(dialog: &mut Dialog, is_forward: bool) {
    let spots = dialog.spots();
    let at = spots.iter().position(|it| *it == dialog.spot).unwrap_or(0);
    let step = if is_forward { 1 } else { spots.len() - 1 };
    dialog.spot = spots[(at + step) % spots.len()];
    dialog.hint = None;
}

/// Sends what was frozen.
fn confirm(model: &mut Model) -> Vec<Effect> {
    if model.is_read_only || model.requests.is_waiting(Slot::Act) || model.requests.is_waiting(Slot::CiAct) {
        return Vec::new();
    }
    let undecidable = model.undecidable();
    let Some(dialog) = &mut model.dialog else { return Vec::new() };
    if undecidable.is_some() {
        dialog.hint = undecidable;
        return Vec::new();
    }
    if let Some(missing) = dialog.missing() {
        dialog.hint = Some(missing);
        return Vec::new();
    }
    dialog.stage = Stage::Sending;
    let note = Some(dialog.note.text().trim().to_owned()).filter(|it| !is_blank(it));
    let by = model.operator.clone();
    let (kind, seen) = match &dialog.deed {
        Deed::Decide(kind, seen) => (*kind, seen),
        Deed::Ci(act) => {
            let act = CiAct { note, ..act.clone() };
            return vec![model.ask(Ask::CiAct(act, by))];
        }
    };
    let request = ActionRequest {
        kind,
        by,
        is_authenticated: false,
        note,
        rev: seen.digest.as_ref().map(|it| it.as_str().to_owned()),
        version: seen.version,
        fix: dialog.fix.as_ref().map(|(_, fix)| fix.clone()),
        machine: None,
    };
    let run = seen.run;
    let draft = dialog.fix.as_ref().map(|(draft, _)| *draft);
    let detail = model.focus.as_ref().filter(|it| it.id == run).and_then(|it| it.detail.as_ref());
    let after = detail.and_then(|it| it.events.last()).map_or(0, |it| it.seq);
    let kept = (run, request.kind, dialog.note.clone());
    (model.sent, model.lost, model.kept_note) = (draft, None, Some(kept));
    model.sending = Some(Lost { run, kind: request.kind, after, draft });
    vec![model.ask(Ask::Act(run, request))]
}

/// Closes a refused dialog and reads the run again.
fn reload(model: &mut Model) -> Vec<Effect> {
    let Some(dialog) = model.dialog.take() else { return Vec::new() };
    model.say(Tone::Info, "reading the run again; look before you decide");
    let Deed::Decide(_, seen) = dialog.deed else { return ci_run::reread(model) };
    if let Some(fix) = model.fix.as_mut().filter(|it| it.run == seen.run) {
        fix.is_following = true;
    }
    vec![model.ask(Ask::Queue), model.ask(Ask::Run(seen.run))]
}
