//! A pull request that outlives what its run was about: nobody's proof, state or end is taken for another's.
use crate::github::house::{House, SHOP, stands};
use crate::github::watch::{Place, log};
use crate::support::github::RunSpec;
use jiff::SignedDuration;
use paramedic::backlog::Backlog as _;
use paramedic::backlog::embedded::Embedded;
use paramedic::domain::{
    Aftermath, ChecksState, Digest, EventType, ForgeTerms, Merging, NewEvent, PrState, Reason, Run, Status, Transition,
    Verdict,
};
use paramedic::engine::decisions::{Action, Operator};
use paramedic::forge::{Merge, Writes as _};
use serde_json::{Value, json};

/// Returns a house whose first fix CI refuted for good, and the number of the pull request that still holds it; another run, of a later commit,
/// has another fix that is proved.
async fn refuted_and_proved_anew(terms: ForgeTerms) -> (House, u64) {
    let house = House::with_terms("", terms).await;
    house.fails("first", |run| (run.max_attempts, run.budget) = (1, 1)).await;
    house.proves("right", Verdict::Ok).await;
    house.settles_for(5).await;
    let (number, head) = (house.run().await.pr_number.unwrap(), house.family().await.pull.unwrap().head);
    let jobs = [("build", "failure", &b"E   AssertionError: only in CI\n"[..])];
    house
        .fake
        .run(SHOP, &RunSpec { branch: &house.branches()[0], commit: Some(&head), jobs: &jobs, ..RunSpec::default() });
    house.settles_for(60).await;
    assert_eq!(house.run().await.escalation_reason, Some(Reason::Exhausted));
    let later = house.fake.commit(SHOP, "main", &[("other.py", "2\n")]);
    house.forward(25 * 3_600);
    house.fake.state().skew_s = 25 * 3_600;
    house.fails("later", |run| run.commit_sha = later).await;
    house.proves("better", Verdict::Ok).await;
    (house, number)
}

fn pull(house: &House, number: u64) -> Value {
    house.pulls().into_iter().find(|it| it["number"] == number).unwrap()
}

/// Returns why a person's decision is refused.
async fn refusal(house: &House, action: Action) -> String {
    let operator = Operator { name: "ann".to_owned(), ..Operator::default() };
    match Box::pin(house.engine.decide(house.run().await.id, &action, &operator)).await {
        Err(error) => error.to_string(),
        Ok(done) => panic!("{done:?}"),
    }
}

#[tokio::test]
async fn a_proof_is_not_written_on_a_pull_request_that_holds_another_patch() {
    let terms = ForgeTerms { ready_when_green: true, ..ForgeTerms::default() };
    let (house, number) = refuted_and_proved_anew(terms).await;
    let before = pull(&house, number);
    assert!(before["title"].as_str().unwrap().ends_with("(Needs Review)"), "{before}");
    house.edit_family(|it| it.pull.as_mut().unwrap().checks = ChecksState::Green).await;
    house.settles_for(60).await;
    let after = pull(&house, number);
    assert_eq!((&after["title"], &after["body"], &after["draft"]), (&before["title"], &before["body"], &json!(true)));
    let run = house.run().await;
    assert_eq!((run.status, run.pr_number, run.pr_state, run.heal_commit), (Status::Fixed, None, PrState::None, None));
    assert_eq!(house.pulls().len(), 1);
    assert!(house.family().await.skipped.unwrap().contains("holds another fix"));
    let issue = house.issues()[0]["body"].as_str().unwrap().to_owned();
    assert!(!issue.contains("a fix is proposed in"), "{issue}");
    for action in [Action::Approve, Action::Publish] {
        let told = refusal(&house, action).await;
        assert!(told.contains("it holds another run's fix"), "{told}");
    }
    // Where it is closed, the proved one has its turn.
    house.fake.close_by_hand(SHOP, number);
    house.forward(121);
    house.settles_for(60).await;
    assert!(stands(&house, PrState::Open).await);
    let run = house.run().await;
    assert_eq!((run.status, house.pulls().len(), house.family().await.cooled_until), (Status::Fixed, 2, None));
    let own = pull(&house, run.pr_number.unwrap());
    assert!(own["body"].as_str().unwrap().contains("green with this change"), "{own}");
    assert!(!own["title"].as_str().unwrap().contains("Needs Review"), "{own}");
    house.is_intact().await;
}

