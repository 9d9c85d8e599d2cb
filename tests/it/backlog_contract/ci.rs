//! CI: what was seen is told, what is asked is asked of the forge, and what is done there is done once and by a name.
use crate::backlog_contract::home::{Decision, Home, Sqlite, There};
use crate::store_contract::fixtures::at;
use crate::support::github::{Fake, Fault, RunSpec, Waiting};
use paramedic::backlog::{ActionKind, Backlog, BacklogError, CiAct, CiActKind};
use paramedic::domain::{
    Budget, CiState, Event, EventType, Family, LimitsPicture, Picture, RulesFile, RulesPicture, RunId, SeenRun, Verdict,
};
use paramedic::engine::ci::{BUDGET, PICTURE};
use serde_json::json;

const SHOP: &str = "acme/shop";
/// A token such as a careless build prints.
const SECRET: &str = "ghp_a1B2c3D4e5F6a7B8c9D0e1F2a3B4c5D6e7F8";

fn fake(home: &impl Home) -> &Fake {
    home.place().fake.as_ref().unwrap()
}

/// Stores the picture of a repository, as whoever watches it does.
async fn seen(home: &impl Home, repository: &str, runs: Vec<SeenRun>) -> Picture {
    let picture = Picture {
        repository: repository.to_owned(),
        seen_at: Some(at(5)),
        next_at: Some(at(65)),
        default_branch: "main".to_owned(),
        error: None,
        rules: RulesPicture { file: RulesFile::Absent, remarks: Vec::new(), refusal: None },
        limits: LimitsPicture::default(),
        runs,
        pulls: Vec::new(),
        stale_branches: Vec::new(),
    };
    let name = format!("{PICTURE}{repository}");
    home.place().store().put_snapshot(&name, &json!(picture), at(5)).await.unwrap();
    picture
}

/// A red run at the fake, and the picture that has it, with the run that heals it.
async fn red(home: &impl Home) -> (u64, RunId) {
    let run = fake(home).red_run(SHOP, "CI", "main", "boom\n");
    let heal = home.place().queued(at(1)).await.id;
    let seat = home.place().engine.forge.reads.clone().unwrap();
    let mut read = seat.run(SHOP, run).await.unwrap();
    read.title = format!("Try {SECRET}");
    seen(home, SHOP, vec![SeenRun { run: read, heal: Some(heal), ignored: None }]).await;
    (run, heal)
}

fn act(run: u64, kind: CiActKind) -> CiAct {
    CiAct { repository: SHOP.to_owned(), run, kind, environments: Vec::new(), note: None }
}

/// Returns the facts of a kind: whose they are, about which run, and how far they were.
async fn facts(home: &impl Home, kind: EventType) -> Vec<(String, RunId, String)> {
    let events = home.place().store().events(None, 0, 1_000).await.unwrap();
    let told = |it: Event| (it.actor, it.run_id, it.payload["stage"].as_str().unwrap_or_default().to_owned());
    events.into_iter().filter(|it| it.kind == kind).map(told).collect()
}

pub(super) async fn what_was_seen_is_told_and_nothing_is_asked(home: &impl Home) {
    let backlog = home.of("ann");
    let empty = backlog.ci().await.unwrap();
    assert_eq!(empty.pictures.iter().map(|it| it.repository.as_str()).collect::<Vec<_>>(), ["acme/new", SHOP]);
    assert!(empty.pictures.iter().all(|it| it.seen_at.is_none()), "nobody has looked yet");
    assert!(empty.can_write && empty.why_not.is_none());
    let (run, heal) = red(home).await;
    seen(home, "acme/other", Vec::new()).await;
    let asked = fake(home).count("GET");
    let budget = Budget { limit: Some(5_000), remaining: Some(4_812), per_hour: 356, ..Budget::default() };
    home.place().store().put_snapshot(BUDGET, &json!(budget), at(5)).await.unwrap();
    let view = backlog.ci().await.unwrap();
    assert_eq!((view.pictures.len(), view.budget.as_ref()), (2, Some(&budget)), "others' repositories are not told");
    let told = &view.pictures[1].runs[0];
    assert_eq!((told.run.id, told.run.state, told.heal), (run, CiState::Red, Some(heal)));
    assert_eq!(fake(home).count("GET"), asked);
    assert!(!told.run.title.contains(SECRET), "{}", told.run.title);
    let here = home.place().embedded(false).ci().await.unwrap();
    assert_eq!(here.pictures, view.pictures);
}

