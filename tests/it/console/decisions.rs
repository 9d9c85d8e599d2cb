//! The rules of decisions: what was seen is what is sent, `y` alone sends it, and nothing is sent by accident.
use super::fixture;
use super::harness::Console;
use super::harness::opening;
use paramedic::backlog::{ActionKind, HandMade};
use paramedic::console::action::{Action, Answer, Command, Refusal, RefusalKind};
use paramedic::console::effect::{Draft, DraftKind};
use paramedic::console::model::Opening;
use paramedic::console::model::Screen;
use paramedic::console::model::dialog::Stage;
use paramedic::domain::{Digest, Patch};

/// A console with the approve dialog of the first run open, and old enough to listen.
fn asked() -> Console {
    let mut console = Console::new();
    console.press("A").wait(500);
    assert!(console.model.dialog.is_some());
    console
}

#[test]
fn y_sends_what_was_on_the_screen() {
    let mut console = asked();
    console.press("y");
    let (id, request) = console.sent.pop().unwrap();
    assert_eq!(id, fixture::id(1));
    assert_eq!(request.kind, ActionKind::Approve);
    assert_eq!(request.by, "jdoe");
    assert_eq!(request.rev.as_deref(), Some(fixture::digest().as_str()));
    assert_eq!(request.version, Some(7));
    assert_eq!(request.note, None);
    assert!(console.screen().contains("✓ APPROVED"));
    assert!(console.screen().contains("git merge heal/3f1c9a00-11b2c3d4"));
    console.press("esc");
    assert!(console.model.dialog.is_none());
}

#[test]
fn no_other_key_sends() {
    for keys in ["enter", "space", "A", "Y", "n", "d", "q", "esc", "tab y", "tab enter", "ctrl-s", "r", "X", "ctrl-c"] {
        let mut console = asked();
        console.press(keys);
        assert!(console.sent.is_empty(), "{keys} sent a decision");
    }
}

#[test]
fn a_new_dialog_is_deaf_for_half_a_second() {
    let mut console = Console::new();
    console.press("A y y y").wait(499);
    console.press("y");
    console.apply(Action::Paste("y".to_owned()));
    assert!(console.sent.is_empty());
    assert!(console.model.dialog.is_some(), "esc typed before the dialog could be read closes nothing either");
    console.wait(1).press("y");
    assert_eq!(console.sent.len(), 1);
}

#[test]
fn a_held_key_decides_nothing() {
    let mut console = Console::new();
    for _ in 0..200 {
        console.press("A y");
    }
    assert!(console.sent.is_empty());
}

#[test]
fn the_dialog_stays_frozen_while_the_run_moves_on() {
    let mut console = asked();
    console.runs[0].run.version = 8;
    console.runs[0].attempts[1].proposed_fix = Some(Patch("diff --git a/x b/x\n".to_owned()));
    console.runs[0].attempts[1].patch_digest = Some(Patch("diff --git a/x b/x\n".to_owned()).digest());
    console.apply(Action::Changed(99));
    console.press("y");
    let (_, request) = console.sent.pop().unwrap();
    assert_eq!((request.version, request.rev.as_deref()), (Some(7), Some(fixture::digest().as_str())));
}

#[test]
fn a_refusal_is_shown_as_it_is_and_r_reads_the_run_again() {
    let mut console = asked();
    let text = "the run has moved on: version 8, not 7; look at it again".to_owned();
    console.refusal = Some(Refusal { kind: RefusalKind::Precondition, text: text.clone() });
    console.press("y");
    let screen = console.screen();
    assert!(screen.contains(&text) && screen.contains("Nothing was changed."), "{screen}");
    console.press("y enter");
    assert_eq!(console.sent.len(), 1, "a refused decision is never sent again by itself");
    console.press("r");
    assert!(console.model.dialog.is_none());
}

#[test]
fn an_unknown_outcome_is_said_to_be_unknown() {
    let mut console = asked();
    console.refusal = Some(Refusal::failed("the database is locked"));
    console.press("y");
    assert!(console.screen().contains("Whether it was done is not known"));
}

#[test]
fn sending_is_shown_until_the_answer_and_can_be_left() {
    let mut console = asked();
    console.is_slow = true;
    console.press("y");
    assert!(console.screen().contains("sending…"));
    console.press("y y");
    assert_eq!(console.held.len(), 1, "one decision is one request");
    console.press("esc");
    assert!(console.model.dialog.is_none());
    console.press("j A");
    assert!(console.model.dialog.is_none(), "no second decision before the first is answered");
    console.deliver();
    assert!(console.model.notice.as_ref().unwrap().text.contains("1b6d3c0a"));
}

