//! The backlog on a server: the same questions over HTTP, news over one stream of events. A decision is sent once and never again by itself.
mod address;
mod answer;
mod ci;
mod line;
mod news;
mod sending;

pub use line::Access;
pub use sending::OrderTaken;

use crate::backlog::remote::line::{Answer, Line};
use crate::backlog::remote::news::Listener;
use crate::backlog::{
    Acted, ActionKind, ActionRequest, Audit, Backlog, BacklogError, CiAct, HandMade, Live, Me, Output, job_log,
};
use crate::domain::{
    CiJob, CiView, Deployment, Event, RepositorySummary, Run, RunDetail, RunId, RunQuery, Summary,
};
use async_trait::async_trait;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

/// How long `newest` waits at most.
const PATIENCE: Duration = Duration::from_secs(1);
/// Runs of one page at most; the server's own limit.
const PAGE: u64 = 100;
/// Events of one answer at most; the server's own limit.
const EVENTS: u32 = 1_000;
/// How often a list is read again because it changed between two pages.
const MAX_READINGS: usize = 3;

/// The backlog of one server.
#[derive(Debug)]
pub struct Remote {
    line: Line,
    is_read_only: bool,
    /// Opened with the first question for news.
    listener: OnceLock<Listener>,
}

/// One page of runs.
#[derive(Debug, Deserialize)]
struct Page {
    data: Vec<Run>,
    total: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resolved {
    run_id: RunId,
}

#[derive(Debug, Deserialize)]
struct Events {
    data: Vec<Event>,
}

#[derive(Debug, Deserialize)]
struct Stored {
    name: String,
    bytes: u64,
}

#[derive(Debug, Deserialize)]
struct Audited {
    events: u64,
    head: String,
    problems: Vec<String>,
}

/// A decision as it is sent; who decides is in the token.
#[derive(Debug, Default, Serialize)]
struct Decision {
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rev: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decided {
    run: Run,
    message: String,
    repeated: bool,
    needs_second_key: bool,
}

impl Remote {
    /// Returns the backlog of the server at an address; nothing is asked yet. The error is for a person.
    pub fn new(access: &Access, is_read_only: bool) -> Result<Self, String> {
        Ok(Self { line: Line::new(access)?, is_read_only, listener: OnceLock::new() })
    }

    /// Returns the server's address.
    pub fn address(&self) -> String {
        self.line.address.to_string()
    }

    /// Returns host and port, as they are shown beside a name.
    pub fn place(&self) -> String {
        self.line.address.place()
    }

    /// Whether requests carry a token.
    pub const fn has_token(&self) -> bool {
        self.line.has_token
    }

    /// Returns the server's version, from its own description.
    pub async fn server_version(&self) -> Result<String, BacklogError> {
        #[derive(Deserialize)]
        struct Document {
            info: Info,
        }
        #[derive(Deserialize)]
        struct Info {
            version: String,
        }
        let answer = self.line.read(self.line.address.beside(&["openapi.json"]), &[]).await?;
        Ok(answer::value::<Document>(&answer.body)?.info.version)
    }

    fn url(&self, segments: &[&str]) -> Url {
        self.line.address.route(segments)
    }

    async fn get<T: DeserializeOwned>(&self, segments: &[&str], query: &[(&str, String)]) -> Result<T, BacklogError> {
        answer::value(&self.line.read(self.url(segments), query).await?.body)
    }

    /// Reads the pages that hold what is asked for. Returns `None` if a run moved from one page to another meanwhile.
    async fn read_runs(&self, query: &RunQuery, may_overlap: bool) -> Result<Option<(Vec<Run>, u64)>, BacklogError> {
        let end = if query.limit == 0 { u64::MAX } else { query.offset.saturating_add(query.limit) };
        let is_one_page = (1..=PAGE).contains(&query.limit) && query.offset.is_multiple_of(query.limit);
        let size = if is_one_page { query.limit } else { PAGE };
        let first = query.offset / size;
        let (mut runs, mut seen) = (Vec::new(), BTreeSet::new());
        for page in first.. {
            let mut asked = vec![("page", (page + 1).to_string()), ("pageSize", size.to_string())];
            asked.extend(query.status.map(|it| ("status", it.to_string())));
            asked.extend(query.repository.clone().map(|it| ("repository", it)));
            let Page { data, total } = self.get(&["runs"], &asked).await?;
            let n_read = data.len() as u64;
            for (at, run) in (page * size..).zip(data) {
                let is_new = seen.insert(run.id);
                if !is_new && !may_overlap {
                    return Ok(None);
                }
                if is_new && (query.offset..end).contains(&at) {
                    runs.push(run);
                }
            }
            let read_to = (page + 1).saturating_mul(size);
            if n_read == 0 || end.min(total) <= read_to {
                return Ok(Some((runs, total)));
            }
        }
        Ok(None)
    }
}

/// Returns an output with what its head says of it.
fn output(name: String, answer: Answer) -> Output {
    let dropped = answer.headers.get("x-dropped-bytes").and_then(|it| it.to_str().ok()?.parse().ok());
    Output { name, dropped_bytes: dropped.unwrap_or(0), bytes: answer.body }
}

#[async_trait]
impl Backlog for Remote {
    async fn runs(&self, query: &RunQuery) -> Result<(Vec<Run>, u64), BacklogError> {
        for reading in 1..=MAX_READINGS {
            if let Some(read) = self.read_runs(query, reading == MAX_READINGS).await? {
                return Ok(read);
            }
        }
        Err(BacklogError::Failed("the list of runs has no end".to_owned()))
    }

    async fn run(&self, id: RunId) -> Result<RunDetail, BacklogError> {
        self.get(&["runs", &id.to_string()], &[]).await
    }

