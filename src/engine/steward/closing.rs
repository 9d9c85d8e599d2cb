//! A pull request whose fix a person refused is closed, with the reason.
use crate::domain::{EventType, NewEvent, PrState, PullState};
use crate::engine::steward::scene::{Scene, Stepped, Trouble};
use crate::engine::steward::words::{Kind, is_marked, marker};
use crate::forge::PullEdit;

const MAX_WHY_CHARS: usize = 500;

impl Scene<'_> {
    /// Says why, then closes it. What somebody else works on stays open, and so does what somebody opened again after the no.
    pub(super) async fn close(&mut self) -> Stepped {
        // A no to one fix is none to another run's.
        let is_refused = |it: &PullState| self.is_refused() && (self.holds_fix() || !self.is_of_another(it));
        let is_ours = |it: &PullState| it.hands_off.is_none() && !self.family.is_reopened();
        let Some(pull) = self.family.pull.clone().filter(|it| is_refused(it) && is_ours(it)) else {
            return Ok(None);
        };
        if pull.state == PrState::None && pull.number.is_none() {
            return self.take_up(&pull).await;
        }
        let Some((number, _)) = self.family.open_pull() else { return Ok(None) };
        let (repository, writes) = (self.repository(), self.writes()?);
        if self.family.chores.closing_told != Some(number) {
            let facts = match self.say_closed(number).await {
                Ok(()) => Vec::new(),
                // A conversation may be locked; the no stands all the same.
                Err(trouble) if trouble.is_refusal() => {
                    let why = self.steward.engine.safe_text(&trouble.to_string(), MAX_WHY_CHARS);
                    let message = format!("pull request #{number} is closed without a word on it: {why}");
                    vec![NewEvent::new(EventType::CiRefused, "system", message)]
                }
                Err(trouble) => return Err(trouble),
            };
            return self.record(facts, |family| family.chores.closing_told = Some(number)).await;
        }
        let edit = PullEdit { is_open: Some(false), ..PullEdit::default() };
        self.write(writes.edit_pull(&repository, number, &edit)).await?;
        // The next visit finds it closed and says so here.
        self.record(Vec::new(), |_| {}).await
    }

    async fn say_closed(&mut self, number: u64) -> Result<(), Trouble> {
        let mark = marker(Kind::Closed, &self.family.key, &format!("pull={number}"));
        if self.is_said(number, &mark).await? {
            return Ok(());
        }
        let (repository, writes) = (self.repository(), self.writes()?);
        let body = self.words(|it| it.closed(number));
        self.write(writes.add_comment(&repository, number, &body)).await.map(drop)
    }

    /// Finds the pull request of a branch of which only the push is known: it may have been opened just before the no.
    async fn take_up(&mut self, pull: &PullState) -> Stepped {
        if let Some(there) = self.find(pull).await?
            && self.is_of_us(&there).await?
        {
            return self.adopt(&there).await;
        }
        self.record_pull(Vec::new(), |it| it.state = PrState::Closed).await
    }

    /// Whether a comment of ours with that marker is on an issue or a pull request.
    pub(super) async fn is_said(&self, thread: u64, mark: &str) -> Result<bool, Trouble> {
        for comment in self.reads.comments(&self.family.repository, thread).await? {
            if is_marked(&comment.body, mark) && self.steward.is_ours(&*self.reads, &comment.author).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
