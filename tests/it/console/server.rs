//! The console on a server: who one is there, offline and back again, and decisions that are made once or not at all.
use super::fixture;
use super::harness::{Console, opening, text};
use super::pty::Session;
use crate::remote::serve::{Elsewhere, Serve, operator};
use crate::support::{BUGGY, RIGHT, World, eventually};
use paramedic::backlog::Me;
use paramedic::console::action::{Action, Refusal, RefusalKind};
use paramedic::console::model::Opening;
use paramedic::console::recorder::{frame, parse, replay};
use paramedic::console::theme::Theme;
use paramedic::domain::{EventType, Role};

fn online(columns: u16, rows: u16) -> Console {
    let server = Some("ci.example.com:7171".to_owned());
    let opening = Opening { operator: String::new(), server, columns, rows, ..opening() };
    Console::with(&opening, fixture::backlog())
}

fn refusal(kind: RefusalKind, text: &str) -> Refusal {
    Refusal { kind, text: text.to_owned() }
}

fn gone() -> Refusal {
    refusal(RefusalKind::Unreachable, "cannot reach http://ci.example.com:7171: Connection refused (os error 111)")
}

impl Console {
    /// The server goes away, and the console gets to know.
    pub(super) fn go_offline(&mut self) -> &mut Self {
        self.outage = Some(gone());
        self.apply(Action::NoNews("the stream has ended".to_owned()));
        self
    }

    fn come_back(&mut self) -> &mut Self {
        self.outage = None;
        self.apply(Action::Changed(40));
        self
    }
}

#[test]
fn online_offline_and_back_look_like_this() {
    for (columns, rows) in [(80, 24), (160, 48)] {
        let mut console = online(columns, rows);
        insta::assert_snapshot!(format!("server_online_{columns}x{rows}"), console.screen());
        console.wait(4_000).go_offline().wait(9_000);
        insta::assert_snapshot!(format!("server_offline_{columns}x{rows}"), console.screen());
        console.press("enter d");
        insta::assert_snapshot!(format!("server_offline_review_{columns}x{rows}"), console.screen());
        console.press("q q").come_back();
        insta::assert_snapshot!(format!("server_back_{columns}x{rows}"), console.screen());
    }
}

#[test]
fn offline_is_said_in_ascii_too() {
    let mut theme = Theme::named("mono").unwrap();
    theme.is_ascii = true;
    let mut console = online(80, 24);
    console.go_offline();
    let drawn = text(&frame(&console.model, &theme));
    assert!(drawn.is_ascii() && drawn.contains("OFFLINE since 12:00:00Z") && drawn.contains("stale"), "{drawn}");
    assert!(drawn.contains("acme/api"), "the snapshot stays:\n{drawn}");
}

#[test]
fn the_server_says_who_one_is() {
    let mut console = online(160, 48);
    assert_eq!(console.model.operator, "jdoe");
    assert!(console.screen().contains("jdoe@ci.example.com:7171 (operator)"), "{}", console.screen());
    console.me = Some(Me { name: "vic".to_owned(), role: Role::Viewer });
    console.press("r");
    assert!(console.screen().contains("vic@ci.example.com:7171 (viewer)"), "{}", console.screen());
}

#[test]
fn nothing_is_decided_offline_and_nothing_waits_to_be_sent() {
    let mut console = online(80, 24);
    console.press("enter d A").wait(600);
    console.go_offline().press("y");
    assert!(console.screen().contains("offline since"), "{}", console.screen());
    console.press("esc");
    for key in ["A", "D", "X", "R"] {
        console.press(key);
        assert!(console.model.dialog.is_none());
        assert!(console.screen().contains("nothing was sent"), "{}", console.screen());
    }
    console.press("q F enter").write("words").press("ctrl-s");
    assert!(console.model.dialog.is_none());
    console.come_back().wait(60_000);
    assert!(console.sent.is_empty(), "{:?}", console.sent);
}

#[test]
fn news_alone_may_be_missing() {
    let mut console = online(80, 24);
    console.apply(Action::NoNews("a proxy holds the stream back".to_owned()));
    assert!(console.model.outage.is_none());
    assert!(!console.screen().contains("OFFLINE"));
}

#[test]
fn who_only_looks_is_told_before_anything_is_asked_or_sent() {
    let mut console = online(80, 24);
    console.me = Some(Me { name: "vic".to_owned(), role: Role::Viewer });
    console.press("r");
    let said = "vic is a viewer on ci.example.com:7171: deciding needs an operator's token";
    assert!(console.screen().contains(said), "in the place of the keys that decide:\n{}", console.screen());
    for key in ["A", "D", "X", "R", "F"] {
        console.press(key);
        assert!(console.model.dialog.is_none() && console.model.fix.is_none(), "{key}");
        assert!(console.screen().contains(&format!("✗ {said}")), "{}", console.screen());
    }
    insta::assert_snapshot!("server_viewer_80x24", console.screen());
    console.me = Some(Me { name: "vic".to_owned(), role: Role::Operator });
    console.press("r A");
    assert!(console.model.dialog.is_some(), "who may decide by now can:\n{}", console.screen());
    assert!(console.sent.is_empty());
}

