//! A proved fix becomes one branch and one pull request, whatever goes wrong on the way; what may not be published stays here, with the reason.
use crate::github::house::{House, ISSUES, PULLS, SHOP, stands};
use crate::support::eventually_answered;
use crate::support::github::Fault;
use paramedic::domain::{EventType, ForgeTerms, PrState, Reason, Status, Verdict};
use paramedic::engine::decisions::{Action, Done};
use paramedic::engine::steward::Visit;
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_proved_fix_becomes_one_draft_with_everything_on_it() {
    let rules = "pull_request:\n  reviewers: [ann]\n  team_reviewers: [ops]\n";
    let house = House::new(rules).await;
    house.fake.state().shop().reviewers.extend(["ann".to_owned(), "ops".to_owned()]);
    house.is_proved().await;
    house.settles_for(100).await;
    let branch = format!("heal/1a2b3c4d-{}", &house.base[..8]);
    assert_eq!(house.branches(), std::slice::from_ref(&branch));
    let commits = house.commits(&branch);
    assert_eq!(commits.len(), 1);
    let message = house.fake.state().repos[SHOP].git.run(&["log", "-1", "--format=%ce %s%n%b", &branch]);
    assert!(message.starts_with("paramedic@localhost Heal AssertionError"), "{message}");
    let pulls = house.pulls();
    assert_eq!(pulls.len(), 1);
    let body = pulls[0]["body"].as_str().unwrap();
    assert_eq!((&pulls[0]["draft"], pulls[0]["title"].as_str()), (&json!(true), Some("Heal CI: AssertionError")));
    assert!(body.contains("` make test `: red at") && body.contains("Tracking issue: #"), "{body}");
    assert!(!body.contains("Fixes #") && body.lines().last().unwrap().starts_with("<!-- paramedic:pr v1 family="));
    let labels: Vec<&str> =
        pulls[0]["labels"].as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(labels, ["auto-heal", "automated-fix", "needs-review"]);
    assert_eq!(pulls[0]["requested_reviewers"][0]["login"], "ann");
    let run = house.run().await;
    assert_eq!((run.status, run.heal_commit.as_ref()), (Status::Fixed, Some(&commits[0])));
    assert!(stands(&house, PrState::Open).await && run.pr_number == pulls[0]["number"].as_u64());
    assert_eq!(house.told(EventType::PrOpened).await.len(), 1);
    let n_writes = house.fake.writes().len();
    for _ in 0..5 {
        house.forward(600);
        house.settles().await;
    }
    assert_eq!(house.fake.writes().len(), n_writes, "what stands is left alone");
    house.is_intact().await;
}

#[tokio::test]
async fn a_base_that_moved_is_proved_on_first() {
    let house = House::new("").await;
    house.is_proved().await;
    let tip = house.fake.commit(SHOP, "main", &[("other.py", "1\n")]);
    house.settles().await;
    let run = house.run().await;
    assert_eq!((run.status, run.rebased_on.as_ref()), (Status::Queued, Some(&tip)));
    assert!(house.branches().is_empty() && house.pulls().is_empty());
    house.proves("right", Verdict::Ok).await;
    house.settles_for(100).await;
    let parent = format!("{}^", house.branches()[0]);
    let parent = house.fake.state().repos[SHOP].git.run(&["rev-parse", &parent]);
    assert_eq!((parent.trim(), house.pulls().len()), (tip.as_str(), 1));
    // Once it is published, people and GitHub see to the base.
    house.fake.commit(SHOP, "main", &[("other.py", "2\n")]);
    house.settles_for(100).await;
    assert_eq!(house.run().await.status, Status::Fixed);
}

#[tokio::test]
async fn what_somebody_pushed_is_never_touched_again() {
    let house = House::new("").await;
    house.is_proved().await;
    house.settles_for(100).await;
    let branch = house.branches()[0].clone();
    let theirs = house.fake.commit(SHOP, &branch, &[("calc.py", "mine\n")]);
    house.forward(121);
    house.settles_for(100).await;
    let pull = house.family().await.pull.unwrap();
    assert!(pull.hands_off.unwrap().contains(&theirs[..8]));
    let told = house.told(EventType::PrSkipped).await;
    assert!(told.len() == 1 && told[0].starts_with("hands off the branch of pull request #"), "{told:?}");
    let pulls_before = house.pulls();
    house.decides(|run, by| run.retry(by).unwrap()).await;
    house.proves("better", Verdict::Ok).await;
    house.forward(121);
    house.settles_for(100).await;
    assert_eq!((house.fake.tip(SHOP, &branch), house.pulls()), (Some(theirs), pulls_before));
}

