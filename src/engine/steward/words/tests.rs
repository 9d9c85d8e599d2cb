//! What is written, made of hostile text.
use super::{Kind, MAX_BODY_CHARS, MAX_TITLE_CHARS, Text, Words, is_marked, marker};
use crate::domain::{
    Attempt, AttemptFailure, Author, CopilotAsk, Digest, Family, Finding, Instruction, Intent, Judgement, Order, Patch,
    Run, Verdict,
};
use crate::evidence::mask::Masker;
use crate::rules::Rules;
use jiff::Timestamp;

const WEB: &str = "https://github.com/acme/shop";
const SECRET: &str = "hunter2-hunter2";

fn now() -> Timestamp {
    "2026-03-01T10:00:00Z".parse().unwrap()
}

fn run(text: &str) -> Run {
    let mut run = Run::queued("acme/shop", "main", &"ab".repeat(20), Order::default(), 3, now());
    run.order.workflow = Some(text.to_owned());
    run.branch = text.to_owned();
    run.error_type = Some(text.to_owned());
    run.error_summary = text.to_owned();
    run.escalation_note = Some(text.to_owned());
    run
}

fn attempt(text: &str) -> Attempt {
    let mut attempt = Attempt::started(1, Author::Agent(text.to_owned()), None, now());
    attempt.diagnosis = text.to_owned();
    attempt.failure_reason = Some(text.to_owned());
    attempt.proposed_fix = Some(Patch(text.to_owned()));
    attempt
}

/// Returns everything that is ever written, made of this foreign text.
fn all(text: &str, rules: &str) -> Vec<Text> {
    let masker = Masker::new([SECRET.to_owned()]);
    let rules = Rules::read(rules.as_bytes()).unwrap().0;
    let run = run(text);
    let finding = Finding {
        file: text.to_owned(),
        line: None,
        rule: "r".to_owned(),
        reason: text.to_owned(),
        verdict: Verdict::Violation,
    };
    let refuted = Attempt {
        failure_kind: Some(AttemptFailure::StillRed),
        new_failure: Some(text.to_owned()),
        guard: Some(Judgement::from_findings(vec![finding])),
        ..attempt(text)
    };
    let attempts = [refuted];
    let mut family = Family::first_seen(&run, "v1:1a2b3c4d", Some(text.to_owned()), now());
    family.skipped = Some(text.to_owned());
    let ask = CopilotAsk::wanted(None, run.id, 1, &[], Some(text), now());
    family.copilot = Some(ask.clone());
    // Whom it asks is the one name that is live there.
    let asking = |body: String| Text { title: String::new(), body: body.replacen("@copilot ", "", 1) };
    let words = Words {
        masker: &masker,
        rules: &rules,
        web_url: WEB,
        family: &family,
        run: &run,
        attempts: &attempts,
        failed_jobs: "1",
        unread_jobs: 0,
        suggested: &[text.to_owned()],
    };
    let instruction = Instruction { intent: Intent::Fix, text: text.to_owned(), context: Some(text.to_owned()) };
    let mut ordered = run.clone();
    ordered.order.instruction = Some(instruction);
    ordered.order.requested_by = Some(text.to_owned());
    ordered.order.test_command = Some(text.to_owned());
    let unproved = [Attempt {
        failure_kind: Some(AttemptFailure::StillRed),
        new_failure: Some(text.to_owned()),
        ..attempts[0].clone()
    }];
    let order = Words { run: &ordered, attempts: &unproved, ..words };
    let comment = |body: String| Text { title: String::new(), body };
    vec![
        words.issue(),
        words.pull(true),
        words.pull(false),
        words.revert(7, "abc"),
        comment(words.seen("2026-03-01")),
        comment(words.closed(7)),
        comment(words.held(7, true)),
        asking(words.copilot_mention(&ask, "round=1")),
        asking(words.copilot_again(&ask, "round=1")),
        comment(words.copilot_left(false, "run=1")),
        order.pull(true),
        order.pull(false),
    ]
}

/// Returns a body without what stands in fences and spans, as a reader of Markdown takes it.
fn prose(body: &str) -> String {
    let mut prose = String::new();
    let mut fence: Option<usize> = None;
    for line in body.lines() {
        let ticks = line.chars().take_while(|it| *it == '`').count();
        match fence {
            Some(open) if ticks >= open && line.chars().all(|it| it == '`') => fence = None,
            Some(_) => {}
            None if ticks >= 3 && !line[ticks..].contains('`') => fence = Some(ticks),
            None => prose.extend([without_spans(line).as_str(), "\n"]),
        }
    }
    assert_eq!(fence, None, "a fence stays open:\n{body}");
    prose
}

fn without_spans(line: &str) -> String {
    let chars: Vec<char> = line.chars().collect();
    let (mut at, mut rest) = (0, String::new());
    let run_at = |at: usize| chars[at..].iter().take_while(|it| **it == '`').count();
    while at < chars.len() {
        let n = run_at(at);
        if n == 0 {
            rest.push(chars[at]);
            at += 1;
            continue;
        }
        let mut end = at + n;
        while end < chars.len() && run_at(end) != n {
            end += run_at(end).max(1);
        }
        assert!(end < chars.len(), "a span stays open: {line}");
        at = end + n;
    }
    rest
}

