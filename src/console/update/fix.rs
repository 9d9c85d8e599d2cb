//! A fix by hand: choose how, edit with the draft kept on disk, send through a dialog.
use crate::backlog::ActionKind;
use crate::backlog::HandMade;
use crate::console::action::Command;
use crate::console::effect::Ask;
use crate::console::effect::Draft;
use crate::console::effect::DraftKind;
use crate::console::effect::Effect;
use crate::console::effect::Slot;
use crate::console::key::Code;
use crate::console::key::Key;
use crate::console::model::Model;
use crate::console::model::Screen;
use crate::console::model::Tone;
use crate::console::model::dialog::Deed;
use crate::console::model::dialog::Dialog;
use crate::console::model::dialog::Seen;
use crate::console::model::fix::CHOICES;
use crate::console::model::fix::Fix;
use crate::console::model::fix::MAX_DRAFT_BYTES;
use crate::console::model::fix::Stage;
use crate::console::model::fix::area;
use crate::console::update::dialogs;
use crate::console::update::log;
use crate::console::update::motion;
use crate::console::update::review;
use crate::domain::Patch;
use crate::domain::Pending;
use crate::domain::transition::Decision;
use crate::evidence::text::has_deceptive;
use crate::evidence::text::is_blank;
use jiff::SignedDuration;
use ratatui_textarea::Input;
use std::path::PathBuf;

/// How long typing may go on without the draft being saved.
const SAVE_AFTER: SignedDuration = SignedDuration::from_secs(3);

/// Opens the choice of ways to give a fix.
pub fn open(model: &mut Model) -> Vec<Effect> {
    if let Err(why) = begin(model) {
        model.say(Tone::Bad, why);
    }
    Vec::new()
}

fn begin(model: &mut Model) -> Result<(), String> {
    if let Some(why) = model.forbidden() {
        return Err(why);
    }
    let detail = model.focus.as_ref().and_then(|it| it.detail.as_ref());
    let detail = detail.ok_or("the run is still being read; press again when it is shown")?;
    let hint = Pending::Hint { by: model.operator.clone(), text: String::new() };
    let decision = Decision {
        by: &model.operator,
        is_authenticated: model.server.is_some(),
        note: None,
        rev: None,
        machine: None,
        version: None,
        now: model.now,
    };
    detail.run.human_fix(hint, &decision).map_err(|it| it.to_string())?;
    let is_open = model.fix.as_ref().is_some_and(|it| it.run == detail.run.id && it.version == detail.run.version);
    if !is_open {
        let candidate = detail.candidate().and_then(|it| it.proposed_fix.as_ref());
        model.fix = Some(Fix {
            run: detail.run.id,
            version: detail.run.version,
            choice: 0,
            stage: Stage::Choosing,
            kind: DraftKind::Patch,
            area: area(""),
            candidate: candidate.map(|it| it.text().to_owned()).unwrap_or_default(),
            path: None,
            is_dirty: false,
            changed_at: model.now,
            is_resumed: false,
            wants_editor: false,
            is_following: false,
            has_draft: false,
        });
    }
    model.go(Screen::Fix);
    Ok(())
}

/// Opens the candidate patch in the person's editor.
pub fn open_in_editor(model: &mut Model) -> Vec<Effect> {
    match begin(model) {
        Ok(()) => choose(model, 1),
        Err(why) => {
            model.say(Tone::Bad, why);
            Vec::new()
        }
    }
}

/// Runs a command of the fix screen, in the text area or outside it.
pub fn run(model: &mut Model, command: Command) -> Vec<Effect> {
    let Some(fix) = &mut model.fix else { return Vec::new() };
    match (fix.stage, command) {
        (Stage::Editing, Command::Leave) => {
            fix.stage = Stage::Choosing;
            return save(model).into_iter().collect();
        }
        (_, Command::Send) => return send(model),
        (Stage::Choosing, Command::Open) => {
            let choice = fix.choice;
            return choose(model, choice);
        }
        (Stage::Choosing, Command::Diff) => return review::open(model),
        (Stage::Choosing, Command::Log) => return log::open(model),
        (Stage::Choosing, _) => {
            if let Some(choice) = motion(command, fix.choice, CHOICES.len(), CHOICES.len()) {
                fix.choice = choice;
            }
        }
        _ => {}
    }
    Vec::new()
}

