//! A decision before it is sent: what it is about is frozen when the dialog opens.
use crate::backlog::ActionKind;
use crate::backlog::CiAct;
use crate::backlog::CiActKind;
use crate::backlog::HandMade;
use crate::console::action::Outcome;
use crate::console::action::Refusal;
use crate::console::effect::Draft;
use crate::console::model::field::Field;
use crate::domain::Digest;
use crate::domain::RunId;
use jiff::SignedDuration;
use jiff::Timestamp;

/// How long a new dialog is deaf: nobody answers a question they have not seen.
pub const DEAF_FOR: SignedDuration = SignedDuration::from_millis(500);

/// What the decision is bound to, as it was on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub run: RunId,
    /// `None` when the decision stands however far the run gets meanwhile.
    pub version: Option<u64>,
    pub digest: Option<Digest>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// A decision about a run.
    Decide(ActionKind, Seen),
    /// Something done at the forge.
    Ci(CiAct),
}

impl Deed {
    /// Returns what `y` does, in a word.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Decide(ActionKind::Approve, _) => "approve",
            Self::Decide(ActionKind::Deny, _) => "deny",
            Self::Decide(ActionKind::Abort, _) => "abort",
            Self::Decide(ActionKind::Retry, _) => "retry",
            Self::Decide(ActionKind::HumanFix, _) => "send",
            Self::Decide(ActionKind::Publish, _) => "publish",
            Self::Ci(act) => match act.kind {
                CiActKind::Rerun => "run again",
                CiActKind::Cancel => "cancel the run",
                CiActKind::ApproveDeployment => "approve",
                CiActKind::RejectDeployment => "reject",
            },
        }
    }

    /// Whether something is stopped or refused by it.
    pub const fn is_danger(&self) -> bool {
        match self {
            Self::Decide(kind, _) => matches!(kind, ActionKind::Abort | ActionKind::Deny),
            Self::Ci(act) => matches!(act.kind, CiActKind::Cancel | CiActKind::RejectDeployment),
        }
    }
}

/// A text that must be typed before `y` counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    pub why: String,
    pub expected: String,
    pub field: Field,
}

impl Challenge {
    /// Whether the text was typed.
    pub fn is_met(&self) -> bool {
        self.field.text().trim() == self.expected
    }
}

/// Where typed characters go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// The question itself; cancel is the default.
    Question,
    Note,
    Challenge,
}

/// How far the decision is.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    Asking,
    /// Sent, not answered.
    Sending,
    Done(Box<Outcome>),
    /// Done at the forge, in words.
    Told(String),
    Refused(Refusal),
}

/// A decision waiting for `y`.
#[derive(Debug, Clone)]
pub struct Dialog {
    pub deed: Deed,
    pub title: String,
    /// `(label, text)`, as it was when the dialog opened.
    pub facts: Vec<(String, String)>,
    pub warnings: Vec<String>,
    pub note: Field,
    /// Whether `y` needs a note.
    pub needs_note: bool,
    pub challenge: Option<Challenge>,
    pub spot: Spot,
    pub stage: Stage,
    pub opened_at: Timestamp,
    /// Why `y` did not count.
    pub hint: Option<String>,
    /// The fix to send.
    pub fix: Option<(Draft, HandMade)>,
}

impl Dialog {
    /// Returns what is decided, and about what, if it is about a run.
    pub const fn decision(&self) -> Option<(ActionKind, &Seen)> {
        match &self.deed {
            Deed::Decide(kind, seen) => Some((*kind, seen)),
            Deed::Ci(_) => None,
        }
    }

    /// Whether characters are text.
    pub fn is_typing(&self) -> bool {
        self.stage == Stage::Asking && self.spot != Spot::Question
    }

    /// Whether input counts yet.
    pub fn is_deaf(&self, now: Timestamp) -> bool {
        now.duration_since(self.opened_at) < DEAF_FOR
    }

    /// Returns the field that is typed into.
    pub fn field(&mut self) -> Option<&mut Field> {
        match self.spot {
            Spot::Question => None,
            Spot::Note => Some(&mut self.note),
            Spot::Challenge => self.challenge.as_mut().map(|it| &mut it.field),
        }
    }

    /// Returns the spots that `tab` walks: what must be typed comes before what may be.
    pub fn spots(&self) -> Vec<Spot> {
        match self.challenge {
            Some(_) => vec![Spot::Question, Spot::Challenge, Spot::Note],
            None => vec![Spot::Question, Spot::Note],
        }
    }

    /// Returns what is still missing before `y` counts.
    pub fn missing(&self) -> Option<String> {
        if self.needs_note && self.note.is_empty() {
            return Some("a reason is needed: tab, write it, enter".to_owned());
        }
        let challenge = self.challenge.as_ref().filter(|it| !it.is_met())?;
        Some(format!("tab, then type `{}` first", challenge.expected))
    }
}
