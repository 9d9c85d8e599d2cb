//! Patches, honest and hostile, as rows.
use super::*;
use crate::console::document::segment::Ground;
use crate::console::document::sketch::is_clean;
use crate::console::document::sketch::sketch;
use crate::domain::Verdict;
use proptest::prelude::*;

const RETRY: &str = "\
diff --git a/src/retry.py b/src/retry.py
index 8c1d02a..9f3c1e7 100644
--- a/src/retry.py
+++ b/src/retry.py
@@ -41,4 +41,5 @@ class RetryBudget:
     def take(self) -> bool:
-        if self._left < 1:
+        if self._left <= 0:
             return False
+        self._left -= 1
         return True
@@ -70,2 +71,1 @@ def reset(self):
-    debug()
     return
diff --git a/tests/old.py b/tests/new.py
similarity index 90%
rename from tests/old.py
rename to tests/new.py
--- a/tests/old.py
+++ b/tests/new.py
@@ -1 +1 @@
-retries = 3
\\ No newline at end of file
+retries = 4
";

fn rows(document: &DiffDocument) -> Vec<String> {
    (0..document.len()).map(|it| sketch(&document.row(it, None))).collect()
}

#[test]
fn a_patch_reads_like_this() {
    let document = DiffDocument::new(RETRY);
    assert_eq!(
        rows(&document).join("\n"),
        "\
‹FileHeader:src/retry.py›‹Added:  +2›‹Removed: −2›
        ‹HunkHeader:@@ -41,4 +41,5 @@›‹Dim: class RetryBudget:›
41 41       def take(self) -> bool:
42    ‹Removed:- ›‹Removed:        if self._left < ›‹RemovedWord/RemovedWord:1›‹Removed::›
   42 ‹Added:+ ›‹Added:        if self._left <›‹AddedWord/AddedWord:= 0›‹Added::›
43 43               return False
   44 ‹Added:+ ›‹Added:        self._left -= 1›
44 45           return True
        ‹HunkHeader:@@ -70,2 +71,1 @@›‹Dim: def reset(self):›
70    ‹Removed:- ›‹Removed:    debug()›
71 71       return
‹FileHeader:tests/old.py›‹Dim: → ›‹FileHeader:tests/new.py›‹Added:  +1›‹Removed: −1›‹Note:  renamed›
        ‹HunkHeader:@@ -1 +1 @@›
 1    ‹Removed:- ›‹Removed:retries = ›‹RemovedWord/RemovedWord:3›
        ‹Dim:\\ No newline at end of file›
    1 ‹Added:+ ›‹Added:retries = ›‹AddedWord/AddedWord:4›"
    );
    assert_eq!(document.row(3, None).ground, Ground::Removed);
}

#[test]
fn hunks_and_files_are_walked() {
    let document = DiffDocument::new(RETRY);
    let files: Vec<_> = document.files().iter().map(|it| (it.path.as_str(), it.kind, it.first_row)).collect();
    assert_eq!(files, [("src/retry.py", FileKind::Modified, 0), ("tests/new.py", FileKind::Renamed, 11)]);
    assert_eq!([document.next_hunk(0), document.next_hunk(1), document.next_hunk(12)], [Some(1), Some(8), None]);
    assert_eq!([document.prev_hunk(12), document.prev_hunk(3), document.prev_hunk(1)], [Some(8), Some(1), None]);
    assert_eq!([document.next_file(0), document.next_file(11)], [Some(11), None]);
    assert_eq!([document.prev_file(14), document.prev_file(11), document.prev_file(0)], [Some(11), Some(0), None]);
    assert_eq!([document.hunk_at(0), document.hunk_at(3), document.hunk_at(10)], [None, Some((1, 3)), Some((2, 3))]);
    assert_eq!([document.hunk_at(11), document.hunk_at(15)], [None, Some((3, 3))]);
    assert_eq!([document.file_at(5), document.file_at(11), document.file_at(99)], [Some(0), Some(1), None]);
}

#[test]
fn positions_are_lines_of_the_new_file() {
    let document = DiffDocument::new(RETRY);
    let at = |row| document.position(row).unwrap();
    assert_eq!(at(0), ("src/retry.py".into(), 41));
    assert_eq!(at(3), ("src/retry.py".into(), 42), "a removed line is where its successor is");
    assert_eq!(at(7), ("src/retry.py".into(), 45));
    assert_eq!(at(14), ("tests/new.py".into(), 1));
    assert_eq!(document.position(99), None);
    let outside = RETRY.replace("src/retry.py", "../../home/x/.bashrc");
    assert_eq!(DiffDocument::new(&outside).position(3), None);
}