#[tokio::test]
async fn the_next_attempt_is_the_next_commit_of_the_same_pull_request() {
    let house = House::new("").await;
    house.is_proved().await;
    house.settles_for(100).await;
    let branch = house.branches()[0].clone();
    let first = house.fake.tip(SHOP, &branch).unwrap();
    house.decides(|run, by| run.retry(by).unwrap()).await;
    house.proves("better", Verdict::Ok).await;
    house.settles_for(100).await;
    let commits = house.commits(&branch);
    assert_eq!((commits.len(), &commits[1]), (2, &first));
    assert_eq!(house.pulls().len(), 1);
    assert!(house.pulls()[0]["body"].as_str().unwrap().contains("| 2 | ` playbook ` | ` proved ` |"));
    let run = house.run().await;
    assert_eq!(run.heal_commit.as_ref(), Some(&commits[0]));
    assert_eq!(house.told(EventType::PrUpdated).await.len(), 1);
}

#[tokio::test]
async fn nothing_new_means_no_pull_request() {
    let house = House::new("").await;
    house.fake.always(&format!("POST {PULLS}"), Fault::said(422, "No commits between main and heal"));
    house.is_proved().await;
    house.settles_for(100).await;
    assert!(house.pulls().is_empty());
    assert_eq!(house.told(EventType::PrSkipped).await, ["no pull request: there is nothing new on the branch"]);
}

#[tokio::test]
async fn what_may_not_be_published_stays_here_and_says_why() {
    let fork = |run: &mut paramedic::domain::Run| run.order.ci.as_mut().unwrap().is_fork = true;
    let untrusted = |run: &mut paramedic::domain::Run| run.order.ci.as_mut().unwrap().is_trusted = false;
    let nothing = |_: &mut paramedic::domain::Run| {};
    type Edit = fn(&mut paramedic::domain::Run);
    let cases: [(&str, Edit, Verdict, &str); 6] = [
        ("", fork, Verdict::Ok, "fork"),
        ("", untrusted, Verdict::Ok, "trusted_branches"),
        ("enabled: false\n", nothing, Verdict::Ok, "healing is off"),
        ("auto_merge_on_success: true\n", nothing, Verdict::Ok, "cannot be followed: line 1"),
        ("require_manual_approval: true\n", nothing, Verdict::Ok, "a person must ask"),
        ("", nothing, Verdict::Violation, "the guard refused"),
    ];
    for (rules, edit, verdict, why) in cases {
        let house = House::new(rules).await;
        house.fails("1", edit).await;
        house.proves("right", verdict).await;
        house.settles_for(100).await;
        house.settles_for(100).await;
        assert!(house.branches().is_empty() && house.pulls().is_empty(), "{why}");
        let told = house.told(EventType::PrSkipped).await;
        assert!(told.len() == 1 && told[0].contains(why), "{why}: {told:?}");
        assert_eq!(house.run().await.status, Status::Fixed);
    }
}

#[tokio::test]
async fn what_went_away_by_itself_is_not_published_by_itself() {
    let house = House::new("").await;
    house.is_proved().await;
    house.was_green_again(house.ci_run).await;
    house.settles_for(100).await;
    assert!(house.branches().is_empty());
    assert!(house.told(EventType::PrSkipped).await[0].contains("green when CI ran it again"));
    house.edit_family(|it| it.wanted_by = Some("ann".to_owned())).await;
    house.settles_for(100).await;
    assert_eq!(house.pulls().len(), 1);
}

#[tokio::test]
async fn what_went_away_in_another_run_is_published() {
    let house = House::new("").await;
    house.is_proved().await;
    house.was_green_again(house.ci_run + 1).await;
    house.settles_for(100).await;
    assert_eq!(house.pulls().len(), 1);
}

#[tokio::test]
async fn who_asks_for_it_gets_what_waits_for_a_person() {
    let house = House::new("require_manual_approval: true\n").await;
    house.is_proved().await;
    house.settles_for(100).await;
    house.edit_family(|it| it.wanted_by = Some("ann".to_owned())).await;
    house.settles_for(100).await;
    assert!(house.pulls()[0]["body"].as_str().unwrap().contains("Asked for by ` ann `."));
}

