//! A house for the steward: a fake of GitHub with a real repository, an engine on a database of its own, a clock that goes by hand, and a
//! failure that was taken in.
use crate::support::World;
use crate::support::github::{Fake, RunSpec};
use jiff::{SignedDuration, Timestamp};
use paramedic::clock::Clock;
use paramedic::config::checked::Flags;
use paramedic::config::{Config, Environment};
use paramedic::domain::transition::{Decided, Decision};
use paramedic::domain::{
    AttemptStatus, Author, CiRef, Digest, EventType, Family, ForgeTerms, Judgement, NewEvent, Order, Patch, PrState,
    Provider, Run, RunId, Source, Status, Transition, Verdict, family_key,
};
use paramedic::engine::Engine;
use paramedic::engine::decisions::{Action, Done, Operator};
use paramedic::engine::forge::ForgeSeat;
use paramedic::engine::steward::{Steward, Visit};
use paramedic::forge::github::Github;
use paramedic::store::{Arrival, Claim, FamilySighting};
use paramedic::wiring::App;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub(crate) const SHOP: &str = "acme/shop";
pub(crate) const HASH: &str = "v1:1a2b3c4d5e6f";
pub(crate) const ISSUES: &str = "/repos/acme/shop/issues$";
pub(crate) const PULLS: &str = "/repos/acme/shop/pulls$";

/// The machine's clock, put forward by hand.
#[derive(Debug, Default)]
pub(crate) struct HandClock {
    ahead_s: AtomicI64,
}

impl HandClock {
    pub(crate) fn forward(&self, seconds: i64) {
        self.ahead_s.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.ahead_s.load(Ordering::SeqCst));
        paramedic::clock::SystemClock.now() + ahead
    }
}

pub(crate) struct House {
    pub(crate) fake: Fake,
    pub(crate) engine: Engine,
    pub(crate) clock: Arc<HandClock>,
    /// Commit on which it fails.
    pub(crate) base: String,
    pub(crate) ci_run: u64,
    workflow: u64,
    _world: World,
}

impl House {
    /// A house with the usual terms, whose repository has these rules.
    pub(crate) async fn new(rules: &str) -> Self {
        Self::with_terms(rules, ForgeTerms::default()).await
    }

    pub(crate) async fn with_terms(rules: &str, terms: ForgeTerms) -> Self {
        let fake = Fake::start();
        let files = [("calc.py", "wrong\n"), (".github/auto-heal-config.yml", rules)];
        let base = fake.commit(SHOP, "main", &files);
        let ci_run = fake.red_run(SHOP, "CI", "main", "E   assert 1 == 2\n");
        Self::beside(fake, base, ci_run, terms).await
    }

    /// The same with another data folder: what stands at GitHub is from a time of which nothing is known.
    pub(crate) async fn forgets(self) -> Self {
        let terms = self.engine.forge.terms.clone();
        Self::beside(self.fake, self.base, self.ci_run, terms).await
    }