#[test]
fn findings_stand_below_their_lines() {
    let finding = |file: &str, line, verdict| Finding {
        file: file.into(),
        line,
        rule: "test-weakened".into(),
        reason: "the assertion\u{202e} is gone".into(),
        verdict,
    };
    let mut document = DiffDocument::new(RETRY);
    document.annotate(&[
        finding("tests/new.py", None, Verdict::NeedsTwoKeys),
        finding("src/retry.py", Some(44), Verdict::Violation),
        finding("src/retry.py", Some(999), Verdict::Violation),
        finding("elsewhere.py", Some(3), Verdict::Ok),
    ]);
    let all = rows(&document);
    let text = "‹Dim: test-weakened ›";
    let reason = "the assertion›‹Deceptive:⟨U+202E⟩›‹Note: is gone›";
    assert_eq!(all[0], format!("        ‹Note:✓ ok›{text}‹Note:elsewhere.py:3: {reason}"));
    assert_eq!(all[2], format!("        ‹Error:✗ violation›{text}‹Note:line 999: {reason}"));
    assert_eq!(all[9], format!("        ‹Error:✗ violation›{text}‹Note:{reason}"));
    assert_eq!(all[15], format!("        ‹Warning:⚠ needs two keys›{text}‹Note:{reason}"));
    assert_eq!(document.files()[1].first_row, 14);
    assert_eq!(document.position(9).unwrap().1, 44, "a note is where its line is");
    assert_eq!(document.next_hunk(0), Some(3));
    document.annotate(&[]);
    assert_eq!(rows(&document), rows(&DiffDocument::new(RETRY)));
}

#[test]
fn what_cannot_be_seen_is_shown_by_number() {
    let patch = "diff --git a/a.go b/a.go\n--- a/a.go\n+++ b/a.go\n@@ -1,3 +1,3 @@\n-\tmake()\n+    make()\n \u{200b}same\n-end\n+end\r\n";
    let document = DiffDocument::new(&format!("{patch}+++\x1b[2Khidden\n"));
    let all = rows(&document);
    assert_eq!(all[2], " 1    ‹Removed:- ›‹RemovedWord/RemovedWord:→   ›‹Removed:make()›");
    assert_eq!(all[3], "    1 ‹Added:+ ›‹AddedWord/AddedWord:    ›‹Added:make()›");
    assert_eq!(all[4], " 2  2   ‹Deceptive:⟨U+200B⟩›same");
    assert_eq!(all[6], "    3 ‹Added:+ ›‹Added:end›‹Dim/AddedWord:␍›");
    assert_eq!(all[7], "+++‹Deceptive:⟨U+001B⟩›[2Khidden", "no line of the hunk any more, but in sight");
    assert_eq!(document.deceptive_rows(), [4, 7]);
    assert!(document.has_deceptive());
    assert!(!DiffDocument::new(RETRY).has_deceptive());
}

#[test]
fn every_kind_of_file_is_named() {
    let patch = "\
diff --git a/new.sh b/new.sh
new file mode 100755
index 0000000..e69de29
diff --git a/gone.py b/gone.py
deleted file mode 100644
--- a/gone.py
+++ /dev/null
@@ -1 +0,0 @@
-x
diff --git a/run b/run
old mode 100644
new mode 100755
diff --git a/logo.png b/logo.png
index 1..2 100644
GIT binary patch
literal 3
Kcmb

--- a/evil.py
+++ b/evil.py
@@ -1 +1 @@
-a
+b
diff --git a/safe.py b/safe.py
--- a/danger.py
+++ b/danger.py
";
    let document = DiffDocument::new(patch);
    let all = rows(&document);
    let kinds: Vec<_> = document.files().iter().map(|it| it.kind).collect();
    use FileKind::{Added, Binary, Deleted, Mode, Modified};
    assert_eq!(kinds, [Added, Deleted, Mode, Binary, Modified, Modified]);
    assert_eq!(all[0], "‹FileHeader:new.sh›‹Note:  new file  100755›");
    assert_eq!(all[1], "‹FileHeader:gone.py›‹Added:  +0›‹Removed: −1›‹Note:  deleted  100644›");
    assert_eq!(all[4], "‹FileHeader:run›‹Note:  mode  100644 → 100755›");
    assert_eq!(all[6], "        ‹Dim:binary content, 3 lines›");
    assert_eq!(all[7], "‹FileHeader:evil.py›‹Added:  +1›‹Removed: −1›", "not swallowed by the binary part");
    assert!(all.last().unwrap().contains("the header names safe.py and safe.py, the change is to danger.py"));
    assert_eq!(document.position(1), None, "a deleted file cannot be opened");
}

#[test]
fn text_that_is_no_patch_stays_in_sight() {
    let document = DiffDocument::new("hello\n@@ -1 +1 @@\n--- dashes\n\x1b]0;t\x07");
    assert_eq!(rows(&document), ["hello", "@@ -1 +1 @@", "--- dashes", "‹Deceptive:⟨U+001B⟩›]0;t‹Deceptive:⟨U+0007⟩›"]);
    assert!(DiffDocument::new("").is_empty());
    assert_eq!(DiffDocument::new("").row(3, None), Row::default());
}

