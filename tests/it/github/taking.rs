//! What is taken in and how: failures without a reason, forks beside main, a token that is wrong, other processes, and hostile answers.
use crate::github::house::House;
use crate::github::watch::{Place, SHOP, Watching, log};
use crate::support::eventually_answered;
use crate::support::github::{Fault, RunSpec};
use jiff::{SignedDuration, Timestamp};
use paramedic::domain::{CiState, Picture, Reason, Run, Status};
use paramedic::engine::steward::Visit;
use paramedic::forge::{Reads as _, RunsQuery};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Lets all runs have ended so long ago that no log of them is still on its way.
fn long_done(place: &Place) {
    let then = Timestamp::try_from(std::time::SystemTime::now()).unwrap() - SignedDuration::from_mins(10);
    for run in &mut place.fake.state().shop().runs {
        run["updated_at"] = json!(then.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    }
}

fn mark(message: &str) -> Value {
    json!({ "path": ".github", "start_line": 1, "end_line": 1, "annotation_level": "failure", "title": "", "message": message })
}

#[tokio::test]
async fn a_failure_of_which_ci_says_nothing_is_left_to_people() {
    let place = Place::new().await;
    let silent = |workflow: &str, job: &str, marks: &[Value]| {
        let jobs = [(job, "failure", &b""[..])];
        let id = place.fake.run(SHOP, &RunSpec { workflow, jobs: &jobs, ..RunSpec::default() });
        let mut state = place.fake.state();
        let job = state.shop().jobs.last().unwrap()["id"].as_u64().unwrap();
        state.shop().annotations.insert(job, marks.to_vec());
        id
    };
    let unstarted = RunSpec { workflow: "Docs", conclusion: Some("startup_failure"), ..RunSpec::default() };
    let unstarted = place.fake.run(SHOP, &unstarted);
    let expired = silent("CI", "build", &[mark("Process completed with exit code 1.")]);
    let unpaid = "The job was not started because recent account payments have failed";
    let unpaid = silent("Lint", "lint", &[mark(unpaid)]);
    let lost = "The hosted runner lost communication with the server. Anything in your workflow that terminates it";
    let lost = silent("Slow", "slow", &[mark(lost)]);
    let marked = silent("Test", "test", &[mark("KeyError: 'apples'")]);
    long_done(&place);
    let watching = place.watch();
    for (id, words) in [
        (unstarted, "CI says nothing of why: the workflow could not start"),
        (expired, "CI says nothing of why: there is no log of build"),
        (unpaid, "was not started"),
        (lost, "lost communication"),
    ] {
        let run = place.taken(id).await;
        let note = run.escalation_note.clone().unwrap_or_default();
        assert_eq!((run.status, run.escalation_reason), (Status::Escalated, Some(Reason::Infrastructure)), "{note}");
        assert!(note.contains(words), "{words}: {note}");
    }
    assert_eq!(place.taken(marked).await.status, Status::Queued);
    watching.stop().await;
}

#[tokio::test]
async fn a_job_with_a_log_speaks_for_one_without() {
    let place = Place::new().await;
    let jobs = [("a", "failure", &b""[..]), ("b", "failure", b"something odd happened\n")];
    let id = place.fake.run(SHOP, &RunSpec { jobs: &jobs, ..RunSpec::default() });
    long_done(&place);
    let watching = place.watch();
    let run = place.taken(id).await;
    assert_eq!((run.status, run.error_summary.as_str()), (Status::Queued, "something odd happened"));
    watching.stop().await;
}

/// What is left of the hour's requests is for our own branches, and at last for what people do.
#[tokio::test]
async fn with_little_of_the_budget_left_no_fork_is_read() {
    let place = Place::new().await;
    place.fake.state().remaining = 900;
    let log = log("add");
    let jobs = [("build", "failure", log.as_bytes())];
    let fork =
        RunSpec { workflow: "Lint", event: "pull_request", fork: Some("eve/shop"), jobs: &jobs, ..RunSpec::default() };
    let fork = place.fake.run(SHOP, &fork);
    let own = place.fake.red_run(SHOP, "CI", "main", &log);
    let watching = place.watch();
    assert_eq!(place.taken(own).await.status, Status::Queued);
    assert!(place.ignored(fork).await.contains("nearly used up"));
    place.fake.state().remaining = 200;
    let late = place.fake.red_run(SHOP, "Nightly", "main", &log);
    assert!(place.ignored(late).await.contains("nearly used up"));
    watching.stop().await;
}

/// A slow workflow among many fast ones: by the time it ends, it is on no page any more.
#[tokio::test]
async fn a_run_that_outlasts_a_page_of_others_is_seen_to_end() {
    let place = Place::new().await;
    place.fake.green_run(SHOP, "CI", "main");
    let watching = place.watch();
    let log = log("slow");
    let jobs = [("build", "failure", log.as_bytes())];
    let slow = place.fake.run(SHOP, &RunSpec { workflow: "Slow", conclusion: None, jobs: &jobs, ..RunSpec::default() });
    place.row(slow, |it| it.run.state == CiState::Running).await;
    for _ in 0..120 {
        place.fake.green_run(SHOP, "CI", "main");
    }
    eventually_answered(async || (place.picture().await.runs.len() == 101).then_some(())).await;
    place.row(slow, |it| it.run.state == CiState::Running).await;
    place.fake.finish(SHOP, slow, "failure");
    // Its row may be gone as soon as it is settled what becomes of it.
    let run = eventually_answered(async || place.runs().await.pop()).await;
    assert_eq!((run.status, run.order.ci.map(|it| it.run_id)), (Status::Queued, Some(slow)));
    watching.stop().await;
}

#[tokio::test]
async fn a_fork_at_the_same_commit_stands_for_no_branch_of_ours() {
    for is_fork_first in [true, false] {
        let place = Place::new().await;
        let log = log("add");
        let jobs = [("build", "failure", log.as_bytes())];
        let fork = RunSpec { event: "pull_request", fork: Some("eve/shop"), jobs: &jobs, ..RunSpec::default() };
        let main = RunSpec { jobs: &jobs, ..RunSpec::default() };
        let watching = place.watch();
        let mut stands = Vec::new();
        for spec in if is_fork_first { [fork, main] } else { [main, fork] } {
            let id = place.fake.run(SHOP, &spec);
            stands.push(place.taken(id).await);
        }
        let is_trusted = |it: &Run| it.order.is_trusted();
        assert!(stands.iter().any(is_trusted), "{stands:#?}");
        assert!(is_trusted(&stands[usize::from(is_fork_first)]));
        assert_eq!(place.family().await.run_id, stands.iter().find(|it| is_trusted(it)).unwrap().id);
        watching.stop().await;
    }
}

/// Where a test's log lines go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn count(&self, words: &str) -> usize {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(text).unwrap().lines().filter(|it| it.contains("WARN") && it.contains(words)).count()
    }
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_told_once_with_what_to_do() {
    let place = Place::new().await;
    let lines = Lines::default();
    let written = lines.clone();
    // Of the whole process: one thread's is not heard where another came first to what is told.
    let log = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::WARN);
    tracing::subscriber::set_global_default(log.with_writer(move || written.clone()).finish()).unwrap();
    let told = async |words: &str, asked: usize| {
        let why = async || place.picture().await.error.filter(|it| it.contains(words));
        let error = eventually_answered(why).await;
        let before = place.fake.count("GET /repos/acme/shop$");
        let again = async || (place.fake.count("GET /repos/acme/shop$") >= before + asked).then_some(());
        eventually_answered(again).await;
        error
    };
    "ghp_another".clone_into(&mut place.fake.state().token);
    let watching = place.watch();
    let error = told("not valid", 3).await;
    assert!(error.contains("set a valid token") && error.contains("paramedic doctor"), "{error}");
    assert_eq!(lines.count("set a valid token"), 1);
    crate::support::github::TOKEN.clone_into(&mut place.fake.state().token);
    place.fake.always("GET /repos/acme/shop$", Fault::status(404));
    let error = told("404", 2).await;
    assert!(error.contains("mend its name in `watch`"), "{error}");

    place.fake.mend();
    let id = place.fake.red_run(SHOP, "CI", "main", &super::watch::log("a"));
    place.taken(id).await;
    assert_eq!(place.picture().await.error, None);
    assert_eq!((lines.count("set a valid token"), lines.count("mend its name")), (1, 1));
    watching.stop().await;
}

