//! The review: the patch, what its author says, what the guard found.
use crate::console::document::Ground;
use crate::console::document::Needle;
use crate::console::layout;
use crate::console::model::Model;
use crate::console::model::review::Review;
use crate::console::theme::Role;
use crate::console::view::paint::Pen;
use crate::console::view::paint::line_at;
use crate::console::view::paint::piece;
use crate::console::view::paint::wrap_words;
use crate::console::view::words;
use crate::domain::Attempt;
use ratatui::layout::Rect;

/// Draws the review.
pub fn view(model: &Model, pen: &mut Pen<'_>, body: Rect) {
    let Some(review) = &model.review else {
        let inside = pen.frame(body, &[piece("Review", Role::Title)], "", true);
        pen.put(inside.x + 1, inside.y, inside.width, "no patch is open", Role::Dim);
        return;
    };
    let areas = layout::review(body, review.shows_why);
    let attempt = model.focus.as_ref().filter(|it| it.id == review.run).and_then(|it| it.attempt(review.attempt_no));
    diff(pen, areas.diff, review, attempt);
    if areas.why.height > 0 {
        why(pen, areas.why, review, attempt);
    }
}

fn diff(pen: &mut Pen<'_>, area: Rect, review: &Review, attempt: Option<&Attempt>) {
    let document = &review.document;
    let mut title = vec![
        piece(format!("patch {}", review.digest.short()), Role::Title),
        piece(format!("  attempt {}", review.attempt_no), Role::Text),
    ];
    if attempt.is_some_and(|it| it.recorded) {
        title.push(piece("  recorded answer", Role::Warning));
    }
    if let Some(file) = document.file_at(review.cursor).and_then(|it| document.files().get(it)) {
        title.push(piece(format!("  {}", file.path), Role::Text));
    }
    let inside = pen.frame(area, &title, &foot(review), true);
    let needle = Needle::new(&review.needle);
    let highlighter = pen.theme().highlighter.clone();
    let row_at = |idx: usize| {
        let mut row = (idx < document.len()).then(|| document.row(idx, highlighter.as_deref()))?;
        if let Some(needle) = &needle {
            row = needle.mark(row);
        }
        Some(if idx == review.cursor { row.current().on(Ground::Selected) } else { row })
    };
    pen.rows(inside, review.offset, review.cursor, (!review.wraps).then_some(review.left), row_at);
}

fn foot(review: &Review) -> String {
    let document = &review.document;
    let mut parts = Vec::new();
    if let Some((at, n)) = document.hunk_at(review.cursor) {
        parts.push(format!("hunk {at}/{n}"));
    }
    parts.push(format!("line {} of {}", review.cursor + 1, document.len()));
    if let Some((at, n)) = review.match_position() {
        parts.push(format!("/{} match {at}/{n}", review.needle));
    } else if !review.needle.is_empty() {
        parts.push(format!("/{} {} matches", review.needle, review.hits.len()));
    }
    if review.left > 0 {
        parts.push(format!("from column {}", review.left + 1));
    }
    parts.join("   ")
}

fn why(pen: &mut Pen<'_>, area: Rect, review: &Review, attempt: Option<&Attempt>) {
    let inside = pen.frame(area, &[piece("Why", Role::Title)], "", false);
    let width = usize::from(inside.width.saturating_sub(2));
    let mut lines: Vec<(String, Role)> = Vec::new();
    let mut add = |text: &str, role: Role| lines.extend(wrap_words(text, width).into_iter().map(|it| (it, role)));
    if let Some((no, digest)) = &review.newer {
        add(&format!("⚑ the candidate is attempt {no}, patch {}: r shows it", digest.short()), Role::StatusNeedsYou);
    }
    if review.document.has_deceptive() {
        add("⚠ hidden or text-reordering characters, shown as ⟨U+…⟩; approve asks for a word", Role::Warning);
    }
    if let Some(attempt) = attempt {
        let (result, role) = words::result(attempt);
        add(&format!("{result} · by {}", attempt.author), role);
        if let Some(guard) = &attempt.guard {
            let (word, role) = words::verdict(guard.verdict);
            add(&format!("guard {word}"), role);
            for finding in &guard.findings {
                let line = finding.line.map(|it| format!(":{it}")).unwrap_or_default();
                add(&format!("{}{line} {}: {}", finding.file, finding.rule, finding.reason), role);
            }
        }
        if let Some(reason) = &attempt.failure_reason {
            add(reason, Role::Bad);
        }
        add(attempt.diagnosis.trim(), Role::Text);
    }
    for (idx, (text, role)) in lines.iter().take(usize::from(inside.height)).enumerate() {
        pen.put(inside.x + 1, line_at(inside, idx).y, inside.width.saturating_sub(2), text, *role);
    }
}
