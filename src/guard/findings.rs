//! Collects what the rules object to.
use crate::domain::verdict::Finding;
use crate::domain::verdict::Judgement;
use crate::domain::verdict::Verdict;
use crate::evidence::text::clean_line;
use std::collections::BTreeSet;

/// Most findings of one judgement; the first of each rule are kept before repeats.
const MAX_FINDINGS: usize = 100;
const MAX_EXCERPT_CHARS: usize = 60;

/// Rules that not even a person may break: the patch could not be reviewed for what it is, or would do harm by existing.
const NEVER: &[&str] = &["malformed-patch", "outside-tree", "symlink", "secret"];

/// The objections raised so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    /// Objects so that the patch is never run.
    pub(crate) fn violation(&mut self, file: &str, line: Option<u32>, rule: &str, reason: impl Into<String>) {
        self.push(file, line, rule, &reason.into(), Verdict::Violation);
    }

    /// Objects so that two people must approve.
    pub(crate) fn two_keys(&mut self, file: &str, line: Option<u32>, rule: &str, reason: impl Into<String>) {
        self.push(file, line, rule, &reason.into(), Verdict::NeedsTwoKeys);
    }

    fn push(&mut self, file: &str, line: Option<u32>, rule: &str, reason: &str, verdict: Verdict) {
        let finding =
            Finding { file: clean_line(file), line, rule: rule.to_owned(), reason: clean_line(reason), verdict };
        let is_known = |it: &Finding| (&it.file, it.line, &it.rule) == (&finding.file, finding.line, &finding.rule);
        // Only the neighbourhood is compared: a hostile patch with many findings must not cost their square.
        if !self.list.iter().rev().take(MAX_FINDINGS).any(is_known) {
            self.list.push(finding);
        }
    }

    /// Judges; what an agent may never do, a person may do only with two keys.
    pub(crate) fn into_judgement(self, author_is_human: bool) -> Judgement {
        let soften = |mut finding: Finding| {
            if author_is_human && finding.verdict == Verdict::Violation && !NEVER.contains(&finding.rule.as_str()) {
                finding.verdict = Verdict::NeedsTwoKeys;
            }
            finding
        };
        let list: Vec<Finding> = self.list.into_iter().map(soften).collect();
        let mut judgement = Judgement::from_findings(list);
        judgement.findings = bounded(judgement.findings);
        judgement
    }
}

/// Keeps the worst first, then one of each rule, then the rest in order, up to the limit.
fn bounded(mut findings: Vec<Finding>) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let mut is_repeat = |it: &Finding| !seen.insert(it.rule.clone());
    let mut ranked: Vec<(bool, Finding)> = findings.drain(..).map(|it| (is_repeat(&it), it)).collect();
    if ranked.len() > MAX_FINDINGS {
        ranked.sort_by_key(|(is_repeat, it)| (std::cmp::Reverse(it.verdict), *is_repeat));
        ranked.truncate(MAX_FINDINGS);
    }
    let mut findings: Vec<Finding> = ranked.into_iter().map(|(_, it)| it).collect();
    findings.sort_by_key(|it| std::cmp::Reverse(it.verdict));
    findings
}

/// Returns a short, quoted, harmless piece of a line for a reason.
pub(crate) fn excerpt(text: &str) -> String {
    let clean = clean_line(text.trim());
    let mut short: String = clean.chars().take(MAX_EXCERPT_CHARS).collect();
    if short.len() < clean.len() {
        short.push('…');
    }
    format!("`{short}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_needs_two_keys_where_an_agent_is_refused() {
        let judge = |rule: &str, is_human| {
            let mut findings = Findings::default();
            findings.violation("f", None, rule, "why");
            findings.into_judgement(is_human).verdict
        };
        assert_eq!(judge("test-changed", false), Verdict::Violation);
        assert_eq!(judge("test-changed", true), Verdict::NeedsTwoKeys);
        for rule in NEVER {
            assert_eq!(judge(rule, true), Verdict::Violation);
        }
    }

    #[test]
    fn findings_are_bounded_and_keep_every_rule() {
        let mut findings = Findings::default();
        for line in 0..5_000 {
            findings.violation("f", Some(line), "many", "why\x1b[2J");
        }
        findings.violation("f", None, "late", "why");
        let judgement = findings.into_judgement(false);
        assert_eq!(judgement.findings.len(), MAX_FINDINGS);
        assert!(judgement.findings.iter().any(|it| it.rule == "late"));
        assert!(judgement.findings.iter().all(|it| !it.reason.contains('\x1b')));
    }
}
