//! One workflow run: its attempts, jobs and steps as a tree, and what waits in it for an answer.
use crate::domain::CiJob;
use crate::domain::CiState;
use crate::domain::CiStep;
use crate::domain::Deployment;
use crate::domain::SeenRun;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Attempts that are listed: the newest ones.
const MAX_ATTEMPTS: u32 = 20;

/// The panes of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pane {
    #[default]
    Jobs,
    Log,
}

impl Pane {
    /// Returns the other pane.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Jobs => Self::Log,
            Self::Log => Self::Jobs,
        }
    }
}

/// The run on screen.
#[derive(Debug, Clone)]
pub struct CiRunPage {
    pub repository: String,
    /// Its number at the forge.
    pub run: u64,
    /// As it was last seen; kept when it is no longer among those that are watched.
    pub seen: Option<SeenRun>,
    /// The attempt chosen by hand; without one, the latest.
    pub attempt: Option<u32>,
    /// The jobs of the attempt on screen.
    pub jobs: Option<Vec<CiJob>>,
    /// Why they could not be read.
    pub refusal: Option<String>,
    /// What waits for an answer; none: not read.
    pub waiting: Option<Vec<Deployment>>,
    pub pane: Pane,
    pub cursor: usize,
    pub offset: usize,
    /// Jobs that were folded or unfolded by hand.
    pub unfolded: BTreeMap<u64, bool>,
    /// When the jobs were last asked for.
    pub asked_at: Option<Timestamp>,
    /// When the cursor last moved.
    pub moved_at: Timestamp,
    /// Whether the cursor stood on the failed job already.
    pub is_placed: bool,
}

/// One row of the tree.
#[derive(Debug, Clone, Copy)]
pub enum Node<'a> {
    /// An attempt, and whether its jobs are those on screen.
    Attempt(u32, bool),
    Waiting(&'a Deployment),
    /// A job, and whether its steps are on screen.
    Job(&'a CiJob, bool),
    Step(&'a CiJob, &'a CiStep),
}

impl CiRunPage {
    /// Returns a run of which only the name is known.
    pub fn new(repository: &str, run: u64, seen: Option<SeenRun>, now: Timestamp) -> Self {
        Self {
            repository: repository.to_owned(),
            run,
            seen,
            attempt: None,
            jobs: None,
            refusal: None,
            waiting: None,
            pane: Pane::default(),
            cursor: 0,
            offset: 0,
            unfolded: BTreeMap::new(),
            asked_at: None,
            moved_at: now,
            is_placed: false,
        }
    }

    /// Returns the latest attempt that is known.
    pub fn latest(&self) -> u32 {
        let of_jobs = self.jobs.iter().flatten().map(|it| it.attempt).max().unwrap_or(1);
        self.seen.as_ref().map_or(of_jobs, |it| it.run.attempt.max(of_jobs)).max(1)
    }

    /// Returns the attempt whose jobs are on screen.
    pub fn shown(&self) -> u32 {
        self.attempt.unwrap_or_else(|| self.latest())
    }

    /// Whether there is still something to come: then the jobs are asked for again and again.
    pub fn is_going_on(&self) -> bool {
        let is_open = |it: CiState| matches!(it, CiState::Queued | CiState::Waiting | CiState::Running);
        let is_seen = self.seen.as_ref().is_some_and(|it| is_open(it.run.state));
        self.attempt.is_none_or(|it| it == self.latest())
            && (is_seen || self.jobs.iter().flatten().any(|it| is_open(it.state)))
    }

    /// Whether a job's steps are on screen: where it is red or at work, unless a person folded it.
    pub fn is_unfolded(&self, job: &CiJob) -> bool {
        let is_told = matches!(job.state, CiState::Red | CiState::Running);
        self.unfolded.get(&job.id).copied().unwrap_or(is_told)
    }

    /// Returns the rows of the tree: the newest attempt first, the jobs below the attempt they are of.
    pub fn nodes(&self) -> Vec<Node<'_>> {
        let (latest, shown) = (self.latest(), self.shown());
        let first = latest.saturating_sub(MAX_ATTEMPTS - 1).max(1);
        let mut nodes = Vec::new();
        for no in (first..=latest).rev() {
            nodes.push(Node::Attempt(no, no == shown));
            if no != shown {
                continue;
            }
            nodes.extend(self.waiting.iter().flatten().filter(|_| no == latest).map(Node::Waiting));
            for job in self.jobs.iter().flatten() {
                let is_unfolded = self.is_unfolded(job);
                nodes.push(Node::Job(job, is_unfolded));
                if is_unfolded {
                    nodes.extend(job.steps.iter().map(|step| Node::Step(job, step)));
                }
            }
        }
        nodes
    }

    /// Returns the job that the cursor stands on or in, else the first that failed or is at work, else the first.
    pub fn job(&self) -> Option<&CiJob> {
        match self.nodes().get(self.cursor).copied() {
            Some(Node::Job(job, _) | Node::Step(job, _)) => Some(job),
            _ => self.telling().or_else(|| self.jobs.as_ref()?.first()),
        }
    }

    /// Returns the first job that failed, else the first that is at work.
    fn telling(&self) -> Option<&CiJob> {
        let first = |state: CiState| self.jobs.iter().flatten().find(|it| it.state == state);
        first(CiState::Red).or_else(|| first(CiState::Running))
    }

    /// Puts the cursor where the failure is, or where the work is, once: on the step, else on its job, else on the attempt.
    pub fn place(&mut self) {
        if self.is_placed || self.jobs.is_none() {
            return;
        }
        let nodes = self.nodes();
        let told = self.telling().map(|it| (it.id, it.state));
        let is_step = |it: &Node<'_>| matches!(it, Node::Step(job, step) if told == Some((job.id, job.state)) && step.state == job.state);
        let is_job = |it: &Node<'_>| matches!(it, Node::Job(job, _) if told == Some((job.id, job.state)));
        let is_shown = |it: &Node<'_>| matches!(it, Node::Attempt(_, true));
        let found = nodes.iter().position(is_step).or_else(|| nodes.iter().position(is_job));
        let cursor = found.or_else(|| nodes.iter().position(is_shown)).unwrap_or(0);
        (self.cursor, self.is_placed) = (cursor, true);
    }
}
