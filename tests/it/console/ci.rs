//! CI on screen: what is red, what heals it, the way to the log, and what is done at the forge only by `y`.
use super::ci_fixture;
use super::fixture;
use super::harness::Console;
use super::harness::opening;
use jiff::SignedDuration;
use paramedic::backlog::{ActionKind, CiActKind};
use paramedic::console::action::{Action, Command, Refusal, RefusalKind};
use paramedic::console::effect::Ask;
use paramedic::console::model::Opening;
use paramedic::console::model::Screen;
use paramedic::console::model::dialog::Stage;
use paramedic::domain::family::ChecksState;
use paramedic::domain::{CiState, CiView, Picture, PrState, RunForge, RunPull};

/// The keys to the red run that is being healed.
const TO_RED: &str = "c j j j";

fn notice(console: &Console) -> &str {
    console.model.notice.as_ref().map_or("", |it| it.text.as_str())
}

fn wide() -> Console {
    Console::with(&Opening { columns: 160, rows: 48, ..opening() }, fixture::backlog())
}

#[test]
fn every_run_is_told_with_what_heals_it_or_why_nothing_does() {
    let mut console = wide();
    let screen = console.press("c").screen();
    for words in [
        "4812/5000 · resets 31m · 304 97 % · ~356/h",
        "acme/api  main  as of 12s ago · next in 48s · PRs 1/5 today, 1/3 open",
        "→ PR #12 draft · checks 1 red, 3 green · heal/3f1c9a00-11b2c3d4",
        "→ 1b6d3c0a fixed",
        "#483.2",
        "a branch of our own",
        "stale: as of 15m ago",
        "✗ the last look failed: GitHub answers 502",
        "✗ paused, its rules are refused: line 12: auto_merge_on_success: Paramedic",
        "not taken in yet",
    ] {
        assert!(screen.contains(words), "{words}\n{screen}");
    }
    let screen = console.press("G").screen();
    assert!(screen.contains("never merges by"), "the whole reason stands beside the run: {screen}");
}

#[test]
fn the_pictures_are_read_again_while_they_are_looked_at_and_no_longer() {
    let mut console = Console::new();
    console.press("c");
    console.is_slow = true;
    console.wait(4_900);
    assert!(console.held.is_empty());
    console.wait(200).wait(200).wait(9_000);
    assert_eq!(console.held.len(), 1, "one question is on its way at a time");
    console.deliver();
    console.is_slow = true;
    for n in 0..50 {
        console.wait(20).apply(Action::Changed(n));
    }
    let n_asked = console.held.iter().filter(|(_, it)| matches!(it, Ask::Ci)).count();
    assert!(n_asked <= 1, "a busy backlog makes no flood: {n_asked}");
    console.deliver().press("q").wait(60_000);
    console.is_slow = true;
    console.wait(60_000);
    assert!(console.held.is_empty(), "{:?}", console.held);
}

#[test]
fn the_cursor_stays_on_its_run_when_newer_ones_come() {
    let mut console = Console::new();
    console.press(TO_RED);
    console.ci.pictures[0].runs.insert(0, ci_fixture::run(490, "CI", "main", CiState::Red, 2));
    console.wait(6_000);
    assert_eq!(console.model.ci.selected, Some(("acme/api".to_owned(), 9_100_000_483)));
    console.press("r");
    assert_eq!(console.model.ci.position(), Some(4));
}

#[test]
fn one_key_goes_to_what_is_red_and_not_healed_and_to_the_next_repository() {
    let mut console = Console::new();
    console.press("c !");
    assert_eq!(console.model.ci.current().unwrap().1.run.number, 485, "it waits for somebody");
    console.press("! !");
    assert_eq!(console.model.ci.current().unwrap().1.run.number, 97);
    console.press("{ {");
    assert_eq!(console.model.ci.current().unwrap().1.run.number, 486);
    console.press("} }");
    assert_eq!(console.model.ci.current().unwrap().0.repository, "acme/web");
}