#[tokio::test]
async fn limits_hold_until_there_is_room() {
    let terms = ForgeTerms { open_prs: 1, ..ForgeTerms::default() };
    let house = House::with_terms("", terms).await;
    house.is_proved().await;
    // Another failure has its pull request open.
    let mut other = house.family().await;
    other.key = paramedic::domain::Digest::of("other");
    other.version = 1;
    house.settles_for(100).await;
    other.pull = house.family().await.pull;
    other.pull.as_mut().unwrap().patch = paramedic::domain::Digest::of("another fix");
    house.engine.store.put_family(&other, &[], house.now()).await.unwrap();
    house.edit_family(|it| it.pull = None).await;
    let before = house.fake.writes().len();
    house.settles().await;
    assert!(house.family().await.skipped.unwrap().contains("1 of 1 pull requests are open"));
    assert_eq!(house.fake.writes().len(), before);
    // A person's word lifts no limit, and is told so.
    let Ok(Done::Changed { message, .. }) = house.acts(Action::Publish).await else { panic!() };
    assert_eq!(message, "a pull request is opened when there is room: 1 of 1 pull requests are open");
    house.settles().await;
    assert_eq!(house.fake.writes().len(), before);
    let mut closed = other.next();
    closed.pull.as_mut().unwrap().state = PrState::Closed;
    house.engine.store.put_family(&closed, &[], house.now()).await.unwrap();
    house.forward(601);
    house.settles_for(100).await;
    assert_eq!(house.family().await.skipped, None);
}

#[tokio::test]
async fn without_a_seat_nothing_is_written_and_that_is_told_once() {
    let mut house = House::new("").await;
    let writes = house.engine.forge.writes.take();
    house.engine.forge.why_not = Some("safe mode is on".to_owned());
    house.is_proved().await;
    let attend = |house: &House| {
        let (steward, stop) = (house.steward(), CancellationToken::new());
        let stopped = stop.clone();
        (tokio::spawn(async move { steward.run(&stopped).await }), stop)
    };
    let (attended, stop) = attend(&house);
    eventually_answered(async || house.told(EventType::PrSkipped).await.pop()).await;
    stop.cancel();
    attended.await.unwrap();
    for _ in 0..3 {
        house.settles().await;
    }
    assert!(house.fake.writes().is_empty());
    assert_eq!(house.told(EventType::PrSkipped).await, ["no pull request: safe mode is on"]);

    // Whoever may write again does not wait until those that were left alone are due.
    assert!(house.settles().await > house.now() + Duration::from_mins(10));
    (house.engine.forge.writes, house.engine.forge.why_not) = (writes, None);
    let (_, stop) = attend(&house);
    eventually_answered(async || house.family().await.open_pull().map(|(number, _)| number)).await;
    stop.cancel();
}

#[tokio::test]
async fn a_refused_fix_is_closed_with_the_reason_and_left_alone() {
    let house = House::new("").await;
    house.is_proved().await;
    house.settles_for(100).await;
    let number = house.run().await.pr_number.unwrap();
    let attempts = house.engine.store.attempts(house.run().await.id).await.unwrap();
    house.decides(|run, by| run.deny(&attempts, by).unwrap()).await;
    house.settles_for(100).await;
    assert_eq!(house.pulls()[0]["state"], "closed");
    let comments = house.comments(number);
    assert!(comments.len() == 1 && comments[0].contains("` not @like this `"), "{comments:?}");
    assert!(stands(&house, PrState::Closed).await);
    assert!(house.family().await.cooled_until.is_some());
    // A new try within the cooldown is not published by itself; asked for, it comes on a branch of its own.
    house.decides(|run, by| run.retry(by).unwrap()).await;
    house.proves("better", Verdict::Ok).await;
    house.settles_for(100).await;
    assert_eq!(house.pulls().len(), 1);
    house.edit_family(|it| it.wanted_by = Some("ann".to_owned())).await;
    house.settles_for(100).await;
    assert_eq!(house.pulls().len(), 2);
    assert!(house.pulls()[0]["head"]["ref"].as_str().unwrap().ends_with("-r2"));
}

