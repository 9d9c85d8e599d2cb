//! No byte of foreign text reaches a cell as a control or text-reordering character, from whatever field it comes.
use super::fixture;
use super::harness::Console;
use super::harness::opening;
use paramedic::console::action::Action;
use paramedic::console::action::Refusal;
use paramedic::console::recorder::frame;
use paramedic::console::theme::Theme;
use paramedic::domain::attempt::AttemptFailure;
use paramedic::domain::failure::TestOutcome;
use paramedic::domain::{EventType, Finding, Judgement, Patch, Reason, RunDetail, Status, Verdict};
use paramedic::evidence::text::is_deceptive;
use std::collections::BTreeMap;

/// Everything that a terminal or a reader could be fooled with, with a mark to see that the text was drawn at all.
const EVIL: &str = "zq\u{1b}[2J\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}]0;owned\u{1b}\\\u{9b}31m\u{90}q\u{9c}\r\u{8}\u{0}\u{202e}txt.exe\u{2066}\u{200b}\u{feff}\u{ad}\u{e0041}e\u{301}👩\u{200d}👩日\tzq";

fn evil_patch() -> String {
    fixture::PATCH.replace("take", EVIL).replace("src/client.py", &EVIL.replace(['\r', '\t'], "")) + EVIL
}

fn evil_run(n: u8, status: Status) -> RunDetail {
    let mut run = fixture::run(n, EVIL, EVIL, status, 60);
    run.error_summary.push_str(&EVIL.repeat(20));
    run.error_type = Some(EVIL.to_owned());
    EVIL.clone_into(&mut run.commit_sha);
    run.escalation_note = Some(EVIL.to_owned());
    run.escalation_reason = (status == Status::Escalated).then_some(Reason::Exhausted);
    run.heal_branch = Some(EVIL.to_owned());
    run.pipeline_url = Some(EVIL.to_owned());
    EVIL.clone_into(&mut run.order.repo_path);
    if let Some(report) = run.failure.as_mut().and_then(|it| it.report.as_mut()) {
        report.tests = BTreeMap::from([(EVIL.to_owned(), TestOutcome::Failed)]);
    }
    EVIL.clone_into(&mut run.failure.as_mut().unwrap().reduced_log);
    run.approved_by = vec![EVIL.to_owned()];
    let mut attempt = fixture::attempt(1, EVIL, Some(&evil_patch()), None);
    attempt.diagnosis = format!("{EVIL}\n{EVIL}");
    attempt.validation_log = format!("{EVIL}\n{EVIL}\n");
    attempt.hint = Some(EVIL.to_owned());
    attempt.guard = Some(Judgement::from_findings(vec![Finding {
        file: EVIL.to_owned(),
        line: Some(41),
        rule: EVIL.to_owned(),
        reason: EVIL.to_owned(),
        verdict: Verdict::NeedsTwoKeys,
    }]));
    let mut failed = attempt.clone();
    failed.attempt_no = 2;
    failed.failure_kind = Some(AttemptFailure::StillRed);
    failed.failure_reason = Some(EVIL.to_owned());
    let events =
        fixture::events(&run, &[(EventType::AttemptStarted, EVIL, EVIL), (EventType::AttemptThinking, EVIL, EVIL)]);
    RunDetail { run, attempts: vec![failed, attempt], events, forge: None }
}

fn check(console: &Console, what: &str) -> String {
    for theme in ["dark", "mono"] {
        let buffer = frame(&console.model, &Theme::named(theme).unwrap());
        for cell in &buffer.content {
            let symbol = cell.symbol();
            assert!(!symbol.chars().any(|it| it.is_control() || is_deceptive(it)), "{what}: {symbol:?} is in a cell");
        }
    }
    console.screen()
}

#[test]
fn every_field_of_every_screen_is_clean() {
    let screens = [
        "",
        "enter",
        "enter tab j",
        "d",
        "d ]",
        "d w",
        "d right right",
        "l",
        "l w",
        "l right",
        "F",
        "F enter",
        "F e",
        "F j j enter",
        "A",
        "D",
        "X",
        "R",
        "o",
        "?",
        ":",
        "d / z q enter",
        "l / z q enter",
        "/ z q",
    ];
    for (columns, rows) in [(60, 16), (80, 24), (120, 36), (160, 48)] {
        for status in [Status::Fixed, Status::Escalated, Status::Running, Status::Resolved] {
            if (columns, rows) != (80, 24) && status != Status::Fixed {
                continue;
            }
            for keys in screens {
                let mut console = Console::with(&opening(), vec![evil_run(1, status)]);
                console.outputs =
                    vec![(EVIL.to_owned(), EVIL.repeat(300)), (format!("x{EVIL}"), format!("{EVIL}\n{EVIL}\n"))];
                console.editor = Some(evil_patch());
                console.apply(Action::Resize { columns, rows });
                console.press(keys).wait(1_000);
                let screen = check(&console, &format!("{status} {keys} {columns}x{rows}"));
                assert!(
                    screen.contains("zq") || screen.contains("Help") || screen.contains("palette"),
                    "{keys}: nothing foreign was drawn\n{screen}"
                );
            }
        }
    }
}

#[test]
fn what_comes_back_from_a_request_is_clean_too() {
    let mut console = Console::with(&opening(), vec![evil_run(1, Status::Escalated)]);
    console.press("D").wait(600).press("tab").write("no").press("enter");
    console.refusal = Some(Refusal::failed(EVIL));
    console.press("y");
    check(&console, "a refused decision");
    console.press("esc");
    console.apply(Action::Unreadable(EVIL.to_owned()));
    check(&console, "an outage");
    console.apply(Action::Paste(EVIL.to_owned()));
    console.press("/");
    console.apply(Action::Paste(EVIL.to_owned()));
    check(&console, "a pasted filter");
    console.press("esc F j j enter");
    console.apply(Action::Paste(EVIL.repeat(3)));
    check(&console, "a pasted hint");
}

#[test]
fn a_patch_that_is_all_kinds_of_broken_is_only_shown() {
    for patch in
        ["", "\n\n\n", "diff --git", "@@ -1 +1 @@\n", "--- a\n+++ b\n@@ -99999999999,1 +1 @@\n+x", &EVIL.repeat(1_000)]
    {
        let mut detail = fixture::fixed();
        detail.attempts[1].proposed_fix = Some(Patch(patch.to_owned()));
        let mut console = Console::with(&opening(), vec![detail]);
        console.press("d j ] [ } { G g ctrl-d ctrl-u n N w right left i");
        check(&console, patch);
    }
}

#[test]
fn a_megabyte_on_one_line_is_drawn_in_time() {
    let mut console = Console::new();
    console.outputs = vec![("base.log".to_owned(), format!("{}\n{}", "x".repeat(1_000_000), EVIL.repeat(50_000)))];
    console.press("l j j w k");
    check(&console, "a long line");
}
