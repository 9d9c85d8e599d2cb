//! GitHub's coding agent: asked once, its pull request's change judged and proved like any other, and nobody else's taken for it.
use crate::github::house::{House, ISSUES, SHOP};
use crate::support::github::Fault;
use crate::support::{PARAMEDIC, eventually_answered};
use async_trait::async_trait;
use paramedic::agent::Agent;
use paramedic::domain::{
    Asked, AttemptFailure, AttemptStatus, CopilotAsk, EventType, ForgeTerms, Order, PrState, Reason, ResolvedBy, Run,
    RunForge, RunId, Status,
};
use paramedic::engine::copilot::{Copilot, Pace};
use paramedic::engine::repositories::{Head, Located, NotLocated, Repositories, Terms};
use paramedic::engine::worker::Worker;
use paramedic::engine::{Agents, Engine, EngineError};
use paramedic::process::{Launcher, LauncherOptions, SandboxChoice};
use paramedic::workspace::Remote;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const ASSIGNEES: &str = "/repos/*/*/issues/*/assignees$";
const BRANCH: &str = "copilot/fix-the-sum";
const TEST: &str = "grep -qx right calc.py || { echo 'E   AssertionError: it is wrong'; exit 1; }";
/// What the rules say so that a pull request can be merged at once.
const READY: &str = "pull_request: {draft: false}\n";

/// Copilot for each name of an order.
#[derive(Debug)]
struct Alone;

impl Agents for Alone {
    fn for_order(&self, order: &Order, engine: &Engine) -> Result<Vec<Arc<dyn Agent>>, String> {
        Ok(order.agents.iter().map(|_| Arc::new(Copilot::new(engine.clone())) as Arc<dyn Agent>).collect())
    }
}

/// A house whose failure is worked on, with the steward at work.
struct Story {
    house: House,
    run: RunId,
    stop: CancellationToken,
}

impl Drop for Story {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Story {
    async fn begin(rules: &str, edit: impl FnOnce(&mut Run)) -> Self {
        let mut house = House::with_terms(rules, ForgeTerms::default()).await;
        let environment = std::env::vars_os().filter(|(name, _)| name == "PATH").collect();
        house.engine.launcher = Launcher::new(LauncherOptions {
            supervisor: PARAMEDIC.into(),
            environment,
            sandbox: SandboxChoice::Off,
            private: Vec::new(),
        });
        house.engine.agents = Arc::new(Alone);
        house.engine.settings.copilot =
            Pace { look: Duration::from_millis(50), rest: Duration::from_millis(200), least: Duration::ZERO };
        house.engine.settings.retry_delay = Duration::ZERO;
        house.engine.settings.lease = Duration::from_secs(2);
        let run = house.fails("first", |run| {
            run.order.agents = vec!["copilot".to_owned()];
            run.order.test_command = Some(TEST.to_owned());
            run.order.timeout_ms = 60_000;
            run.order.is_offline = true;
            edit(run);
        });
        let run = run.await;
        Self { house, run, stop: CancellationToken::new() }
    }

    fn attend(&self) {
        let (steward, stop) = (self.house.steward(), self.stop.clone());
        tokio::spawn(async move { steward.run(&stop).await });
    }

    fn work(&self, shutdown: &CancellationToken) -> JoinHandle<Result<Run, EngineError>> {
        let (worker, id, shutdown) = (Worker::new(self.house.engine.clone()), self.run, shutdown.clone());
        tokio::spawn(async move { worker.follow(id, &shutdown).await })
    }

    async fn ends(&self, work: JoinHandle<Result<Run, EngineError>>) -> Run {
        tokio::time::timeout(crate::support::PATIENCE, work).await.unwrap().unwrap().unwrap()
    }

    /// Waits until it was asked in this way, and returns the wish.
    async fn asked(&self, how: Asked) -> CopilotAsk {
        let asked = async || self.house.family().await.copilot.filter(|it| it.asked == Some(how));
        eventually_answered(asked).await
    }

