//! What the fake knows and remembers.
use crate::support::github::Fault;
use crate::support::github::git::Git;
use axum::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// As it was sent, percent-encoded.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) host: String,
    /// What it said of its body's length.
    pub(crate) length: Option<String>,
    pub(crate) body: String,
}

impl Seen {
    /// Whether it is of this kind: method and path begin so, or are so where the kind ends with `$`; `*` stands for one part of a path.
    pub(crate) fn is(&self, kind: &str) -> bool {
        let line = format!("{} {}", self.method, self.path);
        if !kind.contains('*') && !kind.ends_with('$') {
            return line.starts_with(kind);
        }
        let (kind, is_whole) = kind.strip_suffix('$').map_or((kind, false), |it| (it, true));
        let (wanted, parts): (Vec<&str>, Vec<&str>) = (kind.split('/').collect(), line.split('/').collect());
        let fits = |(n, it): (usize, &&str)| {
            let is_last = n + 1 == wanted.len();
            let part = parts.get(n).copied();
            part.is_some_and(|part| *it == "*" || part == *it || (is_last && !is_whole && part.starts_with(it)))
        };
        (!is_whole || wanted.len() == parts.len()) && wanted.iter().enumerate().all(fits)
    }

    /// Returns what was sent, as a document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// All of GitHub.
#[derive(Debug)]
pub(crate) struct State {
    /// Its address as clients know it.
    pub(crate) url: String,
    /// The host that keeps the logs: another one, as far as a client can see.
    pub(crate) logs_url: String,
    folder: PathBuf,
    pub(crate) repos: BTreeMap<String, Repo>,
    /// Old names of repositories.
    pub(crate) renamed: BTreeMap<String, String>,
    pub(crate) seen: Vec<Seen>,
    /// How many requests were done and never answered.
    pub(crate) silenced: usize,
    /// Kind of request, what happens to it, and whether it always does.
    pub(crate) faults: Vec<(String, Fault, bool)>,
    /// Most rows of a page.
    pub(crate) page_size: usize,
    pub(crate) token: String,
    /// Public half of the App's key, once there is an App.
    pub(super) app_key: Option<String>,
    /// Tokens that the App was given.
    pub(crate) app_tokens: Vec<String>,
    /// For how many seconds a new token of the App is promised.
    pub(crate) app_token_s: i64,
    /// Whose the token is.
    pub(crate) login: String,
    pub(crate) scopes: String,
    pub(crate) remaining: u32,
    /// Seconds by which its clock is ahead.
    pub(crate) skew_s: i64,
    /// The last id that was given away.
    pub(super) last_id: u64,
}

/// A repository.
#[derive(Debug)]
pub(crate) struct Repo {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) git: Git,
    pub(crate) default_branch: String,
    /// What branches are called now, by their old names.
    pub(crate) renamed_branches: BTreeMap<String, String>,
    pub(crate) is_private: bool,
    pub(crate) may_push: bool,
    pub(crate) merge_methods: Vec<&'static str>,
    /// Who may be asked to review: people and teams.
    pub(crate) reviewers: BTreeSet<String>,
    pub(crate) protection: Protection,
    /// Whether issues can be assigned to the coding agent.
    pub(crate) has_copilot: bool,
    /// Newest first.
    pub(crate) runs: Vec<Value>,
    pub(crate) jobs: Vec<Value>,
    /// Logs, archives and artifacts, by the name that a redirect gives them.
    pub(crate) blobs: BTreeMap<String, Bytes>,
    /// Run of each artifact, and what is told of it.
    pub(crate) artifacts: Vec<(u64, Value)>,
    /// By check run.
    pub(crate) annotations: BTreeMap<u64, Vec<Value>>,
    /// Environments that wait for a person, by run.
    pub(crate) waiting: BTreeMap<u64, Vec<Waiting>>,
    /// Newest first.
    pub(crate) issues: Vec<Value>,
    /// Issue of each comment.
    pub(crate) comments: Vec<(u64, Value)>,
    /// Newest first. What git knows of them is added when they are told.
    pub(crate) pulls: Vec<Value>,
    /// By commit.
    pub(crate) check_runs: BTreeMap<String, Vec<Value>>,
    /// By commit.
    pub(crate) statuses: BTreeMap<String, Vec<Value>>,
}