#[test]
fn before_anything_was_read_no_number_is_claimed() {
    for (columns, rows) in [(80, 24), (160, 48)] {
        let server = Some("ci.example.com:7171".to_owned());
        let opening = Opening { operator: String::new(), server, columns, rows, ..opening() };
        let mut console = Console::waiting(&opening, gone());
        insta::assert_snapshot!(format!("server_never_read_{columns}x{rows}"), console.screen());
        console.come_back();
        assert!(console.screen().contains("acme/api"), "{}", console.screen());
    }
}

#[test]
fn an_open_dialog_says_in_full_why_y_did_not_count_and_forgets_it_when_the_server_is_back() {
    let mut console = online(80, 24);
    console.press("enter d A").wait(600);
    console.go_offline().press("y");
    let screen = console.screen();
    assert!(screen.contains("nothing was sent") && screen.contains("answers again"), "nothing is cut off:\n{screen}");
    insta::assert_snapshot!("server_offline_dialog_80x24", screen);
    console.come_back();
    let screen = console.screen();
    assert!(!screen.contains("nothing was sent") && console.model.dialog.is_some(), "{screen}");
}

#[test]
fn what_was_written_is_still_there_when_the_answer_is_lost() {
    let mut console = online(80, 24);
    let lost = "cannot reach http://ci.example.com:7171: connection closed; whether it arrived is not known";
    console.refusal = Some(refusal(RefusalKind::Unreachable, lost));
    console.press("enter d A").wait(600).press("tab").write("seen with bea").press("enter");
    console.outage = Some(gone());
    console.press("y esc").come_back();
    console.refusal = None;
    console.press("A").wait(600);
    assert!(console.screen().contains("seen with bea"), "{}", console.screen());
    console.press("y esc");
    assert_eq!(console.sent.len(), 2);
    assert!(console.model.kept_note.is_none(), "it got through");
}

/// Approves, and the answer is lost; then the server is away.
fn lose_an_answer(console: &mut Console) {
    let lost =
        "cannot reach http://ci.example.com:7171: connection closed; whether it arrived is not known, look at the run";
    console.refusal = Some(refusal(RefusalKind::Unreachable, lost));
    console.press("enter d A").wait(600);
    console.outage = Some(gone());
    console.press("y");
    let screen = console.screen();
    assert!(screen.contains("not sent again by itself") && screen.contains("OFFLINE"), "{screen}");
    console.press("esc");
    assert_eq!(console.sent.len(), 1);
}

#[test]
fn a_lost_decision_that_did_not_arrive_is_told_and_not_sent_again() {
    let mut console = online(80, 24);
    lose_an_answer(&mut console);
    console.come_back();
    let screen = console.screen();
    assert!(screen.contains("your approve has not arrived: run 1b6d3c0a is fixed now, version 7"), "{screen}");
    console.wait(60_000).come_back();
    assert_eq!(console.sent.len(), 1);
    assert!(console.model.lost.is_none());
}

#[test]
fn a_lost_decision_that_did_arrive_is_told() {
    let mut console = online(80, 24);
    lose_an_answer(&mut console);
    let run = console.runs[0].run.clone();
    let mut approved = fixture::events(&run, &[(EventType::RunApproved, "human:jdoe", "approved")]);
    approved[0].seq = 99;
    console.runs[0].events.extend(approved);
    console.runs[0].run.status = paramedic::domain::Status::Resolved;
    console.runs[0].run.version = 8;
    console.come_back();
    let screen = console.screen();
    assert!(screen.contains("your approve did arrive: run 1b6d3c0a is resolved now, version 8"), "{screen}");
    assert_eq!(console.sent.len(), 1);
}

#[test]
fn a_viewer_is_refused_in_words() {
    let mut console = online(80, 24);
    console.refusal = Some(refusal(RefusalKind::Refused, "vic is viewer here; this needs operator"));
    console.press("enter d A").wait(600).press("y");
    let screen = console.screen();
    assert!(screen.contains("vic is viewer here") && screen.contains("Nothing was changed"), "{screen}");
}

