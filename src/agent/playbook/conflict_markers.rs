//! Leftover merge-conflict markers: recognised, and never resolved by guessing which side was meant.
use crate::agent::playbook::Advice;
use crate::agent::playbook::scene::Scene;
use regex::Regex;
use std::sync::LazyLock;

#[expect(clippy::expect_used, reason = "the pattern is a constant")]
static SIGN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"<<<<<<<(?: |$)|>>>>>>> |(?i)\b(?:unresolved|leftover) (?:merge )?conflict|conflict markers?\b")
        .expect("constant pattern")
});

pub(super) fn look(scene: &Scene<'_>) -> Option<Advice> {
    let sign = scene.lines.iter().find(|it| SIGN.is_match(&it.text));
    let named = scene.task.failure.files.iter().filter_map(|it| scene.file_meant_by(it));
    let mut marked: Vec<_> = named.filter_map(|it| Some((it, markers(&scene.tree.text(it)?)?))).collect();
    if marked.is_empty() && sign.is_some() {
        let all = scene.files().iter();
        marked = all.filter_map(|it| Some((it.as_str(), markers(&scene.scan(it)?)?))).take(3).collect();
    }
    let (file, line) = marked.first()?;
    let saw = sign.map_or(String::new(), |it| format!(" ({})", it.quote()));
    Some(Advice::Stop(format!(
        "{file} holds leftover merge-conflict markers from line {line}{saw}; which side is meant cannot be guessed, \
         so nothing was changed"
    )))
}

/// Returns the line of the first conflict whose three markers stand in order, each at the start of its line.
fn markers(text: &str) -> Option<usize> {
    let mut opened = None;
    let mut is_split = false;
    for (idx, line) in text.lines().enumerate() {
        if line.starts_with("<<<<<<< ") {
            (opened, is_split) = (Some(idx + 1), false);
        } else if line == "=======" {
            is_split = opened.is_some();
        } else if is_split && line.starts_with(">>>>>>> ") {
            return opened;
        }
    }
    None
}
