//! Moving about: screens, cursors, searches, stale answers, leaving.
use super::fixture;
use super::harness::Console;
use super::harness::opening;
use paramedic::console::action::Action;
use paramedic::console::effect::Ask;
use paramedic::console::model::Opening;
use paramedic::console::model::Screen;
use paramedic::domain::Status;

#[test]
fn who_needs_a_human_comes_first_and_the_longest_waiting_first() {
    let console = Console::new();
    let order: Vec<String> = console.model.queue.visible().iter().map(|it| it.id.short()[..1].to_owned()).collect();
    assert_eq!(order.concat(), "12435678");
}

#[test]
fn the_cursor_stays_on_its_run_when_rows_move() {
    let mut console = Console::new();
    console.press("j");
    assert_eq!(console.model.queue.selected, Some(fixture::id(2)));
    console.runs[5].run.status = Status::Fixed;
    console.runs[5].run.updated_at = fixture::before(90_000);
    console.apply(Action::Changed(9));
    assert_eq!(console.model.queue.selected, Some(fixture::id(2)));
    assert_eq!(console.model.queue.position(), Some(2));
}

#[test]
fn a_run_that_vanishes_leaves_the_cursor_in_place() {
    let mut console = Console::new();
    console.press("j j");
    console.runs.retain(|it| it.run.id != fixture::id(4));
    console.apply(Action::Changed(9));
    assert_eq!(console.model.queue.selected, Some(fixture::id(3)));
}

#[test]
fn esc_goes_back_and_never_quits_and_q_quits_only_at_the_queue() {
    let mut console = Console::new();
    console.press("enter d l");
    assert_eq!(console.model.screen(), Screen::Log);
    console.press("esc");
    assert_eq!(console.model.screen(), Screen::Review);
    console.press("q q");
    assert_eq!(console.model.screen(), Screen::Queue);
    console.press("esc esc esc");
    assert!(!console.has_quit);
    console.press("q");
    assert!(console.has_quit);
}

#[test]
fn ctrl_c_quits_only_twice_within_two_seconds() {
    let mut console = Console::new();
    console.press("ctrl-c").wait(2_001).press("ctrl-c");
    assert!(!console.has_quit);
    console.wait(500).press("ctrl-c");
    assert!(console.has_quit);
}

#[test]
fn a_stale_answer_is_dropped() {
    let mut console = Console::new();
    console.is_slow = true;
    console.press("j j k");
    let asked: Vec<_> = console.held.iter().filter(|(_, ask)| matches!(ask, Ask::Run(_))).collect();
    assert_eq!(asked.len(), 3);
    // Answered in the order they were asked: only the last one belongs to the selected run.
    console.deliver();
    let focus = console.model.focus.as_ref().unwrap();
    assert_eq!((focus.id, focus.detail.as_ref().unwrap().run.id), (fixture::id(2), fixture::id(2)));
}

#[test]
fn a_storm_of_changes_is_one_request_and_one_more() {
    let mut console = Console::new();
    console.is_slow = true;
    for n in 0..1_000 {
        console.apply(Action::Changed(n));
    }
    assert_eq!(console.held.len(), 2, "the queue and the run, once each");
    let held = std::mem::take(&mut console.held);
    console.is_slow = true;
    console.held = held;
    console.deliver();
    assert_eq!(console.model.queue.runs.len(), 8);
}

#[test]
fn the_filter_narrows_inverts_and_clears() {
    let mut console = Console::new();
    console.press("/").write("acme/we").press("enter");
    assert_eq!(console.model.queue.visible().len(), 1);
    assert_eq!(console.model.queue.selected, Some(fixture::id(2)));
    console.press("/ ctrl-u").write("!acme/we").press("enter");
    assert_eq!(console.model.queue.visible().len(), 7);
    console.press("/").write("zzz").press("esc");
    assert_eq!(console.model.queue.filter, "!acme/we", "esc in the line goes back to what was");
    console.press("esc");
    assert_eq!(console.model.queue.visible().len(), 8);
}

