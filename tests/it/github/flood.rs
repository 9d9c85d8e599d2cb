//! Much at once: the same failure again and again, and long lists that do not change.
use super::watch::{Place, SHOP, Watching, log};
use crate::github::house::House;
use crate::support::eventually_answered;
use crate::support::github::Fake;
use jiff::{SignedDuration, Timestamp};
use paramedic::domain::{EventType, ForgeTerms, Reason, Status};
use paramedic::engine::steward::Visit;
use paramedic::engine::watch::Watched;
use std::collections::BTreeSet;
use std::time::Duration;

#[tokio::test]
async fn fifty_equal_failures_are_one_run_also_where_two_processes_watch() {
    let place = Place::new().await;
    let one = place.watch();
    let other = Watching::start(&place.other_engine().await);
    // What is there at the first look is history.
    eventually_answered(async || place.picture().await.seen_at).await;
    for n in 0..50 {
        place.fake.commit(SHOP, "main", &[("n", &n.to_string())]);
        place.fake.red_run(SHOP, "CI", "main", &log("same"));
    }
    eventually_answered(async || {
        let families = place.engine.store.families(SHOP, 10).await.unwrap();
        (families.first()?.count == 50).then_some(())
    })
    .await;
    assert_eq!((place.runs().await.len(), place.engine.store.families(SHOP, 10).await.unwrap().len()), (1, 1));
    assert_eq!(place.runs().await[0].status, Status::Queued);
    let events = place.engine.store.events(None, 0, 1_000).await.unwrap();
    let recurred = events.iter().filter(|it| it.kind == EventType::RunRecurred).count();
    assert!(recurred < 10, "{recurred}: the count is exact, not each is told");
    one.stop().await;
    other.stop().await;
    assert!(place.fake.writes().is_empty());
}

#[tokio::test]
async fn an_hour_in_which_nothing_changes_costs_nothing() {
    let fake = Fake::start();
    let names: Vec<String> = (0..8).map(|n| format!("acme/r{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        fake.add_repository(name);
        let mut state = fake.state();
        let repo = state.repos.get_mut(name).unwrap();
        // One long list costs as much as eight, and the fake takes its time with each.
        let n_runs = if n == 0 { 2_000 } else { 20 };
        (1..=n_runs).for_each(|id| repo.add_run(id, Some(if id % 3 == 0 { "failure" } else { "success" })));
    }
    let github = fake.client();
    let terms = ForgeTerms::default();
    let start = Timestamp::from_second(1_795_000_000).unwrap();
    let (nothing, hour) = (BTreeSet::new(), SignedDuration::from_hours(1));
    let mut watched: Vec<(Timestamp, Watched)> = names.iter().map(|it| (start, Watched::new(it, None))).collect();
    let mut left = None;
    let mut look = async |until: Timestamp| {
        while let Some((due, it)) = watched.iter_mut().min_by_key(|(due, _)| *due).filter(|(due, _)| *due < until) {
            let now = *due;
            it.look(&github, &terms, &nothing, now).await.unwrap();
            let wait = it.wait(&terms, names.len(), &github, 0.5, now);
            assert!(wait > Duration::from_mins(1));
            *due = now + SignedDuration::try_from(wait).unwrap();
        }
        let before = left.replace(fake.state().remaining);
        (fake.seen("GET").len(), before, fake.state().remaining)
    };
    let (first, _, _) = look(start + SignedDuration::from_secs(1)).await;
    assert!(first <= 8 * 8, "{first} requests to begin with");
    let (all, before, after) = look(start + hour).await;
    assert!(all < 400, "{all} requests in the first hour");
    assert_eq!(before, Some(after), "none of them counted");
}

/// What has nothing left to do asks nothing, however much of it there is, until something happens to it.
#[tokio::test]
async fn settled_failures_cost_nothing() {
    const N: usize = 60;
    let house = House::new("").await;
    for n in 0..N {
        let hash = format!("v1:{n:012x}");
        // One has an issue, which stays open.
        let reason = if n == 0 { Reason::Exhausted } else { Reason::Denied };
        house.fails_as(&hash, |it| it.error_hash.clone_from(&hash), |it| it.declined(reason, "for a person")).await;
    }
    let store = &house.engine.store;
    let steward = house.steward();
    let visits = async || {
        let mut n_visits = 0;
        for family in store.due(house.now(), 1_000).await.unwrap() {
            while steward.visit(&family.key).await.unwrap() == Visit::Again {}
            n_visits += 1;
        }
        n_visits
    };
    assert_eq!((visits().await, house.issues().len()), (N, 1));
    let first = house.fake.seen("").len();
    assert!(first < N, "{first} requests to begin with");
    for _ in 0..130 {
        house.forward(60);
        assert_eq!(visits().await, 0);
    }
    assert_eq!(house.fake.seen("").len(), first, "requests in two hours");
    let again = format!("v1:{:012x}", 7);
    house.fails("again", |it| it.error_hash.clone_from(&again)).await;
    assert_eq!(visits().await, 1, "it was seen again");
}
