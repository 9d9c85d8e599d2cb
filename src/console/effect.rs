//! What `update` wants done. The runtime executes it and brings the answer back as an action.
use crate::backlog::ActionRequest;
use crate::backlog::CiAct;
use crate::console::action::RequestId;
use crate::domain::RunId;

/// An imperative wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Fetch, send or write something; a later request of the same slot replaces a reading one.
    Ask {
        request: RequestId,
        ask: Ask,
    },
    /// Draw everything anew.
    Redraw,
    /// Give the terminal back to the shell until it continues us.
    Suspend,
    Quit,
}

/// What is asked of the world outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    Queue,
    Run(RunId),
    Outputs(RunId),
    Output(RunId, String),
    Live(RunId),
    /// Who the person is on the server.
    Me,
    /// The run that a decision was about whose answer is lost.
    Reread(RunId),
    Act(RunId, ActionRequest),
    /// The watched repositories as they were last seen.
    Ci,
    /// The jobs of a workflow run: its repository, its number at the forge, and which attempt of it.
    CiJobs(String, u64, Option<u32>),
    /// The log of a job of a repository.
    CiLog(String, u64),
    /// What waits for an answer in a workflow run.
    CiDeployments(String, u64),
    /// Something done at the forge, in the name of a person.
    CiAct(CiAct, String),
    LoadDraft(Draft),
    SaveDraft(Draft, String),
    DropDraft(Draft),
    /// Open the draft in the person's editor, after writing `text` to it.
    Edit(Draft, String),
    Copy(String),
}

/// Which draft of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Draft {
    pub run: RunId,
    pub kind: DraftKind,
}

/// What a draft holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DraftKind {
    Patch,
    Hint,
}

impl Draft {
    /// Returns the file's name in the drafts folder.
    pub fn file_name(self) -> String {
        match self.kind {
            DraftKind::Patch => format!("{}.patch", self.run),
            DraftKind::Hint => format!("{}.hint.txt", self.run),
        }
    }
}

/// Requests of one slot replace each other: only the latest one's answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    Queue,
    Run,
    Outputs,
    Output,
    Live,
    Me,
    Reread,
    Act,
    Ci,
    CiJobs,
    CiLog,
    CiDeployments,
    CiAct,
    LoadDraft,
    SaveDraft,
    Edit,
    Copy,
}

impl Ask {
    /// Returns the slot that this request takes.
    pub const fn slot(&self) -> Slot {
        match self {
            Self::Queue => Slot::Queue,
            Self::Run(_) => Slot::Run,
            Self::Outputs(_) => Slot::Outputs,
            Self::Output(..) => Slot::Output,
            Self::Live(_) => Slot::Live,
            Self::Me => Slot::Me,
            Self::Reread(_) => Slot::Reread,
            Self::Act(..) => Slot::Act,
            Self::Ci => Slot::Ci,
            Self::CiJobs(..) => Slot::CiJobs,
            Self::CiLog(..) => Slot::CiLog,
            Self::CiDeployments(..) => Slot::CiDeployments,
            Self::CiAct(..) => Slot::CiAct,
            Self::LoadDraft(_) => Slot::LoadDraft,
            Self::SaveDraft(..) | Self::DropDraft(_) => Slot::SaveDraft,
            Self::Edit(..) => Slot::Edit,
            Self::Copy(_) => Slot::Copy,
        }
    }
}

impl Slot {
    /// Whether the work may be dropped half-way: reading may, writing may not.
    pub const fn is_reading(self) -> bool {
        matches!(
            self,
            Self::Queue
                | Self::Run
                | Self::Outputs
                | Self::Output
                | Self::Live
                | Self::Me
                | Self::Reread
                | Self::Ci
                | Self::CiJobs
                | Self::CiLog
                | Self::CiDeployments
                | Self::LoadDraft
        )
    }
}