#[tokio::test]
async fn a_fix_is_not_accepted_with_another_one() {
    let (house, number) = refuted_and_proved_anew(ForgeTerms::default()).await;
    let first = house.family().await.pull.unwrap().patch_run;
    house.settles_for(60).await;
    house.fake.state().shop().pull(number).unwrap()["draft"] = json!(false);
    let commit = house.fake.merge_by_hand(SHOP, number, "octocat");
    house.forward(121);
    house.settles_for(20).await;
    // What is merged is another patch: this one is to be proved on top of it.
    let run = house.run().await;
    assert_eq!((run.status, run.pr_state, run.rebased_on), (Status::Queued, PrState::None, Some(commit.clone())));
    let family = house.family().await;
    let after = family.after.unwrap();
    assert_eq!((after.merged_sha, after.patch_run, family.pull.unwrap().state), (commit, first, PrState::Merged));
    let told = house.told(EventType::PrMerged).await;
    assert_eq!(told, [format!("pull request #{number}, which holds another fix, was merged")]);
    house.is_intact().await;
}

#[tokio::test]
async fn an_earlier_run_says_whose_its_pull_request_is_by_now() {
    let (house, number) = refuted_and_proved_anew(ForgeTerms::default()).await;
    let first = house.family().await.pull.unwrap().patch_run.unwrap();
    assert_eq!(house.engine.store.run(first).await.unwrap().pr_state, PrState::Open);
    house.settles_for(60).await;
    let later = house.run().await.id.short();
    let detail = Embedded::new(house.engine.clone(), true).run(first).await.unwrap();
    assert_eq!((detail.run.pr_number, detail.run.pr_state), (None, PrState::None));
    let stands = format!("run {later} stands for the same by now, with pull request #{number}");
    assert_eq!(detail.forge.unwrap().skipped, Some(stands));
    let told = format!("pull request #{number} is that of run {later} by now");
    assert_eq!(detail.events.iter().filter(|it| it.message == told).count(), 1);
    house.is_intact().await;
}

#[tokio::test]
async fn a_no_to_one_fix_closes_no_pull_request_with_another() {
    let (house, number) = refuted_and_proved_anew(ForgeTerms::default()).await;
    house.settles_for(60).await;
    let attempts = house.engine.store.attempts(house.run().await.id).await.unwrap();
    house.decides(|run, by| run.deny(&attempts, by).unwrap()).await;
    house.settles_for(60).await;
    assert_eq!(house.run().await.escalation_reason, Some(Reason::Denied));
    assert_eq!((&pull(&house, number)["state"], house.pulls().len()), (&json!("open"), 1));
    assert!(house.comments(number).is_empty());
}

#[tokio::test]
async fn a_proof_that_does_not_reach_its_pull_request_is_not_told_on_it() {
    let house = House::new("").await;
    house.is_proved().await;
    house.settles_for(100).await;
    let number = house.run().await.pr_number.unwrap();
    let patch = house.family().await.pull.unwrap().patch;
    house.fake.commit(SHOP, "main", &[(".github/auto-heal-config.yml", "enabled: false\n")]);
    house.forward(1);
    house.decides(|run, by| run.retry(by).unwrap()).await;
    house.proves("better", Verdict::Ok).await;
    house.settles_for(100).await;
    assert_eq!(house.family().await.pull.unwrap().patch, patch, "nothing is pushed any more");
    let there = pull(&house, number);
    assert!(there["title"].as_str().unwrap().ends_with("(Needs Review)"), "{there}");
    let body = there["body"].as_str().unwrap();
    assert!(body.contains("**Not proved:**") && body.contains(&format!("sha256:{patch}")), "{body}");
}

