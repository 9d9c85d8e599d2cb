//! Real domain values for the tests of CI: watched repositories in all moods, jobs, a log of a job. Always the same.
use super::fixture::{before, id, noon};
use jiff::{SignedDuration, Timestamp};
use paramedic::domain::{
    Budget, ChecksSummary, CiJob, CiRun, CiState, CiStep, CiView, Deployment, LimitsPicture, Picture, RulesFile,
    RulesPicture, SeenPull, SeenRun, Used,
};
use std::collections::BTreeMap;

/// The log of the job that fails.
pub(super) const JOB_LOG: &str = "\
2026-03-14T11:50:01.1000000Z ##[group]Run actions/checkout@08eba0b27e820071cde6df949e0beb9ba4906955
2026-03-14T11:50:01.2000000Z Syncing repository: acme/api
2026-03-14T11:50:02.3000000Z ##[endgroup]
2026-03-14T11:50:03.0000000Z ##[group]Run python3 -m pytest -q
2026-03-14T11:50:44.1000000Z tests/test_api.py ........................................               [  9%]
2026-03-14T11:50:44.2000000Z tests/test_retry.py ......F                                              [ 61%]
2026-03-14T11:50:45.0000000Z >       assert client.retries == 4
2026-03-14T11:50:45.1000000Z E       AssertionError: assert 3 == 4
2026-03-14T11:50:45.2000000Z FAILED tests/test_retry.py::test_budget - AssertionError: assert 3 == 4
2026-03-14T11:50:45.3000000Z 1 failed, 416 passed in 41.07s
2026-03-14T11:50:45.4000000Z ##[error]Process completed with exit code 1.
2026-03-14T11:50:45.5000000Z ##[endgroup]
";