#[test]
fn the_exclamation_mark_walks_those_who_need_someone() {
    let mut console = Console::new();
    let mut seen = Vec::new();
    for _ in 0..5 {
        console.press("!");
        seen.push(console.model.queue.selected.unwrap());
    }
    assert_eq!(seen, [2, 4, 3, 1, 2].map(fixture::id));
}

#[test]
fn the_review_moves_by_hunk_file_and_match() {
    let mut console = Console::new();
    console.press("d ]");
    let row = |console: &Console| console.model.review.as_ref().unwrap().cursor;
    assert_eq!(row(&console), 1);
    console.press("}");
    let second_file = row(&console);
    assert!(console.screen().contains("src/client.py"));
    console.press("{ / ").write("_left").press("enter");
    let first = row(&console);
    console.press("n");
    assert!(first < row(&console) && row(&console) < second_file);
    console.press("N");
    assert_eq!(row(&console), first);
    console.press("/").write("nowhere").press("enter");
    assert!(console.model.notice.as_ref().unwrap().text.contains("not in this patch"));
}

#[test]
fn the_log_opens_at_the_first_error_of_the_attempt_and_reaches_every_output() {
    let mut console = Console::new();
    console.press("enter [ l");
    let name = |console: &Console| console.model.log.as_ref().unwrap().name().unwrap().to_owned();
    assert_eq!(name(&console), "test_output_attempt_1.log");
    let cursor = console.model.log.as_ref().unwrap().cursor;
    let text = console.model.log.as_ref().unwrap().document.as_ref().unwrap().text_of(cursor);
    assert!(text.contains("assert 3 == 4"), "{text}");
    console.press("shift-tab");
    assert_eq!(name(&console), "base.log");
    console.press("shift-tab");
    assert_eq!(name(&console), "test_output_attempt_2.log");
}

#[test]
fn the_log_of_a_proved_patch_opens_at_what_was_red() {
    let mut console = Console::new();
    for keys in ["l", "enter l", "d l"] {
        console.press(keys);
        assert_eq!(console.model.log.as_ref().unwrap().name(), Some("base.log"), "{keys}");
        console.press("q");
    }
}

#[test]
fn the_log_finds_folds_and_narrows() {
    let mut console = Console::new();
    console.press("l /").write("captured log").press("enter");
    let log = |console: &Console| {
        let log = console.model.log.as_ref().unwrap();
        (log.document.as_ref().unwrap().text_of(log.cursor), log.document.as_ref().unwrap().len())
    };
    assert!(log(&console).0.contains("Captured log"), "{:?}", log(&console));
    console.press("&");
    assert_eq!(log(&console).1, 1);
    console.press("&");
    assert!(log(&console).0.contains("Captured log"), "back on the same line");
    console.press("-");
    let folded = log(&console).1;
    console.press("=");
    assert!(folded < log(&console).1);
}

#[test]
fn live_output_is_asked_once_a_second_and_only_for_the_run_on_screen() {
    let mut console = Console::new();
    console.press("j j j j");
    assert_eq!(console.model.queue.selected, Some(fixture::id(5)));
    console.is_slow = true;
    console.wait(5_000);
    assert!(console.held.is_empty(), "the queue polls nothing");
    console.press("enter").wait(0).wait(100).wait(100);
    assert_eq!(console.held.len(), 1);
    console.deliver();
    console.is_slow = true;
    console.wait(700);
    assert!(console.held.is_empty());
    console.wait(300);
    assert_eq!(console.held.len(), 1);
    console.deliver();
    assert!(console.screen().contains("● live · attempt 1: proving"));
}