#[tokio::test]
async fn a_word_on_what_was_there_is_none_on_what_a_person_asked_for_since() {
    // The steward sees it while the next round is under way, or only when that is over.
    for is_seen_before in [true, false] {
        let house = House::new("").await;
        house.is_proved().await;
        house.settles_for(100).await;
        let number = house.run().await.pr_number.unwrap();
        house.fake.close_by_hand(SHOP, number);
        house.forward(1);
        house.decides(|run, by| run.retry(by).unwrap()).await;
        if is_seen_before {
            house.forward(121);
            house.settles_for(20).await;
            assert_eq!(house.family().await.pull.unwrap().state, PrState::Closed);
            assert_eq!(house.run().await.status, Status::Queued);
        }
        house.proves("better", Verdict::Ok).await;
        house.settles_for(100).await;
        let run = house.run().await;
        assert_eq!((run.status, house.pulls().len(), house.family().await.cooled_until), (Status::Fixed, 2, None));
        assert!(run.pr_number != Some(number) && stands(&house, PrState::Open).await);
        // And one on that is.
        house.fake.close_by_hand(SHOP, run.pr_number.unwrap());
        house.forward(121);
        house.settles_for(100).await;
        assert_eq!(house.run().await.escalation_reason, Some(Reason::Denied));
        house.is_intact().await;
    }
}

#[tokio::test]
async fn a_no_to_what_ci_refuted_is_one_to_the_next_attempt_too() {
    let house = House::new("").await;
    house.is_proved().await;
    house.settles_for(5).await;
    let head = house.family().await.pull.unwrap().head;
    let jobs = [("build", "failure", &b"no\n"[..])];
    house.fake.run(SHOP, &RunSpec { commit: Some(&head), jobs: &jobs, ..RunSpec::default() });
    house.settles_for(60).await;
    assert_eq!(house.run().await.status, Status::Queued);
    house.fake.close_by_hand(SHOP, house.run().await.pr_number.unwrap());
    house.forward(121);
    house.settles_for(20).await;
    house.proves("better", Verdict::Ok).await;
    house.settles_for(100).await;
    assert_eq!((house.run().await.escalation_reason, house.pulls().len()), (Some(Reason::Denied), 1));
}

#[tokio::test]
async fn what_was_merged_otherwise_than_proved_is_not_taken_for_the_fix() {
    for is_elsewhere in [true, false] {
        let house = House::new("").await;
        house.is_proved().await;
        house.settles_for(100).await;
        let number = house.run().await.pr_number.unwrap();
        let words = if is_elsewhere {
            house.fake.commit(SHOP, "release", &[("notes.md", "1\n")]);
            house.fake.state().shop().pull(number).unwrap()["base"]["ref"] = json!("release");
            "it was merged into release, and not into main"
        } else {
            house.fake.commit(SHOP, &house.branches()[0], &[("theirs.py", "1\n")]);
            "it was merged with commits that are not ours"
        };
        house.fake.state().shop().pull(number).unwrap()["draft"] = json!(false);
        house.fake.merge_by_hand(SHOP, number, "octocat");
        house.forward(121);
        house.settles_for(20).await;
        let run = house.run().await;
        assert_eq!((run.status, run.pr_state), (Status::Resolved, PrState::Merged));
        let told = house.told(EventType::PrSkipped).await;
        assert!(told.len() == 1 && told[0].contains(words), "{told:?}");
        assert_eq!(house.family().await.after, None);
        house.is_green_later();
        for _ in 0..3 {
            house.forward(3_600);
            house.settles_for(100).await;
        }
        let issue = house.issues()[0].clone();
        assert_eq!(issue["state"], "open", "{issue}");
        assert!(issue["body"].as_str().unwrap().contains("not as it was proved"), "{issue}");
        house.is_intact().await;
    }
}

/// Somebody's process ended between the merge and what follows from it, and somebody else had given the run up.
#[tokio::test]
async fn a_merge_is_theirs_who_approved_although_the_run_was_given_up() {
    let house = House::new("").await;
    house.is_proved().await;
    house.settles_for(100).await;
    let (number, head) = (house.run().await.pr_number.unwrap(), house.family().await.pull.unwrap().head);
    let approvals = vec!["ann".to_owned()];
    let merging = Merging { by: "ann".to_owned(), approvals, note: None, head: head.clone(), at: house.now() };
    house.edit_family(|it| it.pull.as_mut().unwrap().merging = Some(merging)).await;
    let attempts = house.engine.store.attempts(house.run().await.id).await.unwrap();
    house.decides(|run, by| run.abort(&attempts, by).unwrap()).await;
    house.fake.state().shop().pull(number).unwrap()["draft"] = json!(false);
    let method = paramedic::domain::MergeMethod::Squash;
    let merge = Merge { sha: &head, method, title: "Heal", message: "" };
    house.fake.client().merge(SHOP, number, &merge).await.unwrap();
    house.forward(31);
    house.settles_for(20).await;
    assert!(stands(&house, PrState::Merged).await && house.run().await.status == Status::Aborted);
    let events = house.engine.store.events(None, 0, 10_000).await.unwrap();
    let told: Vec<_> = events.iter().filter(|it| it.kind == EventType::PrMerged).collect();
    assert_eq!((told.len(), told[0].actor.as_str()), (1, "human:ann"));
    assert_eq!(told[0].message, format!("merged pull request #{number}, although the run was aborted"));
    house.is_intact().await;
}