#[test]
fn a_filter_narrows_and_esc_clears_it() {
    let mut console = Console::new();
    console.press("c /").write("red").press("enter");
    assert_eq!(console.model.ci.visible().len(), 4);
    console.press("/ ctrl-u").write("!main").press("enter");
    assert!(console.model.ci.visible().iter().all(|(_, it)| it.run.branch != "main"));
    console.press("/ ctrl-u").write("#97").press("enter");
    assert_eq!(console.model.ci.visible().len(), 1);
    assert!(console.screen().contains("filter: #97"));
    console.press("esc");
    assert_eq!((console.model.ci.filter.as_str(), console.model.screen()), ("", Screen::Ci));
    console.press("esc");
    assert_eq!(console.model.screen(), Screen::Queue);
}

#[test]
fn a_run_opens_at_the_step_that_failed_with_its_log_beside_it() {
    let mut console = wide();
    let screen = console.press(TO_RED).press("enter").screen();
    for words in [
        "▾ attempt 2",
        "▸ attempt 1  (earlier)",
        "▸ ✓ green     lint",
        "▾ ✗ red       test (3.12, ubuntu-latest)",
        "✗ red       3 Run python3 -m pytest -q",
        "AssertionError: assert 3 == 4",
        "→ 1b6d3c0a fixed   (h shows it)",
        "3 jobs: 1 red, 2 green",
    ] {
        assert!(screen.contains(words), "{words}\n{screen}");
    }
    assert_eq!(console.fetched.len(), 1, "the log of the failed job alone");
    console.press("l");
    assert_eq!(console.model.screen(), Screen::CiLog);
    assert_eq!(console.fetched.len(), 1, "it is not fetched twice");
    assert!(console.screen().contains("error 1/"), "{}", console.screen());
    console.press("tab");
    assert_eq!(console.fetched.len(), 2, "the next job's");
    console.press("q q q q");
    assert_eq!(console.model.screen(), Screen::Queue);
}

#[test]
fn a_held_key_fetches_no_log_of_what_it_passes() {
    let mut console = Console::new();
    console.press(TO_RED).press("enter G k");
    let n = console.fetched.len();
    for _ in 0..30 {
        console.press("k j").wait(10);
    }
    assert_eq!(console.fetched.len(), n);
    console.wait(1_000);
    assert_eq!(console.fetched.len(), n, "what is green is fetched only when it is asked for");
    console.press("l");
    assert_eq!(console.fetched.len(), n + 1);
}

#[test]
fn earlier_attempts_have_their_own_jobs() {
    let mut console = Console::new();
    console.press(TO_RED).press("enter [");
    let page = console.model.ci_run.as_ref().unwrap();
    assert_eq!((page.shown(), page.jobs.as_ref().unwrap()[0].attempt), (1, 1));
    console.press("[");
    assert!(notice(&console).contains("no other attempt"));
    console.press("]");
    assert_eq!(console.model.ci_run.as_ref().unwrap().shown(), 2);
    console.press("G enter");
    assert_eq!(console.model.ci_run.as_ref().unwrap().shown(), 1, "enter on an attempt opens it");
}

#[test]
fn the_log_of_what_still_runs_is_not_asked_for() {
    let mut console = Console::new();
    console.press("c enter l");
    assert!(console.screen().contains("GitHub gives the log when the job is done"), "{}", console.screen());
    assert!(console.fetched.is_empty());
}

#[test]
fn the_log_comes_by_itself_when_the_job_has_failed() {
    let mut console = Console::new();
    console.press("c enter l");
    assert!(console.screen().contains("GitHub gives the log when the job is done"), "{}", console.screen());
    console.press("q");
    console.job_state = Some(CiState::Red);
    let screen = console.wait(11_000).screen();
    assert!(screen.contains("AssertionError: assert 3 == 4"), "{screen}");
    assert_eq!(console.fetched.len(), 1);
}

#[test]
fn what_github_did_not_answer_is_asked_again() {
    let mut console = Console::new();
    console.press("c j j j");
    console.outage = Some(Refusal { kind: RefusalKind::Failed, text: "GitHub does not answer".to_owned() });
    let screen = console.press("enter").screen();
    assert!(screen.contains("GitHub does not answer"), "{screen}");
    console.outage = None;
    let screen = console.wait(11_000).screen();
    assert!(screen.contains("AssertionError: assert 3 == 4"), "{screen}");
}