#[test]
fn an_unreadable_backlog_is_said_with_since_when_and_retried_ever_slower() {
    let mut console = Console::new();
    console.is_slow = true;
    console.apply(Action::Unreadable("database is locked".to_owned()));
    let screen = console.screen();
    assert!(screen.contains("no backlog since 12:00:00Z, data of 12:00:00Z: database is locked"), "{screen}");
    assert!(screen.contains("acme/api"), "the last data stay on screen");
    console.wait(1_000);
    assert_eq!(console.held.len(), 1);
    console.deliver();
    assert!(console.model.outage.is_none());
    assert!(console.screen().contains("can be read again"));
}

#[test]
fn a_run_named_at_the_start_is_opened_at_once() {
    let console = Console::with(&Opening { run: Some(fixture::id(3)), ..opening() }, fixture::backlog());
    assert_eq!(console.model.screen(), Screen::Run);
    assert!(console.screen().contains("3b6d3c0a"));
    assert!(console.screen().contains("acme/billing"));
}

#[test]
fn y_copies_what_the_screen_is_about() {
    let mut console = Console::new();
    console.press("y d y l y");
    assert_eq!(console.copied[0], fixture::id(1).to_string());
    assert_eq!(console.copied[1], fixture::PATCH);
    assert!(console.copied[2].contains("assert 3 == 4"));
    assert!(console.model.notice.as_ref().unwrap().text.contains("sent to the terminal clipboard"));
}

#[test]
fn the_palette_runs_commands_by_name_and_decides_nothing_by_itself() {
    let mut console = Console::new();
    console.press(":").write("first error").press("enter");
    assert_eq!(console.model.screen(), Screen::Log);
    console.press("esc :").write("approve").press("enter");
    assert!(console.model.dialog.is_some());
    console.press("enter").wait(600).press("enter");
    assert!(console.sent.is_empty());
}

#[test]
fn help_is_about_the_screen_below_and_can_be_searched() {
    let mut console = Console::new();
    console.press("d ?");
    assert!(console.screen().contains("Help · review"));
    console.press("/").write("hunk").press("enter");
    let screen = console.screen();
    assert!(screen.contains("next hunk") && !screen.contains("half a page"), "{screen}");
    console.press("esc");
    assert_eq!(console.model.screen(), Screen::Review);
}

#[test]
fn the_timeline_says_long_words_in_full_and_scrolls_over_all_of_them() {
    let mut console = Console::new();
    console.press("enter");
    let screen = console.screen();
    assert!(screen.contains("green after,") && screen.contains("green again (codex)"), "{screen}");
    let first = console.runs[0].events[0].created_at.strftime("%H:%M:%S").to_string();
    assert!(!screen.contains(&first), "{screen}");
    console.press("tab g");
    assert!(console.screen().contains(&first), "{}", console.screen());
    console.press("j k");
    assert!(console.screen().contains(&first), "no key is without effect:\n{}", console.screen());
    console.press("G");
    assert!(console.screen().contains("green again (codex)"), "{}", console.screen());
}

#[test]
fn a_backlog_that_does_not_answer_is_said_and_asked_again() {
    let mut console = Console::new();
    console.is_slow = true;
    console.press("r").wait(16_000);
    assert!(console.screen().contains("no answer for 15 s"), "{}", console.screen());
    console.held.clear();
    console.wait(2_000);
    assert!(console.held.iter().any(|(_, ask)| matches!(ask, Ask::Queue)));
    console.deliver();
    assert!(console.model.outage.is_none());
}

#[test]
fn the_cursor_stays_on_screen_when_long_lines_wrap() {
    let mut console = Console::new();
    let lines: Vec<String> = (0..200).map(|n| format!("line {n} {}", "word ".repeat(60))).collect();
    console.outputs = vec![("base.log".to_owned(), lines.join("\n"))];
    console.press("l g w");
    for n in 0..50 {
        console.press("j");
        assert!(console.screen().contains(&format!("line {} word", n + 1)), "after {n}\n{}", console.screen());
    }
}
