//! Reproduce first: the failing command is run at the failing commit before anything is healed. Green there, or now green and now red: declined.
use crate::domain::output;
use crate::domain::{Category, EventType, Failure, NewEvent, Reason};
use crate::engine::EngineError;
use crate::engine::session::Session;
use crate::evidence::normalize::error_hash;
use crate::process::Exit;
use serde_json::json;

/// Below this confidence a kind that is never healed does not stop the loop.
const SURE: f64 = 0.8;

/// Why the loop does not go on, or that it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Baseline {
    /// Red, and red again.
    Reproduced,
    Declined(Reason, String),
}

impl Session<'_> {
    /// Finds the test command if the order names none.
    pub async fn ensure_test_command(&mut self) -> Result<bool, EngineError> {
        if self.run.order.test_command.is_some() {
            return Ok(true);
        }
        let tree = self.fresh_tree(None).await?;
        let Some(found) = self.engine.workspace.find_tests(&tree).await? else {
            return Ok(false);
        };
        self.untouched = Some(tree);
        let message = format!("tests: `{}` ({})", found.command, found.reason);
        let mut told = self.run.told(
            vec![NewEvent::new(EventType::AttemptThinking, "system", self.engine.safe_text(&message, 500))],
            self.now(),
        )?;
        told.run.order.test_command = Some(found.command);
        told.run.order.test_reason = Some(found.reason);
        self.commit(Ok(told)).await?;
        Ok(true)
    }

    /// Runs the failing command at the failing commit until it is clear what kind of red it is.
    pub async fn reproduce(&mut self) -> Result<Baseline, EngineError> {
        if let Some(why_not) = self.engine.launcher.sandbox().warning() {
            self.tell(vec![NewEvent::new(EventType::AttemptThinking, "system", why_not)]).await?;
        }
        let first = self.trial("reproducing", output::BASE, None).await?;
        let mut colours = vec![first.is_green()];
        let mut ended = vec![first.ended()];
        let mut red = (!first.is_green()).then_some(first.failure);
        let mut notes = first.notes;
        // Repeating a run that hangs would double the wait and tell nothing new.
        let reruns = if first.exit == Exit::TimedOut { 0 } else { self.engine.settings.flake_reruns };
        let reruns = if red.is_some() { reruns.min(1) } else { reruns };
        for n in 1..=reruns {
            let again = self.trial(&format!("reproducing, rerun {n}"), &output::base_rerun(n), None).await?;
            colours.push(again.is_green());
            ended.push(again.ended());
            notes.extend(again.notes.iter().cloned());
            if !again.is_green() && red.is_none() {
                red = Some(again.failure);
            }
        }
        let short = self.run.working_commit().get(..8).unwrap_or_default().to_owned();
        let command = self.run.order.test_command.clone().unwrap_or_default();
        let story = format!("`{command}` at {short}: {}", ended.join(", "));
        let story = self.engine.safe_text(&story, 600);
        let mut events: Vec<NewEvent> =
            notes.iter().map(|it| NewEvent::new(EventType::AttemptThinking, "system", it.clone())).collect();
        events.dedup();
        if !events.is_empty() {
            self.tell(events).await?;
        }
        let Some(failure) = red else {
            self.tell(vec![NewEvent::new(EventType::AttemptThinking, "system", story.clone())]).await?;
            let moved = if self.run.rebased_on.is_some() { ", to which the branch moved on" } else { "" };
            return Ok(Baseline::Declined(Reason::NotReproducible, format!("{story}{moved}; nothing to heal")));
        };
        let is_flaky = colours.contains(&true);
        let declined = declined_kind(&failure);
        let unlike = self.unlike_reported(&failure);
        self.commit(self.run.reproduced(failure, story.clone(), self.now())).await?;
        if let Some(unlike) = unlike {
            self.tell(vec![NewEvent::new(EventType::AttemptThinking, "system", unlike)]).await?;
        }
        if is_flaky {
            let outputs = (1..=reruns).map(output::base_rerun);
            let proof: Vec<String> = std::iter::once(output::BASE.to_owned()).chain(outputs).collect();
            let fact = NewEvent::new(EventType::AttemptThinking, "system", format!("flaky: {story}"))
                .with(json!({ "proof": proof, "green": colours }));
            self.tell(vec![fact]).await?;
            return Ok(Baseline::Declined(Reason::Flaky, story));
        }
        Ok(declined.map_or(Baseline::Reproduced, |(reason, note)| Baseline::Declined(reason, note)))
    }

    /// Says how what was seen here differs from what CI reported; the names of the types may, as CI may have its own.
    fn unlike_reported(&self, failure: &Failure) -> Option<String> {
        let run = &self.run;
        let reported = run.error_type.as_deref().filter(|_| !run.error_hash.is_empty() && run.failure.is_none())?;
        let lines: Vec<&str> = failure.lines.iter().map(|it| it.text.as_str()).collect();
        if [&failure.hash, &error_hash(reported, &lines)].contains(&&run.error_hash) {
            return None;
        }
        let here = format!("{}: {}", failure.error_type, failure.summary);
        let there = format!("{reported}: {}", run.error_summary);
        Some(
            self.engine
                .safe_text(&format!("what fails here is not what was reported: here {here}; reported {there}"), 800),
        )
    }
}

/// Returns why a kind of failure is never healed automatically.
pub(super) fn declined_kind(failure: &Failure) -> Option<(Reason, String)> {
    if failure.confidence < SURE {
        return None;
    }
    let reason = match failure.category {
        Category::Network | Category::Resource => Reason::Infrastructure,
        Category::Auth | Category::Credential => Reason::NeedsSecret,
        Category::Security => Reason::Security,
        Category::Dependency
        | Category::Syntax
        | Category::Test
        | Category::Build
        | Category::Timeout
        | Category::Permission
        | Category::Docker
        | Category::Unknown => return None,
    };
    Some((reason, format!("a {} failure is for people: {}", failure.category, failure.summary)))
}