#[test]
fn a_missing_or_empty_log_is_said() {
    let mut console = Console::new();
    console.job_log = " \n".to_owned();
    let screen = console.press(TO_RED).press("enter l").screen();
    assert!(screen.contains("GitHub has an empty log of this job"), "{screen}");
}

#[test]
fn the_jobs_of_a_run_that_goes_on_are_read_again_and_those_of_one_that_is_done_are_not() {
    for (keys, is_expected) in [("c enter", true), ("c j j j enter", false)] {
        let mut console = Console::new();
        console.press(keys);
        console.is_slow = true;
        console.wait(11_000);
        let is_asked = console.held.iter().any(|(_, it)| matches!(it, Ask::CiJobs(..)));
        assert_eq!(is_asked, is_expected, "{keys}");
    }
}

#[test]
fn a_run_of_ci_and_the_run_that_heals_it_lead_to_each_other() {
    let mut console = Console::new();
    console.press(TO_RED).press("h");
    assert_eq!(console.model.screen(), Screen::Run);
    assert_eq!(console.model.focus.as_ref().unwrap().id, fixture::id(1));
    console.press("c");
    assert_eq!(console.model.screen(), Screen::CiRun);
    assert_eq!(console.model.ci_run.as_ref().unwrap().run, 9_100_000_483);
    console.press("h q q");
    assert_eq!(console.model.screen(), Screen::Queue, "the way back is as long as the way there");
    console.press("c k k k h");
    assert!(notice(&console).contains("no run heals this one"));
}

#[test]
fn y_alone_runs_failed_jobs_again() {
    let mut console = Console::new();
    console.press(TO_RED).press("R").wait(500);
    let screen = console.screen();
    for words in ["RE-RUN the failed jobs of #483", "acme/api · CI #483", "9100000483", "y = run again"] {
        assert!(screen.contains(words), "{words}\n{screen}");
    }
    console.press("enter space R n");
    assert!(console.done.is_empty());
    console.press("tab").write("the runner died").press("enter y");
    let (act, by) = console.done.pop().unwrap();
    assert_eq!((act.kind, act.run, act.repository.as_str()), (CiActKind::Rerun, 9_100_000_483, "acme/api"));
    assert_eq!((act.note.as_deref(), by.as_str()), (Some("the runner died"), "jdoe"));
    assert!(console.screen().contains("✓ DONE"), "{}", console.screen());
    assert!(console.sent.is_empty(), "no run of ours was decided on");
}

#[test]
fn what_github_says_no_to_is_told_in_its_words() {
    let mut console = Console::new();
    console.press(TO_RED).press("enter R").wait(500);
    let text = "This workflow is already running".to_owned();
    console.refusal = Some(Refusal { kind: RefusalKind::Precondition, text: text.clone() });
    let screen = console.press("y").screen();
    assert!(screen.contains(&text) && screen.contains("Nothing was changed."), "{screen}");
    assert!(matches!(console.model.dialog.as_ref().unwrap().stage, Stage::Refused(_)));
    console.press("y r");
    assert_eq!(console.done.len(), 1, "it is never sent again by itself");
}

#[test]
fn only_what_may_be_answered_is_answered() {
    let mut console = wide();
    let screen = console.press("c j enter").screen();
    assert!(screen.contains("⚑ waits to deploy to production: A approves it"), "{screen}");
    assert!(screen.contains("⚑ waits to deploy to vault: acme/release may"), "{screen}");
    console.press("A").wait(500);
    let screen = console.screen();
    assert!(screen.contains("APPROVE the deployment of #485") && screen.contains("vault: others must"), "{screen}");
    console.press("y");
    let (act, _) = console.done.pop().unwrap();
    assert_eq!((act.kind, act.environments.as_slice()), (CiActKind::ApproveDeployment, &[7][..]));
    console.press("esc D").wait(500).press("y");
    assert_eq!(console.done.pop().unwrap().0.kind, CiActKind::RejectDeployment);
}

