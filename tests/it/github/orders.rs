//! Orders that this service carries out itself: whatever they change ends in one pull request, a draft for review where nothing proves it.
use crate::dispatch::{GREEN, Served};
use crate::github::house::{House, ISSUES, PULLS, SHOP};
use crate::support::github::{Fake, Fault, RunSpec, TOKEN};
use crate::support::{Ran, World, eventually, eventually_answered, ran};
use paramedic::backlog::Backlog as _;
use paramedic::backlog::embedded::Embedded;
use paramedic::domain::transition::{Decided, Decision};
use paramedic::domain::{
    AttemptFailure, AttemptStatus, Author, Digest, EventType, Family, Instruction, Intent, Judgement, NewEvent, Patch,
    PrState, Reason, Run, RunId, Status, Verdict, family_key,
};
use paramedic::engine::decisions::{Action, Operator};
use paramedic::engine::dispatch::{Desk, Taken};
use paramedic::engine::steward::Visit;
use paramedic::store::Claim;
use serde_json::{Value, json};
use std::time::Duration;

/// How a worker's attempt at an order ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Proved,
    /// The tests are red, and another attempt is left.
    Red,
    /// The tests are red, and that was the last.
    Exhausted,
    NoTests,
    NoChange,
}

/// A house to which an order was given.
struct Ordered {
    house: House,
    id: RunId,
}

fn order(text: &str) -> Instruction {
    Instruction { intent: Intent::Create, text: text.to_owned(), context: Some("see calc.py".to_owned()) }
}

async fn give(house: &House, text: &str, branch: Option<&str>) -> Result<Taken, String> {
    let desk = Desk::new(house.engine.clone(), Some(SHOP.to_owned()), branch.map(str::to_owned), None);
    desk.take(order(text), "ann").await
}

impl Ordered {
    async fn new(rules: &str) -> Self {
        Self::of(House::new(rules).await).await
    }

    async fn of(house: House) -> Self {
        let taken = give(&house, "a right one, @everyone", None).await.unwrap();
        let id = taken.run_id.unwrap();
        assert_eq!(taken.message, format!("Order taken in as run {id}"));
        Self { house, id }
    }

    async fn run(&self) -> Run {
        self.house.engine.store.run(self.id).await.unwrap()
    }

    async fn key(&self) -> Digest {
        family_key(SHOP, &self.run().await.error_hash)
    }

    async fn family(&self) -> Family {
        self.house.engine.store.family(&self.key().await).await.unwrap().unwrap()
    }

    /// Lets a worker make an attempt that writes `content`.
    async fn attempt(&self, content: &str, verdict: Verdict, end: End) {
        let (store, now) = (&self.house.engine.store, self.house.now());
        let patch = Patch(format!(
            "diff --git a/calc.py b/calc.py\n--- a/calc.py\n+++ b/calc.py\n@@ -1 +1 @@\n-wrong\n+{content}\n"
        ));
        let claim = Claim::of("w", Some(self.id), now, Duration::from_mins(1));
        let (mut run, lease) = store.claim(&claim).await.unwrap().unwrap();
        if !matches!(end, End::NoTests) {
            run.order.test_command = Some("make test".to_owned());
        }
        let started = run.attempt_started(Author::Agent("doubler".to_owned()), None, now).unwrap();
        store.commit(&started, Some(&lease)).await.unwrap();
        let mut attempt = started.attempt.clone().unwrap();
        if !matches!(end, End::NoChange) {
            (attempt.patch_digest, attempt.proposed_fix) = (Some(patch.digest()), Some(patch.clone()));
            attempt.guard = Some(Judgement { verdict, findings: Vec::new() });
        }
        let proposed = NewEvent::new(EventType::AttemptProposed, "doubler", "proposed a patch");
        let proposed = started.run.attempt_updated(attempt.clone(), vec![proposed], now).unwrap();
        store.commit(&proposed, Some(&lease)).await.unwrap();
        let ended = if matches!(end, End::Proved) {
            attempt.status = AttemptStatus::Succeeded;
            proposed.run.fixed(attempt, now)
        } else {
            attempt.status = AttemptStatus::Failed;
            attempt.new_failure = matches!(end, End::Red | End::Exhausted).then(|| "E   assert 4 == 5".to_owned());
            let (kind, stop) = match end {
                End::NoTests => (AttemptFailure::NotProved, Some(Reason::NoTests)),
                End::NoChange => (AttemptFailure::NoChange, Some(Reason::AgentFailed)),
                End::Exhausted => (AttemptFailure::StillRed, Some(Reason::Exhausted)),
                End::Red | End::Proved => (AttemptFailure::StillRed, None),
            };
            (attempt.failure_kind, attempt.failure_reason) = (Some(kind), Some("it did not work".to_owned()));
            proposed.run.attempt_failed(attempt, stop.map(|it| (it, "it did not work".to_owned())), now)
        };
        store.commit(&ended.unwrap(), Some(&lease)).await.unwrap();
    }