/// Reads the draft of the chosen kind; what is on disk goes before what the candidate says.
fn choose(model: &mut Model, choice: usize) -> Vec<Effect> {
    let mut effects: Vec<Effect> = save(model).into_iter().collect();
    let Some(fix) = &mut model.fix else { return effects };
    fix.choice = choice;
    fix.kind = CHOICES[choice].1;
    fix.wants_editor = choice == 1;
    fix.stage = Stage::Loading;
    let draft = fix.draft();
    effects.push(model.ask(Ask::LoadDraft(draft)));
    effects
}

/// Takes the draft from disk, or starts one; either way it is on disk before it is edited.
pub fn draft_read(model: &mut Model, path: PathBuf, text: Option<String>) -> Vec<Effect> {
    let Some(fix) = model.fix.as_mut().filter(|it| it.stage == Stage::Loading) else { return Vec::new() };
    fix.is_resumed = text.as_ref().is_some_and(|it| *it != fix.candidate);
    let text = text.unwrap_or_else(|| match fix.kind {
        DraftKind::Patch => fix.candidate.clone(),
        DraftKind::Hint => String::new(),
    });
    fix.area = area(&text);
    fix.path = Some(path);
    fix.is_dirty = false;
    fix.has_draft = true;
    fix.stage = Stage::Editing;
    let (draft, text, wants_editor) = (fix.draft(), fix.text(), fix.wants_editor);
    let ask = if wants_editor { Ask::Edit(draft, text) } else { Ask::SaveDraft(draft, text) };
    vec![model.ask(ask)]
}

/// Takes what the person's editor left.
pub fn edited(model: &mut Model, text: &str) {
    let Some(fix) = &mut model.fix else { return };
    fix.area = area(text);
    (fix.is_dirty, fix.wants_editor, fix.stage) = (false, false, Stage::Editing);
    model.say(Tone::Info, "the editor's text is kept; look, then ctrl-s sends it");
}

/// Notes that the draft is on disk.
pub fn saved(model: &mut Model, path: PathBuf) {
    if let Some(fix) = &mut model.fix {
        fix.path = Some(path);
    }
}

/// Keeps the text marked as unsaved, so that it is saved again, and says so.
pub fn not_saved(model: &mut Model, why: &str) {
    let now = model.now;
    if let Some(fix) = &mut model.fix {
        (fix.is_dirty, fix.changed_at) = (true, now);
    }
    model.say(Tone::Bad, format!("the draft was NOT saved: {why}"));
}

/// Binds the fix to the version that the person asked to see.
pub fn run_read(model: &mut Model) {
    let run = model.focus.as_ref().and_then(|it| it.detail.as_ref()).map(|it| &it.run);
    let fix = model.fix.as_mut().filter(|it| it.is_following);
    if let Some((fix, run)) = fix.zip(run).filter(|(fix, run)| fix.run == run.id) {
        (fix.version, fix.is_following) = (run.version, false);
        let text = format!("the run is {} now, version {}; your draft is kept", run.status, run.version);
        model.say(Tone::Info, text);
    }
}

/// Tells why a draft could not be read or edited, and goes back to the choice.
pub fn refused(model: &mut Model, why: &str) {
    if let Some(fix) = &mut model.fix {
        if fix.stage == Stage::Loading {
            fix.stage = Stage::Choosing;
        }
        fix.wants_editor = false;
    }
    model.say(Tone::Bad, why);
}

/// Saves the draft if it was changed.
pub fn save(model: &mut Model) -> Option<Effect> {
    let fix = model.fix.as_mut().filter(|it| it.is_dirty)?;
    fix.is_dirty = false;
    let (draft, text) = (fix.draft(), fix.text());
    Some(model.ask(Ask::SaveDraft(draft, text)))
}

/// Saves the draft when typing has paused long enough.
pub fn tick(model: &mut Model) -> Vec<Effect> {
    let is_due =
        model.fix.as_ref().is_some_and(|it| it.is_dirty && SAVE_AFTER <= model.now.duration_since(it.changed_at));
    if is_due && !model.requests.is_waiting(Slot::SaveDraft) { save(model).into_iter().collect() } else { Vec::new() }
}

/// Types into the text area.
pub fn type_key(model: &mut Model, key: Key) {
    let now = model.now;
    let Some(fix) = model.fix.as_mut().filter(|it| it.stage == Stage::Editing) else { return };
    if fix.area.input(input(key)) && !fix.is_dirty {
        (fix.is_dirty, fix.changed_at) = (true, now);
    }
}