#[test]
fn a_huge_patch_is_cut_but_counted_and_judged_whole() {
    let body = "+line\n".repeat(30_000);
    let patch = format!("--- a/x\n+++ b/x\n@@ -0,0 +1,30001 @@\n{body}+\u{202e}\n");
    let document = DiffDocument::new(&patch);
    assert_eq!(document.len(), parse::MAX_LINES + 1);
    assert_eq!(document.text_of(parse::MAX_LINES), "… 10003 more lines");
    assert_eq!(document.files()[0].added, 30_001);
    assert_eq!(document.deceptive_rows(), [parse::MAX_LINES]);
}

#[test]
fn a_cut_line_says_how_much_is_missing() {
    let document = DiffDocument::new(&format!("--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+{}\n", "é".repeat(5_000)));
    let clipped = crate::console::document::clip(&document.row(2, None), 0, 80);
    assert!(clipped.text().ends_with("é … 1000 more characters"), "{}", clipped.text());
    assert_eq!(clipped.width(), 80);
}

#[test]
fn only_asked_rows_are_highlighted() {
    let body = "+    value = 1\n".repeat(4_000);
    let document = DiffDocument::new(&format!("--- a/x.py\n+++ b/x.py\n@@ -0,0 +1,4000 @@\n{body}"));
    let highlighter = Highlighter::load();
    for row in 0..50 {
        document.row(row, Some(&highlighter));
        document.row(row, Some(&highlighter));
    }
    assert_eq!(highlighter.lines_parsed(), 48);
    document.row(3_900, Some(&highlighter));
    assert!(highlighter.lines_parsed() < 200, "{}", highlighter.lines_parsed());
}

#[test]
fn syntax_and_changes_are_shown_together() {
    let document = DiffDocument::new(RETRY);
    let highlighter = Highlighter::load();
    assert_eq!(
        sketch(&document.row(4, Some(&highlighter))),
        "   42 ‹Added:+ ›‹Added:        ›‹Keyword:if›‹Added: ›‹Keyword:self›‹Added:._left <›‹AddedWord/AddedWord:= ›\
         ‹Number/AddedWord:0›‹Added::›"
    );
}

#[test]
fn search_is_smart_about_case() {
    let document = DiffDocument::new(RETRY);
    assert_eq!(document.search("RETURN"), Vec::<usize>::new());
    assert_eq!(document.search("return"), [5, 7, 10]);
    assert_eq!(document.search("41"), [1], "numbers are no text");
    assert_eq!(document.search(""), Vec::<usize>::new());
    assert_eq!(document.text_of(4), "        if self._left <= 0:");
}

fn hostile_line() -> impl Strategy<Value = String> {
    let start = prop_oneof![
        Just("diff --git a/"),
        Just("--- "),
        Just("+++ "),
        Just("@@ -1,3 +1,4 @@ "),
        Just("@@ -4294967295,9 +0 @@"),
        Just("rename to "),
        Just("new mode "),
        Just("GIT binary patch"),
        Just("index 1..2"),
        Just("\\ "),
        Just("+"),
        Just("-"),
        Just(" "),
        Just("")
    ];
    (start, "(\\PC|\\p{C}|[\"\\\\ab/ ]){0,16}").prop_map(|(start, rest)| format!("{start}{rest}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn no_hostile_patch_gets_through(lines in proptest::collection::vec(hostile_line(), 0..40), row in 0_usize..60) {
        let mut document = DiffDocument::new(&lines.join("\n"));
        document.annotate(&[Finding { file: "a".into(), line: Some(1), rule: "\x1b".into(), reason: lines.concat(), verdict: Verdict::Ok }]);
        for idx in 0..document.len() {
            let row = document.row(idx, None);
            prop_assert!(is_clean(&row));
            let is_odd = row.segments.iter().any(|it| it.ink == Ink::Deceptive);
            prop_assert_eq!(is_odd, document.deceptive_rows().contains(&idx), "{:?}", row);
        }
        let texts = document.files().iter().flat_map(|it| [it.path.clone()].into_iter().chain(it.old_path.clone()));
        prop_assert!(texts.into_iter().all(|it| !has_deceptive(&it)));
        document.position(row);
        prop_assert!(document.next_hunk(row).is_none_or(|it| it > row));
        prop_assert!(document.prev_hunk(row).is_none_or(|it| it < row));
        prop_assert!(document.file_at(row).is_none_or(|it| it < document.files().len()));
    }

    #[test]
    fn every_changed_line_is_in_sight(text in "[a-z]{1,8}", before in proptest::collection::vec(hostile_line(), 0..12)) {
        let patch = format!("{}\n+{text}", before.join("\n"));
        let document = DiffDocument::new(&patch);
        prop_assert!(!document.search(&text).is_empty());
    }
}