#[tokio::test]
async fn a_no_is_heeded_where_no_word_on_it_is_taken() {
    let house = House::new("").await;
    house.is_proved().await;
    house.settles_for(100).await;
    let attempts = house.engine.store.attempts(house.run().await.id).await.unwrap();
    house.decides(|run, by| run.deny(&attempts, by).unwrap()).await;
    let locked = "Unable to create comment because issue is locked.";
    house.fake.always("POST /repos/acme/shop/issues/*/comments$", Fault::said(403, locked));
    house.settles().await;
    assert!(stands(&house, PrState::Closed).await && house.pulls()[0]["state"] == "closed");
    let told = house.told(EventType::CiRefused).await;
    assert!(told.len() == 1 && told[0].contains(locked), "{told:?}");
}

#[tokio::test]
async fn a_refused_fix_is_not_dressed_any_more() {
    let house = House::new("").await;
    house.is_proved().await;
    house.settles_for(100).await;
    let attempts = house.engine.store.attempts(house.run().await.id).await.unwrap();
    house.decides(|run, by| run.deny(&attempts, by).unwrap()).await;
    let pull = "PATCH /repos/acme/shop/pulls/*$";
    let before = house.fake.seen("PATCH /repos/acme/shop/pulls/").len();
    house.fake.always(pull, Fault::said(422, "Validation Failed"));
    house.settles_for(100).await;
    let edits = house.fake.seen("PATCH /repos/acme/shop/pulls/");
    assert!(edits.len() > before && edits[before..].iter().all(|it| it.json() == json!({ "state": "closed" })));
}

#[tokio::test]
async fn what_is_refused_keeps_nothing_else_waiting() {
    let terms = ForgeTerms { ready_when_green: true, checks_grace: Duration::from_secs(5), ..ForgeTerms::default() };
    let house = House::with_terms("", terms).await;
    house.fake.always("POST /repos/acme/shop/issues/*/labels$", Fault::said(403, "no labels for you"));
    house.is_proved().await;
    house.settles_for(20).await;
    let head = house.family().await.pull.unwrap().head;
    house.fake.checks(SHOP, &head, &[("build", "success")]);
    house.forward(121);
    house.settles_for(20).await;
    assert_eq!(house.pulls()[0]["draft"], false);
    let family = house.family().await;
    assert!(family.trouble().unwrap().contains("no labels for you"));
    assert_eq!(family.refusals.keys().collect::<Vec<_>>(), ["label"]);
    // Two tries by now, the next ones less and less often.
    let before = house.fake.count("POST /repos/acme/shop/issues/*/labels$");
    for _ in 0..10 {
        house.forward(60);
        house.settles().await;
    }
    let tries = house.fake.count("POST /repos/acme/shop/issues/*/labels$") - before;
    assert!((1..=5).contains(&tries), "{tries}");
    assert_eq!(house.told(EventType::CiRefused).await.len(), 1, "told once");
    house.fake.mend();
    house.forward(301);
    house.settles_for(100).await;
    assert!(house.family().await.refusals.is_empty());
}

#[tokio::test]
async fn what_people_do_at_github_is_so_here() {
    let closed = House::new("").await;
    closed.is_proved().await;
    closed.settles_for(100).await;
    closed.fake.close_by_hand(SHOP, closed.run().await.pr_number.unwrap());
    closed.forward(121);
    closed.settles_for(100).await;
    let run = closed.run().await;
    assert_eq!((run.status, run.escalation_reason), (Status::Escalated, Some(Reason::Denied)));
    assert!(stands(&closed, PrState::Closed).await && closed.comments(run.pr_number.unwrap()).is_empty());

    let merged = House::new("").await;
    merged.is_proved().await;
    merged.settles_for(100).await;
    let number = merged.run().await.pr_number.unwrap();
    merged.fake.state().shop().pull(number).unwrap()["draft"] = json!(false);
    let commit = merged.fake.merge_by_hand(SHOP, number, "octocat");
    merged.forward(121);
    merged.settles_for(20).await;
    let run = merged.run().await;
    assert_eq!(run.status, Status::Resolved);
    assert!(merged.told(EventType::PrMerged).await[0].contains("octocat"));
    assert!(merged.branches().is_empty(), "the branch is gone");
    assert_eq!(merged.family().await.after.unwrap().merged_sha, commit);
    merged.is_intact().await;
}

