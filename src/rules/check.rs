//! From raw keys to checked rules: bounds, forbidden values, and what is worth a remark.
use crate::rules::patterns::Subject;
use crate::rules::raw::{
    List, RawAnalysis, RawCopilot, RawNotifications, RawPullRequest, RawRules, RawSecurity, Value,
};
use crate::rules::template::unknown;
use crate::rules::yaml::line_of;
use crate::rules::{
    Analysis, BranchNaming, Copilot, FailurePattern, Labels, Logging, Notifications, Patterns, PullRequest, Remark,
    Retry, RuleError, Rules, Template,
};
use regex::RegexBuilder;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

const MAX_PATTERNS: usize = 200;
const MAX_NAME_CHARS: usize = 200;
const MAX_LABELS: usize = 20;
const MAX_LABEL_CHARS: usize = 50;
const MAX_MENTIONS: usize = 20;
const MAX_WORKFLOWS: usize = 100;
const MAX_CONTEXT_FILES: usize = 20;
const MAX_WORDS: usize = 50;
const MAX_WORD_CHARS: usize = 500;
const MAX_REVIEWERS: usize = 15;
const MAX_TITLE_CHARS: usize = 200;
const MAX_DESCRIPTION_CHARS: usize = 10_000;
const MAX_PREFIX_CHARS: usize = 40;
/// Memory that one compiled pattern of a log may take.
const MAX_REGEX_BYTES: usize = 1 << 20;

const ISSUE_LABELS: &[&str] = &["auto-heal", "workflow-failure", "automated"];
const PULL_REQUEST_LABELS: &[&str] = &["auto-heal", "automated-fix", "needs-review"];
const ERROR_KEYWORDS: &[&str] =
    &["error", "failed", "exception", "traceback", "fatal", "panic", "exit code", "timeout", "killed"];
const TRUSTED_BRANCHES: &[&str] = &["main", "develop", "master"];

/// Checks all keys; `text` is the file they come from.
pub(super) fn check(raw: RawRules, text: &str) -> Result<(Rules, Vec<Remark>), RuleError> {
    let mut remarks = Vec::new();
    never(raw.auto_merge_on_success, true, "Paramedic never merges by itself, a person's approve does; write false")?;
    if let Some(list) = raw.monitored_workflows.as_ref().filter(|it| it.value.is_empty()) {
        remarks.push(remark(list, "no workflow is monitored, so nothing is healed; `\"*\"` is for all"));
    }
    let monitored = raw.monitored_workflows.map(|it| it.value);
    let labels = raw.labels.unwrap_or_default();
    let naming = raw.branch_naming.unwrap_or_default();
    let retry = raw.retry.unwrap_or_default();
    let logging = raw.logging.unwrap_or_default();
    let heals = number(raw.max_heal_attempts_per_day, "max_heal_attempts_per_day", -1..=1_000, 0)?;
    let security = security(raw.security.unwrap_or_default(), &mut remarks)?;
    let rules = Rules {
        is_enabled: raw.enabled.unwrap_or(true),
        monitored: patterns(monitored, &["*"], Subject::Workflow)?,
        excluded: patterns(raw.excluded_workflows, &[], Subject::Workflow)?,
        heals_per_day: u32::try_from(heals).ok().filter(|it| *it > 0),
        needs_approval: raw.require_manual_approval.unwrap_or(false),
        labels: Labels {
            issues: self::labels(labels.issues, ISSUE_LABELS)?,
            pull_requests: self::labels(labels.pull_requests, PULL_REQUEST_LABELS)?,
        },
        notifications: notifications(raw.notifications.unwrap_or_default())?,
        copilot: copilot(raw.copilot.unwrap_or_default(), &mut remarks)?,
        analysis: analysis(raw.analysis.unwrap_or_default())?,
        branch_naming: BranchNaming {
            prefix: prefix(naming.prefix)?,
            has_workflow_id: naming.include_workflow_id.unwrap_or(false),
            has_timestamp: naming.include_timestamp.unwrap_or(false),
        },
        pull_request: pull_request(raw.pull_request.unwrap_or_default(), text)?,
        retry: Retry {
            is_on_merge: retry.retry_on_merge.unwrap_or(false),
            delay: Duration::from_mins(number(retry.retry_delay, "retry_delay", 0..=1_440, 5)?.unsigned_abs()),
        },
        logging: Logging {
            retention_days: count(logging.retention_days, "retention_days", 1..=400, 30)?,
            keeps_full_logs: logging.include_full_logs.unwrap_or(true),
            writes_reports: logging.generate_reports.unwrap_or(true),
        },
        trusted_branches: security.0,
        max_file_changes: security.1,
    };
    remarks.sort_by_key(|it| it.line);
    Ok((rules, remarks))
}