#[tokio::test]
async fn a_time_at_the_end_of_all_times_stops_nobody() {
    let house = House::new("retry:\n  retry_on_merge: true\n  retry_delay: 5\n").await;
    house.is_proved().await;
    house.settles_for(100).await;
    let number = house.run().await.pr_number.unwrap();
    house.fake.state().shop().pull(number).unwrap()["draft"] = json!(false);
    house.fake.merge_by_hand(SHOP, number, "octocat");
    house.fake.state().shop().pull(number).unwrap()["merged_at"] = json!("9999-12-30T22:00:00Z");
    house.forward(121);
    house.settles_for(20).await;
    assert!(stands(&house, PrState::Merged).await);
    assert_eq!(house.told(EventType::CiRerun).await.len(), 0);
}

/// Stores that the run's fix was merged as `commit`, a minute from now.
async fn was_merged(place: &Place, run: &Run, commit: &str) {
    let (store, now) = (&place.engine.store, place.engine.clock.now());
    let merged = Run { status: Status::Resolved, pr_state: PrState::Merged, version: run.version + 1, ..run.clone() };
    let fact = NewEvent::new(EventType::PrMerged, "system", "merged").with(json!({ "final": true }));
    let transition = Transition { run: merged, attempt: None, events: vec![fact], releases_lease: false };
    store.commit(&transition, None).await.unwrap();
    let mut family = place.family().await.next();
    family.after = Some(Aftermath {
        run_id: run.id,
        number: 12,
        merged_sha: commit.to_owned(),
        patch: Digest::of("a patch"),
        patch_run: Some(run.id),
        merged_at: now + SignedDuration::from_mins(1),
        branch: "main".to_owned(),
        workflow_id: run.order.ci.as_ref().unwrap().workflow_id,
        until: now + SignedDuration::from_hours(1),
        rerun_at: None,
        reran: false,
        outcome: None,
        revert: None,
    });
    store.put_family(&family, &[], now).await.unwrap();
}

#[tokio::test]
async fn only_what_has_the_merge_in_it_speaks_against_it_and_that_is_heard() {
    let place = Place::new().await;
    place.fake.commit(SHOP, "main", &[("calc.py", "1")]);
    let watching = place.watch();
    let red = |workflow: &str, branch: &str, commit: Option<&str>| {
        let log = log("calc");
        let jobs = [("build", "failure", log.as_bytes())];
        place.fake.run(SHOP, &RunSpec { workflow, branch, commit, jobs: &jobs, ..RunSpec::default() })
    };
    let first = place.taken(red("CI", "main", None)).await;
    let before = place.fake.commit(SHOP, "main", &[("calc.py", "2")]);
    let merge = place.fake.commit(SHOP, "main", &[("calc.py", "3")]);
    was_merged(&place, &first, &merge).await;
    // One that began before the merge, and a branch that does not have it.
    assert_eq!(place.taken(red("CI", "main", Some(&before))).await.id, first.id);
    place.fake.commit(SHOP, "topic", &[("topic.py", "1")]);
    let topic = place.fake.tip(SHOP, "topic").unwrap();
    assert_eq!(place.taken(red("CI", "topic", Some(&topic))).await.id, first.id);
    let family = place.family().await;
    assert_eq!((family.run_id, family.count, family.after.unwrap().outcome), (first.id, 3, None));
    // Another workflow does not say so, and is healed; what the healed one says is heard beside that.
    let other = place.taken(red("Nightly", "main", Some(&merge))).await;
    assert_eq!((other.id == first.id, other.status), (false, Status::Queued));
    let back = place.taken(red("CI", "main", Some(&merge))).await;
    assert_eq!((back.status, back.escalation_reason), (Status::Escalated, Some(Reason::Regressed)));
    assert_eq!(place.family().await.run_id, back.id);
    watching.stop().await;
}
