//! Decisions on a run whose fix stands as a pull request: merged there first, at exactly the proved commit, or told why not.
use crate::store_contract::fixtures::fixed;
use crate::support::github::{Fake, Fault};
use crate::support::{World, eventually_answered};
use jiff::Timestamp;
use paramedic::config::checked::Flags;
use paramedic::config::{Config, Environment};
use paramedic::domain::transition::{Decided, Decision};
use paramedic::domain::{
    ChecksState, CiRef, Digest, EventType, Family, ForgeTerms, Merging, OtherPull, PrState, PullFacts, PullState,
    Refusal, Run, RunId, Status, Verdict,
};
use paramedic::engine::decisions::{Action, Done, Operator};
use paramedic::engine::forge::ForgeSeat;
use paramedic::engine::{Engine, EngineError};
use paramedic::forge::github::Github;
use paramedic::forge::{Merge, NewPull, Reads as _, Writes as _};
use paramedic::wiring::App;
use std::sync::Arc;
use std::time::Duration;

const SHOP: &str = "acme/shop";
const BRANCH: &str = "heal/1a2b3c4d-c0ffeec0";
const MERGE: &str = "PUT /repos/acme/shop/pulls/";

/// A proved fix whose pull request is open at the fake.
struct Scene {
    fake: Fake,
    engine: Engine,
    client: Arc<Github>,
    run: RunId,
    number: u64,
    head: String,
    _world: World,
}

/// Returns an engine with a seat at the fake.
async fn engine_at(fake: &Fake, world: &World) -> (Engine, Arc<Github>) {
    let environment = Environment::from_pairs([("HOME".into(), "/nonexistent".into())]);
    let flags = Flags { data_dir: Some(world.data_dir()), ..Flags::default() };
    let config = Config::load(&environment, &flags).unwrap();
    let mut engine = App::open(&config, &environment).await.unwrap().engine;
    let client = Arc::new(fake.client());
    engine.forge = ForgeSeat {
        reads: Some(client.clone()),
        writes: Some(client.clone()),
        terms: ForgeTerms { watch: vec![SHOP.to_owned()], ..ForgeTerms::default() },
        ..ForgeSeat::default()
    };
    (engine, client)
}

impl Scene {
    async fn new(verdict: Verdict, is_draft: bool) -> Self {
        let (fake, world) = (Fake::start(), World::new());
        let (engine, client) = engine_at(&fake, &world).await;
        let head = fake.commit(SHOP, BRANCH, &[("calc.py", "right")]);
        let new = NewPull { title: "Heal", body: "Proved.", head: BRANCH, base: "main", is_draft };
        let pull = client.open_pull(SHOP, &new).await.unwrap();
        fake.checks(SHOP, &head, &[("build", "success")]);

        let now = engine.clock.now();
        let proved = fixed(engine.store.as_ref(), now, verdict).await;
        let facts = PullFacts { number: pull.number, url: &pull.url, branch: BRANCH, head: &head, is_draft };
        let mut opened = proved.pull_opened(&facts, now).unwrap();
        opened.run.order.ci = Some(ci());
        engine.store.commit(&opened, None).await.unwrap();
        let attempts = engine.store.attempts(proved.id).await.unwrap();
        let state = PullState {
            number: Some(pull.number),
            url: Some(pull.url.clone()),
            branch: BRANCH.to_owned(),
            base_branch: "main".to_owned(),
            base_sha: fake.tip(SHOP, "main").unwrap(),
            head: head.clone(),
            attempt_no: 1,
            patch: attempts[0].patch_digest.clone().unwrap(),
            patch_run: Some(proved.id),
            is_draft,
            state: PrState::Open,
            hands_off: None,
            opened_at: Some(now),
            checks: ChecksState::Green,
            checks_since: None,
            body_digest: Digest::of(""),
            merging: None,
        };
        let family = Family { pull: Some(state), due_at: None, ..Family::first_seen(&opened.run, "v1:a", None, now) };
        engine.store.put_family(&family, &[], now).await.unwrap();
        fake.state().seen.clear();
        Self { fake, engine, client, run: proved.id, number: pull.number, head, _world: world }
    }

    async fn decide(&self, action: Action, by: &str) -> Result<Done, EngineError> {
        let note = Some("looks right".to_owned());
        let operator = Operator { name: by.to_owned(), note, ..Operator::default() };
        self.engine.decide(self.run, &action, &operator).await
    }