#[tokio::test]
async fn a_poke_reaches_the_process_that_watches() {
    let place = Place::new().await;
    let idle = async || {
        let mut engine = place.other_engine().await;
        engine.forge.terms.poll_idle = Duration::from_hours(1);
        engine
    };
    let seen = place.fake.green_run(SHOP, "CI", "main");
    let watching = Watching::start(&idle().await);
    place.row(seen, |_| true).await;
    let other = Watching::start(&idle().await);
    let id = place.fake.red_run(SHOP, "CI", "main", &log("a"));
    other.watcher.poke(SHOP);
    place.taken(id).await;
    other.stop().await;
    watching.stop().await;
}

#[tokio::test]
async fn what_the_rules_suggest_reaches_the_issue() {
    let rules = "analysis: {failure_patterns: [{pattern: 'cache .* is cold', suggestion: 'warm the cache @all'}]}\n";
    let house = House::new(rules).await;
    let noise = (0..400).map(|n| format!("step {n}\n")).collect::<Vec<_>>().concat();
    let text = format!("{}cache 17 is cold\n{noise}{}", log("add"), log("sum"));
    let id = house.fake.red_run(SHOP, "Docs", "main", &text);
    let watching = Watching::start(&house.engine);
    let named = async || {
        let families = house.engine.store.families(SHOP, 10).await.unwrap();
        families.into_iter().find(|it| it.last_url.as_ref().is_some_and(|it| it.ends_with(&id.to_string())))
    };
    let family = eventually_answered(named).await;
    watching.stop().await;
    let run = house.engine.store.run(family.run_id).await.unwrap();
    assert!(!run.error_summary.contains("is cold"), "{}", run.error_summary);
    while let Visit::Again = house.steward().visit(&family.key).await.unwrap() {}
    let issues = house.issues();
    let body = issues[0]["body"].as_str().unwrap();
    assert!(body.contains("What may help") && body.contains("` warm the cache @all `"), "{body}");
}

