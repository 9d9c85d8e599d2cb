//! A pull request whose fix a person refused is closed, with the reason.
use crate::domain::{PrState, PullState, Reason, Status};
use crate::engine::steward::scene::{Scene, Stepped, Trouble};
use crate::engine::steward::words::{Kind, is_marked, marker};
use crate::forge::PullEdit;

impl Scene<'_> {
    /// Says why, then closes it. What somebody else works on stays open.
    pub(super) async fn close(&mut self) -> Stepped {
        let is_refused = match self.run.status {
            Status::Escalated => self.run.escalation_reason == Some(Reason::Denied),
            Status::Aborted => true,
            _ => false,
        };
        let Some(pull) = self.family.pull.clone().filter(|it| is_refused && it.hands_off.is_none()) else {
            return Ok(None);
        };
        if pull.state == PrState::None && pull.number.is_none() {
            return self.take_up(&pull).await;
        }
        let Some((number, _)) = self.family.open_pull() else { return Ok(None) };
        let (repository, writes) = (self.repository(), self.writes.clone());
        if self.family.chores.closing_told != Some(number) {
            let mark = marker(Kind::Closed, &self.family.key, &format!("pull={number}"));
            if !self.is_said(number, &mark).await? {
                let body = self.words(|it| it.closed(number));
                self.write(writes.add_comment(&repository, number, &body)).await?;
            }
            return self.record(Vec::new(), |family| family.chores.closing_told = Some(number)).await;
        }
        let edit = PullEdit { is_open: Some(false), ..PullEdit::default() };
        self.write(writes.edit_pull(&repository, number, &edit)).await?;
        // The next visit finds it closed and says so here.
        self.record(Vec::new(), |_| {}).await
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