fn notifications(raw: RawNotifications) -> Result<Notifications, RuleError> {
    let mut mentions = BTreeMap::new();
    if let Some(raw) = raw.mentions {
        if raw.value.len() > MAX_WORKFLOWS {
            return Err(error(&raw, format!("`mentions` has more than {MAX_WORKFLOWS} workflows; shorten it")));
        }
        for (workflow, names) in raw.value {
            mentions.insert(workflow.to_lowercase(), accounts(names, MAX_MENTIONS, true)?);
        }
    }
    Ok(Notifications { creates_issue: raw.create_issue.unwrap_or(true), mentions })
}

fn copilot(raw: RawCopilot, remarks: &mut Vec<Remark>) -> Result<Copilot, RuleError> {
    let elsewhere = "has no effect: Copilot takes none, and other agents are set up in the service's settings";
    remarks.extend(raw.model.as_ref().map(|it| remark(it, &format!("`model` {elsewhere}"))));
    remarks.extend(raw.temperature.as_ref().map(|it| remark(it, &format!("`temperature` {elsewhere}"))));
    let files = texts(raw.include_context, "include_context", MAX_CONTEXT_FILES, MAX_NAME_CHARS)?.unwrap_or_default();
    for file in &files {
        let path = file.value.as_str();
        if path.starts_with('/') || path.contains('\\') || path.split('/').any(|it| it == "..") {
            return Err(error(file, format!("`{path}` leads out of the repository; write a path below its root")));
        }
        if path.contains("**") {
            return Err(error(file, format!("`{path}` is too wide; `*` within one folder is what there is")));
        }
    }
    let include_context = values(&files);
    let context = Patterns::new(&include_context, Subject::File).map_err(|(idx, why)| at(&files, idx, why))?;
    Ok(Copilot { is_enabled: raw.enabled.unwrap_or(true), include_context, context })
}

fn analysis(raw: RawAnalysis) -> Result<Analysis, RuleError> {
    let keywords = texts(raw.error_keywords, "error_keywords", MAX_WORDS, MAX_WORD_CHARS)?;
    let raw_patterns = raw.failure_patterns.unwrap_or_default();
    if let Some(first) = raw_patterns.get(MAX_WORDS) {
        return Err(error(&first.pattern, format!("`failure_patterns` has more than {MAX_WORDS} items; shorten it")));
    }
    let mut failure_patterns = Vec::new();
    for raw in raw_patterns {
        text_of(&raw.pattern, "pattern", MAX_WORD_CHARS)?;
        text_of(&raw.suggestion, "suggestion", MAX_WORD_CHARS)?;
        let pattern =
            RegexBuilder::new(&raw.pattern.value).case_insensitive(true).size_limit(MAX_REGEX_BYTES).build().map_err(
                |bad| error(&raw.pattern, format!("`pattern` is no regular expression: {}", last_line(&bad))),
            )?;
        failure_patterns.push(FailurePattern { pattern, suggestion: raw.suggestion.value });
    }
    Ok(Analysis {
        max_log_lines: count(raw.max_log_lines, "max_log_lines", 1..=5_000, 200)?,
        error_keywords: keywords.map_or_else(|| owned(ERROR_KEYWORDS), |it| values(&it)),
        failure_patterns,
    })
}