#[test]
fn deny_needs_a_reason() {
    let mut console = Console::new();
    console.press("D").wait(500).press("y");
    assert!(console.sent.is_empty());
    assert!(console.screen().contains("a reason is needed"));
    console.press("tab").write("\u{200b} \u{2060}").press("enter y");
    assert!(console.sent.is_empty(), "a reason that nobody can read is none");
    console.press("tab ctrl-u").write("wrong layer, fix the caller y").press("enter");
    assert!(console.sent.is_empty(), "y inside the text is text, enter only leaves it");
    console.press("y");
    let (_, request) = console.sent.pop().unwrap();
    assert_eq!(request.note.as_deref(), Some("wrong layer, fix the caller y"));
    assert_eq!(request.kind, ActionKind::Deny);
}

#[test]
fn abort_needs_the_runs_id() {
    let mut console = Console::new();
    console.press("X").wait(500).press("y");
    assert!(console.sent.is_empty());
    console.press("tab").write("2b6d3c0a").press("enter y");
    assert!(console.sent.is_empty(), "another run's id does not count");
    console.press("tab ctrl-u").write("1b6d3c0a").press("esc y");
    let (id, request) = console.sent.pop().unwrap();
    assert_eq!((id, request.kind, request.rev), (fixture::id(1), ActionKind::Abort, None));
}

#[test]
fn a_patch_with_hidden_characters_asks_for_a_word() {
    let mut runs = fixture::backlog();
    let hidden = fixture::PATCH.replace("return False\n", "return False  # \u{202e}oot\n");
    runs[0].attempts[1].patch_digest = Some(Patch(hidden.clone()).digest());
    runs[0].attempts[1].proposed_fix = Some(Patch(hidden));
    let mut console = Console::with(&opening(), runs);
    console.press("d");
    assert!(console.screen().contains("⟨U+202E⟩"), "{}", console.screen());
    console.press("A").wait(500).press("y");
    assert!(console.sent.is_empty());
    console.press("tab").write("hidden").press("enter y");
    assert_eq!(console.sent.len(), 1);
}

#[test]
fn read_only_knows_no_decision() {
    let mut console = Console::with(&Opening { read_only: true, ..opening() }, fixture::backlog());
    console.press("A D X F R").wait(600).press("y");
    for command in [Command::Approve, Command::Deny, Command::Abort, Command::Fix, Command::Retry, Command::Publish] {
        console.apply(Action::Do(command));
        console.wait(600);
        console.apply(Action::Do(Command::Confirm));
    }
    console.press("e").wait(600).press("ctrl-s");
    assert!(console.sent.is_empty() && console.model.dialog.is_none() && console.drafts.is_empty());
    assert!(console.screen().contains("read-only"));
}

#[test]
fn what_the_run_does_not_allow_is_said_before_a_dialog_opens() {
    for (n_down, keys, why) in [
        (4, "A", "cannot approve a run that is running"),
        (4, "D", "cannot deny a run that is running"),
        (4, "R", "abort it first"),
        (5, "R", "already in the queue"),
        (6, "X", "that is final"),
        (2, "A", "there is no proved patch"),
        (7, "X", "already aborted"),
        (0, "P", "not of a watched repository"),
        (4, "F", "cannot human-fix a run that is running"),
    ] {
        let mut console = Console::new();
        console.press(&"j ".repeat(n_down)).press(keys);
        assert!(console.model.dialog.is_none());
        let notice = &console.model.notice.as_ref().unwrap().text;
        assert!(notice.contains(why), "{keys} on row {n_down}: {notice}");
    }
}

#[test]
fn the_second_key_must_be_another_persons() {
    let mut console = Console::with(&Opening { operator: "mara".to_owned(), ..opening() }, fixture::backlog());
    console.press("j A");
    assert!(console.model.notice.as_ref().unwrap().text.contains("another person"));
    let mut console = Console::new();
    console.press("j A");
    assert!(console.screen().contains("first key: mara"));
    assert!(console.screen().contains("recorded answer"));
}

#[test]
fn a_run_that_is_not_read_yet_cannot_be_decided_on() {
    let mut console = Console::new();
    console.is_slow = true;
    console.press("j A");
    assert!(console.model.dialog.is_none());
    console.deliver().press("A");
    assert_eq!(console.model.dialog.as_ref().unwrap().decision().unwrap().1.run, fixture::id(2));
}

#[test]
fn the_review_decides_only_on_the_patch_it_shows() {
    let mut console = Console::new();
    console.press("d shift-tab A");
    assert!(console.model.dialog.is_none());
    let notice = console.model.notice.as_ref().unwrap().text.clone();
    assert!(notice.contains("the patch on screen is") && notice.contains(fixture::digest().short()), "{notice}");
    console.press("r A");
    assert!(console.model.dialog.is_some());
}