/// What a branch asks of a pull request before it is merged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Protection {
    /// Names of checks that must be green.
    pub(crate) checks: Vec<String>,
    /// Whether somebody must have approved it; nobody ever has.
    pub(crate) needs_review: bool,
}

/// An environment that waits for a person.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    pub(crate) may_approve: bool,
}

impl State {
    pub(super) fn new(url: &str, folder: &Path) -> Self {
        let mut state = Self {
            url: url.to_owned(),
            logs_url: url.replace("127.0.0.1", "localhost"),
            folder: folder.to_owned(),
            repos: BTreeMap::new(),
            renamed: BTreeMap::new(),
            seen: Vec::new(),
            silenced: 0,
            faults: Vec::new(),
            page_size: 100,
            token: super::TOKEN.to_owned(),
            app_key: None,
            app_tokens: Vec::new(),
            app_token_s: 3_600,
            login: "octocat".to_owned(),
            scopes: "repo, workflow".to_owned(),
            remaining: 5_000,
            skew_s: 0,
            last_id: 1_000,
        };
        state.add_repository("acme/shop");
        state
    }

    pub(super) fn add_repository(&mut self, name: &str) {
        let repo = Repo {
            id: 1_296_269 + self.repos.len() as u64,
            name: name.to_owned(),
            git: Git::make(self.folder.join(format!("{name}.git"))),
            default_branch: "main".to_owned(),
            renamed_branches: BTreeMap::new(),
            is_private: false,
            may_push: true,
            merge_methods: vec!["squash", "merge", "rebase"],
            reviewers: ["ann", "bob", "core"].map(str::to_owned).into(),
            protection: Protection::default(),
            has_copilot: true,
            runs: Vec::new(),
            jobs: Vec::new(),
            blobs: BTreeMap::new(),
            artifacts: Vec::new(),
            annotations: BTreeMap::new(),
            waiting: BTreeMap::new(),
            issues: Vec::new(),
            comments: Vec::new(),
            pulls: Vec::new(),
            check_runs: BTreeMap::new(),
            statuses: BTreeMap::new(),
        };
        self.repos.insert(name.to_owned(), repo);
    }

    pub(crate) fn shop(&mut self) -> &mut Repo {
        self.repo("acme/shop")
    }

    pub(crate) fn repo(&mut self, name: &str) -> &mut Repo {
        self.repos.get_mut(name).unwrap()
    }

    /// Returns the time of the fake's own clock.
    pub(crate) fn clock(&self) -> Timestamp {
        Timestamp::try_from(std::time::SystemTime::now()).unwrap() + SignedDuration::from_secs(self.skew_s)
    }

    /// Returns its time as it tells it, in whole seconds.
    pub(crate) fn now(&self) -> String {
        self.clock().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    pub(super) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Takes the fault that is set for a request.
    pub(super) fn fault(&mut self, seen: &Seen) -> Option<Fault> {
        let idx = self.faults.iter().position(|(kind, _, _)| seen.is(kind))?;
        Some(if self.faults[idx].2 { self.faults[idx].1.clone() } else { self.faults.remove(idx).1 })
    }
}

impl Repo {
    /// Returns the number of the next issue or pull request: they are counted together.
    pub(super) fn next_number(&self) -> u64 {
        let numbers = self.issues.iter().chain(&self.pulls).filter_map(|it| it["number"].as_u64());
        numbers.max().unwrap_or(0) + 1
    }

    pub(crate) fn issue(&mut self, number: u64) -> Option<&mut Value> {
        self.issues.iter_mut().find(|it| it["number"] == number)
    }

    /// Returns a pull request as it is kept: without what only git knows.
    pub(crate) fn pull(&mut self, number: u64) -> Option<&mut Value> {
        self.pulls.iter_mut().find(|it| it["number"] == number)
    }

    /// Returns the comments on an issue or a pull request.
    pub(crate) fn comments_on(&self, number: u64) -> Vec<&Value> {
        self.comments.iter().filter(|(of, _)| *of == number).map(|(_, it)| it).collect()
    }
}
