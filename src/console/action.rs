//! What reaches `update`: input that already has a meaning, time, and answers from the backlog. Serialisable, so a session can be recorded.
use crate::backlog::Acted;
use crate::backlog::BacklogError;
use crate::backlog::Live;
use crate::backlog::Me;
use crate::console::key::Key;
use crate::domain::CiJob;
use crate::domain::CiView;
use crate::domain::Deployment;
use crate::domain::Run;
use crate::domain::RunDetail;
use crate::domain::Summary;
use crate::domain::names::named;
use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use std::path::PathBuf;

named! {
    /// What a key can mean. Each is one word in `keymaps/*.toml`.
    Command {
        Up = "up",
        Down = "down",
        Top = "top",
        Bottom = "bottom",
        HalfPageDown = "half-page-down",
        HalfPageUp = "half-page-up",
        PageDown = "page-down",
        PageUp = "page-up",
        Left = "left",
        Right = "right",
        Open = "open",
        Back = "back",
        Leave = "leave",
        Diff = "diff",
        Log = "log",
        Search = "search",
        NextMatch = "next-match",
        PreviousMatch = "previous-match",
        OnlyMatches = "only-matches",
        Next = "next",
        Previous = "previous",
        NextGroup = "next-group",
        PreviousGroup = "previous-group",
        NextNeedy = "next-needy",
        Pane = "pane",
        PreviousPane = "previous-pane",
        Toggle = "toggle",
        FoldAll = "fold-all",
        UnfoldAll = "unfold-all",
        Wrap = "wrap",
        Timestamps = "timestamps",
        Why = "why",
        Copy = "copy",
        Url = "url",
        Edit = "edit",
        Refresh = "refresh",
        Help = "help",
        Palette = "palette",
        Redraw = "redraw",
        Suspend = "suspend",
        Interrupt = "interrupt",
        Confirm = "confirm",
        Cancel = "cancel",
        Field = "field",
        PreviousField = "previous-field",
        Reload = "reload",
        Accept = "accept",
        Send = "send",
        Approve = "approve",
        Deny = "deny",
        Abort = "abort",
        Fix = "fix",
        Retry = "retry",
        Publish = "publish",
        Ci = "ci",
        HealingRun = "healing-run",
    }
}

impl Command {
    /// Whether it leads to a decision; such keys do not exist in read-only mode.
    pub const fn is_decision(self) -> bool {
        matches!(
            self,
            Self::Approve
                | Self::Deny
                | Self::Abort
                | Self::Fix
                | Self::Retry
                | Self::Publish
                | Self::Send
                | Self::Confirm
        )
    }
}

/// Names one request; an answer to any but the latest of its kind is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// What happened to the console, or what the person means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Resize {
        columns: u16,
        rows: u16,
    },
    Tick(Timestamp),
    Do(Command),
    /// A key for a text field.
    Type(Key),
    /// Bracketed paste: text, never keys.
    Paste(String),
    Answered {
        request: RequestId,
        answer: Box<Answer>,
    },
    /// The backlog's newest event.
    Changed(u64),
    /// The backlog cannot be read.
    Unreadable(String),
    /// No news come any more; perhaps the backlog can still be read.
    NoNews(String),
    /// Something of this machine failed; said, and nothing else.
    Failed(String),
    /// The terminal is gone or the process is told to end.
    Hangup,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Queue {
        runs: Vec<Run>,
        total: u64,
        summary: Summary,
    },
    Run(Box<RunDetail>),
    Outputs(Vec<(String, u64)>),
    Output {
        name: String,
        output: Option<StoredOutput>,
    },
    Live(Option<Live>),
    /// Who the person is on the server.
    Me(Option<Me>),
    Acted(Box<Outcome>),
    Ci(Box<CiView>),
    CiJobs {
        repository: String,
        run: u64,
        attempt: Option<u32>,
        jobs: Vec<CiJob>,
    },
    CiLog {
        job: u64,
        output: StoredOutput,
    },
    CiDeployments {
        repository: String,
        run: u64,
        waiting: Vec<Deployment>,
    },
    /// What was done at the forge, in words.
    CiActed(String),
    Draft {
        path: PathBuf,
        text: Option<String>,
    },
    Saved {
        path: PathBuf,
    },
    Edited {
        text: String,
    },
    Copied {
        bytes: usize,
    },
    Refused(Refusal),
}

/// A stored output; bytes that are no UTF-8 are replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredOutput {
    pub text: String,
    pub dropped_bytes: u64,
}

/// What a decision came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    pub run: Run,
    pub message: String,
    pub is_repeat: bool,
    pub needs_second_key: bool,
}

impl From<Acted> for Outcome {
    fn from(acted: Acted) -> Self {
        let Acted { run, message, is_repeat, needs_second_key } = acted;
        Self { run, message, is_repeat, needs_second_key }
    }
}

named! {
    /// The kind of a refusal.
    RefusalKind {
        NotFound = "not-found",
        Invalid = "invalid",
        Precondition = "precondition",
        Refused = "refused",
        NotAuthenticated = "not-authenticated",
        Unreachable = "unreachable",
        Failed = "failed",
    }
}

/// Why a request was not granted, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub kind: RefusalKind,
    pub text: String,
}

impl Refusal {
    /// Returns a failure of the machine.
    pub fn failed(text: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Failed, text: text.into() }
    }
}

impl From<BacklogError> for Refusal {
    fn from(error: BacklogError) -> Self {
        let kind = match error {
            BacklogError::NotFound(_) => RefusalKind::NotFound,
            BacklogError::Invalid(_) => RefusalKind::Invalid,
            BacklogError::Illegal { .. } | BacklogError::Moved { .. } | BacklogError::Precondition(_) => {
                RefusalKind::Precondition
            }
            BacklogError::Refused(_) => RefusalKind::Refused,
            BacklogError::NotAuthenticated(_) => RefusalKind::NotAuthenticated,
            BacklogError::Unreachable(_) => RefusalKind::Unreachable,
            BacklogError::Forge(_) | BacklogError::Failed(_) => RefusalKind::Failed,
        };
        Self { kind, text: error.to_string() }
    }
}