#[test]
fn a_newer_patch_is_announced_and_never_swapped_in() {
    let mut console = Console::new();
    console.press("d j j j");
    let third = fixture::attempt(3, "human:mara", Some(fixture::EARLIER_PATCH), None);
    console.runs[0].attempts.push(third);
    console.runs[0].run.version = 9;
    console.apply(Action::Changed(50));
    let review = console.model.review.as_ref().unwrap();
    assert_eq!((review.attempt_no, review.cursor), (2, 3));
    assert!(console.screen().contains("the candidate is attempt 3"));
    console.press("A");
    assert!(console.model.dialog.is_none());
    console.press("r");
    assert_eq!(console.model.review.as_ref().unwrap().attempt_no, 3);
}

fn draft() -> Draft {
    Draft { run: fixture::id(1), kind: DraftKind::Patch }
}

#[test]
fn a_fix_by_hand_is_on_disk_before_and_after_every_edit_and_sent_by_y() {
    let mut console = Console::new();
    console.press("F enter");
    assert_eq!(console.drafts[&draft()], fixture::PATCH);
    console.press("down down down down").press("end").write(" # by hand");
    console.wait(3_000);
    assert!(console.drafts[&draft()].contains("# by hand"), "typing is saved without being told to");
    console.write("!").press("esc");
    assert!(console.drafts[&draft()].contains("# by hand!"), "leaving saves");
    console.press("F").wait(500).press("enter");
    assert!(console.sent.is_empty());
    console.press("y");
    let (_, request) = console.sent.pop().unwrap();
    let Some(HandMade::Patch(patch)) = request.fix else { panic!("{request:?}") };
    assert!(patch.contains("# by hand!") && patch.ends_with('\n'));
    assert_eq!((request.kind, request.version), (ActionKind::HumanFix, Some(7)));
    assert!(console.drafts.is_empty(), "a sent draft is an attempt now");
}

#[test]
fn a_refused_fix_keeps_its_draft() {
    let mut console = Console::new();
    console.press("F enter").write("x").press("ctrl-s").wait(500);
    console.refusal = Some(Refusal { kind: RefusalKind::Invalid, text: "the patch does not apply".to_owned() });
    console.press("y");
    assert!(console.screen().contains("the patch does not apply"));
    assert!(console.drafts[&draft()].starts_with('x'));
    console.press("esc");
    assert!(console.screen().contains("Your patch"), "back where the text was");
}

#[test]
fn an_earlier_draft_is_taken_up_again() {
    let mut console = Console::new();
    console.drafts.insert(draft(), fixture::EARLIER_PATCH.to_owned());
    console.press("F enter");
    assert!(console.screen().contains("your earlier draft"));
    assert_eq!(console.drafts[&draft()], fixture::EARLIER_PATCH);
}

#[test]
fn the_persons_editor_gets_the_patch_and_gives_it_back() {
    let mut console = Console::new();
    console.editor = Some(fixture::EARLIER_PATCH.to_owned());
    console.press("enter e");
    assert!(console.screen().contains("Your patch  1 file +1 −1"), "{}", console.screen());
    console.press("ctrl-s").wait(500).press("y");
    let (_, request) = console.sent.pop().unwrap();
    assert_eq!(request.fix, Some(HandMade::Patch(fixture::EARLIER_PATCH.to_owned())));
}

#[test]
fn a_hint_is_words_for_the_agent() {
    let mut console = Console::new();
    console.press("F j j enter").write("look at take(), not at the caller").press("ctrl-s").wait(500).press("y");
    let (_, request) = console.sent.pop().unwrap();
    assert_eq!(request.fix, Some(HandMade::Hint("look at take(), not at the caller".to_owned())));
}

#[test]
fn what_is_no_patch_is_not_sent() {
    for text in ["", "hello", "diff --git a/x b/x\n"] {
        let mut console = Console::new();
        console.editor = Some(text.to_owned());
        console.press("F e ctrl-s");
        assert!(console.model.dialog.is_none(), "{text:?}");
        assert!(console.model.notice.is_some());
    }
}

#[test]
fn quitting_or_losing_the_terminal_saves_the_draft() {
    for end in [Action::Hangup, Action::Do(Command::Interrupt)] {
        let mut console = Console::new();
        console.press("F enter").write("unsaved");
        console.apply(end.clone());
        console.apply(end);
        assert!(console.has_quit);
        assert!(console.drafts[&draft()].starts_with("unsaved"));
    }
}

#[test]
fn a_paste_is_text_never_keys_and_is_bounded() {
    let mut console = Console::new();
    console.apply(Action::Paste("jjAy\nq".to_owned()));
    assert_eq!(console.model.screen(), Screen::Queue);
    assert!(console.model.dialog.is_none() && !console.has_quit);
    console.press("F j j enter");
    console.apply(Action::Paste("é".repeat(100_000)));
    let held: usize = console.model.fix.as_ref().unwrap().text().len();
    assert!(held <= 64 * 1024, "{held}");
    assert!(console.model.notice.as_ref().unwrap().text.contains("cut at 64 KiB"));
}