/// Every write that the whole way of a fix makes.
const WRITES: &[&str] = &[
    "POST /repos/acme/shop/issues$",
    "POST /repos/acme/shop/pulls$",
    "POST /repos/acme/shop/issues/*/labels$",
    "POST /repos/acme/shop/pulls/*/requested_reviewers$",
    "PATCH /repos/acme/shop/pulls/*$",
    "PATCH /repos/acme/shop/issues/*$",
    "POST /repos/acme/shop/issues/*/comments$",
    "POST /graphql",
    "DELETE /repos/acme/shop/git/refs/*$",
    "POST /repos/acme/shop/actions/runs/*/rerun-failed-jobs$",
];

const MATRIX_RULES: &str = "pull_request:\n  reviewers: [ann]\nretry:\n  retry_on_merge: true\n  retry_delay: 0\n";

/// How a write goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrong {
    Refused,
    LostAnswer,
    NeverArrived,
    Limited,
    /// The process ends after the write is done and before it is recorded.
    Killed,
    /// Two stewards at once, all the way.
    Two,
}

/// A house whose way is walked by one kind of trouble.
struct Walk {
    house: House,
    write: &'static str,
    wrong: Wrong,
}

impl Walk {
    async fn new(write: &'static str, wrong: Wrong) -> Self {
        let terms =
            ForgeTerms { ready_when_green: true, checks_grace: Duration::from_secs(5), ..ForgeTerms::default() };
        let house = House::with_terms(MATRIX_RULES, terms).await;
        house.fake.state().shop().reviewers.insert("ann".to_owned());
        let fault = match wrong {
            Wrong::Refused => Some(Fault::said(422, "Validation Failed")),
            Wrong::LostAnswer => Some(Fault::LostAnswer),
            Wrong::NeverArrived => Some(Fault::Reset),
            Wrong::Limited => Some(Fault::secondary(1)),
            Wrong::Killed => Some(Fault::DoneAndSilent),
            Wrong::Two => None,
        };
        if let Some(fault) = fault {
            house.fake.next(write, fault);
        }
        Self { house, write, wrong }
    }

    /// Visits until nothing is left to do for so many seconds.
    async fn settles_for(&self, seconds: i64) {
        for _ in 0..120 {
            let visit = match self.wrong {
                Wrong::Killed => self.killed_visit().await,
                Wrong::Two => {
                    let (one, two) = (self.house.steward(), self.house.steward());
                    let key = House::key();
                    let (one, two) = tokio::join!(one.visit(&key), two.visit(&key));
                    match (one.unwrap(), two.unwrap()) {
                        (Visit::Until(one), Visit::Until(two)) => Visit::Until(one.min(two)),
                        _ => Visit::Again,
                    }
                }
                _ => self.house.steward().visit(&House::key()).await.unwrap(),
            };
            if let Visit::Until(at) = visit {
                let wait = at.duration_since(self.house.now()).as_secs() + 1;
                if wait > seconds {
                    return;
                }
                self.house.forward(wait.max(1));
            }
        }
        panic!("{:?} of {} never settles: {:#?}", self.wrong, self.write, self.house.fake.writes());
    }

    /// A visit by a process that ends when the write that is to go wrong was done and not answered.
    async fn killed_visit(&self) -> Visit {
        let steward = self.house.steward();
        let key = House::key();
        let before = self.house.fake.state().silenced;
        let silenced = eventually_answered(async || (self.house.fake.state().silenced > before).then_some(()));
        tokio::select! {
            visit = steward.visit(&key) => visit.unwrap(),
            () = silenced => Visit::Again,
        }
    }

    /// Walks the whole way: taken in, proved, published, green, ready, merged, held.
    async fn goes_all_the_way(&self) {
        let house = &self.house;
        house.fails("1", |_| {}).await;
        self.settles_for(110).await;
        house.proves("right", Verdict::Ok).await;
        self.settles_for(110).await;
        house.forward(61);
        self.settles_for(110).await;
        let head = house.family().await.pull.unwrap().head;
        house.fake.checks(SHOP, &head, &[("build", "success")]);
        house.forward(121);
        self.settles_for(110).await;
        assert_eq!(house.pulls()[0]["draft"], false, "{:?} of {}", self.wrong, self.write);
        let number = house.run().await.pr_number.unwrap();
        house.fake.merge_by_hand(SHOP, number, "octocat");
        house.forward(121);
        // It goes on looking each minute, until CI has run.
        self.settles_for(50).await;
        house.is_green_later();
        house.forward(121);
        self.settles_for(110).await;
    }