/// Everything that could fool a terminal, a reader or a parser.
const EVIL: &str = "x\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}gnp\u{0}\u{200b}\r\n\t@all `<!-- #1 \u{1F469}\u{200d}";

fn is_clean(text: &str) -> bool {
    !text.chars().any(|it| it != '\n' && paramedic::evidence::text::is_deceptive(it))
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|it| texts(it, found)),
        Value::Object(all) => all.values().for_each(|it| texts(it, found)),
        _ => {}
    }
}

/// Puts `evil` wherever a run or a job has a text, but where it would be another run then.
fn spoil(row: &mut Value, evil: &str) {
    let kept = ["status", "conclusion", "head_sha", "created_at", "updated_at", "started_at", "completed_at"];
    if let Value::Object(fields) = row {
        for (name, value) in fields.iter_mut().filter(|(name, _)| !kept.contains(&name.as_str())) {
            match value {
                Value::String(_) if !name.ends_with("_url") => *value = json!(evil),
                other => spoil(other, evil),
            }
        }
    }
}

#[tokio::test]
async fn hostile_answers_are_borne_and_nothing_unclean_is_kept() {
    let place = Place::new().await;
    let long = EVIL.repeat((1 << 20) / EVIL.len());
    let odd = [
        json!(null),
        json!(7),
        json!([]),
        json!({ "id": -1 }),
        json!({ "id": 1e300, "name": 7 }),
        json!({ "id": u64::MAX, "run_attempt": u64::MAX, "run_number": -5, "name": null, "status": {}, "conclusion": [] }),
        json!({ "id": 11, "status": "completed", "conclusion": "failure", "created_at": "yesterday", "updated_at": 7, "pull_requests": "none" }),
        json!({ "id": 12, "run_attempt": 0, "status": "completed", "conclusion": "success", "created_at": "9999-12-30T00:00:00Z" }),
        json!({ "id": 13, "run_attempt": u32::MAX, "status": "in_progress", "created_at": "-009999-01-02T00:00:00Z" }),
    ];
    let evil = place.fake.red_run(SHOP, "CI", "main", &format!("{EVIL}\nKeyError: {EVIL}\n"));
    long_done(&place);
    {
        let mut state = place.fake.state();
        let shop = state.shop();
        spoil(&mut shop.runs[0], EVIL);
        spoil(&mut shop.jobs[0], EVIL);
        shop.runs[0]["display_title"] = json!(long);
        shop.runs[0]["pull_requests"] = (0..10_000).map(|n| json!({ "number": n })).collect();
        shop.runs[0]["head_repository"]["full_name"] = json!(SHOP);
        shop.runs.splice(0..0, odd);
        let job = shop.jobs[0].clone();
        for n in 0..1_000_u64 {
            let mut job = job.clone();
            (job["id"], job["name"]) = (json!(100_000 + n), json!(format!("y{n}{EVIL}")));
            shop.jobs.push(job);
        }
        shop.jobs.extend([json!(null), json!({ "run_id": evil, "run_attempt": 1, "id": "x" })]);
    }
    let watching = place.watch();
    let run = place.taken(evil).await;
    assert_eq!((run.status, run.error_type.as_deref()), (Status::Queued, Some("KeyError")));
    let picture: Picture = place.picture().await;
    assert!(picture.error.is_none() && picture.runs.iter().any(|it| it.run.id == u64::MAX), "{picture:?}");
    let mut kept = Vec::new();
    for it in [json!(picture), json!(run), json!(place.engine.store.events(None, 0, 1_000).await.unwrap())] {
        texts(&it, &mut kept);
    }
    for (name, _) in place.engine.store.outputs(run.id).await.unwrap() {
        let output = place.engine.store.output(run.id, &name).await.unwrap().unwrap();
        assert!(output.bytes.len() < 300 << 10, "{name}: {}", output.bytes.len());
        if name != "reported.log" {
            kept.push(String::from_utf8(output.bytes).unwrap());
        }
    }
    for text in kept {
        assert!(is_clean(&text) && text.len() < 300 << 10, "{}", text.chars().take(300).collect::<String>());
    }
    let jobs = place.engine.ci_jobs(SHOP, evil, Some(1)).await.unwrap();
    assert!(jobs.len() >= 1_000 && jobs.iter().all(|it| is_clean(&it.name)));
    watching.stop().await;
}

