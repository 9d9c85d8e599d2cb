//! What is too large to hold: archives of logs and artifacts, streamed to a file and read a piece at a time.
use crate::support::github::{Fake, Fault};
use paramedic::forge::{Archive, ForgeError, Reads as _};
use serde_json::json;
use std::io::{Cursor, Write as _};
use zip::write::{SimpleFileOptions, ZipWriter};

const SHOP: &str = "acme/shop";

/// Returns a zip archive of these files.
fn packed(files: &[(&str, &[u8])], options: SimpleFileOptions) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[tokio::test]
async fn an_archive_of_logs_is_streamed_to_a_file_and_read_within_bounds() {
    let fake = Fake::start();
    let log = b"2026-11-20T19:33:08.1234567Z assert 1 == 2\n";
    let archive = packed(&[("0_build.txt", log), ("build/2_Run tests.txt", log)], SimpleFileOptions::default());
    fake.state().shop().add_archive(7, 2, archive.clone());
    let github = fake.client();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("logs.zip");
    assert_eq!(github.log_archive(SHOP, 7, 2, &to, 1 << 20).await.unwrap(), archive.len() as u64);
    assert!(fake.seen("GET /blob/logs-7-2")[0].authorization.is_none());
    let mut opened = Archive::open(&to).unwrap();
    let mut taken = Vec::new();
    let mut names = opened.names();
    names.sort();
    assert_eq!(names, ["0_build.txt", "build/2_Run tests.txt"]);
    opened
        .read("0_build.txt", 1 << 20, &mut |piece: &[u8]| {
            taken.extend_from_slice(piece);
            true
        })
        .unwrap();
    assert_eq!(taken, log);
    // What is there already is not written over; what is too large or breaks off leaves nothing.
    assert!(matches!(github.log_archive(SHOP, 7, 2, &to, 1 << 20).await, Err(ForgeError::Odd(_))));
    let other = folder.path().join("other.zip");
    assert!(matches!(github.log_archive(SHOP, 7, 2, &other, 10).await, Err(ForgeError::TooLarge(_))));
    assert!(matches!(github.log_archive(SHOP, 7, 3, &other, 10).await, Err(ForgeError::NotFound(_))));
    fake.next("GET /blob/", Fault::Cut);
    assert!(matches!(github.log_archive(SHOP, 7, 2, &other, 1 << 20).await, Err(ForgeError::Unanswered(_))));
    fake.next("GET /blob/", Fault::Huge);
    assert!(matches!(github.log_archive(SHOP, 7, 2, &other, 8 << 20).await, Err(ForgeError::TooLarge(_))));
    assert!(!other.exists());
}

#[tokio::test]
async fn what_a_run_left_behind_and_what_its_checks_say_is_read() {
    let fake = Fake::start();
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let archive = packed(&[("junit.xml", b"<testsuite/>")], stored);
    {
        let mut state = fake.state();
        let shop = state.shop();
        shop.add_artifact(11, 7, "junit", archive.clone());
        shop.add_artifact(12, 8, "another run's", Vec::new());
        let row = json!({
            "path": "src/x.py", "start_line": 3, "end_line": 3, "annotation_level": "failure", "title": null,
            "message": "assert 1 == 2", "raw_details": null, "a_new_field": 1,
        });
        shop.annotations.insert(70, vec![row]);
    }
    let github = fake.client();
    let left = github.artifacts(SHOP, 7).await.unwrap();
    assert_eq!((left.len(), left[0].id, left[0].name.as_str(), left[0].is_expired), (1, 11, "junit", false));
    assert_eq!(left[0].bytes, archive.len() as u64);
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("junit.zip");
    github.artifact(SHOP, 11, &to, 1 << 20).await.unwrap();
    assert_eq!(Archive::open(&to).unwrap().names(), ["junit.xml"]);
    let said = github.annotations(SHOP, 70).await.unwrap();
    assert_eq!((said[0].path.as_str(), said[0].line, said[0].level.as_str()), ("src/x.py", 3, "failure"));
    assert_eq!((said[0].title.as_str(), said[0].message.as_str()), ("", "assert 1 == 2"));
}