fn pull_request(raw: RawPullRequest, text: &str) -> Result<PullRequest, RuleError> {
    if let Some(title) = raw.title_template.as_ref().filter(|it| it.value.trim_end().contains('\n')) {
        return Err(error(title, "`title_template` has several lines; a title is one"));
    }
    let template = |value: Value<String>, name: &str, max: usize| {
        let Some(value) = value else { return Ok(None) };
        text_of(&value, name, max)?;
        let template = Template::new(value.value.trim_end());
        template.map(Some).map_err(|placeholder| unknown(text, line_of(&value.referenced), placeholder))
    };
    Ok(PullRequest {
        title: template(raw.title_template, "title_template", MAX_TITLE_CHARS)?,
        description: template(raw.description_template, "description_template", MAX_DESCRIPTION_CHARS)?,
        is_draft: raw.draft.unwrap_or(true),
        reviewers: accounts(raw.reviewers, MAX_REVIEWERS, false)?,
        team_reviewers: accounts(raw.team_reviewers, MAX_REVIEWERS, false)?,
    })
}

fn security(raw: RawSecurity, remarks: &mut Vec<Remark>) -> Result<(Patterns, u32), RuleError> {
    never(raw.require_code_review, false, "a person always decides here; write true")?;
    let scans = "`run_security_scans` has no effect: secrets in a fix are always looked for, and scanners are workflows of the repository";
    remarks.extend(raw.run_security_scans.as_ref().map(|it| remark(it, scans)));
    let every = raw.trusted_branches.iter().flatten().find(|it| ["*", "**"].contains(&it.value.as_str()));
    let open = "every branch is trusted, also one that anybody with write access makes up";
    remarks.extend(every.map(|it| remark(it, open)));
    let trusted = patterns(raw.trusted_branches, TRUSTED_BRANCHES, Subject::Branch)?;
    Ok((trusted, count(raw.max_file_changes, "max_file_changes", 1..=20, 20)?))
}

fn prefix(value: Value<String>) -> Result<String, RuleError> {
    let Some(value) = value else { return Ok("heal".to_owned()) };
    let prefix = value.value.as_str();
    let is_first = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    let is_right = prefix.starts_with(is_first)
        && prefix.chars().all(|it| is_first(it) || "._-".contains(it))
        && prefix.len() <= MAX_PREFIX_CHARS
        && !prefix.contains("..")
        && !prefix.ends_with('.');
    if !is_right || prefix.strip_suffix(".lock").is_some() {
        let message = format!(
            "`prefix` must be at most {MAX_PREFIX_CHARS} of a–z, 0–9 and . _ -, and begin with a letter or digit"
        );
        return Err(error(&value, message));
    }
    if prefix == "copilot" {
        return Err(error(&value, "`copilot` is the prefix of Copilot's own branches; choose another"));
    }
    Ok(value.value)
}

/// Refuses one of the two values.
fn never(value: Value<bool>, refused: bool, message: &str) -> Result<(), RuleError> {
    match value.filter(|it| it.value == refused) {
        Some(value) => Err(error(&value, message)),
        None => Ok(()),
    }
}

fn patterns(list: List, default: &[&str], subject: Subject) -> Result<Patterns, RuleError> {
    match texts(list, "the list", MAX_PATTERNS, MAX_NAME_CHARS)? {
        Some(list) => Patterns::new(&values(&list), subject).map_err(|(idx, why)| at(&list, idx, why)),
        None => Patterns::new(default, subject).map_err(|(_, message)| RuleError { line: 1, message }),
    }
}

fn labels(list: List, default: &[&str]) -> Result<Vec<String>, RuleError> {
    let Some(list) = texts(list, "the list of labels", MAX_LABELS, MAX_LABEL_CHARS)? else { return Ok(owned(default)) };
    match list.iter().find(|it| it.value.contains([',', '\n'])) {
        Some(bad) => Err(error(bad, "a label is one line without a comma")),
        None => Ok(values(&list)),
    }
}