/// All workflows of one push tell the same long message.
#[tokio::test]
async fn messages_of_which_few_are_too_long_together_blind_nobody() {
    let place = Place::new().await;
    let mut ids = Vec::new();
    for n in 0..12 {
        ids.push(place.fake.green_run(SHOP, &format!("W{n}"), "main"));
        place.fake.state().shop().runs[0]["head_commit"]["message"] = json!("x".repeat(1 << 20));
    }
    let watching = place.watch();
    for id in &ids[2..] {
        place.row(*id, |_| true).await;
    }
    assert_eq!((place.picture().await.error, place.picture().await.runs.len()), (None, 10));
    watching.stop().await;
    // Also where each fills an answer alone.
    for run in &mut place.fake.state().shop().runs {
        run["head_commit"]["message"] = json!("x".repeat(5 << 20));
    }
    let query = RunsQuery { max: 10, ..RunsQuery::default() };
    let read = place.fake.client().runs(SHOP, &query).await.unwrap();
    assert_eq!(
        read.items.iter().map(|it| it.id).collect::<Vec<_>>(),
        ids[2..].iter().rev().copied().collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn titles_that_are_too_long_together_blind_nobody() {
    let place = Place::new().await;
    for _ in 0..9 {
        place.fake.green_run(SHOP, "CI", "main");
        place.fake.state().shop().runs[0]["head_commit"]["message"] = json!("x".repeat(1 << 20));
    }
    for _ in 0..9 {
        place.fake.green_run(SHOP, "CI", "main");
    }
    let id = place.fake.red_run(SHOP, "CI", "main", &log("a"));
    let watching = place.watch();
    place.taken(id).await;
    assert_eq!((place.picture().await.error, place.picture().await.runs.len()), (None, 10));
    watching.stop().await;
}
