//! Which lines are in sight: runs of lines with what is folded or filtered left out.
use std::ops::Range;

/// A run of lines that are all in sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    row: usize,
    line: usize,
    len: usize,
}

/// Maps rows to lines and back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rows {
    runs: Vec<Run>,
}

impl Rows {
    /// Shows all lines but those in `hidden`, which is ordered by start; ranges may overlap.
    pub(super) fn without(n_lines: usize, hidden: impl Iterator<Item = Range<usize>>) -> Self {
        let mut rows = Self::default();
        let mut line = 0;
        for range in hidden {
            rows.push(line..range.start.min(n_lines));
            line = line.max(range.end);
        }
        rows.push(line..n_lines);
        rows
    }

    /// Shows only some lines, given in order.
    pub(super) fn only(lines: &[usize]) -> Self {
        let mut rows = Self::default();
        for line in lines {
            rows.push(*line..line + 1);
        }
        rows
    }

    pub(super) fn len(&self) -> usize {
        self.runs.last().map_or(0, |it| it.row + it.len)
    }

    /// Returns the line of a row.
    pub(super) fn line_of(&self, row: usize) -> Option<usize> {
        let run = self.runs[..self.runs.partition_point(|it| it.row <= row)].last()?;
        (row < run.row + run.len).then(|| run.line + row - run.row)
    }

    /// Returns the row of a line; as an error that of the last line in sight before it.
    pub(super) fn row_of(&self, line: usize) -> Result<usize, usize> {
        match self.runs[..self.runs.partition_point(|it| it.line <= line)].last() {
            Some(run) if line < run.line + run.len => Ok(run.row + line - run.line),
            Some(run) => Err(run.row + run.len - 1),
            None => Err(0),
        }
    }

    fn push(&mut self, lines: Range<usize>) {
        if lines.is_empty() {
            return;
        }
        match self.runs.last_mut() {
            Some(run) if run.line + run.len == lines.start => run.len += lines.len(),
            _ => self.runs.push(Run { row: self.len(), line: lines.start, len: lines.len() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_and_lines_map_both_ways(n_lines in 0_usize..30, mut hidden in proptest::collection::vec((0_usize..35, 0_usize..9), 0..6)) {
            hidden.sort_unstable();
            let ranges: Vec<_> = hidden.into_iter().map(|(start, len)| start..start + len).collect();
            let rows = Rows::without(n_lines, ranges.iter().cloned());
            let shown: Vec<_> = (0..n_lines).filter(|line| !ranges.iter().any(|it| it.contains(line))).collect();
            prop_assert_eq!((0..rows.len()).filter_map(|it| rows.line_of(it)).collect::<Vec<_>>(), shown.clone());
            prop_assert_eq!(rows.line_of(rows.len()), None);
            for line in 0..n_lines {
                let before = shown.partition_point(|it| *it <= line);
                let expected = if shown.contains(&line) { Ok(before - 1) } else { Err(before.saturating_sub(1)) };
                prop_assert_eq!(rows.row_of(line), expected);
            }
            prop_assert_eq!(Rows::only(&shown), rows);
        }
    }
}