#[test]
fn what_makes_no_sense_is_said_before_a_dialog_opens() {
    for (keys, why) in [
        ("c R", "not done yet"),
        ("c j j j j R", "no job of it failed"),
        ("c j j j X", "it is done: red"),
        ("c j j j enter A", "no deployment of this run waits"),
        ("c j j j enter l X", "it is done: red"),
    ] {
        let mut console = Console::new();
        console.press(keys);
        assert!(console.model.dialog.is_none(), "{keys}");
        assert!(notice(&console).contains(why), "{keys}: {}", notice(&console));
    }
}

#[test]
fn no_key_of_ci_decides_about_a_run_of_ours() {
    let mut console = Console::new();
    for keys in ["c", "c j j j enter", "c j j j enter l"] {
        console.press(keys);
        for command in [Command::Approve, Command::Deny, Command::Abort, Command::Retry] {
            console.apply(Action::Do(command));
            if let Some(dialog) = &console.model.dialog {
                assert!(dialog.decision().is_none(), "{keys} {command}");
            }
            if console.model.dialog.is_some() {
                console.wait(600).press("esc");
            }
        }
        console.press("q q q q");
        console.has_quit = false;
    }
    assert!(console.sent.is_empty() && console.done.is_empty());
}

#[test]
fn who_may_only_look_is_told_so_and_safe_mode_says_so_too() {
    let mut console = Console::with(&Opening { read_only: true, ..opening() }, fixture::backlog());
    console.press(TO_RED).press("R").wait(600).press("y");
    console.apply(Action::Do(Command::Retry));
    assert!(console.model.dialog.is_none() && console.done.is_empty());
    let mut console = Console::new();
    console.ci = CiView { can_write: false, why_not: Some("safe mode: GitHub is only read".to_owned()), ..console.ci };
    console.press(TO_RED).press("R");
    assert!(console.model.dialog.is_none() && notice(&console).contains("safe mode"), "{}", notice(&console));
}

#[test]
fn urls_are_shown_and_copied() {
    let mut console = Console::new();
    console.press(TO_RED).press("o");
    assert_eq!(notice(&console), "https://github.com/acme/api/actions/runs/9100000483");
    console.press("enter o");
    assert!(notice(&console).contains("/job/"), "{}", notice(&console));
    console.press("y");
    assert!(console.copied.pop().unwrap().contains("/job/"));
}

#[test]
fn a_start_without_the_forge_shows_what_was_stored_and_how_old_it_is() {
    let mut console = Console::new();
    let old = SignedDuration::from_hours(9);
    for picture in &mut console.ci.pictures {
        picture.seen_at = picture.seen_at.map(|it| it - old);
        picture.next_at = picture.next_at.map(|it| it - old);
    }
    let screen = console.press("c").screen();
    assert!(screen.contains("CI  stale: as of 9h00 ago"), "{screen}");
    assert!(screen.contains("#486"), "the runs are there all the same: {screen}");
}

#[test]
fn what_cannot_be_read_is_said_and_what_was_read_stays() {
    let mut console = Console::new();
    console.press("c");
    let text = "the server is away".to_owned();
    console.outage = Some(Refusal { kind: RefusalKind::Unreachable, text: text.clone() });
    let screen = console.wait(6_000).screen();
    assert!(screen.contains("cannot be read: the server is away") && screen.contains("#486"), "{screen}");
}

#[test]
fn a_repository_that_could_never_be_read_says_why() {
    let mut console = wide();
    let mut gone = ci_fixture::picture("acme/gone", 12, Vec::new());
    (gone.seen_at, gone.next_at) = (None, None);
    let unseen = Picture { repository: "acme/new".to_owned(), ..gone.clone() };
    gone.error = Some("GitHub answered 404: there is no such thing".to_owned());
    console.ci.pictures = vec![gone, unseen];
    let screen = console.press("c").screen();
    for words in
        ["acme/gone  main  never read", "✗ the last look failed: GitHub answered 404", "acme/new  main  not looked"]
    {
        assert!(screen.contains(words), "{words}\n{screen}");
    }
}