#[test]
fn mentions_of_the_rules_are_the_only_live_ones() {
    let rules = "notifications:\n  mentions:\n    default: [\"@ann\", \"acme/ops\"]\n";
    let texts = all("@everyone fixes #1 `", rules);
    assert!(prose(&texts[0].body).contains("cc @ann @acme/ops"));
    assert_eq!(prose(&texts[0].body).matches('@').count(), 2, "{}", texts[0].body);
    for text in &texts[1..] {
        assert!(!prose(&text.body).contains('@'), "{}", text.body);
    }
}

#[test]
fn templates_are_filled_and_the_evidence_follows() {
    let rules = "pull_request:\n  title_template: 'Fix {workflow_name} #{run_id}'\n  description_template: |\n    **Hi** {changes_description} {branch}\n";
    let text = &all("x | y", rules)[2];
    assert!(text.title.starts_with("Fix x | y ＃"), "{}", text.title);
    assert!(text.body.starts_with("**Hi** ` 0 files, +0 -0 ` ` x | y `\n"), "{}", text.body);
    assert!(
        text.body.contains("### Proof")
            && text.body.lines().last().unwrap().starts_with("<!-- paramedic:pr v1 family=")
    );
}

#[test]
fn what_failed_is_in_the_title_however_long_the_workflow_is_called() {
    let mut run = run(&"é".repeat(400));
    run.error_type = Some("KeyError".to_owned());
    let (masker, family) = (Masker::default(), Family::first_seen(&run, "v1:1a2b3c4d", None, now()));
    let words = Words {
        masker: &masker,
        rules: &Rules::read(b"").unwrap().0,
        web_url: WEB,
        family: &family,
        run: &run,
        attempts: &[],
        failed_jobs: "1",
        unread_jobs: 0,
        suggested: &[],
    };
    for title in [words.issue().title, words.pull(true).title] {
        assert!(title.contains("é… fails: KeyError") || title.contains("é…: KeyError"), "{title}");
    }
}

#[test]
fn the_issue_says_how_much_of_the_failure_was_not_read() {
    let (masker, run) = (Masker::default(), run("x"));
    let family = Family::first_seen(&run, "v1:1a2b3c4d", None, now());
    let of = |unread_jobs| {
        let rules = Rules::read(b"").unwrap().0;
        let words = Words {
            masker: &masker,
            rules: &rules,
            web_url: WEB,
            family: &family,
            run: &run,
            attempts: &[],
            failed_jobs: "31",
            unread_jobs,
            suggested: &[],
        };
        words.issue().body
    };
    assert!(of(11).contains("| Failed jobs | ` 31, the logs of 11 were not read ` |"), "{}", of(11));
    assert!(!of(0).contains("Failed jobs"));
}

#[test]
fn a_megabyte_of_failure_fits() {
    for text in all(&"`@x #1 \n```\n".repeat(90_000), "") {
        assert!(text.body.chars().count() <= MAX_BODY_CHARS && text.title.chars().count() <= MAX_TITLE_CHARS);
        assert!(!text.body.contains("too much"));
    }
}

#[test]
fn a_marker_counts_where_we_put_it_only() {
    let family = Digest::of("family");
    let ours = marker(Kind::Issue, &family, "");
    assert!(is_marked(&format!("text\n\n{ours}\n"), &ours));
    assert!(!is_marked(&format!("```\n{ours}\n```\n"), &ours));
    for text in all(&ours, "") {
        assert!(!is_marked(&text.body, &ours) || text.title.starts_with("🔧"), "{}", text.body);
    }
}

#[test]
fn only_pages_of_the_repository_are_links() {
    for (url, is_link) in [
        ("https://github.com/acme/shop/actions/runs/7", true),
        ("https://github.com/acme/shop.evil/x", false),
        ("https://github.com/acme/shop/x) @all", false),
        ("javascript:alert(1)", false),
    ] {
        let body = &all(url, "")[4].body;
        assert_eq!(body.contains("[The last run]("), is_link, "{body}");
    }
}

/// A squash by hand may take the whole body into the message of its commit, where no fence protects anything.
#[test]
fn nothing_is_obeyed_in_the_message_of_a_squash() {
    let rules = "pull_request:\n  description_template: 'About {workflow_name}'\n";
    for command in [
        "[skip ci]",
        "[ci skip]",
        "[no ci]",
        "[skip actions]",
        "[actions skip]",
        "***NO_CI***",
        "skip-checks: true",
        "skip-checks:true",
        "Closes #7",
        "Fixes: acme/shop#7",
        "resolves GH-7",
        "fixed https://github.com/acme/shop/issues/7",
    ] {
        for text in
            [command.to_owned(), format!("one\n{command}\ntwo"), format!("`{command}`"), format!("- a | {command}")]
        {
            for made in all(&text, rules) {
                let message = format!("{}\n\n{}", made.title, made.body).to_lowercase();
                assert!(!message.contains(&command.to_lowercase()), "{command}: {message}");
            }
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn foreign_text_names_nobody_and_no_secret_is_told(text in "([ -~\\n]|`{1,5}|\\n```|@all|#12|<!--|password=|hunter2-hunter2|-----BEGIN PRIVATE KEY-----){0,30}") {
        for made in all(&text, "") {
            let prose = prose(&made.body);
            proptest::prop_assert!(!prose.contains('@') && !prose.contains("#12"), "{}", made.body);
            proptest::prop_assert!(!made.body.contains(SECRET) && !made.title.contains(SECRET));
            proptest::prop_assert!(!made.title.contains(['@', '#']) || made.title.starts_with("Revert #7"), "{}", made.title);
        }
    }
}
