//! A repository's own rules, read from the tip of its default branch: a failing branch cannot write its own.
use crate::domain::{RulesFile, RulesPicture};
use crate::evidence::text::clean_line;
use crate::forge::{ForgeError, Reads};
use crate::rules::{PATH, Rules};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// How often it is looked whether the branch has moved, where nothing is red.
const FRESH: SignedDuration = SignedDuration::from_mins(30);

/// The rules as they were read last.
#[derive(Debug, Default)]
pub(in crate::engine) struct Read {
    /// None: not read yet, or refused.
    pub(in crate::engine) rules: Option<Arc<Rules>>,
    /// The commit that they are of.
    tip: Option<String>,
    looked_at: Option<Timestamp>,
    remarks: Vec<String>,
    refusal: Option<String>,
    is_absent: bool,
}

impl Read {
    /// Reads the rules again where the default branch has moved. Whether it has is asked every half hour, or now if `at_once`.
    pub(in crate::engine) async fn refresh(
        &mut self,
        reads: &dyn Reads,
        repository: &str,
        branch: &str,
        at_once: bool,
        now: Timestamp,
    ) -> Result<(), ForgeError> {
        let fresh = if at_once { SignedDuration::from_nanos(1) } else { FRESH };
        if !is_due(self.looked_at, fresh, now) {
            return Ok(());
        }
        let tip = reads.branch(repository, branch).await?;
        self.looked_at = Some(now);
        if tip.is_some() && tip == self.tip {
            return Ok(());
        }
        // What is not there says nothing: neither that there are no rules, nor that those of before still hold.
        let Some(commit) = &tip else {
            self.refuse(None, format!("the default branch {} is not there", clean_line(branch)));
            return Ok(());
        };
        // A file of a commit never changes, so that it is asked for once.
        let file = match reads.file(repository, PATH, commit).await {
            Err(ForgeError::TooLarge(why)) => {
                self.refuse(tip, why);
                return Ok(());
            }
            read => read?,
        };
        self.is_absent = file.is_none();
        match Rules::read(&file.unwrap_or_default()) {
            Ok((rules, remarks)) => {
                self.rules = Some(Arc::new(rules));
                self.remarks = remarks.iter().map(ToString::to_string).collect();
                (self.refusal, self.tip) = (None, tip);
            }
            Err(error) => self.refuse(tip, error.to_string()),
        }
        Ok(())
    }

    fn refuse(&mut self, tip: Option<String>, why: String) {
        self.rules = None;
        self.remarks.clear();
        (self.refusal, self.tip, self.is_absent) = (Some(why), tip, false);
    }

    /// Returns why nothing is healed whatever fails, in words.
    pub(in crate::engine) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Returns what a screen shows of it.
    pub(super) fn picture(&self) -> RulesPicture {
        let file = match (&self.refusal, self.looked_at, self.is_absent) {
            (Some(_), _, _) => RulesFile::Refused,
            (None, None, _) => RulesFile::Unread,
            (None, Some(_), true) => RulesFile::Absent,
            (None, Some(_), false) => RulesFile::Read,
        };
        RulesPicture { file, remarks: self.remarks.clone(), refusal: self.refusal.clone() }
    }
}

/// Whether what was read `last` is to be read again; also where the clock was set back meanwhile.
pub(super) fn is_due(last: Option<Timestamp>, fresh: SignedDuration, now: Timestamp) -> bool {
    last.is_none_or(|it| !(SignedDuration::ZERO..fresh).contains(&now.duration_since(it)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_is_due_and_what_is_of_the_future_too() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let due = |minutes: i64| is_due(Some(now - SignedDuration::from_mins(minutes)), FRESH, now);
        assert_eq!([0, 29, 30, -1, -60].map(due), [false, false, true, true, true]);
        assert!(is_due(None, FRESH, now));
    }
}