    async fn run(&self) -> Run {
        self.engine.store.run(self.run).await.unwrap()
    }

    async fn family(&self) -> Family {
        self.engine.store.family_of_run(self.run).await.unwrap().unwrap()
    }

    /// Stores the next version of the family after `edit`.
    async fn edit(&self, edit: impl FnOnce(&mut Family)) {
        let mut next = self.family().await.next();
        edit(&mut next);
        self.engine.store.put_family(&next, &[], self.engine.clock.now()).await.unwrap();
    }

    async fn told(&self, kind: EventType) -> Vec<String> {
        let events = self.engine.store.events(Some(self.run), 0, 1_000).await.unwrap();
        events.into_iter().filter(|it| it.kind == kind).map(|it| it.message).collect()
    }

    async fn is_intact(&self) {
        assert_eq!(self.engine.store.verify().await.unwrap().problems, Vec::<String>::new());
    }

    /// Expects that an approve that was refused has left the run and its draft as they were.
    async fn is_a_draft_still(&self, before: &Run) {
        let pull = self.family().await.pull.unwrap();
        assert_eq!((pull.is_draft, pull.state, pull.merging), (true, PrState::Open, None));
        assert!(self.client.pull(SHOP, self.number).await.unwrap().is_draft);
        assert_eq!(self.run().await, *before);
        assert_eq!(self.told(EventType::PrReady).await, Vec::<String>::new());
        assert_eq!(self.told(EventType::PrRefused).await.len(), 1);
        self.is_intact().await;
    }

    /// Expects that the merge was done once, and that the run and its family say so.
    async fn is_merged_by(&self, approvals: &[&str]) {
        let (run, family) = (self.run().await, self.family().await);
        assert_eq!((run.status, run.pr_state), (Status::Resolved, PrState::Merged));
        assert_eq!(run.approved_by, approvals);
        let pull = family.pull.unwrap();
        assert_eq!((pull.state, pull.merging), (PrState::Merged, None));
        let after = family.after.unwrap();
        assert_eq!((after.number, Some(after.merged_sha)), (self.number, self.fake.tip(SHOP, "main")));
        assert!(family.due_at.is_some());
        self.is_intact().await;
    }
}

fn ci() -> CiRef {
    CiRef {
        run_id: 9,
        attempt: 1,
        workflow_id: 159_038,
        workflow: "CI".to_owned(),
        workflow_path: ".github/workflows/ci.yml".to_owned(),
        event: "push".to_owned(),
        url: "https://github.test/acme/shop/actions/runs/9".to_owned(),
        is_fork: false,
        is_trusted: true,
        default_branch: "main".to_owned(),
    }
}

fn words(done: Result<Done, EngineError>) -> String {
    match done {
        Ok(Done::Changed { message, .. } | Done::FirstKey { message, .. } | Done::Repeat { message, .. }) => message,
        Err(error) => panic!("{error}"),
    }
}