pub(super) async fn jobs_and_logs_are_those_of_the_forge(home: &impl Home) {
    let backlog = home.of("ann");
    let log = format!("\u{feff}2026-03-14T11:50:01.1Z hello\n\u{1b}[31mtoken {SECRET}\n\u{ff}boom\n");
    let jobs = [("lint", "success", &b"fine\n"[..]), ("test", "failure", log.as_bytes())];
    let run = fake(home).run(SHOP, &RunSpec { jobs: &jobs, ..RunSpec::default() });
    let jobs = backlog.ci_jobs(SHOP, run, None).await.unwrap();
    assert_eq!(
        jobs.iter().map(|it| (it.name.as_str(), it.state)).collect::<Vec<_>>(),
        [("lint", CiState::Green), ("test", CiState::Red)]
    );
    assert_eq!(backlog.ci_jobs("ACME/Shop", run, Some(1)).await.unwrap(), jobs, "as the settings name it");
    let output = backlog.ci_log(SHOP, jobs[1].id).await.unwrap();
    let text = String::from_utf8_lossy(&output.bytes);
    assert!(text.contains("boom") && !text.contains(SECRET), "{text}");
    assert_eq!((output.name, output.dropped_bytes), (format!("job_{}.log", jobs[1].id), 0));
    let unknown = backlog.ci_log(SHOP, 999_999).await.unwrap_err();
    assert!(matches!(unknown, BacklogError::NotFound(_)), "{unknown:?}");
}

pub(super) async fn of_what_is_not_watched_nothing_is_told(home: &impl Home) {
    let backlog = home.of("ann");
    fake(home).add_repository("acme/secret");
    let run = fake(home).red_run("acme/secret", "CI", "main", "hush\n");
    let asked = fake(home).count("GET");
    for repository in ["acme/secret", "acme", "../shop", "acme/..", "acme/shop/../secret", "a b/ü&c=1%"] {
        let errors = [
            backlog.ci_jobs(repository, run, None).await.unwrap_err(),
            backlog.ci_log(repository, 1).await.unwrap_err(),
            backlog.ci_deployments(repository, run).await.unwrap_err(),
            backlog
                .ci_act(CiAct { repository: repository.to_owned(), ..act(run, CiActKind::Rerun) }, "ann")
                .await
                .unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, BacklogError::NotFound(_)), "{repository}: {error:?}");
        }
    }
    assert_eq!((fake(home).count("GET"), fake(home).writes().len()), (asked, 0));
}

pub(super) async fn failed_jobs_are_run_again_with_a_fact_before_and_one_after(home: &impl Home) {
    let backlog = home.of("ann");
    let (run, heal) = red(home).await;
    let note = Some(format!("the runner died {SECRET}"));
    let message = backlog.ci_act(CiAct { note, ..act(run, CiActKind::Rerun) }, "ann").await.unwrap();
    assert!(message.contains(&run.to_string()) && message.contains(SHOP), "{message}");
    assert_eq!(fake(home).count("POST /repos/acme/shop/actions/runs/*/rerun-failed-jobs$"), 1);
    assert_eq!(backlog.ci_jobs(SHOP, run, Some(2)).await.unwrap()[0].state, CiState::Queued);
    let by = |stage: &str| ("human:ann".to_owned(), heal, stage.to_owned());
    assert_eq!(facts(home, EventType::CiRerun).await, [by("asked"), by("done")]);
    let refused = backlog.ci_act(act(run, CiActKind::Rerun), "ann").await.unwrap_err();
    assert!(refused.to_string().contains("already running"), "in GitHub's words: {refused}");
    assert_eq!(facts(home, EventType::CiRerun).await[2..], [by("asked"), by("failed")]);
    let events = home.place().store().events(None, 0, 1_000).await.unwrap();
    assert!(!json!(events).to_string().contains(SECRET));
}

pub(super) async fn a_run_is_cancelled_once(home: &impl Home) {
    let backlog = home.of("bob");
    let run = fake(home).run(SHOP, &RunSpec { conclusion: None, ..RunSpec::default() });
    backlog.ci_act(act(run, CiActKind::Cancel), "bob").await.unwrap();
    let again = backlog.ci_act(act(run, CiActKind::Cancel), "bob").await.unwrap_err();
    let expected = "Cannot cancel a workflow run that is completed";
    assert!(matches!(&again, BacklogError::Precondition(it) if it.contains(expected)), "{again:?}");
    let stages: Vec<_> =
        facts(home, EventType::CiCancelled).await.into_iter().map(|(_, run, stage)| (run, stage)).collect();
    let of = |stage: &str| (RunId::NONE, stage.to_owned());
    assert_eq!(stages, [of("asked"), of("done"), of("asked"), of("failed")], "nobody heals it: about the backlog");
    let unknown = backlog.ci_act(act(999_999, CiActKind::Cancel), "bob").await.unwrap_err();
    assert!(matches!(unknown, BacklogError::NotFound(_)), "{unknown:?}");
}

