//! Runs of CI for tests.
use crate::domain::{CiRun, CiState};
use jiff::Timestamp;

/// Returns a red run of the workflow CI on main.
pub(super) fn red(id: u64) -> CiRun {
    let at = Timestamp::from_second(1_790_000_000).unwrap_or_default();
    CiRun {
        id,
        attempt: 1,
        number: id,
        workflow: "CI".to_owned(),
        workflow_id: 3,
        workflow_path: ".github/workflows/ci.yml".to_owned(),
        title: "Add a thing".to_owned(),
        event: "push".to_owned(),
        branch: "main".to_owned(),
        commit_sha: "acb5820ced9479c074f688cc328bf03f341a511d".to_owned(),
        state: CiState::Red,
        conclusion: Some("failure".to_owned()),
        actor: "ann".to_owned(),
        head_repository: Some("acme/shop".to_owned()),
        author_email: "ann@acme.test".to_owned(),
        commit_message: "Add a thing".to_owned(),
        pull_numbers: Vec::new(),
        url: format!("https://github.com/acme/shop/actions/runs/{id}"),
        created_at: at,
        updated_at: at,
    }
}
