//! What is asked of a forge when something there is to change.
use crate::domain::MergeMethod;

/// An issue to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewIssue<'a> {
    pub title: &'a str,
    pub body: &'a str,
    pub labels: &'a [String],
}

/// What is to change in an issue; the rest stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IssueEdit<'a> {
    pub title: Option<&'a str>,
    pub body: Option<&'a str>,
    /// One that is closed is done.
    pub is_open: Option<bool>,
}

/// A pull request to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewPull<'a> {
    pub title: &'a str,
    pub body: &'a str,
    /// Branch of the same repository.
    pub head: &'a str,
    pub base: &'a str,
    pub is_draft: bool,
}

/// What is to change in a pull request; the rest stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PullEdit<'a> {
    pub title: Option<&'a str>,
    pub body: Option<&'a str>,
    pub is_open: Option<bool>,
}

/// How a pull request is to be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merge<'a> {
    /// The commit that its branch must still be at.
    pub sha: &'a str,
    pub method: MergeMethod,
    /// First line of the merge commit, and the rest of its message.
    pub title: &'a str,
    pub message: &'a str,
}
