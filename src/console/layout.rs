//! Where things are on the screen. Pure geometry, asked by `view` to draw and by `update` to know how much is visible.
use ratatui::layout::Rect;

/// Below this the console only says that the window is too small.
pub const MIN_COLUMNS: u16 = 60;
/// See `MIN_COLUMNS`.
pub const MIN_ROWS: u16 = 16;

/// The parts that every screen has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chrome {
    pub top: Rect,
    pub body: Rect,
    /// Keys that only look.
    pub look: Rect,
    /// Keys that decide.
    pub decide: Rect,
    /// Notice or health; its last line, if it has more.
    pub status: Rect,
}

/// Whether the window is too small to work in.
pub const fn is_too_small(columns: u16, rows: u16) -> bool {
    columns < MIN_COLUMNS || rows < MIN_ROWS
}

/// Divides the window, with `foot` lines for what is said at the bottom.
pub fn chrome(columns: u16, rows: u16, foot: u16) -> Chrome {
    let line = |y: u16| Rect::new(0, y.min(rows.saturating_sub(1)), columns, rows.min(1));
    let body = Rect::new(0, 1.min(rows), columns, rows.saturating_sub(foot + 3));
    Chrome {
        top: line(0),
        body,
        look: line(rows.saturating_sub(foot + 2)),
        decide: line(rows.saturating_sub(foot + 1)),
        status: line(rows.saturating_sub(1)),
    }
}

/// Returns the lines inside a bordered area.
pub const fn inner(area: Rect) -> Rect {
    Rect {
        x: area.x.saturating_add(1),
        y: area.y.saturating_add(1),
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    }
}

/// Cuts `height` rows off the bottom.
fn cut_bottom(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    let upper = Rect { height: area.height - height, ..area };
    (upper, Rect { y: area.y + upper.height, height, ..area })
}

/// Cuts `width` columns off the left.
fn cut_left(area: Rect, width: u16) -> (Rect, Rect) {
    let width = width.min(area.width);
    (Rect { width, ..area }, Rect { x: area.x + width, width: area.width - width, ..area })
}

/// The queue: the list, and beside or below it the preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLayout {
    pub list: Rect,
    pub preview: Rect,
    pub is_beside: bool,
}

/// Divides the queue's body.
pub fn queue(body: Rect) -> QueueLayout {
    if body.width >= 120 {
        let (list, preview) = cut_left(body, body.width * 11 / 20);
        return QueueLayout { list, preview, is_beside: true };
    }
    let (list, preview) = cut_bottom(body, (body.height * 2 / 5).min(14));
    QueueLayout { list, preview, is_beside: false }
}

/// The run: attempts, timeline, and below or beside them the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLayout {
    pub attempts: Rect,
    pub timeline: Rect,
    pub output: Rect,
}

/// Divides the run's body.
pub fn run(body: Rect) -> RunLayout {
    if body.width >= 120 {
        let (left, output) = cut_left(body, body.width * 2 / 5);
        let (attempts, timeline) = cut_bottom(left, left.height / 2);
        return RunLayout { attempts, timeline, output };
    }
    let (upper, output) = cut_bottom(body, (body.height * 2 / 5).max(4));
    let (attempts, timeline) = cut_left(upper, body.width / 2);
    RunLayout { attempts, timeline, output }
}

/// A workflow run: its jobs, and below or beside them the log of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CiRunLayout {
    pub jobs: Rect,
    pub log: Rect,
}

/// Divides the body of a workflow run.
pub fn ci_run(body: Rect) -> CiRunLayout {
    if body.width >= 120 {
        let (jobs, log) = cut_left(body, body.width * 2 / 5);
        return CiRunLayout { jobs, log };
    }
    let (jobs, log) = cut_bottom(body, body.height * 2 / 5);
    CiRunLayout { jobs, log }
}

/// The review: the diff, and below or beside it what the author and the guard say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReviewLayout {
    pub diff: Rect,
    /// Empty when hidden.
    pub why: Rect,
}

/// Divides the review's body.
pub fn review(body: Rect, shows_why: bool) -> ReviewLayout {
    if !shows_why {
        return ReviewLayout { diff: body, why: Rect { height: 0, ..body } };
    }
    if body.width >= 120 {
        let (why, diff) = cut_left(body, (body.width / 4).clamp(34, 44));
        return ReviewLayout { diff, why };
    }
    let (diff, why) = cut_bottom(body, (body.height / 3).clamp(4, 8));
    ReviewLayout { diff, why }
}

/// Returns how many rows of a list in `area` are visible below its border and `header` lines.
pub fn rows(area: Rect, header: u16) -> usize {
    usize::from(inner(area).height.saturating_sub(header)).max(1)
}

/// Returns how many columns of text a document has in `area`, beside its border and the cursor's sign.
pub const fn text_columns(area: Rect) -> u16 {
    inner(area).width.saturating_sub(1)
}

/// Returns the offset that keeps `cursor` among `rows` visible rows with the least movement.
pub const fn keep_visible(offset: usize, cursor: usize, rows: usize) -> usize {
    if cursor < offset {
        cursor
    } else if cursor >= offset + rows {
        cursor + 1 - rows
    } else {
        offset
    }
}

/// Returns the smallest offset from which wrapped rows up to `cursor` fit into `rows` lines.
pub fn wrapped_offset(cursor: usize, rows: usize, height_of: impl Fn(usize) -> usize) -> usize {
    let mut used = 0;
    for idx in (0..=cursor).rev() {
        used += height_of(idx);
        if rows < used {
            return (idx + 1).min(cursor);
        }
    }
    0
}

/// Returns a centred area of at most the given size.
pub fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_screen_never_overlap_or_leave_it() {
        for (columns, rows) in [(60, 16), (80, 24), (119, 30), (120, 36), (160, 48), (300, 100), (1, 1), (0, 0)] {
            let all = Rect::new(0, 0, columns, rows);
            let (one, chrome) = (chrome(columns, rows, 1), chrome(columns, rows, 2));
            assert!(chrome.look.y <= one.look.y && chrome.body.height <= one.body.height);
            let queue = queue(chrome.body);
            let run = run(chrome.body);
            let review = review(chrome.body, true);
            let ci_run = ci_run(chrome.body);
            for parts in [
                vec![queue.list, queue.preview],
                vec![run.attempts, run.timeline, run.output],
                vec![review.diff, review.why],
                vec![ci_run.jobs, ci_run.log],
            ] {
                for (idx, part) in parts.iter().enumerate() {
                    assert_eq!(part.intersection(chrome.body), *part, "{columns}x{rows}");
                    assert!(parts[idx + 1..].iter().all(|it| !it.intersects(*part)), "{columns}x{rows}");
                }
                let area: u32 = parts.iter().map(|it| it.area()).sum();
                assert_eq!(area, chrome.body.area(), "{columns}x{rows}: the body is used whole");
            }
            assert_eq!(chrome.status.intersection(all), chrome.status);
        }
    }

    #[test]
    fn wrapped_rows_leave_room_for_the_cursor() {
        assert_eq!(wrapped_offset(5, 10, |_| 1), 0);
        assert_eq!(wrapped_offset(5, 10, |_| 3), 3);
        assert_eq!(wrapped_offset(5, 10, |_| 30), 5);
    }

    #[test]
    fn scrolling_moves_only_when_it_must() {
        assert_eq!(keep_visible(0, 5, 10), 0);
        assert_eq!(keep_visible(0, 10, 10), 1);
        assert_eq!(keep_visible(7, 3, 10), 3);
    }
}
