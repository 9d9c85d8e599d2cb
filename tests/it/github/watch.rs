//! What turns red at GitHub is taken in: once, whatever was missed or comes twice, and never what is ours.
use crate::github::house::HandClock;
use crate::support::github::{Fake, Fault, RunSpec};
use crate::support::{World, eventually_answered};
use paramedic::config::checked::Flags;
use paramedic::config::{Config, Environment};
use paramedic::domain::{
    Event, EventType, Family, ForgeTerms, Picture, Reason, Receipt, RulesFile, Run, RunQuery, SeenRun, Source, Status,
};
use paramedic::engine::Engine;
use paramedic::engine::ci::{CiAct, CiActKind};
use paramedic::engine::forge::ForgeSeat;
use paramedic::engine::watch::Watcher;
use paramedic::signal::Head;
use paramedic::wiring::App;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const SHOP: &str = "acme/shop";

/// A fake of GitHub and an engine that may read it.
pub(crate) struct Place {
    pub(crate) fake: Fake,
    pub(crate) engine: Engine,
    config: Config,
    environment: Environment,
    _world: World,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let world = World::new();
        let environment = Environment::from_pairs([("HOME".into(), "/nonexistent".into())]);
        let flags = Flags { data_dir: Some(world.data_dir()), ..Flags::default() };
        let config = Config::load(&environment, &flags).unwrap();
        let fake = Fake::start();
        let engine = Self::engine_of(&config, &environment, &fake).await;
        Self { fake, engine, config, environment, _world: world }
    }

    async fn engine_of(config: &Config, environment: &Environment, fake: &Fake) -> Engine {
        let mut engine = App::open(config, environment).await.unwrap().engine;
        let terms = ForgeTerms {
            watch: vec![SHOP.to_owned()],
            poll_active: Duration::from_millis(50),
            poll_idle: Duration::from_millis(50),
            ..ForgeTerms::default()
        };
        engine.forge = ForgeSeat { reads: Some(Arc::new(fake.client())), terms, ..ForgeSeat::default() };
        engine
    }

    /// Returns another process on the same database.
    pub(crate) async fn other_engine(&self) -> Engine {
        Self::engine_of(&self.config, &self.environment, &self.fake).await
    }

    /// Watches until it is stopped or dropped.
    pub(crate) fn watch(&self) -> Watching {
        Watching::start(&self.engine)
    }

    pub(crate) async fn runs(&self) -> Vec<Run> {
        self.engine.store.runs(&RunQuery::default()).await.unwrap().0
    }

    pub(crate) async fn picture(&self) -> Picture {
        self.engine.ci_view().await.unwrap().pictures.remove(0)
    }

    /// Waits until the row of a run at GitHub is as wanted.
    pub(crate) async fn row(&self, id: u64, wanted: impl Fn(&SeenRun) -> bool) -> SeenRun {
        eventually_answered(async || {
            let row = self.picture().await.runs.into_iter().find(|it| it.run.id == id)?;
            Some(row).filter(|it| wanted(it))
        })
        .await
    }

    /// Waits until a run at GitHub is taken in, and returns the run that stands for it.
    pub(crate) async fn taken(&self, id: u64) -> Run {
        let row = self.row(id, |it| it.heal.is_some()).await;
        self.engine.store.run(row.heal.unwrap()).await.unwrap()
    }

    pub(crate) async fn ignored(&self, id: u64) -> String {
        self.row(id, |it| it.ignored.is_some()).await.ignored.unwrap()
    }

    pub(crate) async fn family(&self) -> Family {
        self.engine.store.families(SHOP, 10).await.unwrap().remove(0)
    }

    /// Waits for the looks that follow.
    async fn looked(&self, more: usize) {
        let lists = || self.fake.count("GET /repos/acme/shop/actions/runs$");
        let before = lists();
        eventually_answered(async || (lists() >= before + more).then_some(())).await;
    }

    async fn facts(&self, kind: EventType) -> Vec<Event> {
        let events = self.engine.store.events(None, 0, 1_000).await.unwrap();
        events.into_iter().filter(|it| it.kind == kind).collect()
    }

    fn rules(&self, text: &str) {
        self.fake.commit(SHOP, "main", &[(".github/auto-heal-config.yml", text)]);
    }
}

/// A watcher at work.
pub(crate) struct Watching {
    stop: CancellationToken,
    task: JoinHandle<()>,
    pub(crate) watcher: Watcher,
}

