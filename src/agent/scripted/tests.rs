//! The scripted agent on real folders.
use super::*;
use crate::agent::testing::Stage;
use std::fs;

const SCRIPT: &str = r#"
[[turn]]
diagnosis = "off by one"
[[turn.edit]]
file = "a.py"
search = "n + 1"
replace = "n"
[[turn.edit]]
file = "new/b.py"
content = "x = 1\n"
[[turn]]
diagnosis = "away with it"
[[turn.edit]]
file = "c.py"
delete = true
"#;

fn stage() -> Stage {
    Stage::new(&[("a.py", "def f(n):\r\n    return n + 1\r\n"), ("c.py", "c\n")])
}

#[tokio::test]
async fn each_turn_of_a_run_gives_the_next_answer() {
    let agent = Scripted::new(SCRIPT).unwrap();
    let mut stage = stage();
    let Turn::Edited(account) = stage.ask(&agent).await else { panic!("not edited") };
    assert_eq!(account.diagnosis, "recorded answer: off by one");
    assert!(account.recorded);
    assert_eq!(stage.read("a.py"), "def f(n):\r\n    return n\r\n");
    assert_eq!(stage.read("new/b.py"), "x = 1\n");
    stage.failed("playbook", "fixer x");
    stage.failed(NAME, &account.diagnosis);
    assert!(matches!(stage.ask(&agent).await, Turn::Edited(_)));
    assert!(!stage.root().join("c.py").exists());
    stage.failed(NAME, "");
    assert!(matches!(stage.ask(&agent).await, Turn::Declined(_)));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_changes_nothing() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    for (edit, reason) in [
        (r#"{"file": "a.py", "search": "absent", "replace": ""}"#, "0 times in `a.py`"),
        (r#"{"file": "a.py", "search": "n", "replace": ""}"#, "not once"),
        (r#"{"file": "../x", "content": ""}"#, "leaves the tree"),
        (r#"{"file": "/etc/x", "content": ""}"#, "leaves the tree"),
        (r#"{"file": ".git/hooks/pre-commit", "content": ""}"#, "belongs to git"),
        (r#"{"file": "link", "content": "gone"}"#, "symlink"),
        (r#"{"file": "link", "search": "a", "replace": "b"}"#, "no text file"),
        (r#"{"file": "nothing", "delete": true}"#, "not there"),
    ] {
        let stage = stage();
        std::os::unix::fs::symlink(outside.path(), stage.root().join("link")).unwrap();
        let script = format!(
            r#"{{"turn": [{{"diagnosis": "d", "edit": [{{"file": "c.py", "content": "changed"}}, {edit}]}}]}}"#
        );
        let turn = stage.ask(&Scripted::new(&script).unwrap()).await;
        let Turn::Failed { kind, reason: said, account } = turn else { panic!("{edit}: {turn:?}") };
        assert_eq!(kind, AttemptFailure::BadPatch);
        assert!(said.contains(reason) && account.recorded, "{edit}: {said}");
        assert_eq!(stage.read("c.py"), "c\n", "{edit}: half of it was done");
        assert_eq!(fs::read(outside.path()).unwrap(), b"");
    }
}

#[test]
fn a_script_that_is_not_understood_is_refused() {
    for script in [
        "",
        "turn = 1",
        "[[turn]]\ndiagnosis = 'd'\nother = 1",
        "[[turn]]\ndiagnosis = 'd'\n[[turn.edit]]\nfile = 'a'",
        "[[turn]]\ndiagnosis = 'd'\n[[turn.edit]]\nfile = 'a'\nsearch = ''\nreplace = 'x'",
        "[[turn]]\ndiagnosis = 'd'\n[[turn.edit]]\nfile = 'a'\ncontent = ''\ndelete = true",
        "{\"turn\": [{}]}",
    ] {
        assert!(Scripted::new(script).is_err(), "{script:?}");
    }
}

#[tokio::test]
async fn several_edits_of_a_file_build_on_each_other() {
    let stage = stage();
    let script = r#"{"turn": [{"diagnosis": "d", "edit": [
        {"file": "a.py", "search": "n + 1", "replace": "m"}, {"file": "a.py", "search": "return m", "replace": "return 2"}]}]}"#;
    assert!(matches!(stage.ask(&Scripted::new(script).unwrap()).await, Turn::Edited(_)));
    assert_eq!(stage.read("a.py"), "def f(n):\r\n    return 2\r\n");
}
