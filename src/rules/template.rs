//! A text with places for what is known of a failure: `{workflow_name}` and the like.
use crate::rules::RuleError;

/// What can stand in braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    WorkflowName,
    RunId,
    Branch,
    FailedJobsCount,
    IssueNumber,
    ChangesDescription,
}

const PLACEHOLDERS: &[(&str, Placeholder)] = &[
    ("workflow_name", Placeholder::WorkflowName),
    ("run_id", Placeholder::RunId),
    ("branch", Placeholder::Branch),
    ("failed_jobs_count", Placeholder::FailedJobsCount),
    ("issue_number", Placeholder::IssueNumber),
    ("changes_description", Placeholder::ChangesDescription),
];

/// A checked template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Placeholder),
}

impl Template {
    /// Takes a template apart; the error is the first placeholder that there is not.
    pub(super) fn new(text: &str) -> Result<Self, &str> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, name, after)) = next(rest) {
            let Some((_, placeholder)) = PLACEHOLDERS.iter().find(|(known, _)| *known == name) else {
                return Err(name);
            };
            parts.extend([Part::Text(before.to_owned()), Part::Value(*placeholder)]);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { parts })
    }

    /// Returns the text with its values; what a value may hold is the caller's to see to. A value is never taken for a template.
    pub fn fill(&self, value: impl Fn(Placeholder) -> String) -> String {
        let fill = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Value(placeholder) => value(*placeholder),
        };
        self.parts.iter().map(fill).collect()
    }
}

/// Returns what stands before the next placeholder, its name, and what follows. Other braces are text.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    for (at, _) in text.match_indices('{') {
        let inner = &text[at + 1..];
        let end = inner.find(|it: char| !it.is_ascii_alphanumeric() && it != '_')?;
        if end > 0 && inner[end..].starts_with('}') {
            return Some((&text[..at], &inner[..end], &inner[end + 1..]));
        }
    }
    None
}

/// Returns the error about an unknown placeholder of a template that begins at `line` of the file.
pub(super) fn unknown(file: &str, line: u32, name: &str) -> RuleError {
    let known: Vec<String> = PLACEHOLDERS.iter().map(|(name, _)| format!("{{{name}}}")).collect();
    let written = format!("{{{name}}}");
    let first = usize::try_from(line).unwrap_or(1).saturating_sub(1);
    let below = file.lines().skip(first).position(|it| it.contains(&written)).unwrap_or(0);
    let message = format!("`{written}` stands for nothing; there are {}", known.join(" "));
    RuleError { line: line.saturating_add(u32::try_from(below).unwrap_or(0)), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_in_once() {
        let template = Template::new("Fix {workflow_name} (#{run_id}): {not closed, {}, { a }, ${x y} {").unwrap();
        let text = template.fill(|it| match it {
            Placeholder::WorkflowName => "{run_id}".to_owned(),
            other => format!("<{other:?}>"),
        });
        assert_eq!(text, "Fix {run_id} (#<RunId>): {not closed, {}, { a }, ${x y} {");
        for (name, placeholder) in PLACEHOLDERS {
            let text = Template::new(&format!("{{{name}}}")).unwrap().fill(|it| format!("{it:?}"));
            assert_eq!(text, format!("{placeholder:?}"));
        }
    }

    #[test]
    fn an_unknown_placeholder_is_named() {
        for (text, name) in [("{ok}{run_id}", "ok"), ("a {run_id} {RUN_ID}", "RUN_ID"), ("{{x}}", "x"), ("{1}", "1")] {
            assert_eq!(Template::new(text), Err(name));
        }
    }
}