#[test]
fn a_done_dialog_says_what_a_repeat_and_a_first_key_are() {
    let mut console = asked();
    console.press("y");
    let dialog = console.model.dialog.as_mut().unwrap();
    let Stage::Done(outcome) = &mut dialog.stage else { panic!("{:?}", dialog.stage) };
    outcome.needs_second_key = true;
    assert!(console.screen().contains("FIRST KEY KEPT"));
    let Stage::Done(outcome) = &mut console.model.dialog.as_mut().unwrap().stage else { panic!("no outcome") };
    outcome.is_repeat = true;
    assert!(console.screen().contains("KEPT BEFORE; another person must approve too"));
}

#[test]
fn a_fix_refused_because_the_run_moved_on_can_be_sent_after_a_look() {
    let mut console = Console::new();
    console.press("F enter").write("x").press("ctrl-s").wait(500);
    console.runs[0].run.version = 8;
    console.refusal = Some(Refusal { kind: RefusalKind::Precondition, text: "version 8, not 7".to_owned() });
    console.press("y r");
    assert!(console.model.notice.as_ref().unwrap().text.contains("version 8"));
    console.press("ctrl-s").wait(500).press("y");
    assert_eq!(console.sent.iter().map(|it| it.1.version.unwrap()).collect::<Vec<_>>(), [7, 8]);
}

#[test]
fn approving_a_patch_unseen_is_said() {
    let mut console = Console::new();
    console.press("A");
    assert!(console.screen().contains("you have not looked at this patch"));
    console.wait(500).press("esc d A");
    assert!(!console.screen().contains("you have not looked"));
}

#[test]
fn a_draft_that_could_not_be_saved_is_saved_again() {
    let mut console = Console::new();
    console.press("F enter").write("x");
    console.is_slow = true;
    console.wait(3_000);
    let (request, _) = console.held.pop().unwrap();
    let refusal = Answer::Refused(Refusal::failed("no space left on device"));
    console.apply(Action::Answered { request, answer: Box::new(refusal) });
    assert!(console.screen().contains("NOT saved: no space left"));
    console.deliver().wait(3_000);
    assert!(console.drafts[&draft()].starts_with('x'));
}

/// Keys that a sleepy, hasty or malicious hand may press.
const KEYS: &[&str] = &[
    "A",
    "D",
    "X",
    "F",
    "R",
    "y",
    "y",
    "y",
    "enter",
    "esc",
    "tab",
    "shift-tab",
    "q",
    "d",
    "l",
    "j",
    "k",
    "r",
    "e",
    "i",
    "space",
    "?",
    ":",
    "/",
    "n",
    "]",
    "[",
    "}",
    "1",
    "b",
    "6",
    "h",
    "ctrl-s",
    "ctrl-u",
    "backspace",
    "ctrl-l",
    "G",
    "w",
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 60, ..Default::default() })]

    /// Whatever is pressed, a decision leaves only by `y`, from a dialog that was open for half a second, with what was frozen in it.
    #[test]
    fn no_sequence_of_keys_decides_by_accident(
        read_only: bool,
        steps in proptest::collection::vec((0..KEYS.len(), proptest::sample::select(vec![0_i64, 50, 499, 600, 3_000])), 1..120),
    ) {
        let mut console = Console::with(&Opening { read_only, ..opening() }, fixture::backlog());
        for (key, ms) in steps {
            console.wait(ms);
            let before = console.model.dialog.clone();
            let n_sent = console.sent.len();
            console.press(KEYS[key]);
            if console.has_quit {
                break;
            }
            let Some((id, request)) = console.sent.get(n_sent) else { continue };
            proptest::prop_assert!(!read_only);
            proptest::prop_assert_eq!(KEYS[key], "y");
            let dialog = before.expect("a decision comes from a dialog");
            proptest::prop_assert_eq!(&dialog.stage, &Stage::Asking);
            proptest::prop_assert!(!dialog.is_deaf(console.model.now) && !dialog.is_typing());
            let (kind, seen) = dialog.decision().unwrap();
            proptest::prop_assert_eq!((id, request.kind), (&seen.run, kind));
            proptest::prop_assert_eq!(request.version, seen.version);
            proptest::prop_assert_eq!(request.rev.as_deref(), seen.digest.as_ref().map(Digest::as_str));
            proptest::prop_assert_eq!(request.kind == ActionKind::Deny && request.note.is_none(), false);
        }
        console.screen();
    }
}