impl Watching {
    pub(crate) fn start(engine: &Engine) -> Self {
        let (watcher, stop) = (Watcher::new(engine).unwrap(), CancellationToken::new());
        let (at_work, stopped) = (watcher.clone(), stop.clone());
        let task = tokio::spawn(async move { at_work.run(&stopped).await });
        Self { stop, task, watcher }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

pub(crate) fn log(what: &str) -> String {
    format!(
        "2026-11-20T10:00:00.1234567Z ##[group]Run make test\nFAIL: test_{what} (t.T.test_{what})\nTraceback (most recent call last):\n  File \"/home/runner/work/shop/shop/{what}.py\", line 3, in test_{what}\nAssertionError: {what}\n\nRan 1 test in 0.1s\n\nFAILED (failures=1)\n##[error]Process completed with exit code 1.\n"
    )
}

#[tokio::test]
async fn a_red_run_is_taken_in_with_all_that_is_known_of_it() {
    let place = Place::new().await;
    let watching = place.watch();
    let id = place.fake.red_run(SHOP, "CI", "main", &log("add"));
    let run = place.taken(id).await;
    assert_eq!((run.status, run.source, run.repository.as_str()), (Status::Queued, Source::Poll, SHOP));
    assert_eq!(run.commit_sha, place.fake.tip(SHOP, "main").unwrap());
    assert_eq!(run.error_type.as_deref(), Some("AssertionError"));
    let ci = run.order.ci.as_ref().unwrap();
    assert_eq!((ci.run_id, ci.attempt, ci.workflow.as_str(), ci.is_trusted, ci.is_fork), (id, 1, "CI", true, false));
    let mut names: Vec<String> =
        place.engine.store.outputs(run.id).await.unwrap().into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "copilot_healing_prompt.md",
            "failure_analysis.json",
            "failure_report.md",
            "healing_context.json",
            "reported.log"
        ]
    );
    let family = place.family().await;
    assert_eq!((family.run_id, family.count, family.error_hash), (run.id, 1, run.error_hash));
    let used = async || Some(place.picture().await.limits.heals_today.get("CI")?.used);
    assert_eq!(eventually_answered(used).await, 1);
    assert_eq!(place.picture().await.rules.file, RulesFile::Absent);
    assert!(place.fake.writes().is_empty());
    watching.stop().await;
}

#[tokio::test]
async fn a_start_finds_what_was_missed_and_takes_it_in_once() {
    let place = Place::new().await;
    let history = place.fake.red_run(SHOP, "CI", "main", &log("old"));
    let latest = place.fake.red_run(SHOP, "CI", "main", &log("new"));
    let watching = place.watch();
    place.taken(latest).await;
    assert!(place.ignored(history).await.contains("before it was watched"));
    watching.stop().await;

    let missed = [place.fake.red_run(SHOP, "CI", "main", &log("a")), place.fake.red_run(SHOP, "CI", "main", &log("b"))];
    for _ in 0..2 {
        let watching = place.watch();
        for id in missed {
            place.taken(id).await;
        }
        place.looked(3).await;
        watching.stop().await;
    }
    assert_eq!(place.runs().await.len(), 3);
    assert!(place.ignored(history).await.contains("before it was watched"), "that is remembered");
    let logs = place.fake.count("GET /repos/acme/shop/actions/jobs");
    assert_eq!(logs, 3, "each log was read once");
}

#[tokio::test]
async fn what_turns_red_now_is_seen_whatever_its_clock_says_and_what_is_old_at_a_start_is_left() {
    let place = Place::new().await;
    let long_ago = |id: u64| {
        let mut state = place.fake.state();
        let run = state.shop().runs.iter_mut().find(|it| it["id"] == id).unwrap();
        (run["created_at"], run["updated_at"]) = ("2020-01-22T19:33:08Z".into(), "2020-01-22T19:33:08Z".into());
    };
    let old = place.fake.red_run(SHOP, "CI", "main", &log("old"));
    long_ago(old);
    let watching = place.watch();
    assert!(place.ignored(old).await.contains("older than"));
    let now = place.fake.red_run(SHOP, "Docs", "main", &log("now"));
    long_ago(now);
    place.taken(now).await;
    place.looked(2).await;
    assert_eq!(place.runs().await.len(), 1);
    watching.stop().await;
}