/// Pastes into the text area; returns whether it was taken.
pub fn paste(model: &mut Model, text: &str) -> bool {
    let now = model.now;
    let is_open = crate::console::update::is_editing(model);
    let Some(fix) = model.fix.as_mut().filter(|_| is_open) else { return false };
    let held: usize = fix.area.lines().iter().map(|it| it.len() + 1).sum();
    if held + text.len() > MAX_DRAFT_BYTES {
        return false;
    }
    fix.area.insert_str(text.replace("\r\n", "\n").replace('\r', "\n"));
    (fix.is_dirty, fix.changed_at) = (true, now);
    true
}

/// Opens the dialog that sends the draft; the draft is saved first.
fn send(model: &mut Model) -> Vec<Effect> {
    let effects: Vec<Effect> = save(model).into_iter().collect();
    match prepare(model) {
        Ok(dialog) => model.dialog = Some(dialog),
        Err(why) => model.say(Tone::Bad, why),
    }
    effects
}

fn prepare(model: &Model) -> Result<Dialog, String> {
    let fix =
        model.fix.as_ref().filter(|it| it.has_draft).ok_or("there is no draft yet; choose how to give the fix")?;
    dialogs::may_ask(model)?;
    let detail = model.focus.as_ref().filter(|it| it.id == fix.run).and_then(|it| it.detail.as_ref());
    let detail = detail.ok_or("the run is still being read")?;
    let text = fix.text();
    if is_blank(&text) {
        return Err("the draft has nothing in it that can be read; nothing to send".to_owned());
    }
    let seen = Seen { run: fix.run, version: Some(fix.version), digest: None };
    let title = match fix.kind {
        DraftKind::Patch => {
            format!("SEND patch {} as attempt {}", Patch(text.clone()).digest().short(), next_no(detail))
        }
        DraftKind::Hint => format!("SEND hint for run {}", fix.run.short()),
    };
    let mut dialog = dialogs::blank(model, Deed::Decide(ActionKind::HumanFix, seen), title);
    let run = &detail.run;
    dialog.facts.push(("run".to_owned(), format!("{} · {} · {}", run.id.short(), run.repository, run.branch)));
    dialog.facts.push(("base".to_owned(), dialogs::short_commit(run.working_commit()).to_owned()));
    let fix_made = match fix.kind {
        DraftKind::Patch => {
            check_patch(&mut dialog, &text)?;
            HandMade::Patch(text)
        }
        DraftKind::Hint => {
            dialog.facts.push(("hint".to_owned(), text.lines().next().unwrap_or_default().to_owned()));
            dialog.facts.push(("effect".to_owned(), "the next attempt is the agent's, with your words".to_owned()));
            HandMade::Hint(text)
        }
    };
    dialog.fix = Some((fix.draft(), fix_made));
    Ok(dialog)
}

fn next_no(detail: &crate::domain::RunDetail) -> u32 {
    detail.run.attempt_count + 1
}

fn check_patch(dialog: &mut Dialog, text: &str) -> Result<(), String> {
    let (files, added, removed) = Patch(text.to_owned()).stat();
    if files == 0 || added + removed == 0 {
        return Err("this is no patch that git can apply: a `diff --git` line and changed lines are needed".to_owned());
    }
    let files = format!("{files} {} +{added} −{removed}", if files == 1 { "file" } else { "files" });
    dialog.facts.push(("patch".to_owned(), files));
    dialog.facts.push(("effect".to_owned(), "judged by the same guard and the same proof; then back here".to_owned()));
    if has_deceptive(text) {
        dialogs::challenge_hidden(dialog);
    }
    Ok(())
}

/// A sent draft has become an attempt; its file is not needed any more.
pub fn sent(model: &mut Model, draft: Draft) -> Option<Effect> {
    if model.fix.as_ref().is_some_and(|it| it.run == draft.run) {
        model.fix = None;
        model.stack.retain(|it| *it != Screen::Fix);
    }
    Some(model.ask(Ask::DropDraft(draft)))
}

fn input(key: Key) -> Input {
    use ratatui_textarea::Key as To;
    let to = match key.code {
        Code::Char(ch) => To::Char(ch),
        Code::Enter => To::Enter,
        Code::Esc => To::Esc,
        Code::Tab | Code::BackTab => To::Tab,
        Code::Backspace => To::Backspace,
        Code::Delete => To::Delete,
        Code::Up => To::Up,
        Code::Down => To::Down,
        Code::Left => To::Left,
        Code::Right => To::Right,
        Code::Home => To::Home,
        Code::End => To::End,
        Code::PageUp => To::PageUp,
        Code::PageDown => To::PageDown,
        Code::F(n) => To::F(n),
    };
    Input { key: to, ctrl: key.ctrl, alt: key.alt, shift: false }
}
