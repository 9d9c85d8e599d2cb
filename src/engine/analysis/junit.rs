//! Test reports that a run has uploaded: archives of hostile XML, few and bounded.
use crate::domain::TestReport;
use crate::engine::analysis::Reading;
use crate::evidence::report::junit::Account;
use crate::forge::{Archive, Artifact, ForgeError};
use std::path::Path;

/// What such an upload is called, among other things.
const NAMES: &[&str] = &["junit", "test-result", "test_result", "test-report", "test_report"];
/// Uploads that are read.
const MAX_ARTIFACTS: usize = 3;
/// Bytes of an upload that is read.
const MAX_PACKED_BYTES: u64 = 20 << 20;
/// Files of an upload that are read, and their bytes altogether.
const MAX_FILES: usize = 500;
const MAX_BYTES: u64 = 64 << 20;

/// Returns what the uploads of a run say of its tests, `None` where there is no such upload. What cannot be read is passed over.
pub(super) async fn read(reading: &mut Reading<'_>) -> Result<Option<TestReport>, ForgeError> {
    let reads = &reading.analyst.reads;
    let artifacts = match reads.artifacts(reading.repository, reading.run.id).await {
        Err(ForgeError::NotFound(_) | ForgeError::Unauthorised(_)) => return Ok(None),
        other => other?,
    };
    let mut account = Account::default();
    for artifact in artifacts.iter().filter(|it| is_report(it)).take(MAX_ARTIFACTS) {
        let Ok(folder) = tempfile::tempdir_in(&reading.analyst.scratch) else { break };
        let path = folder.path().join("report.zip");
        match reads.artifact(reading.repository, artifact.id, &path, MAX_PACKED_BYTES).await {
            Ok(_) => {}
            Err(ForgeError::NotFound(_) | ForgeError::TooLarge(_) | ForgeError::Odd(_)) => continue,
            Err(error) => return Err(error),
        }
        let read = tokio::task::spawn_blocking(move || {
            add(&mut account, &path);
            account
        });
        match read.await {
            Ok(read) => account = read,
            Err(_) => return Ok(None),
        }
    }
    Ok((!account.is_empty()).then(|| cleaned(reading, account.into_report())))
}

fn is_report(artifact: &Artifact) -> bool {
    let name = artifact.name.to_lowercase();
    !artifact.is_expired && artifact.bytes <= MAX_PACKED_BYTES && NAMES.iter().any(|it| name.contains(it))
}

fn add(account: &mut Account, path: &Path) {
    let Ok(mut archive) = Archive::open(path) else { return };
    let names = archive.names();
    let mut left = MAX_BYTES;
    for name in names.iter().filter(|it| it.to_lowercase().ends_with(".xml")).take(MAX_FILES) {
        let mut xml = Vec::new();
        let mut take = |bytes: &[u8]| {
            xml.extend_from_slice(bytes);
            true
        };
        // One that is cut short counts as far as it goes.
        let _ = archive.read(name, left, &mut take);
        left -= xml.len() as u64;
        let _ = account.add(&xml);
    }
}

fn cleaned(reading: &Reading<'_>, mut report: TestReport) -> TestReport {
    let tests = std::mem::take(&mut report.tests);
    report.tests = tests.into_iter().map(|(name, outcome)| (reading.analyst.safe(&name), outcome)).collect();
    report
}
