//! What GitHub brings back to a proved fix: its branch moved on, or CI is red with it. The loop goes on from there.
use crate::support::{BUGGY, RIGHT, World};
use paramedic::domain::{Attempt, AttemptFailure, AttemptStatus, Reason, Run, RunId, Status, Transition};
use paramedic::store::Store as _;
use paramedic::store::sqlite::SqliteStore;

/// Heals the repository, and returns the run and the store that it is in.
async fn healed(world: &World, agent: &str) -> (SqliteStore, RunId) {
    let (code, run) = world.heal(agent, &[]);
    assert_eq!((code, &run["status"]), (0, &"fixed".into()), "{run:#}");
    let store = SqliteStore::open(&world.data_dir().join("paramedic.db")).await.unwrap();
    (store, run["id"].as_str().unwrap().parse().unwrap())
}

/// Commits what happened to the run, lets a worker go on with it, and returns what became of it.
async fn go_on(
    world: &World,
    store: &SqliteStore,
    id: RunId,
    happened: impl FnOnce(&Run, &[Attempt]) -> Transition,
) -> (Run, Vec<Attempt>) {
    let (run, attempts) = (store.run(id).await.unwrap(), store.attempts(id).await.unwrap());
    store.commit(&happened(&run, &attempts), None).await.unwrap();
    let ran = world.run(&["worker", "--drain"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
    (store.run(id).await.unwrap(), store.attempts(id).await.unwrap())
}

/// Commits this content of a file on main, and returns the commit.
fn moved_on(world: &World, path: &str, content: &str) -> String {
    world.write(path, content);
    world.git(&["add", "-A"]);
    world.git(&["commit", "-q", "-m", "Go on"]);
    world.git(&["rev-parse", "HEAD"])
}

#[tokio::test]
async fn on_a_moved_base_the_same_patch_is_proved_again() {
    let world = World::with_repo(BUGGY);
    let (store, id) = healed(&world, RIGHT).await;
    let budget = store.run(id).await.unwrap().budget;
    let onto = moved_on(&world, "README.md", "# Calc\n");
    let (run, attempts) =
        go_on(&world, &store, id, |run, attempts| run.moved(attempts, &onto, run.updated_at).unwrap()).await;
    assert_eq!((run.status, run.budget, run.working_commit()), (Status::Fixed, budget, onto.as_str()));
    let [first, again] = attempts.as_slice() else { panic!("{attempts:#?}") };
    assert!(again.is_again && again.status == AttemptStatus::Succeeded);
    assert_eq!((&again.author, &again.patch_digest), (&first.author, &first.patch_digest));
    let reproduced = store.events(Some(id), 0, 999).await.unwrap();
    assert_eq!(reproduced.iter().filter(|it| it.kind.as_str() == "attempt.reproduced").count(), 2);
    let approved = world.run(&["approve", &id.to_string()]);
    assert_eq!(approved.code, 0, "{approved:#?}");
    let branch = store.run(id).await.unwrap().heal_branch.unwrap();
    assert_eq!(world.git(&["rev-parse", &format!("{branch}^")]), onto);
}

#[tokio::test]
async fn where_the_patch_does_not_stand_any_more_the_agent_has_its_turn() {
    let world = World::with_repo(BUGGY);
    let (store, id) = healed(&world, RIGHT).await;
    let onto =
        moved_on(&world, "calc.py", "def add(a, b):\n    return (a - b)\n\n\ndef double(a):\n    return a * 2\n");
    let (run, attempts) =
        go_on(&world, &store, id, |run, attempts| run.moved(attempts, &onto, run.updated_at).unwrap()).await;
    assert_eq!((run.status, attempts.len()), (Status::Fixed, 3));
    assert_eq!((attempts[1].is_again, attempts[1].failure_kind), (true, Some(AttemptFailure::BadPatch)));
    assert!(attempts[2].proposed_fix.as_ref().unwrap().text().contains("+    return (a + b)"));
}

#[tokio::test]
async fn a_base_that_healed_itself_needs_nothing() {
    let world = World::with_repo(BUGGY);
    let (store, id) = healed(&world, RIGHT).await;
    let onto = moved_on(&world, "calc.py", "def add(a, b):\n    return a + b\n\n\ndef double(a):\n    return a * 2\n");
    let (run, attempts) =
        go_on(&world, &store, id, |run, attempts| run.moved(attempts, &onto, run.updated_at).unwrap()).await;
    assert_eq!((run.status, run.escalation_reason), (Status::Escalated, Some(Reason::NotReproducible)));
    assert_eq!(attempts.len(), 1);
}

/// Green here and red there: the log of CI is what the next attempt goes by.
#[tokio::test]
async fn the_log_of_a_red_ci_reaches_the_next_attempt() {
    let world = World::with_repo(BUGGY);
    let agent = "if grep -q 'only red in CI' \"$PARAMEDIC_CONTEXT\" && grep -q ci_red \"$PARAMEDIC_CONTEXT\"; \
        then sed -i 's/a - b/b + a/' calc.py; else sed -i 's/a - b/a + b/' calc.py; fi";
    let (store, id) = healed(&world, agent).await;
    let before = store.run(id).await.unwrap();
    let (run, attempts) = go_on(&world, &store, id, |run, attempts| {
        run.ci_red(&attempts[0], "E   this is only red in CI".to_owned(), run.updated_at).unwrap()
    })
    .await;
    assert_eq!((run.status, run.budget), (Status::Fixed, before.budget - 1));
    let [refuted, next] = attempts.as_slice() else { panic!("{attempts:#?}") };
    assert_eq!((refuted.status, refuted.failure_kind), (AttemptStatus::Failed, Some(AttemptFailure::CiRed)));
    assert!(next.proposed_fix.as_ref().unwrap().text().contains("+    return b + a"));
}