pub(super) async fn a_deployment_that_waits_is_answered_where_it_may_be(home: &impl Home) {
    let backlog = home.of("ann");
    let run = fake(home).run(SHOP, &RunSpec { conclusion: None, ..RunSpec::default() });
    let nothing = backlog.ci_act(act(run, CiActKind::ApproveDeployment), "ann").await.unwrap_err();
    assert!(matches!(nothing, BacklogError::Precondition(_)), "{nothing:?}");
    let waiting = |id, name, may_approve| Waiting { id, name, may_approve };
    let both = vec![waiting(7, "production", true), waiting(8, "vault", false)];
    fake(home).state().repos.get_mut(SHOP).unwrap().waiting.insert(run, both);
    let told = backlog.ci_deployments(SHOP, run).await.unwrap();
    assert_eq!(told.iter().map(|it| (it.environment_id, it.may_approve)).collect::<Vec<_>>(), [(7, true), (8, false)]);
    let not_mine = CiAct { environments: vec![8], ..act(run, CiActKind::ApproveDeployment) };
    let refused = backlog.ci_act(not_mine, "ann").await.unwrap_err();
    assert!(matches!(&refused, BacklogError::Precondition(it) if it.contains("vault")), "{refused:?}");
    let yes = CiAct { note: Some("go".to_owned()), ..act(run, CiActKind::ApproveDeployment) };
    backlog.ci_act(yes, "ann").await.unwrap();
    let sent = fake(home).writes().pop().unwrap().json();
    assert_eq!(sent["environment_ids"], json!([7]));
    assert_eq!((&sent["state"], &sent["comment"]), (&json!("approved"), &json!("approved by ann in Paramedic: go")));
    assert_eq!(facts(home, EventType::CiApproved).await.len(), 2, "what was refused before the call is no fact");
}

pub(super) async fn an_answer_that_is_lost_is_said_to_be_unknown(home: &impl Home) {
    let backlog = home.of("ann");
    let (run, heal) = red(home).await;
    fake(home).next("POST", Fault::LostAnswer);
    let lost = backlog.ci_act(act(run, CiActKind::Rerun), "ann").await.unwrap_err();
    assert!(matches!(&lost, BacklogError::Forge(it) if it.contains("not known")), "{lost:?}");
    assert_eq!(fake(home).writes().len(), 1, "and not sent again");
    assert_eq!(facts(home, EventType::CiRerun).await[1], ("human:ann".to_owned(), heal, "unknown".to_owned()));
    fake(home).always("GET", Fault::said(502, "Server Error"));
    let away = backlog.ci_jobs(SHOP, run, None).await.unwrap_err();
    assert!(matches!(&away, BacklogError::Forge(_) | BacklogError::Precondition(_)), "{away:?}");
}

pub(super) async fn who_only_reads_does_nothing_at_the_forge(home: &impl Home) {
    let (run, _) = red(home).await;
    let backlog = home.read_only();
    let view = backlog.ci().await.unwrap();
    assert!(!view.can_write && view.why_not.is_some());
    let refused = backlog.ci_act(act(run, CiActKind::Rerun), "ann").await.unwrap_err();
    assert!(matches!(refused, BacklogError::Refused(_)), "{refused:?}");
    assert!(fake(home).writes().is_empty() && facts(home, EventType::CiRerun).await.is_empty());
}

pub(super) async fn a_run_tells_what_stands_for_it_at_the_forge(home: &impl Home) {
    let run = home.place().fixed(at(1), "codex", Verdict::Ok).await;
    let backlog = home.of("ann");
    assert_eq!(backlog.run(run.id).await.unwrap().forge, None);
    let publish = || Decision::of(ActionKind::Publish).request("ann");
    let nowhere = backlog.act(run.id, publish()).await.unwrap_err();
    assert!(matches!(&nowhere, BacklogError::Precondition(it) if it.contains("nowhere to publish")), "{nowhere:?}");
    let family = Family {
        repository: SHOP.to_owned(),
        count: 50,
        skipped: Some("it waits for a person's word".to_owned()),
        ..Family::first_seen(&run, "v1:a", None, at(20))
    };
    home.place().store().put_family(&family, &[], at(20)).await.unwrap();
    let forge = backlog.run(run.id).await.unwrap().forge.unwrap();
    assert_eq!((forge.occurrences, forge.skipped, forge.pull), (50, family.skipped, None));
    let asked = backlog.act(run.id, publish()).await.unwrap();
    assert!(!asked.is_repeat && asked.message.contains("opened in a moment"), "{}", asked.message);
    let again = backlog.act(run.id, publish()).await.unwrap();
    assert!(again.is_repeat, "{}", again.message);
}

#[tokio::test]
async fn a_viewer_may_look_and_not_act() {
    let home = There::<Sqlite>::at_forge().await;
    let (run, _) = red(&home).await;
    let viewer = home.of("vic");
    assert_eq!(viewer.ci().await.unwrap().pictures.len(), 2);
    assert_eq!(viewer.ci_jobs(SHOP, run, None).await.unwrap().len(), 1);
    for kind in CiActKind::ALL {
        let refused = viewer.ci_act(act(run, *kind), "ann").await.unwrap_err();
        assert!(matches!(refused, BacklogError::Refused(_)), "{kind}: {refused:?}");
    }
    assert!(fake(&home).writes().is_empty());
    let refusals = facts(&home, EventType::AccessRefused).await;
    assert_eq!((refusals.len(), refusals[0].0.as_str()), (4, "human:vic"), "somebody known who was refused is a fact");
    let stranger = home.with(None, false).ci().await.unwrap_err();
    assert!(matches!(stranger, BacklogError::NotAuthenticated(_)), "{stranger:?}");
}