/// Returns logins, and where they are allowed teams as `organisation/team`; a leading `@` is left out.
fn accounts(list: List, max: usize, with_teams: bool) -> Result<Vec<String>, RuleError> {
    let mut accounts = Vec::new();
    for name in texts(list, "the list of names", max, MAX_NAME_CHARS)?.unwrap_or_default() {
        let account = name.value.strip_prefix('@').unwrap_or(&name.value);
        let (owner, team) = account.split_once('/').map_or((account, None), |(owner, team)| (owner, Some(team)));
        let is_word = |it: &str, more: &str| {
            it.starts_with(|it: char| it.is_ascii_alphanumeric())
                && it.chars().all(|it| it.is_ascii_alphanumeric() || more.contains(it))
        };
        if !is_word(owner, "-_") || team.is_some_and(|it| !with_teams || !is_word(it, "_.-")) {
            let teams = if with_teams { ", or a team as organisation/team" } else { "" };
            return Err(error(&name, format!("`{}` is no name of an account; write a login{teams}", name.value)));
        }
        accounts.push(account.to_owned());
    }
    Ok(accounts)
}

/// Returns a list within its bounds, none where none is written.
fn texts(list: List, name: &str, max: usize, max_chars: usize) -> Result<Option<Vec<Spanned<String>>>, RuleError> {
    let Some(list) = list else { return Ok(None) };
    if let Some(first) = list.get(max) {
        return Err(error(first, format!("{name} has more than {max} items; shorten it")));
    }
    for item in &list {
        text_of(item, "this", max_chars)?;
    }
    Ok(Some(list))
}

fn text_of(value: &Spanned<String>, name: &str, max_chars: usize) -> Result<(), RuleError> {
    if value.value.trim().is_empty() {
        return Err(error(value, format!("{name} is empty; write something or leave it out")));
    }
    // Escapes in quotes can make what no line of the file holds.
    if let Some(ch) = value.value.chars().find(|it| it.is_control() && !"\n\t".contains(*it)) {
        return Err(error(value, format!("{name} has a control character (U+{:04X}); remove it", u32::from(ch))));
    }
    if value.value.chars().count() > max_chars {
        return Err(error(value, format!("{name} is longer than {max_chars} characters; shorten it")));
    }
    Ok(())
}

fn number(value: Value<i64>, name: &str, range: RangeInclusive<i64>, default: i64) -> Result<i64, RuleError> {
    match value {
        Some(value) if !range.contains(&value.value) => {
            let (least, most) = (range.start(), range.end());
            Err(error(&value, format!("`{name}` is {}; allowed are {least} to {most}", value.value)))
        }
        Some(value) => Ok(value.value),
        None => Ok(default),
    }
}

fn count(value: Value<i64>, name: &str, range: RangeInclusive<i64>, default: i64) -> Result<u32, RuleError> {
    Ok(u32::try_from(number(value, name, range, default)?).unwrap_or(u32::MAX))
}

fn error<T>(value: &Spanned<T>, message: impl AsRef<str>) -> RuleError {
    let message = crate::evidence::text::clean_line(message.as_ref());
    RuleError { line: line_of(&value.referenced), message }
}

fn at(list: &[Spanned<String>], idx: usize, message: String) -> RuleError {
    match list.get(idx) {
        Some(item) => error(item, message),
        None => RuleError { line: 1, message },
    }
}

fn remark<T>(value: &Spanned<T>, message: &str) -> Remark {
    Remark { line: line_of(&value.referenced), message: message.to_owned() }
}

fn values(list: &[Spanned<String>]) -> Vec<String> {
    list.iter().map(|it| it.value.clone()).collect()
}

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|it| (*it).to_owned()).collect()
}

/// The last line of what the regex engine says is the reason; those above it draw the place.
fn last_line(error: &regex::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