    async fn resolve(&self, text: &str) -> Result<RunId, BacklogError> {
        Ok(self.get::<Resolved>(&["resolve"], &[("run", text.to_owned())]).await?.run_id)
    }

    async fn summary(&self) -> Result<Summary, BacklogError> {
        self.get(&["metrics", "summary"], &[]).await
    }

    async fn repositories(&self) -> Result<Vec<RepositorySummary>, BacklogError> {
        self.get(&["metrics", "repositories"], &[]).await
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, BacklogError> {
        let mut events: Vec<Event> = Vec::new();
        loop {
            let after = events.last().map_or(after, |it| it.seq);
            let missing = limit.saturating_sub(u32::try_from(events.len()).unwrap_or(u32::MAX));
            let wanted = missing.min(EVENTS);
            if wanted == 0 {
                return Ok(events);
            }
            let asked = [("after", after.to_string()), ("limit", wanted.to_string())];
            let Events { data } = self.get(&["events"], &asked).await?;
            if data.is_empty() {
                return Ok(events);
            }
            events.extend(data);
        }
    }

    async fn verify(&self) -> Result<Audit, BacklogError> {
        let Audited { events, head, problems } = self.get(&["audit"], &[]).await?;
        Ok(Audit { events, head, problems })
    }

    async fn outputs(&self, id: RunId) -> Result<Vec<(String, u64)>, BacklogError> {
        let stored: Vec<Stored> = self.get(&["runs", &id.to_string(), "outputs"], &[]).await?;
        Ok(stored.into_iter().map(|it| (it.name, it.bytes)).collect())
    }

    async fn output(&self, id: RunId, name: &str) -> Result<Option<Output>, BacklogError> {
        // These would be taken for steps in the path; no output has such a name.
        if matches!(name, "" | "." | "..") {
            return Ok(None);
        }
        let answer = match self.line.read(self.url(&["runs", &id.to_string(), "outputs", name]), &[]).await {
            Ok(answer) => answer,
            Err(BacklogError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(output(name.to_owned(), answer)))
    }

    async fn live(&self, id: RunId) -> Result<Option<Live>, BacklogError> {
        let answer = self.line.read(self.url(&["runs", &id.to_string(), "live"]), &[]).await?;
        if answer.body.is_empty() { Ok(None) } else { answer::value(&answer.body) }
    }

    async fn act(&self, id: RunId, request: ActionRequest) -> Result<Acted, BacklogError> {
        if self.is_read_only {
            return Err(BacklogError::Refused("this is read-only; start without --read-only to decide".to_owned()));
        }
        let ActionRequest { kind, note, rev, version, fix, .. } = request;
        let mut decision = Decision { note, rev, version, ..Decision::default() };
        match (kind, fix) {
            (ActionKind::HumanFix, Some(HandMade::Patch(text))) => decision.patch = Some(text),
            (ActionKind::HumanFix, Some(HandMade::Hint(text))) => decision.hint = Some(text),
            (ActionKind::HumanFix, Some(HandMade::Worktree(_))) => {
                return Err(BacklogError::Invalid("a server sees no folder of this machine; send a patch".to_owned()));
            }
            (ActionKind::HumanFix, None) => {
                return Err(BacklogError::Invalid("a human fix needs a patch, a worktree or a hint".to_owned()));
            }
            _ => {}
        }
        let url = self.url(&["runs", &id.to_string(), "actions", kind.as_str()]);
        let answer = self.line.decide(url, &decision, "look at the run").await?;
        let decided = answer::value::<Decided>(&answer.body);
        // It was done, whatever the words about it are.
        let decided =
            decided.map_err(|it| BacklogError::Unreachable(format!("it was done, but {it}; look at the run")))?;
        let Decided { run, message, repeated, needs_second_key } = decided;
        Ok(Acted { run, message, is_repeat: repeated, needs_second_key })
    }

    async fn me(&self) -> Result<Option<Me>, BacklogError> {
        self.get(&["me"], &[]).await.map(Some)
    }

    async fn ci(&self) -> Result<CiView, BacklogError> {
        let view: CiView = self.get(&["ci"], &[]).await?;
        if self.is_read_only {
            return Ok(CiView { can_write: false, why_not: Some("this is read-only".to_owned()), ..view });
        }
        Ok(view)
    }

    async fn ci_jobs(&self, repository: &str, run: u64, attempt: Option<u32>) -> Result<Vec<CiJob>, BacklogError> {
        let query: Vec<(&str, String)> = attempt.into_iter().map(|it| ("attempt", it.to_string())).collect();
        answer::value(&self.line.read(self.ci_url(repository, &["runs", &run.to_string(), "jobs"])?, &query).await?.body)
    }

    async fn ci_log(&self, repository: &str, job: u64) -> Result<Output, BacklogError> {
        let answer = self.line.read(self.ci_url(repository, &["jobs", &job.to_string(), "log"])?, &[]).await?;
        Ok(output(job_log(job), answer))
    }

    async fn ci_deployments(&self, repository: &str, run: u64) -> Result<Vec<Deployment>, BacklogError> {
        let url = self.ci_url(repository, &["runs", &run.to_string(), "deployments"])?;
        answer::value(&self.line.read(url, &[]).await?.body)
    }

    async fn ci_act(&self, act: CiAct, _: &str) -> Result<String, BacklogError> {
        if self.is_read_only {
            return Err(BacklogError::Refused("this is read-only; start without --read-only to decide".to_owned()));
        }
        self.send_ci_act(act).await
    }

    async fn newest(&self, after: u64) -> Result<u64, BacklogError> {
        self.listener.get_or_init(|| Listener::start(self.line.clone())).wait(after, PATIENCE).await
    }
}
