//! The backlog in this process: asks the engine and its store directly.
use crate::backlog::{
    Acted, ActionKind, ActionRequest, Audit, Backlog, BacklogError, CiAct, HandMade, Live, Output, job_log,
};
use crate::domain::{
    CiJob, CiView, Deployment, Event, Illegal, RepositorySummary, Run, RunDetail, RunForge, RunId, RunQuery, Status,
    Summary, family_key,
};
use crate::engine::ci::{CiError, ForgeError};
use crate::engine::decisions::{Action, Done, Operator};
use crate::engine::{Engine, EngineError};
use async_trait::async_trait;
use std::time::Duration;

/// How long `newest` waits at most.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many repositories are summed up at most.
const MAX_REPOSITORIES: u32 = 1_000;

/// The backlog of one data directory.
#[derive(Debug, Clone)]
pub struct Embedded {
    engine: Engine,
    is_read_only: bool,
}

impl Embedded {
    pub fn new(engine: Engine, is_read_only: bool) -> Self {
        Self { engine, is_read_only }
    }
}

#[async_trait]
impl Backlog for Embedded {
    async fn runs(&self, query: &RunQuery) -> Result<(Vec<Run>, u64), BacklogError> {
        if !self.is_read_only {
            self.engine.take_back_dead().await.map_err(error)?;
        }
        self.engine.store.runs(query).await.map_err(|it| error(it.into()))
    }

    async fn run(&self, id: RunId) -> Result<RunDetail, BacklogError> {
        let store = &self.engine.store;
        let read = async {
            let run = store.run(id).await?;
            let attempts = store.attempts(id).await?;
            let events = store.events(Some(id), 0, 10_000).await?;
            let is_of_forge = run.order.ci.is_some() || (run.order.instruction.is_some() && !run.order.is_of_a_path());
            let family = match store.family_of_run(id).await? {
                // Another run may have taken its place.
                None if is_of_forge => store.family(&family_key(&run.repository, &run.error_hash)).await?,
                own => own,
            };
            let forge = RunForge::of(&run, &attempts, family.as_ref());
            Ok::<_, EngineError>(RunDetail { run, attempts, events, forge })
        };
        read.await.map_err(error)
    }

    async fn resolve(&self, text: &str) -> Result<RunId, BacklogError> {
        if let Ok(id) = text.parse::<RunId>() {
            self.engine.store.run(id).await.map_err(|it| error(it.into()))?;
            return Ok(id);
        }
        let wanted = text.to_ascii_lowercase();
        let is_prefix = !wanted.is_empty() && wanted.chars().all(|it| it.is_ascii_hexdigit() || it == '-');
        if wanted != "latest" && !is_prefix {
            let clean = self.engine.safe_text(text, 80);
            return Err(BacklogError::Invalid(format!(
                "`{clean}` is not a run: give an id, the beginning of one, or `latest`"
            )));
        }
        let found = self.engine.store.find(&wanted, 3).await.map_err(|it| error(it.into()))?;
        match found.as_slice() {
            [] if wanted == "latest" => Err(BacklogError::NotFound("the backlog is empty".to_owned())),
            [] => Err(BacklogError::NotFound(format!("no run starts with `{wanted}`; `paramedic runs` lists them"))),
            [id] => Ok(*id),
            several => {
                let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
                Err(BacklogError::Invalid(format!("`{wanted}` names several runs: {}", ids.join(", "))))
            }
        }
    }

    async fn summary(&self) -> Result<Summary, BacklogError> {
        let summary = self.engine.store.summary().await.map_err(|it| error(it.into()))?;
        let workers = self.engine.n_workers().await.map_err(error)?;
        Ok(Summary { workers: Some(workers), ..summary })
    }