    /// Waits until this was told.
    async fn told(&self, words: &str) {
        let told = async || {
            self.house.told(EventType::AttemptThinking).await.iter().any(|it| it.contains(words)).then_some(())
        };
        eventually_answered(told).await;
    }

    /// Lets somebody write this to a branch, and open a pull request that names the issue.
    fn proposes(&self, login: &str, branch: &str, title: &str, content: &str) -> u64 {
        self.house.fake.commit(SHOP, branch, &[("calc.py", content)]);
        let issue = self.issue();
        self.house.fake.pull_by(SHOP, login, branch, title, &format!("It was wrong.\n\nFixes {SHOP}#{issue}."))
    }

    fn retitle(&self, pull: u64, title: &str) {
        self.house.fake.state().shop().pull(pull).unwrap()["title"] = json!(title);
    }

    fn issue(&self) -> u64 {
        self.house.issues()[0]["number"].as_u64().unwrap()
    }

    /// Waits until no worker has the run, as it waits for Copilot.
    async fn waits(&self) {
        let store = &self.house.engine.store;
        let waits = async || {
            let attempts = store.attempts(self.run).await.unwrap();
            store.run(self.run).await.unwrap().waiting(&attempts).map(|_| ())
        };
        eventually_answered(waits).await;
        assert_eq!(store.leases().await.unwrap(), Vec::new());
    }