    /// Expects exactly one of each at the end.
    async fn is_well(&self) {
        let (house, what) = (&self.house, format!("{:?} of {}", self.wrong, self.write));
        let (issues, pulls) = (house.issues(), house.pulls());
        assert_eq!((issues.len(), pulls.len()), (1, 1), "{what}");
        assert_eq!((issues[0]["state"].as_str(), &pulls[0]["merged"]), (Some("closed"), &json!(true)), "{what}");
        assert!(house.branches().is_empty(), "{what}");
        let n_labels = pulls[0]["labels"].as_array().unwrap().len();
        assert_eq!(n_labels, 3, "{what}");
        let comments = house.comments(issues[0]["number"].as_u64().unwrap());
        assert_eq!(comments.len(), 1, "{what}: {comments:?}");
        let run = house.run().await;
        assert_eq!((run.status, run.pr_state), (Status::Resolved, PrState::Merged), "{what}");
        for (kind, n) in
            [(EventType::PrMerged, 1), (EventType::IssueClosed, 1), (EventType::PrOpened, 1), (EventType::CiRerun, 1)]
        {
            assert_eq!(house.told(kind).await.len(), n, "{what}: {kind}");
        }
        let is_rerun = self.write.contains("rerun");
        let attempt =
            house.fake.state().shop().runs.iter().find(|it| it["id"] == house.ci_run).unwrap()["run_attempt"].clone();
        let may_be_lost = is_rerun && self.wrong == Wrong::NeverArrived;
        assert_eq!(attempt, if may_be_lost { 1 } else { 2 }, "{what}: a start is never doubled");
        house.is_intact().await;
    }

    async fn walk(wrong: Wrong) {
        for write in WRITES {
            let walk = Self::new(write, wrong).await;
            walk.goes_all_the_way().await;
            walk.is_well().await;
        }
    }
}

#[tokio::test]
async fn a_refused_write_is_made_later_and_once() {
    Walk::walk(Wrong::Refused).await;
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_found_and_not_repeated() {
    Walk::walk(Wrong::LostAnswer).await;
}

#[tokio::test]
async fn a_write_that_never_arrived_is_made_again() {
    Walk::walk(Wrong::NeverArrived).await;
}

#[tokio::test]
async fn a_limit_means_waiting() {
    Walk::walk(Wrong::Limited).await;
}

#[tokio::test]
async fn a_process_that_ends_after_a_write_leaves_one_of_it() {
    Walk::walk(Wrong::Killed).await;
}

#[tokio::test]
async fn two_stewards_make_one_of_each() {
    let walk = Walk::new("", Wrong::Two).await;
    walk.goes_all_the_way().await;
    walk.is_well().await;
}

#[tokio::test]
async fn a_push_that_was_refused_or_not_recorded_is_made_once() {
    let house = House::new("").await;
    let hook = |name: &str, script: &str| {
        let file = house.fake.git_dir(SHOP).join("hooks").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    };
    let refusing = hook("pre-receive", "echo protected branch >&2; exit 1");
    house.is_proved().await;
    house.settles().await;
    let trouble = house.family().await.trouble().unwrap().to_owned();
    assert!(trouble.contains("protected branch") && house.pulls().is_empty(), "{trouble}");
    std::fs::remove_file(refusing).unwrap();
    // The process ends when the branch is there and git has not said so.
    let slow = hook("post-receive", "exec sleep 60");
    house.forward(61);
    let steward = house.steward();
    let key = House::key();
    let pushed = eventually_answered(async || house.branches().first().cloned());
    let is_pushed = async {
        loop {
            if let Visit::Until(at) = steward.visit(&key).await.unwrap() {
                house.forward(at.duration_since(house.now()).as_secs().clamp(1, 60));
            }
        }
    };
    tokio::select! {
        _ = pushed => {}
        () = is_pushed => {}
    }
    std::fs::remove_file(slow).unwrap();
    house.forward(61);
    house.settles_for(100).await;
    assert_eq!((house.branches().len(), house.commits(&house.branches()[0]).len(), house.pulls().len()), (1, 1, 1));
    assert_eq!(house.fake.count(&format!("POST {ISSUES}")), 1);
}
