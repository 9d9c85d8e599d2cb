//! Logs, honest and hostile, as rows.
use super::*;
use crate::console::document::segment::Ink;
use crate::console::document::segment::Row;
use crate::console::document::segment::Segment;
use crate::console::document::sketch::is_clean;
use crate::console::document::sketch::sketch;
use proptest::prelude::*;

const GITHUB: &str = "\
2024-05-01T12:00:00.0000000Z ##[group]Run actions/checkout@v5
2024-05-01T12:00:00.0000000Z with:
2024-05-01T12:00:00.0000000Z   repository: acme/api
2024-05-01T12:00:01.0000000Z ##[endgroup]
2024-05-01T12:00:01.0000000Z ##[group]Getting Git version info
2024-05-01T12:00:01.0000000Z git version 2.43
2024-05-01T12:00:01.0000000Z ##[endgroup]
2024-05-01T12:00:02.0000000Z done
2024-05-01T12:00:03.0000000Z ##[group]Run pytest -q
2024-05-01T12:00:03.0000000Z \x1b[36;1mpytest -q\x1b[0m
2024-05-01T12:00:03.0000000Z ##[endgroup]
2024-05-01T12:00:04.0000000Z tests/test_retry.py ......F  [100%]
2024-05-01T12:00:05.0000000Z =================== FAILURES ===================
2024-05-01T12:00:05.0000000Z ______________ test_budget ______________
2024-05-01T12:00:05.0000000Z >       assert client.retries == 4
2024-05-01T12:00:05.0000000Z E       AssertionError: assert 3 == 4
2024-05-01T12:00:05.0000000Z E        +  where 3 = client.retries
2024-05-01T12:00:05.0000000Z tests/test_retry.py:88: AssertionError
2024-05-01T12:00:05.0000000Z WARN  retry budget left=0
2024-05-01T12:00:06.0000000Z ============ 1 failed in 0.12s ============
2024-05-01T12:00:06.0000000Z ##[error]Process completed with exit code 1.
2024-05-01T12:00:07.0000000Z Post job cleanup.
2024-05-01T12:00:07.0000000Z bye
";

fn log(text: &str) -> LogDocument {
    LogDocument::new("base.log", text.as_bytes(), 0)
}

fn rows(log: &LogDocument) -> Vec<String> {
    (0..log.len()).map(|it| sketch(&log.row(it))).collect()
}

#[test]
fn a_github_log_reads_like_this() {
    assert_eq!(
        rows(&log(GITHUB)).join("\n"),
        "  1 ‹Group:▸› │ ‹Group:Run actions/checkout@v5› ⟶ ‹Dim:(7 lines)›
  9 ‹Group:▾› │ ‹Group:Run pytest -q› ⟶ ‹Error:✗ 2 errors ›‹Dim:(12 lines)›
 10   │ pytest -q
 12   │ tests/test_retry.py ......F  [100%]
 13 ‹Group:▾› │ ‹Group:=================== FAILURES ===================› ⟶ ‹Error:✗ 1 error ›‹Dim:(6 lines)›
 14 ‹Group:▾› │ ‹Group:______________ test_budget ______________› ⟶ ‹Error:✗ 1 error ›‹Dim:(5 lines)›
 15   │ >       assert client.retries == 4
 16 ‹Error:✗› │ ‹Error:E       AssertionError: assert 3 == 4› ⟶ ‹Error:✗ error›
 17 ‹Error:✗› │ ‹Error:E        +  where 3 = client.retries› ⟶ ‹Error:✗ error›
 18   │ tests/test_retry.py:88: AssertionError
 19 ‹Warning:⚠› │ ‹Warning:WARN  retry budget left=0› ⟶ ‹Warning:⚠ warn›
 20   │ ============ 1 failed in 0.12s ============
 21 ‹Error:✗› │ ‹Error:##[error]Process completed with exit code 1.› ⟶ ‹Error:✗ error›
 22   │ Post job cleanup.
 23   │ bye"
    );
}

#[test]
fn it_opens_at_the_first_error_and_walks_them() {
    let mut log = log(GITHUB);
    assert_eq!(log.first_error(), Some(7));
    assert_eq!(log.error_count(), 2, "a continued error is one");
    assert_eq!([log.error_at(7), log.error_at(8), log.error_at(12)], [Some((1, 2)), None, Some((2, 2))]);
    assert_eq!([log.next_error(0), log.next_error(7), log.next_error(12)], [Some(7), Some(12), None]);
    assert_eq!([log.prev_error(14), log.prev_error(12), log.prev_error(7)], [Some(12), Some(7), None]);
    assert_eq!(log.position(9), Some(("tests/test_retry.py".into(), 88)));
    assert_eq!(LogDocument::new("x", b"fine\n", 0).first_error(), None);
}

#[test]
fn folding_goes_there_and_back() {
    let mut log = log(GITHUB);
    let before = rows(&log);
    assert_eq!(log.toggle_fold(8), 5, "the innermost group around the row");
    assert_eq!(log.len(), before.len() - 5);
    assert_eq!(log.first_error(), Some(5), "its group stands for it");
    assert_eq!(log.toggle_fold(5), 5);
    assert_eq!(rows(&log), before);

    assert_eq!(log.toggle_fold(0), 0);
    assert_eq!(log.text_of(3), "Getting Git version info");
    assert_eq!(log.next_group(0), Some(3));
    log.fold_all(true);
    assert_eq!(log.len(), 4);
    assert_eq!(
        [log.next_group(0), log.next_group(1), log.prev_group(1), log.prev_group(0)],
        [Some(1), None, Some(0), None]
    );
    let error = log.next_error(0).unwrap();
    assert_eq!(log.text_of(error), "E       AssertionError: assert 3 == 4", "jumping unfolds");
    log.fold_all(false);
    assert_eq!(log.len(), 20, "all but the three marks that only end a group");
}

#[test]
fn line_numbers_and_rows_map_both_ways() {
    let mut log = log(GITHUB);
    assert_eq!(log.line_number(2), 10);
    assert_eq!(log.row_of_line(10), 2);
    assert_eq!(log.row_of_line(6), 4, "unfolds");
    assert_eq!(log.text_of(4), "git version 2.43");
    for row in 0..log.len() {
        let line = log.line_number(row);
        assert_eq!(log.row_of_line(line), row);
    }
    assert_eq!(log.line_number(999), 23);
    assert_eq!(log.row_of_line(999), log.len() - 1);
    assert_eq!([log.row_of_line(0), log.row_of_line(1)], [0, 0]);
}

#[test]
fn search_finds_folded_lines_and_keeps_the_context() {
    let mut log = log(GITHUB);
    let unfolded = log.len();
    assert_eq!(log.search("git"), 2);
    assert_eq!(log.len(), unfolded, "searching alone moves nothing");
    let first = log.next_match(0).unwrap();
    assert_eq!(
        sketch(&log.row(first)),
        "  5 ‹Group:▾› │ ‹Group:Getting ›‹Match:Git›‹Group: version info› ⟶ ‹Dim:(1 line)›"
    );
    assert_eq!([log.match_at(first), log.match_at(0)], [Some((1, 2)), None]);
    let second = log.next_match(first).unwrap();
    assert_eq!((log.match_at(second), log.next_match(second)), (Some((2, 2)), None));
    assert_eq!(log.prev_match(second), Some(first));
    assert!(log.row(second).current().segments.iter().any(|it| it.ink == Ink::CurrentMatch));
    assert_eq!(log.search("Git"), 1);
    assert_eq!(log.search("10"), 1, "line numbers are no text");
    log.clear_search();
    assert_eq!((log.next_match(0), log.match_at(first)), (None, None));
}

#[test]
fn filtering_keeps_the_place() {
    let mut log = log(GITHUB);
    let before = rows(&log);
    log.only_matches(true);
    assert_eq!(rows(&log), before, "nothing to filter by");
    log.search("retries");
    let texts: Vec<_> = (0..log.len()).map(|it| log.text_of(it)).collect();
    assert_eq!(texts, [">       assert client.retries == 4", "E        +  where 3 = client.retries"]);
    let place = log.line_number(1);
    assert_eq!((log.next_error(0), log.toggle_fold(1)), (None, 1));
    log.only_matches(false);
    let row = log.row_of_line(place);
    assert_eq!(log.text_of(row), "E        +  where 3 = client.retries");
    log.only_matches(true);
    log.search("nowhere");
    assert!(log.is_empty() && log.row(0) == Row::default() && log.next_match(0).is_none());
    assert_eq!((log.line_number(0), log.row_of_line(7)), (0, 0));
}

#[test]
fn times_are_shown_on_demand() {
    let mut log = log(GITHUB);
    log.timestamps(Timestamps::Absolute);
    assert_eq!(sketch(&log.row(2)), " 10   │ ‹Dim:12:00:03 ›pytest -q");
    assert_eq!(log.text_of(2), "pytest -q");
}

#[test]
fn the_dropped_middle_is_said() {
    let head = "##[group]Build\nmaking\n";
    let tail = "still making\nerror: x\n";
    let log = LogDocument::new("a", format!("{head}[1234567 bytes were not kept]\n{tail}").as_bytes(), 1_234_567);
    assert_eq!(
        rows(&log),
        [
            "  1 ‹Group:▾› │ ‹Group:Build› ⟶ ‹Dim:(1 line)›",
            "  2   │ making",
            "    ‹Note: › ┊ ‹Note:[1234567 bytes were not kept]›",
            "  3   │ still making",
            "  4 ‹Error:✗› │ ‹Error:error: x› ⟶ ‹Error:✗ error›"
        ]
    );
}

/// Returns `(first line, number of lines)` of each group, in 1-based numbers.
fn group_spans(text: &str) -> Vec<(usize, usize)> {
    log(text).groups.all.iter().map(|it| (it.head + 1, it.end - it.head)).collect()
}

#[test]
fn test_output_has_groups_of_its_own() {
    let rule = "=".repeat(70);
    let dashes = "-".repeat(70);
    let unittest = format!(
        ".F\n{rule}\nFAIL: test_a (t.T)\n{dashes}\nTraceback\nx\n{rule}\nERROR: test_b (t.T)\n{dashes}\ny\n{dashes}\nRan 3 tests in 0.1s\n"
    );
    assert_eq!(group_spans(&unittest), [(3, 4), (8, 4)]);
    let cargo = "running 2 tests\n---- a stdout ----\nthread 'a' panicked at src/x.rs:1:2:\n---- b stdout ----\nx\n\nfailures:\n    a\ntest result: FAILED\n";
    assert_eq!(group_spans(cargo), [(2, 2), (4, 3)]);
    let go = "=== RUN   TestA\n    a_test.go:5: x\n--- FAIL: TestA (0.00s)\n=== RUN   TestB\n--- PASS: TestB (0.00s)\nFAIL\n";
    assert_eq!(group_spans(go), [(1, 3), (4, 2)]);
    let pytest = "=== test session starts ===\na\nb\n=== ERRORS ===\n_ ERROR at setup of test_a _\nx\n___ test_b ___\ny\n=== short test summary info ===\nFAILED t.py::a\n=== 1 failed in 1s ===\nz\n";
    assert_eq!(group_spans(pytest), [(1, 3), (4, 5), (5, 2), (7, 2), (9, 2)]);
}

#[test]
fn gitlab_sections_are_groups() {
    let text = "section_start:15:prepare[collapsed=true]\r\x1b[0KPrepare\na\nb\nsection_end:16:prepare\r\x1b[0Ksection_start:16:script\r\x1b[0K\nerror: x\nsection_end:17:script\r\x1b[0K\nend\n";
    let log = log(text);
    assert_eq!(
        rows(&log),
        [
            "  1 ‹Group:▸› │ ‹Group:Prepare› ⟶ ‹Dim:(2 lines)›",
            "  4 ‹Group:▾› │ ‹Group:script› ⟶ ‹Error:✗ 1 error ›‹Dim:(1 line)›",
            "  5 ‹Error:✗› │ ‹Error:error: x› ⟶ ‹Error:✗ error›",
            "  7   │ end"
        ]
    );
}

#[test]
fn a_hostile_log_is_only_text() {
    let mut bytes = b"\x1b]52;c;ZXZpbA==\x07\x1b[2J\x9bx \xff \xe2\x80\xae evil\n10%\r20%\rdone\n".to_vec();
    bytes.extend(b"y".repeat(1 << 20));
    let log = LogDocument::new("\x1b[31mname", &bytes, 0);
    assert_eq!(sketch(&log.row(0)), "  1   │ \u{fffd}x \u{fffd} ‹Deceptive:⟨U+202E⟩› evil");
    assert_eq!(sketch(&log.row(1)), "  2   │ done ⟶ ‹Dim:(last of 3 states)›");
    assert!(log.row(2).width() < 4_100);
    assert!(is_clean(&Row::of(vec![Segment::new(log.name(), Ink::Plain)])));
}

#[test]
fn a_flood_of_lines_is_indexed_and_not_drawn() {
    let mut log = LogDocument::new("a", &b"E   x\n\n".repeat(200_000), 0);
    assert_eq!((log.len(), log.error_count()), (400_000, 200_000));
    assert_eq!(log.prev_error(usize::MAX), Some(399_998));
    assert_eq!(log.row_of_line(400_000), 399_999);
}

fn hostile_line() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        Just("##[group]"),
        Just("##[endgroup]"),
        Just("::group::"),
        Just("section_start:1:a\r\x1b[0K"),
        Just("section_end:1:a\r\x1b[0K"),
        Just("=== RUN   T"),
        Just("=== FAILURES ==="),
        Just("___ t ___"),
        Just("---- a stdout ----"),
        Just("======================"),
        Just("FAIL: a (b)"),
        Just("E   "),
        Just("##[error]"),
        Just("2024-05-01T12:00:07.0000000Z "),
        Just("")
    ];
    let rest = prop_oneof![
        "(\\PC|\\p{C}|\r|\x1b\\[){0,12}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..12)
    ];
    (start, rest).prop_map(|(start, rest)| [start.as_bytes(), &rest].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn no_hostile_log_gets_through(
        lines in proptest::collection::vec(hostile_line(), 0..40), dropped in prop_oneof![Just(0_u64), any::<u64>()],
        steps in proptest::collection::vec((0_u8..9, 0_usize..50), 0..12), needle in "[a-z:0-9\\[]{0,2}",
    ) {
        let mut log = LogDocument::new("a", &lines.join(&b'\n'), dropped);
        for (step, row) in steps {
            match step {
                0 => drop(log.next_error(row)),
                1 => drop(log.prev_error(row)),
                2 => drop(log.toggle_fold(row)),
                3 => log.fold_all(row % 2 == 0),
                4 => drop(log.search(&needle)),
                5 => log.only_matches(row % 2 == 0),
                6 => drop(log.next_match(row)),
                7 => log.timestamps(Timestamps::Absolute),
                _ => drop((log.next_group(row), log.prev_group(row))),
            }
            for row in 0..log.len() {
                let drawn = log.row(row);
                prop_assert!(is_clean(&drawn));
                prop_assert_eq!(drawn.content(), log.text_of(row));
            }
        }
        log.clear_search();
        log.fold_all(false);
        let n_marks = log.groups.marks.len();
        prop_assert_eq!(log.len() + n_marks, log.lines.len());
        for row in 0..log.len() {
            let line = log.line_number(row);
            let is_gap = log.text_of(row).contains("bytes were not kept");
            prop_assert!(is_gap || log.row_of_line(line) == row);
        }
    }

    #[test]
    fn groups_nest(lines in proptest::collection::vec(hostile_line(), 0..40)) {
        let log = LogDocument::new("a", &lines.join(&b'\n'), 0);
        for (idx, group) in log.groups.all.iter().enumerate() {
            prop_assert!(group.head < group.end && group.end <= log.lines.len());
            if let Some(parent) = group.parent {
                let parent = &log.groups.all[parent];
                prop_assert!(parent.head <= group.head && group.end <= parent.end);
            }
            prop_assert!(idx == 0 || log.groups.all[idx - 1].head < group.head);
        }
    }
}