#[tokio::test]
async fn our_own_branch_commit_and_workflow_never_start_a_heal() {
    let place = Place::new().await;
    place.rules("branch_naming: {prefix: mend}");
    for branch in ["heal/1a2b-3c4d", "mend/1a2b3c4d-deadbeef"] {
        place.fake.commit(SHOP, branch, &[("a", branch)]);
    }
    let own = [
        place.fake.red_run(SHOP, "CI", "heal/1a2b-3c4d", &log("a")),
        place.fake.red_run(SHOP, "CI", "mend/1a2b3c4d-deadbeef", &log("a")),
        place.fake.red_run(SHOP, "Paramedic Heal", "main", &log("a")),
    ];
    let commit = place.fake.red_run(SHOP, "Docs", "main", &log("a"));
    place.fake.state().shop().runs[0]["head_commit"]["author"]["email"] = "paramedic@localhost".into();
    let theirs = place.fake.red_run(SHOP, "CI", "main", &log("b"));
    let watching = place.watch();
    place.taken(theirs).await;
    for id in own.into_iter().chain([commit]) {
        assert!(place.ignored(id).await.contains("one of ours"), "{id}");
    }
    place.looked(2).await;
    assert_eq!(place.runs().await.len(), 1);
    watching.stop().await;
}

#[tokio::test]
async fn rules_that_cannot_be_followed_pause_the_repository_until_they_are_mended() {
    let place = Place::new().await;
    place.rules("enabled: true\nauto_merge_on_success: true\n");
    let watching = place.watch();
    let id = place.fake.red_run(SHOP, "CI", "main", &log("add"));
    assert!(place.ignored(id).await.contains("line 2"));
    place.looked(3).await;
    let rules = place.picture().await.rules;
    assert_eq!(rules.file, RulesFile::Refused);
    assert!(rules.refusal.unwrap().contains("line 2"));
    assert_eq!((place.runs().await.len(), place.facts(EventType::CiRefused).await.len()), (0, 1));
    watching.stop().await;

    place.rules("enabled: true\n");
    let watching = place.watch();
    place.taken(id).await;
    watching.stop().await;
}

#[tokio::test]
async fn what_the_rules_leave_out_is_left_alone_and_what_is_not_trusted_stays_here() {
    let place = Place::new().await;
    place.rules("excluded_workflows: [nightly]");
    place.fake.commit(SHOP, "topic", &[("a", "b")]);
    let watching = place.watch();
    let excluded = place.fake.red_run(SHOP, "Nightly", "main", &log("a"));
    let untrusted = place.fake.red_run(SHOP, "CI", "topic", &log("b"));
    let jobs = [("build", "failure", log("c"))];
    let jobs: Vec<_> = jobs.iter().map(|(name, end, log)| (*name, *end, log.as_bytes())).collect();
    let spec = RunSpec { event: "pull_request", fork: Some("eve/shop"), jobs: &jobs, ..RunSpec::default() };
    let fork = place.fake.run(SHOP, &spec);
    assert!(place.ignored(excluded).await.contains("excluded_workflows"));
    for (id, is_fork) in [(untrusted, false), (fork, true)] {
        let ci = place.taken(id).await.order.ci.unwrap();
        assert_eq!((ci.is_fork, ci.is_trusted), (is_fork, false));
    }
    watching.stop().await;
}

#[tokio::test]
async fn what_is_over_the_limit_and_what_is_for_people_is_kept_and_not_healed() {
    let place = Place::new().await;
    place.rules("max_heal_attempts_per_day: 1");
    let watching = place.watch();
    let secret = "Run ./deploy\nError: DEPLOY_TOKEN is not set\n##[error]Process completed with exit code 1.\n";
    let secret = place.fake.red_run(SHOP, "Deploy", "main", secret);
    let first = place.fake.red_run(SHOP, "CI", "main", &log("a"));
    assert_eq!(place.taken(first).await.status, Status::Queued);
    let second = place.fake.red_run(SHOP, "CI", "main", &log("b"));
    for (id, reason) in [(second, Reason::RateLimited), (secret, Reason::NeedsSecret)] {
        let run = place.taken(id).await;
        assert_eq!((run.status, run.escalation_reason), (Status::Escalated, Some(reason)));
    }
    watching.stop().await;
}