fn after(seconds: i64) -> Timestamp {
    noon().checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// A run of a workflow, the `n`th.
pub(super) fn run(n: u64, workflow: &str, branch: &str, state: CiState, since: i64) -> SeenRun {
    let run = CiRun {
        id: 9_100_000_000 + n,
        attempt: 1,
        number: n,
        workflow: workflow.to_owned(),
        workflow_id: 41,
        workflow_path: ".github/workflows/ci.yml".to_owned(),
        title: format!("Count retries where they are taken ({n})"),
        event: "push".to_owned(),
        branch: branch.to_owned(),
        commit_sha: format!("{n:08x}5f60718293a4b5c6d7e8f9012345678a"),
        state,
        conclusion: (state == CiState::Red).then(|| "failure".to_owned()),
        actor: "mara".to_owned(),
        head_repository: None,
        author_email: "mara@acme.example".to_owned(),
        commit_message: "Count retries where they are taken".to_owned(),
        pull_numbers: Vec::new(),
        url: format!("https://github.com/acme/api/actions/runs/{}", 9_100_000_000 + n),
        created_at: before(since),
        updated_at: before(since / 2),
    };
    SeenRun { run, heal: None, ignored: None }
}

/// A repository that was seen some seconds ago.
pub(super) fn picture(repository: &str, seen: i64, runs: Vec<SeenRun>) -> Picture {
    Picture {
        repository: repository.to_owned(),
        seen_at: Some(before(seen)),
        next_at: Some(before(seen - 60)),
        default_branch: "main".to_owned(),
        error: None,
        rules: RulesPicture { file: RulesFile::Read, remarks: Vec::new(), refusal: None },
        limits: LimitsPicture {
            heals_today: BTreeMap::from([("CI".to_owned(), Used { used: 1, limit: Some(3) })]),
            prs_today: Used { used: 1, limit: Some(5) },
            open_prs: Used { used: 1, limit: Some(3) },
        },
        runs,
        pulls: Vec::new(),
        stale_branches: Vec::new(),
    }
}

/// All that is watched.
pub(super) fn view() -> CiView {
    let mut again = run(483, "CI", "fix/retry-budget", CiState::Red, 720);
    (again.run.attempt, again.heal) = (2, Some(id(1)));
    let mut own = run(484, "CI", "heal/3f1c9a00-11b2c3d4", CiState::Red, 300);
    own.ignored = Some("a branch of our own".to_owned());
    let mut api = picture(
        "acme/api",
        12,
        vec![
            run(486, "CI", "main", CiState::Running, 45),
            run(485, "Deploy", "main", CiState::Waiting, 200),
            own,
            again,
            run(482, "CI", "main", CiState::Green, 4_000),
            run(481, "Nightly", "main", CiState::Cancelled, 40_000),
        ],
    );
    api.pulls.push(SeenPull {
        number: 12,
        title: "Heal CI on fix/retry-budget".to_owned(),
        branch: "heal/3f1c9a00-11b2c3d4".to_owned(),
        head: "4c1b2c3d4e5f60718293a4b5c6d7e8f901234567".to_owned(),
        is_draft: true,
        checks: Some(ChecksSummary { green: 3, red: 1, pending: 0 }),
        is_ours: true,
        url: "https://github.com/acme/api/pull/12".to_owned(),
    });
    let mut billing = picture("acme/billing", 900, vec![run(97, "build and test", "release/2.9", CiState::Red, 3_840)]);
    billing.error = Some("GitHub answers 502".to_owned());
    let mut web = picture("acme/web", 31, vec![run(2_211, "CI", "main", CiState::Red, 250)]);
    web.runs[0].ignored = Some("the repository is paused".to_owned());
    web.rules = RulesPicture {
        file: RulesFile::Refused,
        remarks: Vec::new(),
        refusal: Some("line 12: auto_merge_on_success: Paramedic never merges by itself".to_owned()),
    };
    CiView {
        pictures: vec![api, billing, web],
        budget: Some(Budget {
            limit: Some(5_000),
            remaining: Some(4_812),
            resets_at: Some(after(31 * 60)),
            requests: 356,
            unchanged: 346,
            per_hour: 356,
            blocked_until: None,
            why: None,
        }),
        can_write: true,
        why_not: None,
        now: noon(),
    }
}

fn step(number: u32, name: &str, state: CiState) -> CiStep {
    CiStep { number, name: name.to_owned(), state, conclusion: None }
}

/// A job of an attempt.
pub(super) fn job(id: u64, attempt: u32, name: &str, state: CiState) -> CiJob {
    let is_done = !matches!(state, CiState::Queued | CiState::Waiting | CiState::Running);
    let failing = if matches!(state, CiState::Red | CiState::Running) { state } else { CiState::Green };
    CiJob {
        id,
        run_id: 9_100_000_483,
        attempt,
        name: name.to_owned(),
        state,
        conclusion: None,
        check_run_id: Some(id),
        url: format!("https://github.com/acme/api/actions/runs/9100000483/job/{id}"),
        steps: vec![
            step(1, "Set up job", CiState::Green),
            step(2, "Run actions/checkout", CiState::Green),
            step(3, "Run python3 -m pytest -q", failing),
            step(4, "Upload results", if is_done { CiState::Skipped } else { CiState::Queued }),
        ],
        started_at: Some(before(700)),
        completed_at: is_done.then(|| before(655)),
    }
}

/// The jobs of an attempt of any run.
pub(super) fn jobs(run: u64, attempt: u32) -> Vec<CiJob> {
    let state = match run {
        9_100_000_486 => CiState::Running,
        9_100_000_485 => CiState::Waiting,
        9_100_000_482 => CiState::Green,
        _ => CiState::Red,
    };
    let first = run * 10 + u64::from(attempt) * 3;
    vec![
        job(first, attempt, "lint", CiState::Green),
        job(first + 1, attempt, "test (3.12, ubuntu-latest)", state),
        job(first + 2, attempt, "test (3.13, ubuntu-latest)", CiState::Green),
    ]
}

/// What waits for an answer.
pub(super) fn waiting() -> Vec<Deployment> {
    let of = |environment_id: u64, environment: &str, may_approve: bool| Deployment {
        environment_id,
        environment: environment.to_owned(),
        may_approve,
        reviewers: vec!["acme/release".to_owned()],
    };
    vec![of(7, "production", true), of(8, "vault", false)]
}
