//! A pull request whose fix a person refused is closed, with the reason.
use crate::domain::{Reason, Status};
use crate::engine::steward::scene::{Scene, Stepped};
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
        let Some((number, pull)) = self.family.open_pull() else { return Ok(None) };
        if !is_refused || pull.hands_off.is_some() {
            return Ok(None);
        }
        let (repository, reads, writes) = (self.repository(), self.reads.clone(), self.writes.clone());
        let mark = marker(Kind::Closed, &self.family.key, &format!("pull={number}"));
        let comments = reads.comments(&repository, number).await?;
        if !comments.iter().any(|it| is_marked(&it.body, &mark)) {
            let body = self.words(|it| it.closed(number));
            self.write(writes.add_comment(&repository, number, &body)).await?;
            return self.record(Vec::new(), |_| {}).await;
        }
        let edit = PullEdit { is_open: Some(false), ..PullEdit::default() };
        self.write(writes.edit_pull(&repository, number, &edit)).await?;
        // The next visit finds it closed and says so here.
        self.record(Vec::new(), |_| {}).await
    }
}