#[test]
fn repositories_without_runs_are_reached_too() {
    let empty = |n: usize| ci_fixture::picture(&format!("acme/empty-{n:02}"), 12, Vec::new());
    let mut console = Console::new();
    console.ci.pictures = (0..40).map(empty).collect();
    let screen = console.press("c").screen();
    assert!(screen.contains("acme/empty-00") && screen.contains("no workflow has run yet"), "{screen}");
    assert!(!screen.contains("acme/empty-39"), "{screen}");
    assert!(console.press("G").wait(6_000).screen().contains("acme/empty-39"));
    assert!(console.press("k k k k g").screen().contains("acme/empty-00"));
    console.press("enter h ! } l R o");
    // What stands below the last run is seen with it.
    let mut console = Console::new();
    let runs = (0..100).map(|n| ci_fixture::run(1_000 - n, "CI", "main", CiState::Green, 60)).collect();
    console.ci.pictures = vec![ci_fixture::picture("acme/api", 12, runs), empty(1), empty(2)];
    let screen = console.press("c G").screen();
    assert!(screen.contains("#901") && screen.contains("acme/empty-02"), "{screen}");
    // However many they are, before the next run and after the last.
    let mut console = Console::new();
    let run =
        |name: &str, id| ci_fixture::picture(name, 12, vec![ci_fixture::run(id, "CI", "main", CiState::Green, 60)]);
    console.ci.pictures = vec![run("acme/api", 7)];
    console.ci.pictures.extend((0..30).map(empty));
    console.ci.pictures.push(run("acme/next", 8));
    console.ci.pictures.extend((30..60).map(empty));
    let mut seen = console.press("c").screen();
    for _ in 0..200 {
        seen.push_str(&console.press("j").screen());
    }
    for n in 0..60 {
        assert!(seen.contains(&format!("acme/empty-{n:02}")), "{n}\n{}", console.screen());
    }
    assert!(console.wait(6_000).screen().contains("acme/empty-59"), "{}", console.screen());
    let screen = console.press("g").screen();
    assert!(screen.contains("1 of 2") && screen.contains("acme/api"), "{screen}");
    assert!(console.press("G G").screen().contains("acme/empty-59"), "{}", console.screen());
}

#[test]
fn two_thousand_runs_are_moved_through_and_filtered() {
    let mut console = Console::new();
    let of = |n: u64| {
        let state = if n == 7 { CiState::Red } else { CiState::Green };
        let runs = (0..100).map(|idx| ci_fixture::run(n * 1_000 + idx, "CI", "main", state, 60)).collect();
        ci_fixture::picture(&format!("acme/r{n:02}"), 12, runs)
    };
    console.ci.pictures = (0..20).map(of).collect();
    let screen = console.press("c").screen();
    assert!(screen.contains("1 of 2000"), "{screen}");
    let screen = console.press("G").screen();
    assert!(screen.contains("2000 of 2000") && screen.contains("#19099"), "{screen}");
    assert_eq!(console.press("g !").model.ci.current().unwrap().0.repository, "acme/r07");
    assert!(console.press("/").write("#19050").press("enter").screen().contains("1 of 1   filter: #19050"));
}

#[test]
fn a_limit_is_told_with_when_it_ends() {
    let mut console = Console::new();
    if let Some(budget) = &mut console.ci.budget {
        budget.blocked_until = Some(fixture::noon() + SignedDuration::from_mins(15));
        budget.why = Some("secondary rate limit".to_owned());
    }
    let screen = console.press("c").screen();
    assert!(screen.contains("✗ GitHub asks us to wait until 12:15:00Z: secondary rate limit"), "{screen}");
}

#[test]
fn nothing_watched_says_how_to_begin() {
    let mut console = Console::new();
    console.ci.pictures.clear();
    let screen = console.press("c").screen();
    assert!(screen.contains("No repository is watched"), "{screen}");
}