    async fn pull_is_open(&self) -> u64 {
        let open = async || self.house.family().await.open_pull().map(|(number, _)| number);
        eventually_answered(open).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_change_is_guarded_proved_and_published_as_ours() {
    let story = Story::begin(READY, |_| {}).await;
    story.attend();
    let work = story.work(&CancellationToken::new());
    story.asked(Asked::Assigned).await;
    let house = &story.house;
    let body = house.issues()[0]["body"].as_str().unwrap().to_owned();
    assert!(body.contains("### For Copilot") && body.contains("grep -qx right"), "{body}");
    assert_eq!(house.issues()[0]["assignees"], json!([{ "login": "Copilot" }]));
    assert_eq!(house.told(EventType::AttemptThinking).await.last().unwrap(), "asked Copilot on issue #1");

    // Whoever else opens one of such a branch, or whatever else Copilot works on, is not what was asked for.
    story.proposes("mallory", "copilot/evil", "Fix", "evil\n");
    house.fake.commit(SHOP, "copilot/other", &[("calc.py", "other\n")]);
    house.fake.pull_by(SHOP, "Copilot", "copilot/other", "Fix", "Fixes #99");
    story.proposes("Copilot", "elsewhere", "Fix", "elsewhere\n");
    let number = story.proposes("Copilot", BRANCH, "[WIP] Fix the sum", "half\n");
    story.told(&format!("its pull request #{number} is still [WIP]")).await;
    let head = house.fake.commit(SHOP, BRANCH, &[("calc.py", "right\n")]);
    story.retitle(number, "Fix the sum");

    let run = story.ends(work).await;
    assert_eq!((run.status, run.attempt_count), (Status::Fixed, 1), "{run:#?}");
    let attempts = house.engine.store.attempts(run.id).await.unwrap();
    let attempt = &attempts[0];
    assert_eq!((attempt.author.to_string().as_str(), attempt.status), ("copilot", AttemptStatus::Succeeded));
    assert!(attempt.proposed_fix.as_ref().unwrap().text().contains("-wrong\n+right\n"));
    assert!(attempt.diagnosis.starts_with("Fix the sum") && attempt.diagnosis.contains("It was wrong."));
    assert!(attempt.guard.is_some());
    let facts = house.told(EventType::AttemptThinking).await;
    assert_eq!(facts.iter().filter(|it| it.contains("[WIP]")).count(), 1, "{facts:?}");

    // What is published is a branch and a pull request of ours; Copilot's stay as they are.
    let ours = story.pull_is_open().await;
    assert_ne!(ours, number);
    assert_eq!(house.fake.tip(SHOP, BRANCH), Some(head));
    assert!(house.comments(number).is_empty());
    house.fake.merge_by_hand(SHOP, ours, "ann");
    house.forward(120);
    let left = async || house.family().await.copilot.is_some_and(|it| it.is_left).then_some(());
    eventually_answered(left).await;
    let comments = house.comments(number);
    assert!(comments.len() == 1 && comments[0].contains(&format!("fixed by #{ours}")), "{comments:?}");
    assert_eq!(house.fake.count(&format!("POST {ASSIGNEES}")), 1);
    assert!(house.comments(story.issue()).iter().all(|it| !it.contains("@copilot")));
    house.is_intact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_does_not_stand_is_repaired_on_its_own_pull_request() {
    let story = Story::begin("", |_| {}).await;
    story.attend();
    let work = story.work(&CancellationToken::new());
    story.asked(Asked::Assigned).await;
    let house = &story.house;
    let number = story.proposes("Copilot", BRANCH, "Fix the sum", "right  # noqa\n");
    let ask = story.asked(Asked::Again).await;
    assert_eq!((ask.round, ask.pull), (2, Some(number)));
    let comments = house.comments(number);
    assert!(comments.len() == 1 && comments[0].starts_with("@copilot "), "{comments:?}");
    assert!(comments[0].contains("What the guard said of it") && comments[0].contains("calc.py"), "{comments:?}");
    story.told("has nothing new since it was asked again").await;
    house.fake.commit(SHOP, BRANCH, &[("calc.py", "right\n")]);
    let run = story.ends(work).await;
    assert_eq!((run.status, run.attempt_count), (Status::Fixed, 2), "{run:#?}");
    let attempts = house.engine.store.attempts(run.id).await.unwrap();
    assert_eq!(attempts[0].failure_kind, Some(AttemptFailure::PolicyViolation));
    assert_eq!(house.comments(number).len(), 1);
    assert_eq!(house.fake.count(&format!("POST {ASSIGNEES}")), 1);
    house.is_intact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_takes_over_asks_for_nothing() {
    let story = Story::begin("", |_| {}).await;
    story.attend();
    let work = story.work(&CancellationToken::new());
    story.asked(Asked::Assigned).await;
    story.waits().await;
    // One is gone without a word, the next is stopped: neither had the run.
    work.abort();
    let stop = CancellationToken::new();
    let work = story.work(&stop);
    let number = story.proposes("Copilot", BRANCH, "[WIP] Fix the sum", "right\n");
    story.told("is still [WIP]").await;
    stop.cancel();
    let run = story.ends(work).await;
    assert_eq!(run.status, Status::Queued);
    let work = story.work(&CancellationToken::new());
    story.retitle(number, "Fix the sum");
    let run = story.ends(work).await;
    assert_eq!(run.status, Status::Fixed, "{run:#?}");
    assert_eq!(story.house.fake.count(&format!("POST {ASSIGNEES}")), 1);
    assert!(story.house.comments(number).is_empty());
    story.house.is_intact().await;
}

/// However often a worker dies meanwhile, and whatever else there is to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_worker_is_held_while_it_works() {
    let story = Story::begin("", |_| {}).await;
    story.attend();
    for _ in 0..8 {
        let work = story.work(&CancellationToken::new());
        story.waits().await;
        work.abort();
    }
    let house = &story.house;
    let attempts = house.engine.store.attempts(story.run).await.unwrap();
    let detail = RunForge::of(&house.run().await, &attempts, Some(&house.family().await)).unwrap();
    assert!(detail.waits_for.unwrap().starts_with("Copilot: "));
    assert_eq!(house.told(EventType::RunRequeued).await.len(), 1, "it was taken by one of them");
    story.asked(Asked::Assigned).await;
    let number = story.proposes("Copilot", BRANCH, "[WIP] Fix the sum", "right\n");
    story.told("is still [WIP]").await;
    house.is_intact().await;
    story.retitle(number, "Fix the sum");
    let run = story.ends(story.work(&CancellationToken::new())).await;
    assert_eq!((run.status, run.attempt_count), (Status::Fixed, 1), "{run:#?}");
    house.is_intact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_was_asked_before_is_taken_in_safe_mode_too() {
    let mut story = Story::begin("", |_| {}).await;
    story.attend();
    let work = story.work(&CancellationToken::new());
    story.asked(Asked::Assigned).await;
    story.waits().await;
    work.abort();
    story.stop.cancel();
    story.stop = CancellationToken::new();
    (story.house.engine.forge.writes, story.house.engine.forge.why_not) = (None, Some("safe mode is on".to_owned()));
    let n_writes = story.house.fake.writes().len();
    story.attend();
    story.proposes("Copilot", BRANCH, "Fix the sum", "right\n");
    let run = story.ends(story.work(&CancellationToken::new())).await;
    assert_eq!((run.status, run.attempt_count), (Status::Fixed, 1), "{run:#?}");
    assert_eq!(story.house.fake.writes().len(), n_writes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_of_its_pull_request_by_hand_resolves_and_claims_no_proof() {
    let story = Story::begin("", |_| {}).await;
    story.attend();
    let work = story.work(&CancellationToken::new());
    story.asked(Asked::Assigned).await;
    let house = &story.house;
    let number = story.proposes("Copilot", BRANCH, "[WIP] Fix the sum", "right\n");
    story.told("is still [WIP]").await;
    house.fake.merge_by_hand(SHOP, number, "ann");
    let run = story.ends(work).await;
    assert_eq!((run.status, run.resolved_by, run.pr_number), (Status::Resolved, Some(ResolvedBy::Human), Some(number)));
    assert_eq!(run.pr_state, PrState::Merged);
    let attempt = house.engine.store.attempts(run.id).await.unwrap().remove(0);
    assert_eq!((attempt.status, attempt.guard, attempt.waiting_since), (AttemptStatus::Failed, None, None));
    assert!(attempt.failure_reason.unwrap().contains("by @ann, before its change was judged here"));
    assert!(house.told(EventType::AttemptSucceeded).await.is_empty());
    house.is_intact().await;
}

#[tokio::test]
async fn what_was_asked_for_a_run_that_is_over_is_let_go_whenever_it_comes() {
    let house = wanted("").await;
    house.settles_for(100).await;
    house.decides(|run, decision| run.abort(&[], decision).unwrap()).await;
    house.settles_for(10).await;
    assert_eq!(house.issues()[0]["assignees"], json!([]), "it is taken off");
    house.fake.commit(SHOP, BRANCH, &[("calc.py", "right\n")]);
    let number = house.fake.pull_by(SHOP, "Copilot", BRANCH, "Fix", "Fixes #1");
    house.settles_for(200).await;
    let comments = house.comments(number);
    assert!(comments.len() == 1 && comments[0].contains("A person stopped the run"), "{comments:?}");
    assert!(house.family().await.copilot.unwrap().is_left);
}

/// Stopped and tried again while it works, which is how a person starts over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_let_off_is_asked_anew_by_a_retry() {
    let story = Story::begin("", |_| {}).await;
    story.attend();
    let work = story.work(&CancellationToken::new());
    story.asked(Asked::Assigned).await;
    story.waits().await;
    let house = &story.house;
    let attempts = house.engine.store.attempts(story.run).await.unwrap();
    house.decides(|run, by| run.abort(&attempts, by).unwrap()).await;
    assert_eq!(story.ends(work).await.status, Status::Aborted);
    let is_off = async || house.family().await.copilot.is_some_and(|it| !it.is_assigned).then_some(());
    eventually_answered(is_off).await;
    house.decides(|run, by| run.retry(by).unwrap()).await;
    let work = story.work(&CancellationToken::new());
    let again = async || house.family().await.copilot.filter(|it| it.is_assigned && it.round == 2);
    eventually_answered(again).await;
    story.proposes("Copilot", BRANCH, "Fix the sum", "right\n");
    assert_eq!(story.ends(work).await.status, Status::Fixed);
    assert_eq!(house.fake.count(&format!("POST {ASSIGNEES}")), 2);
    house.is_intact().await;
}

/// Repositories of which commits cannot be fetched the first times.
#[derive(Debug)]
struct Shy {
    repositories: Arc<dyn Repositories>,
    refusals: AtomicUsize,
}

#[async_trait]
impl Repositories for Shy {
    fn terms(&self, repository: &str) -> Terms {
        self.repositories.terms(repository)
    }

    fn at_hand(&self, repository: &str) -> Option<PathBuf> {
        self.repositories.at_hand(repository)
    }

    async fn locate(&self, run: &Run) -> Result<Located, NotLocated> {
        self.repositories.locate(run).await
    }

    async fn with_commits(&self, repository: &str, commits: &[(&str, &str)]) -> Result<Located, NotLocated> {
        if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1)).is_ok() {
            return Err(NotLocated("it is away".to_owned()));
        }
        self.repositories.with_commits(repository, commits).await
    }

    async fn head(&self, repository: &str, branch: Option<&str>) -> Result<Head, NotLocated> {
        self.repositories.head(repository, branch).await
    }

    async fn push_target(&self, repository: &str) -> Result<Remote, NotLocated> {
        self.repositories.push_target(repository).await
    }
}

/// Nothing is lost by it: it is put off, told, and taken when it can be had.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_fetched_is_taken_later_and_in_peace() {
    let mut story = Story::begin("", |_| {}).await;
    let repositories = story.house.engine.repositories.clone();
    story.house.engine.repositories = Arc::new(Shy { repositories, refusals: AtomicUsize::new(2) });
    story.attend();
    let work = story.work(&CancellationToken::new());
    story.asked(Asked::Assigned).await;
    let number = story.proposes("Copilot", BRANCH, "Fix the sum", "right\n");
    assert_eq!(story.ends(work).await.status, Status::Fixed);
    let house = &story.house;
    let put_off = format!("Copilot's pull request #{number} cannot be fetched: it is away");
    let told = house.told(EventType::RunRequeued).await;
    assert_eq!(told.iter().filter(|it| it.contains(&put_off)).count(), 2, "{told:?}");
    assert!(house.family().await.copilot.unwrap().taken.is_some());
    house.is_intact().await;
}

#[tokio::test]
async fn its_pull_request_for_an_earlier_run_is_told_that_another_took_its_place() {
    let house = wanted("").await;
    house.settles_for(100).await;
    house.fake.commit(SHOP, BRANCH, &[("calc.py", "right\n")]);
    let number = house.fake.pull_by(SHOP, "Copilot", BRANCH, "Fix", "Fixes #1");
    house.edit_family(|it| it.copilot.as_mut().unwrap().pull = Some(number)).await;
    let before = house.family().await.copilot.unwrap();
    let before = CopilotAsk { run_id: RunId::random(), ..before };
    let until = house.now() + Duration::from_hours(1);
    let later = CopilotAsk::wanted(Some(&before), house.run().await.id, 1, &[], None, until);
    house.edit_family(|it| it.copilot = Some(later)).await;
    house.settles_for(100).await;
    let comments = house.comments(number);
    assert!(comments.len() == 1 && comments[0].contains("Another run stands for the failure now"), "{comments:?}");
    assert_eq!(asked(&house).await, Some(Asked::Assigned));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_not_waited_for_without_end() {
    let once = |run: &mut Run| {
        (run.max_attempts, run.budget) = (1, 1);
        run.order.timeout_ms = 4_000;
    };
    let story = Story::begin("", once).await;
    story.attend();
    let run = story.ends(story.work(&CancellationToken::new())).await;
    assert_eq!((run.status, run.escalation_reason), (Status::Escalated, Some(Reason::AgentFailed)), "{run:#?}");
    let attempt = story.house.engine.store.attempts(run.id).await.unwrap().remove(0);
    assert_eq!(attempt.failure_kind, Some(AttemptFailure::AgentTimedOut));
    let why = attempt.failure_reason.unwrap();
    assert!(why.contains("was asked on issue #1 and has opened no pull request"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_may_be_said_it_declines() {
    for (rules, is_safe, is_fork, words) in [
        ("", true, false, "nothing is changed at GitHub: safe mode is on"),
        ("copilot: {enabled: false}\n", false, false, "copilot.enabled: false"),
        ("notifications: {create_issue: false}\n", false, false, "there is no tracking issue"),
        ("", false, true, "from a fork"),
    ] {
        let fork = |run: &mut Run| run.order.ci.as_mut().unwrap().is_fork = is_fork;
        let mut story = Story::begin(rules, fork).await;
        if is_safe {
            story.house.engine.forge.writes = None;
            story.house.engine.forge.why_not = Some("safe mode is on".to_owned());
        }
        let run = story.ends(story.work(&CancellationToken::new())).await;
        assert_eq!(run.status, Status::Escalated, "{words}");
        let attempt = story.house.engine.store.attempts(run.id).await.unwrap().remove(0);
        assert!(attempt.failure_reason.as_ref().unwrap().contains(words), "{words}: {attempt:?}");
        assert!(story.house.fake.writes().is_empty() && story.house.family().await.copilot.is_none());
    }
}

#[tokio::test]
async fn the_name_is_githubs_own_agent_only_where_ci_at_github_is_red() {
    let house = House::new("").await;
    house.fails("first", |_| {}).await;
    let red = Order { agents: vec!["copilot".to_owned()], ..house.run().await.order };
    let local = Order { ci: None, ..red.clone() };
    let made = |order: &Order| format!("{:?}", house.engine.agents.for_order(order, &house.engine).unwrap());
    assert!(made(&red).starts_with("[Copilot {") && made(&local).starts_with("[CommandAgent {"));
}

/// A house in which it is not looked for Copilot's pull request within the time of a story.
async fn patient(rules: &str) -> House {
    let mut house = House::new(rules).await;
    house.engine.settings.copilot.look = Duration::from_mins(10);
    house
}

/// A house in which Copilot is wanted, and nobody works.
async fn wanted(rules: &str) -> House {
    let house = patient(rules).await;
    let run = house.fails("first", |_| {}).await;
    let until = house.now() + Duration::from_hours(1);
    let ask = CopilotAsk::wanted(None, run, 1, &[], Some("look at @all of it"), until);
    house.edit_family(|it| it.copilot = Some(ask)).await;
    house
}

async fn asked(house: &House) -> Option<Asked> {
    house.family().await.copilot.and_then(|it| it.asked)
}

#[tokio::test]
async fn each_write_of_the_asking_is_made_once_whatever_is_lost() {
    for lost in ["POST", "PATCH"] {
        for fault in [Fault::LostAnswer, Fault::status(502)] {
            let house = patient("").await;
            let run = house.fails("first", |_| {}).await;
            if lost == "PATCH" {
                house.settles().await;
            }
            let until = house.now() + Duration::from_hours(1);
            let ask = CopilotAsk::wanted(None, run, 1, &[], None, until);
            house.edit_family(|it| it.copilot = Some(ask)).await;
            let kind =
                if lost == "POST" { format!("POST {ASSIGNEES}") } else { "PATCH /repos/*/*/issues/*$".to_owned() };
            let was_done = matches!(fault, Fault::LostAnswer);
            house.fake.next(&kind, fault);
            house.settles_for(100).await;
            assert_eq!(asked(&house).await, Some(Asked::Assigned), "{kind}");
            let n = house.fake.count(&kind);
            assert_eq!(n, if was_done { 1 } else { 2 }, "{kind}");
            assert_eq!(house.fake.count(&format!("POST {ISSUES}")), 1);
            assert!(house.comments(1).is_empty(), "{:?}", house.comments(1));
        }
    }
}

#[tokio::test]
async fn where_it_cannot_be_assigned_it_is_mentioned_once() {
    for refusal in [None, Some(404), Some(422), Some(403)] {
        let house = wanted("").await;
        match refusal {
            Some(status) => house.fake.always(&format!("POST {ASSIGNEES}"), Fault::said(status, "Could not assign")),
            // GitHub says that all is well, and leaves it out.
            None => house.fake.state().shop().has_copilot = false,
        }
        house.fake.next("POST /repos/*/*/issues/*/comments$", Fault::LostAnswer);
        house.settles_for(100).await;
        assert_eq!(asked(&house).await, Some(Asked::Mentioned), "{refusal:?}");
        let comments = house.comments(1);
        assert!(comments.len() == 1 && comments[0].starts_with("@copilot Please repair"), "{comments:?}");
        assert_eq!(comments[0].matches("@copilot").count(), 1, "{comments:?}");
        assert!(comments[0].contains("look at @all of it") && comments[0].contains("assert 1 == 2"), "{comments:?}");
        assert_eq!(house.fake.count(&format!("POST {ASSIGNEES}")), 1);
    }
}

#[tokio::test]
async fn what_somebody_else_wrote_in_the_issue_stays() {
    let house = patient("").await;
    let run = house.fails("first", |_| {}).await;
    house.settles().await;
    house.fake.state().shop().issue(1).unwrap()["body"] = json!("mine");
    let until = house.now() + Duration::from_hours(1);
    let ask = CopilotAsk::wanted(None, run, 1, &[], None, until);
    house.edit_family(|it| it.copilot = Some(ask)).await;
    house.settles_for(100).await;
    assert_eq!((asked(&house).await, house.issues()[0]["body"].as_str()), (Some(Asked::Assigned), Some("mine")));
    assert_eq!(house.comments(1).len(), 1, "it reads comments that stand there when it is assigned");
}

#[tokio::test]
async fn for_a_later_run_it_is_taken_off_and_assigned_again() {
    let house = wanted("").await;
    house.settles_for(100).await;
    let first = house.family().await.copilot.unwrap();
    assert!(first.is_assigned);
    let until = house.now() + Duration::from_hours(1);
    let later = CopilotAsk::wanted(Some(&first), RunId::random(), 1, &[], None, until);
    let later = CopilotAsk { run_id: house.run().await.id, ..later };
    house.edit_family(|it| it.copilot = Some(later)).await;
    house.settles_for(100).await;
    assert_eq!(asked(&house).await, Some(Asked::Assigned));
    let count = |method: &str| house.fake.count(&format!("{method} {ASSIGNEES}"));
    assert_eq!((count("POST"), count("DELETE")), (2, 1));
    assert_eq!(house.issues()[0]["assignees"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn its_pull_request_is_told_once_that_the_run_is_over() {
    let house = wanted("").await;
    house.settles_for(100).await;
    house.fake.commit(SHOP, BRANCH, &[("calc.py", "right\n")]);
    let number = house.fake.pull_by(SHOP, "Copilot", BRANCH, "Fix", "Fixes #1");
    house.edit_family(|it| it.copilot.as_mut().unwrap().pull = Some(number)).await;
    house.decides(|run, decision| run.abort(&[], decision).unwrap()).await;
    house.fake.next("POST /repos/*/*/issues/*/comments$", Fault::LostAnswer);
    house.settles_for(100).await;
    let comments = house.comments(number);
    assert!(comments.len() == 1 && comments[0].contains("A person stopped the run"), "{comments:?}");
    assert_eq!(house.fake.state().shop().pull(number).unwrap()["state"], "open");
    assert_eq!(house.issues()[0]["assignees"], json!([]));
    assert_ne!(house.run().await.pr_state, PrState::Open);
}