#[tokio::test]
async fn a_green_attempt_at_the_same_commit_is_told_once() {
    let place = Place::new().await;
    let watching = place.watch();
    let id = place.fake.red_run(SHOP, "CI", "main", &log("a"));
    let run = place.taken(id).await;
    {
        let mut state = place.fake.state();
        let row = &mut state.shop().runs[0];
        row["run_attempt"] = 2.into();
        row["conclusion"] = "success".into();
    }
    let told = eventually_answered(async || place.facts(EventType::RunRecurred).await.pop()).await;
    assert_eq!((told.run_id, told.payload["green"].as_u64()), (run.id, Some(2)));
    watching.stop().await;
    let watching = place.watch();
    place.looked(3).await;
    watching.stop().await;
    assert_eq!(place.facts(EventType::RunRecurred).await.len(), 1);
}

#[tokio::test]
async fn a_log_that_is_late_is_waited_for() {
    let place = Place::new().await;
    place.fake.next("GET /repos/acme/shop/actions/jobs", Fault::status(404));
    place.fake.next("GET /repos/acme/shop/actions/jobs", Fault::status(404));
    let watching = place.watch();
    let id = place.fake.red_run(SHOP, "CI", "main", &log("late"));
    assert!(place.ignored(id).await.contains("log is not there yet"));
    assert_eq!(place.runs().await.len(), 0);
    watching.stop().await;
    // Whoever goes on begins anew.
    place.fake.mend();
    let watching = place.watch();
    assert!(place.taken(id).await.error_summary.contains("AssertionError: late"));
    watching.stop().await;
}

#[tokio::test]
async fn only_a_branch_of_ours_makes_a_pull_request_ours() {
    let place = Place::new().await;
    {
        let mut state = place.fake.state();
        let shop = state.shop();
        shop.add_pull(1, "heal/1a2b3c4d-deadbeef");
        shop.add_pull(2, "heal/1a2b3c4d-deadbeef");
        shop.pull(2).unwrap()["head"]["repo"]["full_name"] = "eve/shop".into();
        shop.add_pull(3, "heal/anything");
    }
    let watching = place.watch();
    let pulls = eventually_answered(async || Some(place.picture().await.pulls).filter(|it| !it.is_empty())).await;
    let ours: Vec<u64> = pulls.iter().filter(|it| it.is_ours).map(|it| it.number).collect();
    assert_eq!((pulls.len(), ours), (3, vec![1]));
    watching.stop().await;
}

/// Which of two clocks is ahead says nothing of how late a log is.
#[tokio::test]
async fn a_log_is_waited_for_also_where_our_clock_is_ahead() {
    let place = Place::new().await;
    place.fake.state().skew_s = -600;
    place.fake.always("GET /repos/acme/shop/actions/jobs", Fault::status(404));
    let watching = place.watch();
    let id = place.fake.red_run(SHOP, "CI", "main", &log("late"));
    assert!(place.row(id, |it| it.heal.is_some() || it.ignored.is_some()).await.heal.is_none());
    assert!(place.ignored(id).await.contains("log is not there yet"));
    watching.stop().await;
}

/// A renamed repository's runs name the new one, as if all of them were a fork's.
#[tokio::test]
async fn a_renamed_repository_is_told_and_nothing_of_it_is_judged() {
    let place = Place::new().await;
    let watching = place.watch();
    place.looked(1).await;
    place.fake.rename(SHOP, "acme/store");
    let id = place.fake.red_run("acme/store", "CI", "main", &log("a"));
    let told = async || place.picture().await.error.filter(|it| it.contains("is called acme/store now"));
    let error = eventually_answered(told).await;
    assert!(error.contains("mend its name in `watch`"), "{error}");
    assert!(place.picture().await.runs.iter().all(|it| it.run.id != id));
    assert!(place.runs().await.is_empty());
    watching.stop().await;
}

/// Keeps the next log from being read until its second turn.
fn hold_up(place: &Place) {
    place.fake.next("GET /repos/acme/shop/actions/jobs", Fault::said(403, "Must have admin rights"));
}

/// Makes a red run that waits to be taken in.
async fn put_off(place: &Place, text: &str) -> u64 {
    hold_up(place);
    let id = place.fake.red_run(SHOP, "CI", "main", &log(text));
    assert!(place.ignored(id).await.contains("not taken in yet"));
    id
}