#[test]
fn names_from_outside_reach_no_cell_uncleaned() {
    let mut console = Console::new();
    let evil = "x\u{1b}[2J\u{202e}gnp.exe\r\n\u{7}y".repeat(40);
    for run in console.ci.pictures.iter_mut().flat_map(|it| &mut it.runs) {
        run.run.workflow.clone_from(&evil);
        run.run.branch.clone_from(&evil);
        run.run.title.clone_from(&evil);
        run.run.attempt = u32::MAX;
        run.ignored = Some(evil.clone());
        run.run.commit_sha = "é".repeat(9);
    }
    console.ci.pictures[0].repository.clone_from(&evil);
    console.ci.pictures[0].error = Some(evil.clone());
    for (columns, rows) in [(60, 16), (80, 24), (160, 48)] {
        console.press("c enter");
        for keys in ["l", "q", "q", "R", "esc"] {
            let screen = console.press(keys).wait(600).screen_at(columns, rows);
            assert!(!screen.contains(['\u{1b}', '\u{202e}', '\u{7}', '\r']), "{screen:?}");
        }
    }
}

/// A backlog whose first run has an open pull request.
fn with_pull(checks: ChecksState, is_draft: bool) -> Vec<paramedic::domain::RunDetail> {
    let mut runs = fixture::backlog();
    runs[0].forge = Some(RunForge {
        issue_number: Some(41),
        issue_url: Some("https://github.com/acme/api/issues/41".to_owned()),
        occurrences: 50,
        pull: Some(RunPull {
            number: Some(12),
            url: Some("https://github.com/acme/api/pull/12".to_owned()),
            branch: "heal/3f1c9a00-11b2c3d4".to_owned(),
            base_branch: Some("fix/retry-budget".to_owned()),
            head: "4c1b2c3d4e5f60718293a4b5c6d7e8f901234567".to_owned(),
            is_draft,
            state: PrState::Open,
            checks,
            hands_off: None,
        }),
        waits_for: None,
        skipped: None,
        trouble: None,
        ci: None,
    });
    runs
}

#[test]
fn a_run_tells_its_pull_request_or_why_there_is_none() {
    for (columns, rows) in [(80, 24), (160, 48)] {
        let mut console =
            Console::with(&Opening { columns, rows, ..opening() }, with_pull(ChecksState::Pending, false));
        console.press("enter");
        insta::assert_snapshot!(format!("pull_{columns}x{rows}"), console.screen());
    }
    let mut runs = with_pull(ChecksState::None, false);
    let forge = runs[0].forge.as_mut().unwrap();
    (forge.pull, forge.skipped) = (None, Some("the branch is not trusted".to_owned()));
    let screen = Console::with(&opening(), runs).press("enter").screen();
    assert!(screen.contains("not published: the branch is not"), "{screen}");
}

#[test]
fn a_patch_is_published_by_a_person_s_word() {
    let mut runs = with_pull(ChecksState::None, false);
    let forge = runs[0].forge.as_mut().unwrap();
    (forge.pull, forge.skipped) = (None, Some("it waits for a person's word".to_owned()));
    let mut console = Console::with(&opening(), runs);
    console.press("P").wait(500);
    let screen = console.screen();
    assert!(screen.contains("PUBLISH patch") && screen.contains("a pull request with the proved patch"), "{screen}");
    console.press("y");
    let (id, request) = console.sent.pop().unwrap();
    assert_eq!((id, request.kind), (fixture::id(1), ActionKind::Publish));
    assert_eq!(request.rev.as_deref(), Some(fixture::digest().as_str()));
    let mut console = Console::with(&opening(), with_pull(ChecksState::Green, false));
    console.press("P");
    assert!(console.model.dialog.is_none() && notice(&console).contains("PR #12 is open already"));
}

#[test]
fn an_approve_of_a_pull_request_says_what_it_merges_and_what_ci_says() {
    let mut console = Console::with(&opening(), with_pull(ChecksState::Pending, true));
    console.press("enter d A").wait(500);
    insta::assert_snapshot!("approve_pull_80x24", console.screen());
    let text = "Required status check \"test\" is expected".to_owned();
    console.refusal = Some(Refusal { kind: RefusalKind::Precondition, text: text.clone() });
    let screen = console.press("y").screen();
    assert!(screen.contains(&text) && screen.contains("Nothing was changed."), "{screen}");
}
