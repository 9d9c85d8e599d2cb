//! A job of our own workflow that ran out of its `timeout-minutes`: doubled, at most six hours, edited textually.
//! Time-outs of connections and services are none of ours.
use crate::agent::playbook::Advice;
use crate::agent::playbook::Fix;
use crate::agent::playbook::lines::indent;
use crate::agent::playbook::lines::with_breaks;
use crate::agent::playbook::scene::LogLine;
use crate::agent::playbook::scene::Scene;
use crate::agent::playbook::scene::has_ending;
use crate::agent::tree::Change;
use regex::Regex;
use std::sync::LazyLock;

/// What hosted runners allow at most.
const CEILING: u32 = 360;
const FOLDER: &str = ".github/workflows/";

#[expect(clippy::expect_used, reason = "the patterns are constants")]
static OVER: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    [
        r"(?i)exceeded the maximum execution time(?: of (?:(?P<h>\d{1,3})h)?(?P<m>\d{1,5}) ?m(?:inutes?|\d{1,2}s)?\b)?",
        r"(?i)\b(?:action|step|job) '?[^']{0,200}'? has timed out after (?P<m>\d{1,5}) ?minutes?",
        r"(?i)\b(?:cancell?ed|terminated|stopped)\b.{0,60}\btimeout-minutes\b(?:\D{0,10}(?P<m>\d{1,5}))?",
    ]
    .map(|it| Regex::new(it).expect("constant pattern"))
});
#[expect(clippy::expect_used, reason = "the pattern is a constant")]
static ENTRY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\s+(?:- )?timeout-minutes:[ \t]*(\d{1,5})[ \t]*(?:#.*)?\r?\n?$").expect("constant pattern")
});
#[expect(clippy::expect_used, reason = "the pattern is a constant")]
static JOB_KEY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(\s+)([A-Za-z_][\w-]{0,99}):[ \t]*(?:#.*)?\r?\n?$").expect("constant pattern"));

/// One `timeout-minutes` with a number.
#[derive(Debug, Clone)]
struct Entry {
    file: String,
    line_idx: usize,
    minutes: u32,
    job: String,
}

pub(super) fn look(scene: &Scene<'_>) -> Option<Advice> {
    let (line, minutes) = scene.lines.iter().find_map(|it| Some((it, said_minutes(&it.text)?)))?;
    let entries = entries(scene);
    if entries.is_empty() {
        return Some(Advice::Refuse("the job ran out of its time, but no workflow sets `timeout-minutes`".to_owned()));
    }
    let [entry] = meant(scene, line, minutes, &entries)[..] else {
        return Some(Advice::Refuse(format!(
            "the job ran out of its time, but which of {} `timeout-minutes` is meant cannot be told",
            entries.len()
        )));
    };
    if entry.minutes >= CEILING {
        return Some(Advice::Refuse(format!(
            "{} already allows {} minutes, the most there is",
            entry.file, entry.minutes
        )));
    }
    if entry.minutes == 0 {
        return Some(Advice::Refuse(format!("{} sets `timeout-minutes: 0`", entry.file)));
    }
    double(scene, line, entry)
}

/// Returns the minutes that a message of a runner names, 0 if it names none; `None` if it is no such message.
fn said_minutes(text: &str) -> Option<u32> {
    let found = OVER.iter().find_map(|it| it.captures(text))?;
    let number = |name| found.name(name).and_then(|it| it.as_str().parse::<u32>().ok()).unwrap_or(0);
    Some(number("h") * 60 + number("m"))
}

/// Narrows the entries by what the log says, in the order of how much it proves: the minutes, the file, the job.
fn meant<'a>(scene: &Scene<'_>, line: &LogLine, minutes: u32, entries: &'a [Entry]) -> Vec<&'a Entry> {
    let mut left: Vec<_> = entries.iter().filter(|it| minutes == 0 || it.minutes == minutes).collect();
    let says = |text: &str| scene.lines.iter().any(|it| it.text.contains(text));
    let is_named = |it: &Entry| scene.task.failure.files.contains(&it.file) || says(&it.file);
    let has_job = |it: &Entry| is_word_of(&line.text, &it.job);
    for narrows in [&is_named as &dyn Fn(&Entry) -> bool, &has_job] {
        if left.len() > 1 && left.iter().any(|it| narrows(it)) {
            left.retain(|it| narrows(it));
        }
    }
    left
}

fn is_word_of(text: &str, word: &str) -> bool {
    let is_part = |it: char| it.is_alphanumeric() || it == '-' || it == '_';
    !word.is_empty() && text.split(|it| !is_part(it)).any(|it| it == word)
}

fn entries(scene: &Scene<'_>) -> Vec<Entry> {
    let is_workflow = |file: &str| {
        file.strip_prefix(FOLDER).is_some_and(|it| !it.contains('/')) && has_ending(file, &[".yml", ".yaml"])
    };
    let files = scene.files().iter().filter(|it| is_workflow(it)).take(100);
    files.flat_map(|it| entries_of(it, &scene.tree.text(it).unwrap_or_default())).collect()
}

fn entries_of(file: &str, text: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut is_in_jobs = false;
    let mut job_indent = None;
    let mut job = String::new();
    // A block scalar (`run: |`) may hold text that looks like a key.
    let mut scalar_indent = None;
    for (line_idx, line) in with_breaks(text).into_iter().enumerate() {
        let depth = indent(line).len();
        if line.trim().is_empty() || scalar_indent.is_some_and(|it| depth > it) {
            continue;
        }
        scalar_indent = opens_scalar(line).then_some(depth);
        if depth == 0 && !line.starts_with('#') {
            is_in_jobs = line.starts_with("jobs:");
            job_indent = None;
        }
        if let Some(key) = JOB_KEY.captures(line).filter(|_| is_in_jobs) {
            let job_depth = *job_indent.get_or_insert(key[1].len());
            if key[1].len() == job_depth {
                key[2].clone_into(&mut job);
            }
        }
        if let Some(minutes) = ENTRY.captures(line).filter(|_| is_in_jobs).and_then(|it| it[1].parse().ok()) {
            found.push(Entry { file: file.to_owned(), line_idx, minutes, job: job.clone() });
        }
    }
    found
}

fn opens_scalar(line: &str) -> bool {
    let value = line.split(" #").next().unwrap_or(line).trim_end();
    let Some((_, value)) = value.split_once(": ") else { return false };
    value.trim_start().starts_with(['|', '>'])
}

fn double(scene: &Scene<'_>, saw: &LogLine, entry: &Entry) -> Option<Advice> {
    let text = scene.tree.text(&entry.file)?;
    let mut lines: Vec<_> = with_breaks(&text).into_iter().map(str::to_owned).collect();
    let line = lines.get_mut(entry.line_idx)?;
    let digits = ENTRY.captures(line)?.get(1)?.range();
    let minutes = (entry.minutes * 2).min(CEILING);
    line.replace_range(digits, &minutes.to_string());
    let (file, number) = (&entry.file, entry.line_idx + 1);
    Some(Advice::Edit(Fix {
        saw: saw.quote(),
        did: format!(
            "raised `timeout-minutes` of job `{}` from {} to {minutes} ({file}:{number})",
            entry.job, entry.minutes
        ),
        why: format!("the job was stopped by its own limit; doubled, at most {CEILING}"),
        changes: vec![Change::Write { file: file.clone(), content: lines.concat() }],
    }))
}