/// What waits to be taken in is judged again at each look.
#[tokio::test]
async fn what_waits_is_left_when_it_ran_again_or_the_rules_leave_it_out() {
    let place = Place::new().await;
    let watching = place.watch();
    place.looked(1).await;
    let again = put_off(&place, "a").await;
    {
        let mut state = place.fake.state();
        let row = &mut state.shop().runs[0];
        (row["run_attempt"], row["conclusion"]) = (2.into(), "success".into());
    }
    place.row(again, |it| it.run.attempt == 2).await;
    let out = put_off(&place, "b").await;
    place.rules("excluded_workflows: [ci]");
    hold_up(&place);
    let last = place.fake.red_run(SHOP, "Docs", "main", &log("c"));
    // Its next turn comes after those of the others.
    place.taken(last).await;
    assert!(place.ignored(out).await.contains("excluded_workflows"));
    assert_eq!(place.runs().await.len(), 1);
    watching.stop().await;
}

#[tokio::test]
async fn what_turns_green_while_it_is_read_is_told() {
    let place = Place::new().await;
    let watching = place.watch();
    place.looked(1).await;
    place.fake.next("GET /repos/acme/shop/actions/jobs", Fault::Delay(Duration::from_secs(2)));
    let id = place.fake.red_run(SHOP, "CI", "main", &log("a"));
    let read = || place.fake.count("GET /repos/acme/shop/actions/jobs");
    eventually_answered(async || (read() > 0).then_some(())).await;
    {
        let mut state = place.fake.state();
        let row = &mut state.shop().runs[0];
        (row["run_attempt"], row["conclusion"]) = (2.into(), "success".into());
    }
    place.row(id, |it| it.run.attempt == 2).await;
    assert!(place.runs().await.is_empty(), "it is still being read");
    let told = eventually_answered(async || place.facts(EventType::RunRecurred).await.pop()).await;
    assert_eq!((told.run_id, told.payload["green"].as_u64()), (place.runs().await[0].id, Some(2)));
    watching.stop().await;
}

/// A log that is refused for good is not asked for for ever.
#[tokio::test]
async fn what_cannot_be_read_for_a_day_is_given_up_with_its_reason() {
    let place = Place::new().await;
    let (mut engine, clock) = (place.engine.clone(), Arc::new(HandClock::default()));
    engine.clock = clock.clone();
    let watching = Watching::start(&engine);
    place.looked(1).await;
    // Its next turn is soon.
    place.fake.next("GET /repos/acme/shop/actions/jobs", Fault::secondary(1));
    let id = place.fake.red_run(SHOP, "CI", "main", &log("a"));
    assert!(place.ignored(id).await.contains("not taken in yet"));
    place.fake.always("GET /repos/acme/shop/actions/jobs", Fault::said(403, "Must have admin rights"));
    clock.forward(25 * 3_600);
    place.row(id, |it| it.ignored.as_ref().is_some_and(|it| it.contains("not tried any more"))).await;
    place.looked(3).await;
    let why = place.ignored(id).await;
    assert!(why.contains("not tried any more") && why.contains("Must have admin rights"), "{why}");
    let asked = place.fake.count("GET /repos/acme/shop/actions/jobs");
    assert_eq!(asked, 2, "once more, and never again");
    watching.stop().await;
}

#[tokio::test]
async fn a_limit_of_github_is_kept_and_shown() {
    let place = Place::new().await;
    place.fake.always("GET /repos/acme/shop/actions/runs$", Fault::secondary(3_600));
    let watching = place.watch();
    let picture = eventually_answered(async || Some(place.picture().await).filter(|it| it.error.is_some())).await;
    let next_at = picture.next_at.unwrap();
    let now = paramedic::clock::Clock::now(&paramedic::clock::SystemClock);
    assert!(next_at.duration_since(now).as_mins() > 30, "{picture:?}");
    let asked = place.fake.seen("GET").len();
    watching.watcher.poke(SHOP);
    tokio::task::yield_now().await;
    assert_eq!(place.fake.seen("GET").len(), asked);
    watching.stop().await;
}

#[tokio::test]
async fn what_a_person_does_there_is_seen_soon() {
    let place = Place::new().await;
    let mut engine = place.engine.clone();
    (engine.forge.terms.poll_idle, engine.forge.terms.poll_active) = (Duration::from_hours(1), Duration::from_hours(1));
    engine.forge.writes = Some(Arc::new(place.fake.client()));
    let run = place.fake.red_run(SHOP, "CI", "main", &log("a"));
    let watching = Watching::start(&engine);
    place.taken(run).await;
    let (repository, kind) = (SHOP.to_owned(), CiActKind::Rerun);
    engine.ci_act(&CiAct { repository, run, kind, environments: Vec::new(), note: None }, "ann").await.unwrap();
    place.row(run, |it| it.run.attempt == 2).await;
    watching.stop().await;
}