    async fn proved(self) -> Self {
        self.attempt("right", Verdict::Ok, End::Proved).await;
        self
    }

    /// Visits, each time as another process, until there is nothing to do for `seconds`.
    async fn settles_for(&self, seconds: i64) {
        let key = self.key().await;
        for _ in 0..100 {
            if let Visit::Until(at) = self.house.steward().visit(&key).await.unwrap() {
                let wait = at.duration_since(self.house.now()).as_secs() + 1;
                if wait > seconds {
                    return;
                }
                self.house.forward(wait.max(1));
            }
        }
        panic!("it never settles: {:#?}", self.house.fake.writes());
    }

    async fn decides(&self, decide: impl FnOnce(&Run, &Decision<'_>) -> Decided) {
        let decision = Decision {
            by: "ann",
            is_authenticated: true,
            note: Some("not like this"),
            rev: None,
            version: None,
            machine: None,
            now: self.house.now(),
        };
        match decide(&self.run().await, &decision) {
            Decided::Change(transition) => self.house.engine.store.commit(&transition, None).await.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Returns the one pull request.
    fn pull(&self) -> Value {
        let pulls = self.house.pulls();
        assert_eq!(pulls.len(), 1, "{pulls:#?}");
        pulls[0].clone()
    }
}

fn labels(pull: &Value) -> Vec<String> {
    pull["labels"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_proved_order_becomes_one_pull_request_that_says_who_asked_for_what() {
    let ordered = Ordered::new("").await.proved().await;
    ordered.settles_for(100).await;
    let pull = ordered.pull();
    assert_eq!(pull["title"], "🤖 Jarvis: create - a right one, ＠everyone");
    assert_eq!((&pull["draft"], &pull["base"]["ref"]), (&json!(true), &json!("main")));
    let body = pull["body"].as_str().unwrap();
    for words in ["` ann ` ordered to create:", "see calc.py", "green with this change", "nothing to object to"] {
        assert!(body.contains(words), "{words}: {body}");
    }
    assert!(!body.contains("Workflow") && !body.contains("Tracking issue"), "{body}");
    assert_eq!(ordered.house.fake.count(&format!("POST {ISSUES}")), 0);
    let run = ordered.run().await;
    assert_eq!((run.status, run.pr_state), (Status::Fixed, PrState::Open));
    let n_writes = ordered.house.fake.writes().len();
    ordered.house.forward(600);
    ordered.settles_for(100).await;
    assert_eq!(ordered.house.fake.writes().len(), n_writes);
    ordered.house.is_intact().await;
}

#[tokio::test]
async fn how_many_attempts_it_took_is_in_the_title_and_draft_goes_by_the_rules() {
    let ordered = Ordered::new("pull_request:\n  draft: false\n").await;
    ordered.attempt("nearly", Verdict::Ok, End::Red).await;
    let ordered = ordered.proved().await;
    ordered.settles_for(100).await;
    let pull = ordered.pull();
    assert_eq!(pull["title"], "🤖 Jarvis: create - a right one, ＠everyone (fixed after 2 attempts)");
    assert_eq!(pull["draft"], false);
}

#[tokio::test]
async fn what_is_not_proved_is_a_draft_for_review_whatever_goes_wrong_on_the_way() {
    let lost: [(&str, Option<Fault>); 5] = [
        ("POST /repos/acme/shop/pulls$", None),
        ("POST /repos/acme/shop/pulls$", Some(Fault::LostAnswer)),
        ("POST /repos/acme/shop/pulls$", Some(Fault::Reset)),
        ("POST /repos/acme/shop/issues/*/labels$", Some(Fault::LostAnswer)),
        ("POST /repos/acme/shop/pulls$", Some(Fault::said(422, "Validation Failed"))),
    ];
    for (write, fault) in lost {
        let ordered = Ordered::new("pull_request:\n  draft: false\n").await;
        ordered.attempt("nearly", Verdict::Ok, End::Red).await;
        ordered.attempt("still not", Verdict::Ok, End::Exhausted).await;
        if let Some(fault) = fault.clone() {
            ordered.house.fake.next(write, fault);
        }
        ordered.settles_for(100).await;
        let pull = ordered.pull();
        assert_eq!(pull["title"], "🔧 Jarvis: create - a right one, ＠everyone (Needs Review)", "{fault:?}");
        assert_eq!(pull["draft"], true);
        assert!(labels(&pull).contains(&"needs-review".to_owned()));
        let body = pull["body"].as_str().unwrap();
        assert!(body.contains("**Not proved:** the tests failed after 2 attempts."), "{body}");
        assert!(body.contains("E   assert 4 == 5"), "{body}");
        let message = ordered.house.commits(&ordered.house.branches()[0])[0].clone();
        let message = ordered.house.fake.state().repos[SHOP].git.run(&["log", "-1", "--format=%B", &message]);
        assert!(message.contains("Not proved") && !message.contains("Proved by"), "{message}");
        assert_eq!(ordered.house.told(EventType::PrOpened).await.len(), 1);
        let run = ordered.run().await;
        assert_eq!((run.status, run.pr_state), (Status::Escalated, PrState::Open));
        // Nobody approves what is not proved.
        let approve = Operator { name: "ann".to_owned(), ..Operator::default() };
        let refused = ordered.house.engine.decide(ordered.id, &Action::Approve, &approve).await.unwrap_err();
        assert!(refused.to_string().contains("cannot approve"), "{refused}");
        ordered.house.is_intact().await;
    }
}

#[tokio::test]
async fn a_process_that_ends_after_it_opened_the_draft_leaves_one() {
    let ordered = Ordered::new("").await;
    ordered.attempt("better", Verdict::Ok, End::NoTests).await;
    ordered.house.fake.next(&format!("POST {PULLS}"), Fault::DoneAndSilent);
    let (steward, key) = (ordered.house.steward(), ordered.key().await);
    let silenced = eventually_answered(async || (ordered.house.fake.state().silenced > 0).then_some(()));
    let visits = async {
        loop {
            steward.visit(&key).await.unwrap();
        }
    };
    tokio::select! {
        () = silenced => {}
        () = visits => {}
    }
    ordered.house.forward(76);
    ordered.settles_for(100).await;
    let pull = ordered.pull();
    assert!(pull["title"].as_str().unwrap().ends_with("(Needs Review)"));
    let body = pull["body"].as_str().unwrap();
    assert!(body.contains("**Not proved:** no tests were found that could prove it."), "{body}");
    assert_eq!(ordered.house.told(EventType::PrOpened).await.len(), 1);
}

#[tokio::test]
async fn what_may_not_leave_stays_with_the_reason() {
    let cases = [
        ("", Verdict::Violation, End::Exhausted, "the guard refused the patch"),
        ("", Verdict::Ok, End::NoChange, "there is no change"),
        ("enabled: false\n", Verdict::Ok, End::Proved, "healing is off here"),
        ("enabled: false\n", Verdict::Ok, End::NoTests, "healing is off here"),
        ("require_manual_approval: true\n", Verdict::Ok, End::Proved, "a person must ask for it"),
        ("require_manual_approval: true\n", Verdict::Ok, End::NoTests, "a person must ask for it"),
    ];
    for (rules, verdict, end, why) in cases {
        let ordered = Ordered::new(rules).await;
        ordered.attempt("right", verdict, end).await;
        ordered.settles_for(100).await;
        ordered.settles_for(100).await;
        let told = ordered.house.told(EventType::PrSkipped).await;
        assert!(told.len() == 1 && told[0].contains(why), "{why}: {told:?}");
        assert!(ordered.house.branches().is_empty() && ordered.house.fake.writes().is_empty(), "{why}");
        if why.starts_with("a person") {
            let ann = Operator { name: "ann".to_owned(), ..Operator::default() };
            ordered.house.engine.decide(ordered.id, &Action::Publish, &ann).await.unwrap();
            ordered.settles_for(100).await;
            assert!(ordered.pull()["body"].as_str().unwrap().contains("Asked for by ` ann `."));
        }
    }
}

#[tokio::test]
async fn what_is_ordered_again_says_why_it_has_no_pull_request_of_its_own() {
    let first = Ordered::new("").await;
    first.attempt("nearly", Verdict::Ok, End::NoTests).await;
    first.settles_for(100).await;
    let (before, number) = (first.id, first.run().await.pr_number.unwrap());
    let id = give(&first.house, "a right one, @everyone", None).await.unwrap().run_id.unwrap();
    let second = Ordered { house: first.house, id };
    second.attempt("still not", Verdict::Ok, End::NoTests).await;
    second.settles_for(100).await;
    let backlog = Embedded::new(second.house.engine.clone(), true);
    let why = async |run| backlog.run(run).await.unwrap().forge.unwrap().skipped.unwrap();
    let told = why(id).await;
    assert!(
        told.starts_with(&format!("pull request #{number} holds another change, and this one is not proved")),
        "{told}"
    );
    let told = why(before).await;
    assert_eq!(told, format!("run {} stands for the same by now, with pull request #{number}", id.short()));
    second.house.is_intact().await;
}

#[tokio::test]
async fn in_safe_mode_it_is_told_once_why_nothing_is_published() {
    for end in [End::Proved, End::NoTests] {
        let mut house = House::new("").await;
        house.engine.forge.writes = None;
        house.engine.forge.why_not = Some("safe mode is on".to_owned());
        let ordered = Ordered::of(house).await;
        ordered.attempt("right", Verdict::Ok, end).await;
        ordered.settles_for(100).await;
        ordered.settles_for(100).await;
        assert_eq!(ordered.house.told(EventType::PrSkipped).await, ["no pull request: safe mode is on"], "{end:?}");
        assert_eq!(ordered.family().await.skipped.as_deref(), Some("safe mode is on"));
        assert!(ordered.house.fake.writes().is_empty());
    }
}

#[tokio::test]
async fn an_order_for_what_is_not_watched_says_so_from_the_start() {
    let mut house = House::new("").await;
    house.engine.forge.terms.watch.clear();
    let id = give(&house, "something", None).await.unwrap().run_id.unwrap();
    assert_eq!(house.engine.store.family_of_run(id).await.unwrap(), None);
    let events = house.engine.store.events(Some(id), 0, 10).await.unwrap();
    let told: Vec<&str> = events.iter().map(|it| it.message.as_str()).collect();
    assert!(told[1].contains("without a pull request: acme/shop is not watched"), "{told:?}");
    assert_eq!(told.last(), Some(&"waiting for a worker"));
}

#[tokio::test]
async fn the_same_words_while_one_is_under_way_are_the_same_order() {
    let ordered = Ordered::new("").await;
    let again = give(&ordered.house, "a right one, @everyone", None).await.unwrap();
    assert_eq!(
        (again.run_id, again.message),
        (Some(ordered.id), format!("The same order is under way already, as run {}", ordered.id))
    );
    let other = give(&ordered.house, "another one", None).await.unwrap();
    assert_ne!(other.run_id, Some(ordered.id));
    let ordered = ordered.proved().await;
    let again = give(&ordered.house, "a right one, @everyone", None).await.unwrap();
    assert_eq!(again.run_id, Some(ordered.id));
    assert!(again.message.contains("waits for a decision"), "{}", again.message);
    assert_eq!(ordered.family().await.count, 3);
    // A no ends it: whoever gives the order again, means it.
    let attempts = ordered.house.engine.store.attempts(ordered.id).await.unwrap();
    ordered.decides(|run, by| run.deny(&attempts, by).unwrap()).await;
    ordered.settles_for(100).await;
    let again = give(&ordered.house, "a right one, @everyone", None).await.unwrap();
    let id = again.run_id.unwrap();
    assert_ne!(id, ordered.id);
    let next = Ordered { house: ordered.house, id }.proved().await;
    next.settles_for(100).await;
    assert_eq!(next.pull()["state"], "open");
    next.house.is_intact().await;
}

#[tokio::test]
async fn ci_that_is_red_goes_to_the_next_attempt_with_its_log() {
    let ordered = Ordered::new("").await.proved().await;
    ordered.settles_for(5).await;
    let (fake, head) = (&ordered.house.fake, ordered.family().await.pull.unwrap().head);
    let branch = ordered.house.branches()[0].clone();
    // `build` is red on the base, too, and no order's to heal.
    let log = &b"E   AssertionError: only in CI\n"[..];
    let jobs = [("build", "failure", log), ("lint", "failure", log)];
    fake.run(SHOP, &RunSpec { branch: &branch, commit: Some(&head), jobs: &jobs, ..RunSpec::default() });
    ordered.settles_for(60).await;
    let run = ordered.run().await;
    assert_eq!(run.status, Status::Queued);
    let attempts = ordered.house.engine.store.attempts(run.id).await.unwrap();
    let log = attempts[0].new_failure.clone().unwrap();
    assert!(log.starts_with("Red in CI: lint") && log.contains("AssertionError: only in CI"), "{log}");
    ordered.attempt("better", Verdict::Ok, End::Proved).await;
    ordered.settles_for(20).await;
    assert_eq!(ordered.house.commits(&branch).len(), 2);
    assert!(ordered.pull()["title"].as_str().unwrap().ends_with("(fixed after 2 attempts)"));
    ordered.house.is_intact().await;
}

#[tokio::test]
async fn a_base_that_moved_is_proved_on_first() {
    let ordered = Ordered::new("").await.proved().await;
    let tip = ordered.house.fake.commit(SHOP, "main", &[("other.py", "1\n")]);
    ordered.settles_for(100).await;
    let run = ordered.run().await;
    assert_eq!((run.status, run.rebased_on.as_ref()), (Status::Queued, Some(&tip)));
    assert!(ordered.house.branches().is_empty());
    let ordered = ordered.proved().await;
    ordered.settles_for(100).await;
    assert_eq!(ordered.pull()["title"], "🤖 Jarvis: create - a right one, ＠everyone");
}

#[tokio::test]
async fn orders_start_from_the_branch_that_is_set_and_an_unknown_one_is_said_at_once() {
    let house = House::new("").await;
    let next = house.fake.commit(SHOP, "next", &[("next.py", "1\n")]);
    let id = give(&house, "something", Some("next")).await.unwrap().run_id.unwrap();
    let run = house.engine.store.run(id).await.unwrap();
    assert_eq!((run.branch.as_str(), &run.commit_sha), ("next", &next));
    let refused = give(&house, "something else", Some("nxt")).await.unwrap_err();
    assert!(refused.contains("acme/shop has no branch `nxt`") && refused.contains("base_branch"), "{refused}");
    let ordered = Ordered { house, id }.proved().await;
    ordered.settles_for(100).await;
    assert_eq!(ordered.pull()["base"]["ref"], "next");
}

/// The program as a service that carries orders out, and the fake of GitHub.
struct Service {
    served: Served,
    fake: Fake,
}

impl Service {
    fn new(files: &[(&str, &str)], agent: &str, more: &str, env: &[(&str, &str)]) -> Self {
        let (world, fake) = (World::new(), Fake::start());
        fake.commit(SHOP, "main", files);
        fake.commit(SHOP, "next", files);
        let agent = world.script("agent.sh", agent);
        let settings = format!(
            "{more}\nagents_by_default = [\"doubler\"]\n[agents.doubler]\ncommand = \"{agent}\"\n[workers]\nretry_delay = \"0\"\n\
             [github]\nenabled = true\napi_url = \"{}\"\nwatch = [\"{SHOP}\"]\npoll_active = \"3s\"\n\
             [repositories.\"{SHOP}\"]\nclone_url = \"{}\"\n\
             [dispatch]\nrepository = \"{SHOP}\"\ncarry_out = \"here\"\nbase_branch = \"next\"\n",
            fake.url,
            fake.git_url(SHOP)
        );
        let env = [env, &[("GITHUB_TOKEN", TOKEN)]].concat();
        Self { served: Served::new(world, &settings, &env), fake }
    }

    fn order(&self, text: &str) -> (u16, Value) {
        let order = json!({ "intent": "create", "instruction": text, "context": "calc.py" });
        let (status, _, answer) = self.served.post(Some("token-of-ann"), &order);
        (status, answer)
    }

    fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.served.world.command(&[args, &["--config", "config.toml"]].concat());
        ran(command.env("GITHUB_TOKEN", TOKEN))
    }

    /// Waits until an order's pull request stands with all that goes with it, and returns the run. What people decide in the middle of a write
    /// is heeded when that is over.
    fn published(&self, id: &str) -> Value {
        eventually("it is published and its checks are asked for", || {
            (self.fake.count("GET /repos/acme/shop/commits/*/check-runs") > 0).then_some(())
        });
        self.shown(id, "it is published", |it| it["forge"]["pull"]["state"] == "open")
    }

    fn shown(&self, id: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(what, || {
                last = serde_json::from_str(&self.run(&["show", id, "--json"]).stdout).ok()?;
                wanted(&last).then(|| last.clone())
            })
        }));
        found.unwrap_or_else(|_| {
            let asked: Vec<_> = self.fake.state().seen.iter().map(|it| format!("{} {}", it.method, it.path)).collect();
            panic!("never happened: {what}\n{last:#}\n{asked:#?}")
        })
    }
}

/// An agent that doubles once: told again to do so, it changes nothing.
const DOUBLER: &str = "grep -q double calc.py || echo 'def double(a): return a * 2' >> calc.py";

#[test]
fn an_order_over_http_is_proved_published_approved_and_merged() {
    let service = Service::new(GREEN, DOUBLER, "safe_mode = false", &[]);
    let (status, answer) = service.order("a function that doubles");
    let id = answer["run_id"].as_str().unwrap().to_owned();
    let message = format!("Order taken in as run {id}");
    let url = format!("/api/v1/ci-healing/runs/{id}");
    let expected = json!({ "success": true, "message": message, "workflow_url": url, "run_id": id });
    assert_eq!((status, answer), (200, expected));
    let run = service.published(&id);
    assert_eq!((&run["status"], &run["branch"]), (&json!("fixed"), &json!("next")), "{run:#}");
    let head = run["forge"]["pull"]["head"].as_str().unwrap();
    let (status, answer) = service.order("a function that doubles");
    assert_eq!((status, &answer["run_id"]), (200, &json!(id)), "{answer}");
    let shown = service.run(&["show", &id]).stdout;
    assert!(shown.contains("ordered by   ann  create: a function that doubles"), "{shown}");
    service.fake.checks(SHOP, head, &[("build", "success")]);
    let approved = service.run(&["approve", &id, "--as", "bob"]);
    assert_eq!(approved.code, 0, "{approved:#?}");
    let run = service.shown(&id, "it is resolved", |it| it["status"] == "resolved");
    assert_eq!(run["prState"], "merged", "{run:#}");
    let branch = run["healBranch"].as_str().unwrap();
    eventually("the branch is gone", || service.fake.tip(SHOP, branch).is_none().then_some(()));
    assert_eq!(service.fake.count("POST /repos/*/*/pulls$"), 1);
    assert_eq!(service.fake.count("POST /repos/*/*/issues$"), 0);
    assert_eq!(service.fake.count("POST /repos/*/*/dispatches$"), 0);
}

#[test]
fn an_order_without_tests_is_a_draft_for_review_that_a_no_closes() {
    let files = [("calc.py", "x = 1\n")];
    let service = Service::new(&files, DOUBLER, "safe_mode = false", &[("GITHUB_BASE_BRANCH", "main")]);
    let id = service.order("a function that doubles").1["run_id"].as_str().unwrap().to_owned();
    let run = service.published(&id);
    assert_eq!((&run["escalationReason"], &run["branch"]), (&json!("no_tests"), &json!("main")), "{run:#}");
    let pull = service.fake.state().shop().pulls[0].clone();
    assert_eq!(pull["title"], "🔧 Jarvis: create - a function that doubles (Needs Review)");
    assert_eq!(pull["draft"], true);
    let denied = service.run(&["deny", &id, "--note", "not now", "--as", "bob"]);
    assert_eq!(denied.code, 0, "{denied:#?}");
    service.shown(&id, "the pull request is closed", |it| it["prState"] == "closed");
    assert_eq!(service.fake.state().shop().pulls[0]["state"], "closed");
    assert_eq!(service.fake.count("POST /repos/*/*/pulls$"), 1);
}

#[test]
fn in_safe_mode_an_order_is_carried_out_with_nothing_but_reading() {
    let service = Service::new(GREEN, DOUBLER, "", &[]);
    let id = service.order("a function that doubles").1["run_id"].as_str().unwrap().to_owned();
    let run = service.shown(&id, "it is told why not", |it| it["forge"]["skipped"].is_string());
    assert_eq!(run["status"], "fixed", "{run:#}");
    assert!(run["forge"]["skipped"].as_str().unwrap().contains("safe mode is on"), "{run:#}");
    let published = service.run(&["publish", &id]);
    assert_eq!(published.code, 3, "{published:#?}");
    assert!(published.stderr.contains("safe mode is on"), "{published:#?}");
    assert!(service.fake.writes().is_empty(), "{:?}", service.fake.writes());
}

#[test]
fn what_an_order_cannot_start_from_is_an_error_of_the_order() {
    let service = Service::new(GREEN, DOUBLER, "safe_mode = false", &[("GITHUB_BASE_BRANCH", "gone")]);
    let (status, answer) = service.order("a function that doubles");
    assert_eq!(status, 500, "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("has no branch `gone`"), "{answer}");
    assert_eq!(service.run(&["runs", "--json"]).json()["total"], 0);
}

#[test]
fn an_order_on_a_folder_has_no_place_to_be_published_at() {
    let world = World::with_repo(GREEN);
    let repo = world.repo();
    let repo = repo.to_str().unwrap();
    let ran = world.run(&["dispatch", "create", "it", "--repo", repo, "--agent-command", "echo '# x' >> calc.py"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    let published = world.run(&["publish", "latest"]);
    assert!(published.code != 0 && published.stderr.contains("nowhere to publish it"), "{published:#?}");
}
