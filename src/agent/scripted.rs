//! Recorded answers, for tests and the demo: an agent that repeats what was written down, and says so.
use crate::agent::Account;
use crate::agent::Agent;
use crate::agent::Task;
use crate::agent::Turn;
use crate::agent::tree::Change;
use crate::agent::tree::TreeFiles;
use crate::domain::AttemptFailure;
use crate::domain::Author;
use async_trait::async_trait;
use serde::Deserialize;
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

const NAME: &str = "scripted";

/// A script that cannot be understood; the text says where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the script is neither TOML nor JSON of recorded turns: {0}")]
pub struct ScriptError(String);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    turn: Vec<Recorded>,
}

/// One recorded answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    diagnosis: String,
    #[serde(default)]
    edit: Vec<Edit>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawEdit")]
enum Edit {
    Replace { file: String, search: String, replace: String },
    Write { file: String, content: String },
    Delete { file: String },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEdit {
    file: String,
    search: Option<String>,
    replace: Option<String>,
    content: Option<String>,
    #[serde(default)]
    delete: bool,
}

impl TryFrom<RawEdit> for Edit {
    type Error = String;

    fn try_from(raw: RawEdit) -> Result<Self, String> {
        let RawEdit { file, search, replace, content, delete } = raw;
        match (search, replace, content, delete) {
            (Some(search), _, None, false) if search.is_empty() => Err(format!("edit of `{file}`: `search` is empty")),
            (Some(search), Some(replace), None, false) => Ok(Self::Replace { file, search, replace }),
            (None, None, Some(content), false) => Ok(Self::Write { file, content }),
            (None, None, None, true) => Ok(Self::Delete { file }),
            _ => Err(format!("edit of `{file}`: needs `search` with `replace`, or `content`, or `delete = true`")),
        }
    }
}

/// The agent of recorded answers: its first turn in a run gives the first, and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scripted {
    script: Script,
}

impl Scripted {
    /// Reads a script, TOML or JSON: `[[turn]]` with `diagnosis`, and in it `[[turn.edit]]` with `file` and either `search` and
    /// `replace`, or `content`, or `delete = true`.
    pub fn new(script: &str) -> Result<Self, ScriptError> {
        let read = if script.trim_start().starts_with('{') {
            serde_json::from_str(script).map_err(|it| it.to_string())
        } else {
            toml::from_str(script).map_err(|it| it.to_string())
        };
        read.map(|script| Self { script }).map_err(ScriptError)
    }
}

#[async_trait]
impl Agent for Scripted {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn propose(&self, task: &Task<'_>, cancel: &CancellationToken) -> Turn {
        let is_ours = |author: &Author| matches!(author, Author::Agent(name) if name == NAME);
        let n_before = task.earlier.iter().filter(|it| is_ours(&it.author)).count();
        let Some(turn) = self.script.turn.get(n_before) else {
            return Turn::Declined("the recorded answers are used up".to_owned());
        };
        let diagnosis = format!("recorded answer: {}", turn.diagnosis);
        let account =
            Account { output: diagnosis.clone().into_bytes(), diagnosis, recorded: true, ..Account::default() };
        if cancel.is_cancelled() {
            let reason = "stopped on request".to_owned();
            return Turn::Failed { kind: AttemptFailure::AgentCrashed, reason, account };
        }
        match play(TreeFiles::new(task.tree), &turn.edit) {
            Ok(()) => Turn::Edited(account),
            Err(reason) => Turn::Failed { kind: AttemptFailure::BadPatch, reason, account },
        }
    }
}

/// Makes the edits, all or none. Several edits of one file build on each other.
fn play(tree: TreeFiles<'_>, edits: &[Edit]) -> Result<(), String> {
    let mut changes = BTreeMap::new();
    for edit in edits {
        let (file, change) = match edit {
            Edit::Write { file, content } => (file, Change::Write { file: file.clone(), content: content.clone() }),
            Edit::Delete { file } => (file, Change::Delete { file: file.clone() }),
            Edit::Replace { file, search, replace } => {
                let text = match changes.get(file) {
                    Some(Change::Write { content, .. }) => Some(content.clone()),
                    Some(_) => None,
                    None => tree.text(file),
                };
                let text = text.ok_or_else(|| format!("recorded answer: `{file}` is no text file of the tree"))?;
                (file, Change::Write { file: file.clone(), content: replaced(file, &text, search, replace)? })
            }
        };
        changes.insert(file.clone(), change);
    }
    let changes: Vec<_> = changes.into_values().collect();
    tree.apply(&changes).map_err(|it| format!("recorded answer: {it}"))
}

/// Replaces the one place where `search` stands; line breaks follow the file's.
fn replaced(file: &str, text: &str, search: &str, replace: &str) -> Result<String, String> {
    let windows = |it: &str| it.replace("\r\n", "\n").replace('\n', "\r\n");
    let is_windows = text.contains("\r\n") && !text.contains(search);
    let (search, replace) =
        if is_windows { (windows(search), windows(replace)) } else { (search.to_owned(), replace.to_owned()) };
    match text.matches(&search).count() {
        1 => Ok(text.replacen(&search, &replace, 1)),
        n_found => {
            let shown: String = search.chars().take(200).collect();
            Err(format!("recorded answer: the text to search stands {n_found} times in `{file}`, not once: `{shown}`"))
        }
    }
}

#[cfg(test)]
mod tests;
