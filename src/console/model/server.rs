//! A console on a server: who the person is there, and what became of a decision whose answer is lost.
use crate::backlog::ActionKind;
use crate::backlog::Me;
use crate::console::effect::Draft;
use crate::domain::EventType;
use crate::domain::RunDetail;
use crate::domain::RunId;

/// The server that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Host and port.
    pub place: String,
    pub identity: Identity,
}

/// Who the person is on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Not answered yet.
    Unknown,
    Known(Me),
    /// The server knows nobody by what was shown to it, and says what to do.
    Stranger(String),
}

impl Server {
    /// Returns a server that has not been asked yet.
    pub const fn new(place: String) -> Self {
        Self { place, identity: Identity::Unknown }
    }

    /// Returns who one is and where, for the chrome.
    pub fn label(&self) -> String {
        match &self.identity {
            Identity::Unknown => self.place.clone(),
            Identity::Known(me) => format!("{}@{} ({})", me.name, self.place, me.role),
            Identity::Stranger(_) => format!("{} (not logged in)", self.place),
        }
    }
}

/// A decision that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    pub run: RunId,
    pub kind: ActionKind,
    /// Number of the newest event of the run that was known when it was sent.
    pub after: u64,
    pub draft: Option<Draft>,
}

impl Lost {
    /// Whether the run's timeline shows that the decision of this person arrived.
    pub fn has_arrived(&self, detail: &RunDetail, operator: &str) -> bool {
        let kind = match self.kind {
            ActionKind::Approve => EventType::RunApproved,
            ActionKind::Deny => EventType::RunDenied,
            ActionKind::Abort => EventType::RunAborted,
            ActionKind::Retry => EventType::RunRequeued,
            ActionKind::HumanFix => EventType::RunHumanFixed,
            ActionKind::Publish => EventType::PrWanted,
        };
        let actor = format!("human:{operator}");
        detail.events.iter().any(|it| it.seq > self.after && it.kind == kind && it.actor == actor)
    }
}