    async fn beside(fake: Fake, base: String, ci_run: u64, terms: ForgeTerms) -> Self {
        let world = World::new();
        let workflow = fake.state().shop().runs[0]["workflow_id"].as_u64().unwrap();
        world.settings(&format!("[repositories.\"{SHOP}\"]\nclone_url = \"{}\"\n", fake.git_url(SHOP)));
        let environment = Environment::from_pairs([("HOME".into(), world.dir.path().join("home").into_os_string())]);
        let flags = Flags { data_dir: Some(world.data_dir()), ..Flags::default() };
        let config = Config::load(&environment, &flags).unwrap();
        let mut engine = App::open(&config, &environment).await.unwrap().engine;
        let clock = Arc::new(HandClock::default());
        let client = Arc::new(Github::new(fake.setup(), clock.clone()).unwrap());
        engine.clock = clock.clone();
        engine.forge = ForgeSeat {
            reads: Some(client.clone()),
            writes: Some(client),
            terms: ForgeTerms { watch: vec![SHOP.to_owned()], ..terms },
            ..ForgeSeat::default()
        };
        Self { fake, engine, clock, base, ci_run, workflow, _world: world }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    pub(crate) fn forward(&self, seconds: i64) {
        self.clock.forward(seconds);
    }

    /// A steward that remembers nothing, as after a restart.
    pub(crate) fn steward(&self) -> Steward {
        Steward::new(self.engine.clone())
    }

    pub(crate) fn key() -> Digest {
        family_key(SHOP, HASH)
    }

    pub(crate) async fn family(&self) -> Family {
        self.engine.store.family(&Self::key()).await.unwrap().unwrap()
    }

    pub(crate) async fn run(&self) -> Run {
        self.engine.store.run(self.family().await.run_id).await.unwrap()
    }

    pub(crate) async fn edit_family(&self, edit: impl FnOnce(&mut Family)) {
        let mut next = self.family().await.next();
        edit(&mut next);
        self.engine.store.put_family(&next, &[], self.now()).await.unwrap();
    }

    pub(crate) async fn told(&self, kind: EventType) -> Vec<String> {
        let events = self.engine.store.events(None, 0, 10_000).await.unwrap();
        events.into_iter().filter(|it| it.kind == kind).map(|it| it.message).collect()
    }

    /// Takes the failure in, as the watcher does. Returns the run that it came to.
    pub(crate) async fn fails(&self, delivery: &str, edit: impl FnOnce(&mut Run)) -> RunId {
        self.fails_as(delivery, edit, |it| it).await
    }

    /// The same for a run whose creation is another one.
    pub(crate) async fn fails_as(
        &self,
        delivery: &str,
        edit: impl FnOnce(&mut Run),
        create: impl FnOnce(Transition) -> Transition,
    ) -> RunId {
        let ci = CiRef {
            run_id: self.ci_run,
            attempt: 1,
            workflow_id: self.workflow,
            workflow: "CI".to_owned(),
            workflow_path: ".github/workflows/ci.yml".to_owned(),
            event: "push".to_owned(),
            url: String::new(),
            is_fork: false,
            is_trusted: true,
            default_branch: "main".to_owned(),
        };
        let order = Order {
            ci: Some(ci),
            workflow: Some("CI".to_owned()),
            test_command: Some("make test".to_owned()),
            ..Order::default()
        };
        let mut run = Run {
            provider: Provider::Github,
            source: Source::Poll,
            error_hash: HASH.to_owned(),
            error_type: Some("AssertionError".to_owned()),
            error_summary: "assert 1 == 2".to_owned(),
            ..Run::queued(SHOP, "main", &self.base, order, 3, self.now())
        };
        edit(&mut run);
        let created = NewEvent::new(EventType::RunCreated, "system", "taken in");
        let creation = create(Transition { run, attempt: None, events: vec![created], releases_lease: false });
        let family = FamilySighting {
            error_hash: creation.run.error_hash.clone(),
            url: Some(format!("https://github.com/{SHOP}/actions/runs/{}", self.ci_run)),
            began_at: self.now(),
            live_for: Duration::from_hours(24),
        };
        let arrival = Arrival {
            key: Digest::of(format!("{delivery} {}", creation.run.commit_sha)),
            creation,
            delivery: Some(delivery.to_owned()),
            outputs: Vec::new(),
            family: Some(family),
        };
        self.engine.store.arrive(&[arrival]).await.unwrap()[0].run_id
    }

    /// Lets a worker prove a patch that writes `right` into the file that is wrong.
    pub(crate) async fn proves(&self, right: &str, verdict: Verdict) {
        self.proves_for(self.family().await.run_id, right, verdict).await;
        assert_eq!(self.run().await.status, Status::Fixed);
    }

    /// The same for this run.
    pub(crate) async fn proves_for(&self, id: RunId, right: &str, verdict: Verdict) {
        let guard = Judgement { verdict, findings: Vec::new() };
        self.proves_as(id, right, Author::Agent("playbook".to_owned()), guard).await;
    }

    /// The same by this author, with what the guard says of it.
    pub(crate) async fn proves_as(&self, id: RunId, right: &str, author: Author, guard: Judgement) {
        self.proves_instead_of(id, ("wrong", right), author, guard).await;
    }

    /// The same where another line is wrong.
    pub(crate) async fn proves_instead_of(
        &self,
        id: RunId,
        (wrong, right): (&str, &str),
        author: Author,
        guard: Judgement,
    ) {
        let patch = Patch(format!(
            "diff --git a/calc.py b/calc.py\n--- a/calc.py\n+++ b/calc.py\n@@ -1 +1 @@\n-{wrong}\n+{right}\n"
        ));
        let (store, now) = (&self.engine.store, self.now());
        let claim = Claim::of("w", Some(id), now, Duration::from_mins(1));
        let (run, lease) = store.claim(&claim).await.unwrap().unwrap();
        let started = run.attempt_started(author, None, now).unwrap();
        store.commit(&started, Some(&lease)).await.unwrap();
        let mut attempt = started.attempt.clone().unwrap();
        (attempt.patch_digest, attempt.proposed_fix) = (Some(patch.digest()), Some(patch.clone()));
        "it was wrong".clone_into(&mut attempt.diagnosis);
        let proposed = NewEvent::new(EventType::AttemptProposed, "playbook", "proposed a patch")
            .with(json!({ "attempt": attempt.attempt_no, "patchDigest": patch.digest() }));
        let proposed = started.run.attempt_updated(attempt.clone(), vec![proposed], now).unwrap();
        store.commit(&proposed, Some(&lease)).await.unwrap();
        attempt.status = AttemptStatus::Succeeded;
        attempt.guard = Some(guard);
        let fixed = proposed.run.fixed(attempt, now).unwrap();
        store.commit(&fixed, Some(&lease)).await.unwrap();
    }

    /// Stores what a person decided, by the state machine alone.
    pub(crate) async fn decides(&self, decide: impl FnOnce(&Run, &Decision<'_>) -> Decided) {
        let decision = Decision {
            by: "ann",
            is_authenticated: true,
            note: Some("not @like this"),
            rev: None,
            version: None,
            machine: None,
            now: self.now(),
        };
        match decide(&self.run().await, &decision) {
            Decided::Change(transition) => self.engine.store.commit(&transition, None).await.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Lets ann decide on the family's run; the error says why it is refused.
    pub(crate) async fn acts(&self, action: Action) -> Result<Done, String> {
        let operator = Operator { name: "ann".to_owned(), ..Operator::default() };
        let done = Box::pin(self.engine.decide(self.run().await.id, &action, &operator)).await;
        done.map_err(|it| it.to_string())
    }

    /// A failure that was taken in, and a patch of it that is proved.
    pub(crate) async fn is_proved(&self) {
        self.fails("first", |_| {}).await;
        self.proves("right", Verdict::Ok).await;
    }

    /// Stores what the watcher says of a run of CI that was green when it ran again.
    pub(crate) async fn was_green_again(&self, ci_run: u64) {
        let seen = NewEvent::new(EventType::RunRecurred, "system", "CI was green");
        let seen = seen.with(json!({ "green": 2, "ciRun": ci_run }));
        self.engine.store.note(self.run().await.id, &[seen], self.now()).await.unwrap();
    }

    /// Visits until there is nothing to do. Returns until when.
    pub(crate) async fn settles(&self) -> Timestamp {
        self.settles_by(&self.steward()).await
    }

    pub(crate) async fn settles_by(&self, steward: &Steward) -> Timestamp {
        for _ in 0..40 {
            match steward.visit(&Self::key()).await.unwrap() {
                Visit::Again => {}
                Visit::Until(at) => return at,
            }
        }
        panic!("it never settles: {:#?}", self.fake.writes());
    }

    /// Visits, and waits as long as a visit says, until there is nothing to do for `seconds`. Each visit is another process's.
    pub(crate) async fn settles_for(&self, seconds: i64) {
        self.settles_at(&Self::key(), seconds).await;
    }

    /// The same for this family.
    pub(crate) async fn settles_at(&self, key: &Digest, seconds: i64) {
        for _ in 0..200 {
            match self.steward().visit(key).await.unwrap() {
                Visit::Again => {}
                Visit::Until(at) => {
                    let wait = at.duration_since(self.now()).as_secs() + 1;
                    if wait > seconds {
                        return;
                    }
                    self.forward(wait);
                }
            }
        }
        panic!("it never settles: {:#?}", self.fake.writes());
    }

    pub(crate) fn issues(&self) -> Vec<Value> {
        self.fake.state().shop().issues.iter().filter(|it| it.get("pull_request").is_none()).cloned().collect()
    }

    pub(crate) fn pulls(&self) -> Vec<Value> {
        self.fake.state().shop().pulls.clone()
    }

    pub(crate) fn comments(&self, number: u64) -> Vec<String> {
        let mut state = self.fake.state();
        let comments = state.shop().comments_on(number).into_iter().map(|it| it["body"].as_str().unwrap().to_owned());
        comments.collect()
    }

    /// Returns the commits of a branch that `main` does not have, newest first.
    pub(crate) fn commits(&self, branch: &str) -> Vec<String> {
        let state = self.fake.state();
        let log = state.repos[SHOP].git.run(&["log", "--format=%H", branch, "^main"]);
        log.lines().map(str::to_owned).collect()
    }

    /// Returns the branches that are ours.
    pub(crate) fn branches(&self) -> Vec<String> {
        let state = self.fake.state();
        let names = state.repos[SHOP].git.run(&["for-each-ref", "--format=%(refname:short)", "refs/heads/heal"]);
        names.lines().map(str::to_owned).collect()
    }

    /// A later run of the workflow on main goes well.
    pub(crate) fn is_green_later(&self) {
        let jobs = [("build", "success", &b"well\n"[..])];
        self.fake.run(SHOP, &RunSpec { conclusion: Some("success"), jobs: &jobs, ..RunSpec::default() });
    }

    pub(crate) async fn is_intact(&self) {
        assert_eq!(self.engine.store.verify().await.unwrap().problems, Vec::<String>::new());
    }
}

/// Whether a run and its family say that the pull request is so.
pub(crate) async fn stands(house: &House, state: PrState) -> bool {
    let pull = house.family().await.pull.map(|it| it.state);
    house.run().await.pr_state == state && pull == Some(state)
}