#[test]
fn a_token_that_is_no_longer_accepted_is_said_with_what_to_do() {
    let mut console = online(80, 24);
    let why = "this token is not accepted here; set PARAMEDIC_TOKEN to a token of this server";
    console.outage = Some(refusal(RefusalKind::NotAuthenticated, why));
    console.press("r").wait(11_000);
    console.model.notice = None;
    let screen = console.screen();
    assert!(screen.contains("NOT LOGGED IN since 12:00:00Z") && screen.contains("PARAMEDIC_TOKEN"), "{screen}");
    assert!(!screen.contains("OFFLINE"), "{screen}");
}

#[test]
fn a_session_on_a_server_replays() {
    let mut console = online(80, 24);
    console.go_offline().wait(2_000).come_back();
    let (opening, actions) = parse(&console.recorder.dump().unwrap()).unwrap();
    let theme = Theme::named("dark").unwrap();
    assert_eq!(text(&replay(&opening, &actions, (80, 24), &theme)), console.screen());
    // A recording of the time before servers says nothing of one.
    let old = r#"{"operator":"a","readOnly":false,"columns":80,"rows":24,"now":"2026-03-14T12:00:00Z","run":null,"inTmux":false}"#;
    assert_eq!(parse(&format!("{old}\n")).unwrap().0.server, None);
}

#[test]
fn a_real_console_outlives_the_server() {
    let world = World::with_repo(BUGGY);
    world.heal(RIGHT, &[]);
    let token = operator(&world, "ann", "operator");
    let server = Serve::start(&world, "127.0.0.1:0", "0");
    let ann = Elsewhere::new(&server.url, &token);
    let env = [("PARAMEDIC_API", server.url.as_str()), ("PARAMEDIC_TOKEN", token.as_str())];
    let mut session = Session::start(&ann.world, (120, 36), &env);
    session.wait_for("NEEDS YOU").wait_for("ann@127.0.0.1").wait_for("(operator)");
    session.press("\r").wait_for("Attempts").press("d").wait_for("return a + b");
    let address = server.kill();
    session.wait_for("OFFLINE since").wait_for("return a + b").press("A").wait_for("nothing was sent");
    session.press("q").wait_for("Attempts").press("q").wait_for("stale: as of").wait_for("NEEDS YOU");
    let server = Serve::start(&world, &address, "0");
    session.wait_for("back online");
    assert!(!session.screen().contains("OFFLINE"), "{}", session.screen());
    session.press("\r").wait_for("Attempts").press("d").wait_for("return a + b");
    session.press("A").confirm("y = approve", "APPROVED");
    session.leave("copy the command");
    eventually("the run is resolved on the screen", || session.screen().contains("RESOLVED").then_some(()));
    session.press("\x03\x03").assert_given_back();
    drop(server);
    let run = world.run(&["show", "latest", "--json"]).json();
    assert_eq!((&run["status"], &run["approvedBy"][0]), (&"resolved".into(), &"ann".into()));
    let approvals = run["events"].as_array().unwrap().iter().filter(|it| it["type"] == "run.approved").count();
    assert_eq!(approvals, 1);
    let drafts = ann.world.data_dir().join("paramedic.db");
    assert!(!drafts.exists(), "no backlog was made on the machine of the console");
    world.assert_clean();
}

#[test]
fn a_console_may_start_before_its_server() {
    let world = World::with_repo(BUGGY);
    world.heal(RIGHT, &[]);
    let token = operator(&world, "ann", "viewer");
    let address = Serve::start(&world, "127.0.0.1:0", "0").kill();
    let url = format!("http://{address}");
    let ann = Elsewhere::new(&url, &token);
    let env = [("PARAMEDIC_API", url.as_str()), ("PARAMEDIC_TOKEN", token.as_str())];
    let mut session = Session::start(&ann.world, (80, 24), &env);
    session.wait_for("OFFLINE since").wait_for("nothing was read yet");
    let _server = Serve::start(&world, &address, "0");
    session.wait_for("NEEDS YOU").wait_for("back online").press("\r").wait_for("Attempts").wait_for("proved");
    session.press("A").wait_for("ann is a viewer on").wait_for("deciding needs an operator's token");
    session.press("\x03\x03").assert_given_back();
    assert_eq!(world.run(&["show", "latest", "--json"]).json()["status"], "fixed");
}

#[test]
fn the_keys_are_there_while_the_server_is_not() {
    for (columns, rows) in [(80, 24), (120, 36)] {
        let mut console = online(columns, rows);
        let before = console.screen();
        console.go_offline();
        for keys in ["", "enter", "d"] {
            console.press(keys);
            let screen = console.screen();
            assert!(screen.contains("? help") && screen.contains("A approve"), "{columns}x{rows} {keys}\n{screen}");
            assert!(screen.contains("decisions are off"), "{columns}x{rows} {keys}\n{screen}");
        }
        console.press("q q").come_back();
        assert_eq!(console.screen().lines().count(), before.lines().count());
    }
}
