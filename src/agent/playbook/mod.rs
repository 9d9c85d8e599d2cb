//! Fixers that need no model: each knows one kind of failure, reads the log and the tree, and makes the one change that is known to help.
//! The first that applies wins; what was recognised but must not be fixed by a rule is declined with the reason.
mod conflict_markers;
mod exec_bit;
mod job_timeout;
mod lines;
mod npm;
mod python;
mod repair_command;
mod scene;
mod typo;

use crate::agent::Account;
use crate::agent::Agent;
use crate::agent::Task;
use crate::agent::Turn;
use crate::agent::playbook::repair_command::Repair;
use crate::agent::playbook::scene::Scene;
use crate::agent::tree::Change;
use crate::agent::tree::TreeFiles;
use crate::domain::AttemptFailure;
use crate::domain::AttemptStatus;
use crate::domain::Author;
use crate::domain::Category;
use crate::process::Launcher;
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

const NAME: &str = "playbook";

/// A rule that knows one kind of failure.
struct Fixer {
    /// Stable: a run's earlier attempts name the fixers that were tried.
    name: &'static str,
    look: fn(&Scene<'_>) -> Option<Advice>,
}

const FIXERS: &[Fixer] = &[
    Fixer { name: "conflict-markers", look: conflict_markers::look },
    Fixer { name: "exec-bit", look: exec_bit::look },
    Fixer { name: "python-dependency", look: python::look },
    Fixer { name: "npm-dependency", look: npm::look },
    Fixer { name: "job-timeout", look: job_timeout::look },
    Fixer { name: "repair-command", look: repair_command::look },
];

/// What a fixer says of a failure that it recognises.
#[derive(Debug)]
enum Advice {
    Edit(Fix),
    /// A tool of the repository's own choice repairs it.
    Run {
        saw: String,
        repair: &'static Repair,
    },
    /// Recognised, but not to be fixed by this rule; another may.
    Refuse(String),
    /// Recognised, and nothing else may be tried before a person or a model has looked.
    Stop(String),
}

/// A change with its grounds.
#[derive(Debug)]
struct Fix {
    saw: String,
    did: String,
    why: String,
    changes: Vec<Change>,
}

/// The deterministic agent.
#[derive(Debug, Clone)]
pub struct Playbook {
    launcher: Launcher,
}

impl Playbook {
    /// Makes the agent; the launcher runs formatters and lockfile tools.
    pub fn new(launcher: Launcher) -> Self {
        Self { launcher }
    }
}

#[async_trait]
impl Agent for Playbook {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn propose(&self, task: &Task<'_>, cancel: &CancellationToken) -> Turn {
        if task.order.is_some() {
            return Turn::Declined("an order in words is for an agent that reads them".to_owned());
        }
        match consult(task) {
            Consulted::Fix(fixer, fix) => edit(task, fixer, &fix),
            Consulted::Run(fixer, saw, repair) => {
                repair_command::run(&self.launcher, task, cancel, &Told { fixer, saw: &saw }, repair).await
            }
            Consulted::Nothing(reason) => Turn::Declined(reason),
        }
    }
}

/// What the fixers together came to.
enum Consulted {
    Fix(&'static str, Fix),
    Run(&'static str, String, &'static Repair),
    Nothing(String),
}

/// Asks the fixers in order; pure but for reading the tree.
fn consult(task: &Task<'_>) -> Consulted {
    if matches!(task.failure.category, Category::Auth | Category::Credential | Category::Security) {
        return Consulted::Nothing(format!("{} failures are for people", task.failure.category));
    }
    let scene = Scene::new(task);
    let mut reasons = Vec::new();
    for fixer in FIXERS {
        let Some(advice) = (fixer.look)(&scene) else { continue };
        match advice {
            Advice::Stop(reason) => return Consulted::Nothing(format!("{}: {reason}", fixer.name)),
            Advice::Refuse(reason) => reasons.push(format!("{}: {reason}", fixer.name)),
            _ if was_tried(task, fixer.name) => {
                reasons.push(format!("{}: was tried in an earlier attempt", fixer.name));
            }
            Advice::Edit(fix) => return Consulted::Fix(fixer.name, fix),
            Advice::Run { saw, repair } => return Consulted::Run(fixer.name, saw, repair),
        }
    }
    if reasons.is_empty() {
        reasons.push("no fixer knows this failure".to_owned());
    }
    Consulted::Nothing(reasons.join("; "))
}

/// Whether an earlier attempt of this run was this fixer's and came to nothing: its diagnosis opens with the name. What was proved may come again.
fn was_tried(task: &Task<'_>, fixer: &str) -> bool {
    let is_ours = |author: &Author| matches!(author, Author::Agent(name) if name == NAME);
    let names_it = |diagnosis: &str| diagnosis.lines().next().is_some_and(|it| it.contains(fixer));
    let mut refuted = task.earlier.iter().filter(|it| it.status != AttemptStatus::Succeeded);
    refuted.any(|it| is_ours(&it.author) && names_it(&it.diagnosis))
}

fn edit(task: &Task<'_>, fixer: &str, fix: &Fix) -> Turn {
    let told = Told { fixer, saw: &fix.saw };
    match TreeFiles::new(task.tree).apply(&fix.changes) {
        Ok(()) => Turn::Edited(told.account(&fix.did, &fix.why, Vec::new())),
        Err(error) => Turn::Failed {
            kind: AttemptFailure::AgentCrashed,
            reason: format!("{fixer}: cannot change the tree: {error}"),
            account: told.account("nothing", &fix.why, Vec::new()),
        },
    }
}

/// Who speaks, and what was seen.
struct Told<'a> {
    fixer: &'a str,
    saw: &'a str,
}

impl Told<'_> {
    /// Writes the diagnosis; its first line is what `was_tried` reads.
    fn account(&self, did: &str, why: &str, output: Vec<u8>) -> Account {
        let diagnosis = format!("fixer {}\nsaw: {}\ndid: {did}\nwhy: {why}", self.fixer, self.saw);
        Account { diagnosis, output, ..Account::default() }
    }
}

#[cfg(test)]
mod tests;