    async fn repositories(&self) -> Result<Vec<RepositorySummary>, BacklogError> {
        self.engine.store.repositories(MAX_REPOSITORIES).await.map_err(|it| error(it.into()))
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, BacklogError> {
        self.engine.store.events(None, after, limit).await.map_err(|it| error(it.into()))
    }

    async fn verify(&self) -> Result<Audit, BacklogError> {
        self.engine.store.verify().await.map_err(|it| error(it.into()))
    }

    async fn outputs(&self, id: RunId) -> Result<Vec<(String, u64)>, BacklogError> {
        let outputs = self.engine.store.outputs(id).await.map_err(|it| error(it.into()))?;
        if outputs.is_empty() {
            // No outputs and no run look alike to the store.
            self.engine.store.run(id).await.map_err(|it| error(it.into()))?;
        }
        Ok(outputs)
    }

    async fn output(&self, id: RunId, name: &str) -> Result<Option<Output>, BacklogError> {
        let stored = self.engine.store.output(id, name).await.map_err(|it| error(it.into()))?;
        Ok(stored.map(|it| Output { name: it.name, bytes: it.bytes, dropped_bytes: it.dropped_bytes }))
    }

    async fn live(&self, id: RunId) -> Result<Option<Live>, BacklogError> {
        Ok(self.engine.live.read(id))
    }

    async fn act(&self, id: RunId, request: ActionRequest) -> Result<Acted, BacklogError> {
        if self.is_read_only {
            return Err(BacklogError::Refused("this is read-only; start without --read-only to decide".to_owned()));
        }
        let action = match (request.kind, request.fix) {
            (ActionKind::Approve, _) => Action::Approve,
            (ActionKind::Deny, _) => Action::Deny,
            (ActionKind::Abort, _) => Action::Abort,
            (ActionKind::Retry, _) => Action::Retry,
            (ActionKind::Publish, _) => Action::Publish,
            (ActionKind::HumanFix, Some(HandMade::Patch(text))) => Action::FixByPatch(text),
            (ActionKind::HumanFix, Some(HandMade::Worktree(dir))) => Action::FixByWorktree(dir),
            (ActionKind::HumanFix, Some(HandMade::Hint(text))) => Action::Hint(text),
            (ActionKind::HumanFix, None) => {
                return Err(BacklogError::Invalid("a human fix needs a patch, a worktree or a hint".to_owned()));
            }
        };
        let operator = Operator {
            name: request.by,
            is_authenticated: request.is_authenticated,
            note: request.note,
            rev: request.rev,
            version: request.version,
            machine: request.machine,
        };
        let (run, message, is_repeat, needs_second_key) =
            match self.engine.decide(id, &action, &operator).await.map_err(error)? {
                Done::Changed { run, message } => (run, message, false, false),
                Done::FirstKey { run, message } => (run, message, false, true),
                Done::Repeat { run, message } => {
                    let is_first_key = action == Action::Approve && run.status == Status::Fixed;
                    (run, message, true, is_first_key)
                }
            };
        Ok(Acted { run, message, is_repeat, needs_second_key })
    }

    async fn ci(&self) -> Result<CiView, BacklogError> {
        let view = self.engine.ci_view().await.map_err(ci_error)?;
        if self.is_read_only {
            return Ok(CiView { can_write: false, why_not: Some("this is read-only".to_owned()), ..view });
        }
        Ok(view)
    }

    async fn ci_jobs(&self, repository: &str, run: u64, attempt: Option<u32>) -> Result<Vec<CiJob>, BacklogError> {
        self.engine.ci_jobs(repository, run, attempt).await.map_err(ci_error)
    }

    async fn ci_log(&self, repository: &str, job: u64) -> Result<Output, BacklogError> {
        let log = self.engine.ci_log(repository, job).await.map_err(ci_error)?;
        Ok(Output { name: job_log(job), bytes: log.bytes, dropped_bytes: log.dropped_bytes })
    }

    async fn ci_deployments(&self, repository: &str, run: u64) -> Result<Vec<Deployment>, BacklogError> {
        self.engine.ci_deployments(repository, run).await.map_err(ci_error)
    }

    async fn ci_act(&self, act: CiAct, by: &str) -> Result<String, BacklogError> {
        if self.is_read_only {
            return Err(BacklogError::Refused("this is read-only; start without --read-only to decide".to_owned()));
        }
        self.engine.ci_act(&act, by).await.map_err(ci_error)
    }

    async fn newest(&self, after: u64) -> Result<u64, BacklogError> {
        self.engine.store.changed(after, PATIENCE).await.map_err(|it| error(it.into()))
    }
}

/// Sorts an error by what the person can do about it.
fn error(error: EngineError) -> BacklogError {
    use crate::engine::StoreError;
    use crate::engine::WorkspaceError;
    let text = error.to_string();
    match error {
        EngineError::Illegal(Illegal::NotThisPerson(_)) => BacklogError::Refused(text),
        EngineError::Illegal(Illegal::State { status, .. }) => BacklogError::Illegal { message: text, state: status },
        EngineError::Illegal(Illegal::StaleDigest { named, now }) => BacklogError::Moved { message: text, named, now },
        EngineError::Illegal(Illegal::StaleVersion { named, now }) => {
            BacklogError::Moved { message: text, named: named.to_string(), now: now.to_string() }
        }
        EngineError::Store(StoreError::Unavailable(_)) => BacklogError::Unreachable(text),
        EngineError::Store(StoreError::Conflict)
        | EngineError::Precondition(_)
        | EngineError::Workspace(WorkspaceError::BranchTaken { .. } | WorkspaceError::Foreign { .. }) => {
            BacklogError::Precondition(text)
        }
        EngineError::Store(StoreError::NotFound) => BacklogError::NotFound(text),
        EngineError::Invalid(_)
        | EngineError::Workspace(
            WorkspaceError::Unusable(_) | WorkspaceError::DoesNotApply(_) | WorkspaceError::BadPatch(_),
        ) => BacklogError::Invalid(text),
        EngineError::Store(StoreError::Broken(_))
        | EngineError::Workspace(WorkspaceError::Git(_) | WorkspaceError::Io { .. })
        | EngineError::Stopped
        | EngineError::Process(_) => BacklogError::Failed(text),
    }
}

/// Sorts what went wrong at the forge by what the person can do about it. What the forge says is told as it says it.
fn ci_error(wrong: CiError) -> BacklogError {
    let text = wrong.to_string();
    match wrong {
        CiError::NotWatched(_) | CiError::Forge(ForgeError::NotFound(_)) => BacklogError::NotFound(text),
        CiError::Closed(_) | CiError::Forge(ForgeError::Unauthorised(_)) => BacklogError::Refused(text),
        CiError::Nothing(_)
        | CiError::Forge(ForgeError::Conflict(_) | ForgeError::Refused { .. } | ForgeError::Later { .. }) => {
            BacklogError::Precondition(text)
        }
        CiError::Forge(
            ForgeError::Unknown(_) | ForgeError::Unanswered(_) | ForgeError::TooLarge(_) | ForgeError::Odd(_),
        ) => BacklogError::Forge(text),
        CiError::Store(store) => error(store.into()),
    }
}