fn refusal(done: Result<Done, EngineError>) -> String {
    match done {
        Err(EngineError::Precondition(why)) => why,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn an_approve_merges_at_the_proved_commit_and_once() {
    let scene = Scene::new(Verdict::Ok, false).await;
    let told = words(scene.decide(Action::Approve, "ann").await);
    let merged = scene.fake.tip(SHOP, "main").unwrap();
    assert_eq!(told, format!("approved; pull request #{} is merged as {}", scene.number, &merged[..8]));
    let sent = scene.fake.writes();
    assert_eq!(sent.len(), 1);
    let sent = sent[0].json();
    assert_eq!((sent["sha"].as_str(), sent["merge_method"].as_str()), (Some(scene.head.as_str()), Some("squash")));
    assert!(sent["commit_title"].as_str().unwrap().ends_with(&format!("(#{})", scene.number)), "{sent}");
    assert!(sent["commit_message"].as_str().unwrap().contains("Approved-by: ann"), "{sent}");
    scene.is_merged_by(&["ann"]).await;
    assert_eq!(scene.told(EventType::RunApproved).await, ["approved: looks right"]);
    assert_eq!(scene.told(EventType::PrMerged).await.len(), 1);
    assert_eq!(scene.run().await.merge_command(), None);
    // The same word twice is one.
    assert!(matches!(scene.decide(Action::Approve, "ann").await, Ok(Done::Repeat { .. })));
    assert_eq!(scene.fake.count(MERGE), 1);
}

#[tokio::test]
async fn the_time_of_a_merge_is_githubs() {
    let scene = Scene::new(Verdict::Ok, true).await;
    scene.fake.state().skew_s = -3_600;
    words(scene.decide(Action::Approve, "ann").await);
    let merged_at = scene.fake.state().shop().pull(scene.number).unwrap()["merged_at"].as_str().unwrap().to_owned();
    let family = scene.family().await;
    assert_eq!(family.after.unwrap().merged_at.to_string(), merged_at);
    assert!(!family.pull.unwrap().is_draft, "what is merged is no draft");
}

#[tokio::test]
async fn a_draft_is_made_ready_where_github_insists() {
    let scene = Scene::new(Verdict::Ok, true).await;
    words(scene.decide(Action::Approve, "ann").await);
    assert_eq!((scene.fake.count("POST /graphql"), scene.fake.count(MERGE)), (2, 2));
    scene.is_merged_by(&["ann"]).await;
}

/// GitHub speaks of the draft first, whatever else is in the way.
#[tokio::test]
async fn a_draft_that_lacks_a_review_stays_one() {
    let scene = Scene::new(Verdict::Ok, true).await;
    scene.fake.state().shop().protection.needs_review = true;
    let before = scene.run().await;
    let told = refusal(scene.decide(Action::Approve, "ann").await);
    assert!(told.contains("an approving review is required; it is a draft still"), "{told}");
    scene.is_a_draft_still(&before).await;
    assert_eq!(scene.fake.count(MERGE), 1);
}

#[tokio::test]
async fn a_draft_that_was_made_ready_in_vain_is_a_draft_again() {
    let scene = Scene::new(Verdict::Ok, true).await;
    scene.fake.state().shop().protection.checks = vec!["deploy".to_owned()];
    let before = scene.run().await;
    let told = refusal(scene.decide(Action::Approve, "ann").await);
    assert!(told.contains("\"deploy\" is expected") && !told.contains("ready"), "{told}");
    scene.is_a_draft_still(&before).await;
    assert_eq!((scene.fake.count("POST /graphql"), scene.fake.count(MERGE)), (3, 2));
}

/// What an approve did before GitHub refused the rest of it is told as that person's deed.
#[tokio::test]
async fn a_draft_that_cannot_be_one_again_is_known_as_ready() {
    let scene = Scene::new(Verdict::Ok, true).await;
    scene.fake.state().shop().protection.checks = vec!["deploy".to_owned()];
    for fault in [Fault::Delay(Duration::ZERO), Fault::Delay(Duration::ZERO), Fault::said(403, "Forbidden")] {
        scene.fake.next("POST /graphql", fault);
    }
    let told = refusal(scene.decide(Action::Approve, "ann").await);
    assert!(told.ends_with("; it was a draft, and is ready for review now"), "{told}");
    let pull = scene.family().await.pull.unwrap();
    assert_eq!((pull.is_draft, pull.state, pull.merging), (false, PrState::Open, None));
    let events = scene.engine.store.events(Some(scene.run), 0, 1_000).await.unwrap();
    let by: Vec<_> = events.iter().filter(|it| it.kind == EventType::PrReady).map(|it| it.actor.as_str()).collect();
    assert_eq!(by, ["human:ann"]);
    scene.is_intact().await;
}

#[tokio::test]
async fn the_first_of_two_keys_asks_nobody() {
    let scene = Scene::new(Verdict::NeedsTwoKeys, false).await;
    words(scene.decide(Action::Approve, "ann").await);
    assert!(scene.fake.seen("").is_empty());
    words(scene.decide(Action::Approve, "bob").await);
    let message = scene.fake.writes()[0].json()["commit_message"].to_string();
    assert!(message.contains("Approved-by: ann") && message.contains("Approved-by: bob"), "{message}");
    scene.is_merged_by(&["ann", "bob"]).await;
}

/// A no stands here, and whoever says it hears what stays open at GitHub.
#[tokio::test]
async fn a_no_that_closes_nothing_there_says_so() {
    type Edit = fn(&mut Engine);
    let cases: [(Edit, Option<&str>); 3] = [
        (|_| {}, None),
        (
            |it| (it.forge.writes, it.forge.why_not) = (None, Some("safe mode is on".to_owned())),
            Some("safe mode is on"),
        ),
        (|it| it.forge.terms.watch.clear(), Some("the settings do not watch acme/shop any more")),
    ];
    for (edit, why) in cases {
        for action in [Action::Deny, Action::Abort] {
            let mut scene = Scene::new(Verdict::Ok, false).await;
            edit(&mut scene.engine);
            let url = scene.run().await.pr_url.unwrap();
            let stays =
                why.map(|it| format!("; pull request #{} ({url}) stays open: {it}; close it there", scene.number));
            let told = words(scene.decide(action.clone(), "ann").await);
            assert!(stays.as_ref().map_or(!told.contains("stays open"), |it| told.ends_with(it)), "{told}");
            let again = scene.decide(action, "ann").await;
            let Ok(Done::Repeat { message, .. }) = again else { panic!("{again:?}") };
            assert!(stays.as_ref().map_or(!message.contains("stays open"), |it| message.ends_with(it)), "{message}");
        }
    }
    let scene = Scene::new(Verdict::Ok, false).await;
    scene.edit(|it| it.pull.as_mut().unwrap().hands_off = Some("somebody pushed beef to it".to_owned())).await;
    let told = words(scene.decide(Action::Deny, "ann").await);
    assert!(told.ends_with("stays open: somebody pushed beef to it; close it there"), "{told}");
}

/// What is found out before anything is asked: nothing is sent, nothing changes here, and it is told.
#[tokio::test]
async fn what_is_not_as_it_was_proved_is_not_merged() {
    type Change = fn(&Scene);
    let cases: [(Change, &str); 7] = [
        (|it| drop(it.fake.commit(SHOP, BRANCH, &[("x", "y")])), "and what was proved is"),
        (|it| it.fake.checks(SHOP, &it.head, &[("build", "failure")]), "these checks are red: build"),
        (|it| it.fake.checks(SHOP, &it.head, &[("lint", "in_progress")]), "these checks have not ended: lint"),
        (|it| it.fake.checks(SHOP, &it.head, &[]), "no check has begun yet"),
        (
            |it| it.fake.state().shop().pull(it.number).unwrap()["base"]["ref"] = "release".into(),
            "it goes to release now, and the fix was proved for main",
        ),
        (|it| it.fake.close_by_hand(SHOP, it.number), "it was closed there"),
        (|it| drop(it.fake.merge_by_hand(SHOP, it.number, "mona")), "it was merged there"),
    ];
    for (change, why) in cases {
        let scene = Scene::new(Verdict::Ok, false).await;
        change(&scene);
        let before = (scene.run().await, scene.family().await);
        let told = refusal(scene.decide(Action::Approve, "ann").await);
        assert!(told.contains(why), "{why}: {told}");
        assert_eq!((scene.run().await, scene.family().await), before, "{why}");
        assert_eq!(scene.told(EventType::PrRefused).await, [told]);
        assert!(scene.fake.writes().is_empty(), "{why}");
        scene.is_intact().await;
    }
    for (edit, why) in [
        ((|it| it.hands_off = Some("somebody pushed beef".to_owned())) as fn(&mut PullState), "somebody pushed beef"),
        (|it| it.patch = Digest::of("another"), "it does not hold the proved patch yet"),
    ] {
        let scene = Scene::new(Verdict::Ok, false).await;
        scene.edit(|it| edit(it.pull.as_mut().unwrap())).await;
        let told = refusal(scene.decide(Action::Approve, "ann").await);
        assert!(told.contains(why) && scene.fake.writes().is_empty(), "{told}");
    }
}

/// What the steward has judged not to be about the fix, because it is red without it, too, is in nobody's way.
#[tokio::test]
async fn what_is_red_without_the_fix_is_in_nobodys_way() {
    let scene = Scene::new(Verdict::Ok, false).await;
    let base = scene.fake.tip(SHOP, "main").unwrap();
    scene.fake.checks(SHOP, &base, &[("nightly", "failure")]);
    scene.fake.checks(SHOP, &scene.head, &[("build", "success"), ("nightly", "failure")]);
    scene.edit(|it| it.pull.as_mut().unwrap().checks = ChecksState::Pending).await;
    let told = refusal(scene.decide(Action::Approve, "ann").await);
    assert!(told.contains("these checks are red: nightly"), "{told}");
    scene.edit(|it| it.pull.as_mut().unwrap().checks = ChecksState::Green).await;
    words(scene.decide(Action::Approve, "ann").await);
    scene.is_merged_by(&["ann"]).await;
}

/// What is healed is always about the fix.
#[tokio::test]
async fn the_healed_workflow_must_be_green_although_it_was_red() {
    let scene = Scene::new(Verdict::Ok, false).await;
    scene.fake.red_run(SHOP, "CI", "main", "Error: before");
    scene.fake.red_run(SHOP, "CI", BRANCH, "Error: after");
    scene.fake.state().shop().runs[0]["workflow_id"] = ci().workflow_id.into();
    let told = refusal(scene.decide(Action::Approve, "ann").await);
    assert!(told.contains("these checks are red: build"), "{told}");
    assert!(scene.fake.writes().is_empty());
}

/// What a failing test printed stays text on the default branch.
#[tokio::test]
async fn the_merge_closes_nothing_and_names_nobody() {
    let scene = Scene::new(Verdict::Ok, false).await;
    let now = scene.engine.clock.now();
    let run = scene.run().await;
    let (head, url) = (scene.head.clone(), run.pr_url.clone().unwrap());
    let facts = PullFacts { number: scene.number, url: &url, branch: BRANCH, head: &head, is_draft: false };
    let mut hostile = run.pull_updated(&facts, now).unwrap();
    hostile.run.error_type = Some("Oops [skip ci] fixes #3".to_owned());
    hostile.run.error_summary =
        "fixes #1 closes #2 @org/team [no ci][Actions Skip]\nresolves https://github.com/acme/shop/issues/4".to_owned();
    scene.engine.store.commit(&hostile, None).await.unwrap();
    words(scene.decide(Action::Approve, "ann").await);
    let sent = scene.fake.writes()[0].json();
    let (title, message) = (sent["commit_title"].as_str().unwrap(), sent["commit_message"].as_str().unwrap());
    assert_eq!(title.matches('#').count(), 1, "{title}");
    assert!(!title.contains('[') && !message.contains(['[', ']']), "CI would not run: {title}\n{message}");
    assert!(!message.contains(['#', '@']) && !message.contains("://"), "{message}");
    assert!(message.contains("\nParamedic-Run: ") && message.contains("Approved-by: ann"), "{message}");
}

/// A merge would bring back what somebody took off the branch, unseen by any proof.
#[tokio::test]
async fn what_was_taken_off_the_branch_is_not_brought_back() {
    let scene = Scene::new(Verdict::Ok, false).await;
    {
        let state = scene.fake.state();
        let git = &state.repos[SHOP].git;
        let anew = git.run(&["commit-tree", "main^{tree}", "-m", "Start anew"]);
        git.run(&["update-ref", "refs/heads/main", &anew]);
    }
    let refused = scene.decide(Action::Approve, "ann").await.unwrap_err().to_string();
    assert!(refused.contains("main was rewritten") && refused.contains("retry the run"), "{refused}");
    assert!(scene.fake.writes().is_empty());
}

/// Cancelled beside green is not green: what was to be proved did not run to its end.
#[tokio::test]
async fn what_was_broken_off_has_not_ended_well() {
    let scene = Scene::new(Verdict::Ok, false).await;
    scene.fake.checks(SHOP, &scene.head, &[("lint", "success"), ("build", "cancelled")]);
    let refused = scene.decide(Action::Approve, "ann").await.unwrap_err().to_string();
    assert!(refused.contains("broken off") && refused.contains("build"), "{refused}");
    assert!(scene.fake.writes().is_empty());
}

#[tokio::test]
async fn settings_may_leave_the_checks_to_github() {
    let mut scene = Scene::new(Verdict::Ok, false).await;
    scene.engine.forge.terms.require_green = false;
    scene.fake.checks(SHOP, &scene.head, &[("build", "failure")]);
    words(scene.decide(Action::Approve, "ann").await);
    scene.is_merged_by(&["ann"]).await;
}

/// What GitHub says is told as it says it, and nothing changes here.
#[tokio::test]
async fn a_refusal_is_told_in_githubs_words() {
    let cases = [
        (
            Some(Fault::said(409, "Head branch was modified. Review and try the merge again.")),
            "Head branch was modified",
        ),
        (Some(Fault::said(422, "Validation Failed")), "Validation Failed"),
        (Some(Fault::said(403, "Resource not accessible by integration")), "Resource not accessible by integration"),
        (Some(Fault::said(405, "Merge conflict")), "Merge conflict"),
        (Some(Fault::secondary(60)), "try again after"),
        (None, "At least 1 approving review is required"),
    ];
    for (fault, why) in cases {
        let scene = Scene::new(Verdict::Ok, false).await;
        match fault {
            Some(fault) => scene.fake.next(MERGE, fault),
            None => scene.fake.state().shop().protection.needs_review = true,
        }
        let before = scene.run().await;
        let told = refusal(scene.decide(Action::Approve, "ann").await);
        assert!(told.contains(why) && told.contains("was not merged"), "{why}: {told}");
        assert_eq!((scene.run().await, scene.fake.count(MERGE)), (before, 1));
        let pull = scene.family().await.pull.unwrap();
        assert_eq!((pull.state, pull.merging), (PrState::Open, None));
        assert_eq!(scene.told(EventType::PrRefused).await, [told]);
        scene.is_intact().await;
    }
}

#[tokio::test]
async fn a_method_that_is_not_allowed_is_not_exchanged_for_another() {
    let scene = Scene::new(Verdict::Ok, false).await;
    scene.fake.state().shop().merge_methods = vec!["merge"];
    let told = refusal(scene.decide(Action::Approve, "ann").await);
    assert!(told.contains("Squash merges are not allowed on this repository."), "{told}");
    assert_eq!(scene.fake.count(MERGE), 1);
}

#[tokio::test]
async fn a_lost_answer_is_looked_for() {
    let scene = Scene::new(Verdict::Ok, false).await;
    scene.fake.next(MERGE, Fault::LostAnswer);
    words(scene.decide(Action::Approve, "ann").await);
    assert_eq!(scene.fake.count(MERGE), 1);
    scene.is_merged_by(&["ann"]).await;
}

/// Not known is not no: it is not asked a second time while it may be under way.
#[tokio::test]
async fn a_merge_in_doubt_is_left_alone() {
    let scene = Scene::new(Verdict::Ok, false).await;
    scene.fake.next(MERGE, Fault::Reset);
    let told = refusal(scene.decide(Action::Approve, "ann").await);
    assert!(told.contains("it is not known whether"), "{told}");
    let merging = scene.family().await.pull.unwrap().merging.unwrap();
    assert_eq!((merging.by.as_str(), merging.head.as_str()), ("ann", scene.head.as_str()));
    let told = refusal(scene.decide(Action::Approve, "bob").await);
    assert!(told.contains("that ann began may be under way"), "{told}");
    assert_eq!((scene.fake.count(MERGE), scene.run().await.status), (1, Status::Fixed));
    // Two minutes later nobody waits for it any more.
    scene
        .edit(|it| {
            let merging = it.pull.as_mut().unwrap().merging.as_mut().unwrap();
            merging.at = Timestamp::from_second(merging.at.as_second() - 121).unwrap();
        })
        .await;
    words(scene.decide(Action::Approve, "bob").await);
    scene.is_merged_by(&["bob"]).await;
}

/// Somebody's process ended between the merge and the transition.
#[tokio::test]
async fn a_merge_that_nobody_told_of_is_theirs_who_approved() {
    let scene = Scene::new(Verdict::Ok, false).await;
    let merging = Merging {
        by: "ann".to_owned(),
        approvals: vec!["ann".to_owned()],
        note: None,
        head: scene.head.clone(),
        at: scene.engine.clock.now(),
    };
    scene.edit(|it| it.pull.as_mut().unwrap().merging = Some(merging)).await;
    let method = paramedic::domain::MergeMethod::Squash;
    let merge = Merge { sha: &scene.head, method, title: "Heal", message: "" };
    scene.client.merge(SHOP, scene.number, &merge).await.unwrap();
    let told = words(scene.decide(Action::Approve, "bob").await);
    assert!(told.ends_with("by the word of ann"), "{told}");
    assert_eq!(scene.fake.count(MERGE), 1);
    scene.is_merged_by(&["ann"]).await;
    assert_eq!(scene.told(EventType::RunApproved).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_approves_at_once_are_one_merge() {
    let scene = Arc::new(Scene::new(Verdict::Ok, false).await);
    let both = ["ann", "bob"].map(|by| {
        let scene = scene.clone();
        tokio::spawn(async move { matches!(scene.decide(Action::Approve, by).await, Ok(Done::Changed { .. })) })
    });
    let mut n_done = 0;
    for one in both {
        n_done += usize::from(one.await.unwrap());
    }
    assert_eq!((n_done, scene.fake.count(MERGE)), (1, 1));
    let by = scene.run().await.approved_by;
    scene.is_merged_by(&[by[0].as_str()]).await;
}

/// The abort was first here, the merge there: both are told, and the run stays aborted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_during_the_merge_stands_beside_it() {
    let scene = Arc::new(Scene::new(Verdict::Ok, false).await);
    scene.fake.next(MERGE, Fault::Delay(Duration::from_secs(2)));
    let approve = {
        let scene = scene.clone();
        tokio::spawn(async move { scene.decide(Action::Approve, "ann").await })
    };
    eventually_answered(async || (scene.fake.count(MERGE) == 1).then_some(())).await;
    let aborted = words(scene.decide(Action::Abort, "bob").await);
    assert!(aborted.contains("is being merged by the word of ann"), "{aborted}");
    let told = refusal(approve.await.unwrap());
    assert!(told.contains("was merged, while the run became aborted"), "{told}");
    let run = scene.run().await;
    let fact = format!("merged pull request #{}, although the run was aborted", scene.number);
    assert_eq!((run.status, scene.told(EventType::PrMerged).await), (Status::Aborted, vec![fact]));
    assert_eq!(run.pr_state, PrState::Merged, "nobody looks after a pull request that is open for ever");
    assert_eq!(scene.family().await.pull.unwrap().state, PrState::Merged);
    // Another round has nothing to do with what was merged.
    words(scene.decide(Action::Retry, "bob").await);
    let run = scene.run().await;
    assert_eq!((run.status, run.pr_number, run.pr_state), (Status::Queued, None, PrState::None));
    assert_eq!(scene.family().await.pull, None);
    scene.is_intact().await;
}

/// A draft takes two tries, and an abort between them is heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_between_two_tries_of_a_merge_keeps_it_from_being_made() {
    let scene = Arc::new(Scene::new(Verdict::Ok, true).await);
    scene.fake.next(MERGE, Fault::Delay(Duration::from_secs(2)));
    let approve = {
        let scene = scene.clone();
        tokio::spawn(async move { scene.decide(Action::Approve, "ann").await })
    };
    eventually_answered(async || (scene.fake.count(MERGE) == 1).then_some(())).await;
    words(scene.decide(Action::Abort, "bob").await);
    let told = refusal(approve.await.unwrap());
    assert!(told.contains("the run was aborted meanwhile"), "{told}");
    assert_eq!((scene.fake.count(MERGE), scene.run().await.status), (1, Status::Aborted));
}

/// A retry that was under way when the merge began: who works on it is not disturbed, and nothing is forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_during_the_merge_is_settled_when_it_is_over() {
    let scene = Arc::new(Scene::new(Verdict::Ok, false).await);
    scene.fake.next(MERGE, Fault::Delay(Duration::from_secs(2)));
    let approve = {
        let scene = scene.clone();
        tokio::spawn(async move { scene.decide(Action::Approve, "ann").await })
    };
    eventually_answered(async || (scene.fake.count(MERGE) == 1).then_some(())).await;
    let decision = Decision {
        by: "bob",
        is_authenticated: false,
        note: None,
        rev: None,
        version: None,
        machine: None,
        now: scene.engine.clock.now(),
    };
    let Decided::Change(retried) = scene.run().await.retry(&decision).unwrap() else { panic!("nothing was retried") };
    scene.engine.store.commit(&retried, None).await.unwrap();
    let told = refusal(approve.await.unwrap());
    assert!(told.ends_with("was merged, while the run became queued; it is settled when that is over"), "{told}");
    let family = scene.family().await;
    assert!(family.due_at.is_some_and(|it| it <= scene.engine.clock.now()));
    let pull = family.pull.unwrap();
    assert_eq!((pull.state, pull.merging.map(|it| it.by)), (PrState::Open, Some("ann".to_owned())));
}

#[tokio::test]
async fn a_no_cools_the_failure_down_and_another_round_ends_that() {
    let scene = Scene::new(Verdict::Ok, false).await;
    words(scene.decide(Action::Deny, "ann").await);
    let family = scene.family().await;
    let day = family.cooled_until.unwrap().duration_since(scene.engine.clock.now());
    assert!(day.as_hours() >= 23 && family.due_at.is_some(), "{family:?}");
    // The steward closes the pull request: here nothing is sent.
    assert!(scene.fake.writes().is_empty());
    words(scene.decide(Action::Retry, "ann").await);
    assert_eq!(scene.family().await.cooled_until, None);
    scene.is_intact().await;
}

#[tokio::test]
async fn what_is_open_there_is_not_resolved_here_alone() {
    let mut scene = Scene::new(Verdict::Ok, false).await;
    scene.engine.forge.writes = None;
    scene.engine.forge.why_not = Some("safe mode is on".to_owned());
    let told = refusal(scene.decide(Action::Approve, "ann").await);
    assert!(told.contains("is open and cannot be merged from here: safe mode is on"), "{told}");
    assert_eq!((scene.run().await.status, scene.fake.seen("").len()), (Status::Fixed, 0));
    // Where GitHub does not answer, nothing is merged either.
    let scene = Scene::new(Verdict::Ok, false).await;
    scene.fake.always("GET /repos/acme/shop/pulls/", Fault::said(404, "Not Found"));
    let told = refusal(scene.decide(Action::Approve, "ann").await);
    assert!(told.contains("cannot be looked at, nothing was merged"), "{told}");
}

#[tokio::test]
async fn an_approve_waits_for_the_pull_request_unless_there_is_to_be_none() {
    let (fake, world) = (Fake::start(), World::new());
    let (engine, _) = engine_at(&fake, &world).await;
    let now = engine.clock.now();
    let run = fixed(engine.store.as_ref(), now, Verdict::Ok).await;
    let family = Family::first_seen(&run, "v1:a", None, now);
    engine.store.put_family(&family, &[], now).await.unwrap();
    let operator = Operator { name: "ann".to_owned(), ..Operator::default() };
    let told = refusal(engine.decide(run.id, &Action::Approve, &operator).await);
    assert!(told.contains("its pull request is not open yet"), "{told}");
    let refusal_of = Refusal { why: "no right to push".to_owned(), tries: 1, retry_at: now };
    let family = Family { refusals: [("publish".to_owned(), refusal_of)].into(), ..family.next() };
    engine.store.put_family(&family, &[], now).await.unwrap();
    let told = refusal(engine.decide(run.id, &Action::Approve, &operator).await);
    assert!(told.ends_with("no right to push"), "{told}");
    let other = OtherPull { number: 7, head: None, is_open: true };
    let skipped = Some("pull request #7 has this very fix".to_owned());
    let family = Family { refusals: [].into(), skipped, other_pull: Some(other), ..family.next() };
    engine.store.put_family(&family, &[], now).await.unwrap();
    let told = refusal(engine.decide(run.id, &Action::Approve, &operator).await);
    assert_eq!(told, "pull request #7 has this very fix; merge or close it there");
    let skipped = Some("the branch is not trusted".to_owned());
    let family = Family { other_pull: None, skipped, ..family.next() };
    engine.store.put_family(&family, &[], now).await.unwrap();
    let told = words(engine.decide(run.id, &Action::Approve, &operator).await);
    assert!(told.contains("nothing was merged at GitHub"), "{told}");
    let run = engine.store.run(run.id).await.unwrap();
    assert_eq!((run.status, run.pr_state, fake.seen("").len()), (Status::Resolved, PrState::None, 0));
}

#[tokio::test]
async fn publish_asks_for_what_would_stay_here() {
    let mut scene = Scene::new(Verdict::Ok, false).await;
    let told = words(scene.decide(Action::Publish, "ann").await);
    assert!(told.contains("is open already"), "{told}");
    scene.edit(|it| (it.pull, it.skipped) = (None, Some("a person must ask for it".to_owned()))).await;
    let told = words(scene.decide(Action::Publish, "ann").await);
    assert!(told.starts_with("a pull request is opened in a moment;"), "{told}");
    let family = scene.family().await;
    assert_eq!((family.wanted_by.as_deref(), family.skipped, family.due_at.is_some()), (Some("ann"), None, true));
    assert_eq!(scene.told(EventType::PrWanted).await, ["asked for a pull request"]);
    assert!(matches!(scene.decide(Action::Publish, "ann").await, Ok(Done::Repeat { .. })));
    assert!(scene.fake.writes().is_empty());
    scene.is_intact().await;

    scene.edit(|it| it.wanted_by = None).await;
    scene.engine.forge.writes = None;
    scene.engine.forge.why_not = Some("safe mode is on".to_owned());
    let told = refusal(scene.decide(Action::Publish, "ann").await);
    assert_eq!(told, "no pull request can be opened: safe mode is on");
}