#[tokio::test]
async fn a_delivery_about_a_watched_repository_only_says_that_it_is_worth_a_look() {
    let place = Place::new().await;
    let mut engine = place.engine.clone();
    engine.forge.terms.poll_idle = Duration::from_hours(1);
    let id = place.fake.green_run(SHOP, "CI", "main");
    let watching = Watching::start(&engine);
    eventually_answered(async || place.picture().await.runs.first().cloned()).await;
    place.fake.state().shop().runs[0]["conclusion"] = "failure".into();
    place.fake.state().shop().jobs[0]["conclusion"] = "failure".into();

    let heal_by =
        paramedic::engine::inbox::HealBy { agents: vec!["playbook".to_owned()], timeout_ms: 1_000, max_attempts: 3 };
    let inbox = paramedic::engine::inbox::Inbox::open(engine, heal_by).unwrap();
    let inbox = inbox.with_watcher(Some(watching.watcher.clone()));
    let delivery = include_str!("../deliveries/github_workflow_run.json");
    let mut delivery: serde_json::Value = serde_json::from_str(delivery).unwrap();
    delivery["repository"]["full_name"] = SHOP.into();
    delivery["workflow_run"]["conclusion"] = "failure".into();
    let head = Head { github_event: Some("workflow_run".to_owned()), ..Head::default() };
    let receipt = inbox.receive(head, delivery.to_string()).await.unwrap();
    assert!(matches!(receipt, Receipt::Ignored(it) if it.reason.contains("is watched")));
    place.taken(id).await;
    assert_eq!(place.runs().await.len(), 1);
    watching.stop().await;
}

/// A workflow's own report of a run that is read anyway would be the same failure a second time.
#[tokio::test]
async fn a_report_of_a_watched_run_is_left_to_the_watcher_too() {
    let place = Place::new().await;
    let mut engine = place.engine.clone();
    engine.forge.terms.poll_idle = Duration::from_hours(1);
    let id = place.fake.green_run(SHOP, "CI", "main");
    let watching = Watching::start(&engine);
    place.row(id, |_| true).await;
    place.fake.state().shop().runs[0]["conclusion"] = "failure".into();
    place.fake.state().shop().jobs[0]["conclusion"] = "failure".into();

    let heal_by =
        paramedic::engine::inbox::HealBy { agents: vec!["playbook".to_owned()], timeout_ms: 1_000, max_attempts: 3 };
    let inbox = paramedic::engine::inbox::Inbox::open(engine, heal_by).unwrap();
    let inbox = inbox.with_watcher(Some(watching.watcher.clone()));
    let report = |url: &str| {
        serde_json::json!({
            "provider": "github", "repository": SHOP, "branch": "main", "commitSha": "c0ffee", "pipelineUrl": url,
            "errorLog": "AssertionError: a",
        })
        .to_string()
    };
    let receipt = inbox.receive(Head::default(), report("https://github.com/Acme/Shop/actions/runs/17")).await.unwrap();
    assert!(matches!(receipt, Receipt::Ignored(it) if it.reason.contains("is watched")));
    place.taken(id).await;
    assert_eq!(place.runs().await.len(), 1);
    for elsewhere in ["https://ci.acme.test/17", "https://github.com/eve/shop/actions/runs/17"] {
        let receipt = inbox.receive(Head::default(), report(elsewhere)).await.unwrap();
        assert!(matches!(receipt, Receipt::Taken(_)), "{elsewhere}");
    }
    watching.stop().await;
}

/// What turns red is judged by the rules of the branch that is the default then.
#[tokio::test]
async fn rules_are_read_from_the_branch_that_is_the_default_now() {
    let place = Place::new().await;
    let watching = place.watch();
    place.looked(2).await;
    place.fake.commit(SHOP, "trunk", &[(".github/auto-heal-config.yml", "enabled: false\n")]);
    place.fake.state().repo(SHOP).default_branch = "trunk".to_owned();
    let id = place.fake.red_run(SHOP, "CI", "main", &log("add"));
    let why = place.ignored(id).await;
    assert!(why.contains("enabled: false"), "{why}");
    place.fake.state().repo(SHOP).default_branch = "gone".to_owned();
    let id = place.fake.red_run(SHOP, "CI", "main", &log("sub"));
    let why = place.ignored(id).await;
    assert!(why.contains("the default branch gone is not there"), "{why}");
    assert!(place.runs().await.is_empty());
    watching.stop().await;
}
