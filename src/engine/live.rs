//! What running commands print right now: one small file a run, written by the worker, readable by every process on the machine.
use crate::clock::instant;
use crate::domain::RunId;
use crate::evidence::mask::Masker;
use crate::evidence::text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How much of the end is kept.
const TAIL_BYTES: usize = 32 * 1024;
/// How often the file is rewritten at most.
const PERIOD: Duration = Duration::from_millis(250);

/// The most recent output of a running command. Clean and masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    pub phase: String,
    pub tail: String,
    pub updated_at: Timestamp,
}

/// The folder of those files.
#[derive(Debug, Clone)]
pub struct LiveFolder {
    folder: PathBuf,
}

impl LiveFolder {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, id: RunId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    /// Returns what is known of a run, if a command of it is running.
    pub fn read(&self, id: RunId) -> Option<Live> {
        serde_json::from_slice(&fs::read(self.path(id)).ok()?).ok()
    }

    /// Replaces what is known of a run. Best effort: a full disk must not stop a heal.
    pub fn write(&self, id: RunId, live: &Live) {
        let write = || -> std::io::Result<()> {
            let file = tempfile::NamedTempFile::new_in(&self.folder)?;
            fs::write(file.path(), serde_json::to_vec(live)?)?;
            file.persist(self.path(id))?;
            Ok(())
        };
        let _ = write();
    }

    pub fn clear(&self, id: RunId) {
        let _ = fs::remove_file(self.path(id));
    }
}

/// Follows one command's output and rewrites its file now and then.
#[derive(Debug)]
pub struct LiveTail<'a> {
    folder: &'a LiveFolder,
    masker: &'a Masker,
    id: RunId,
    phase: String,
    tail: Vec<u8>,
    started: Timestamp,
    since: Instant,
    written: Option<Instant>,
}

impl<'a> LiveTail<'a> {
    pub fn new(folder: &'a LiveFolder, masker: &'a Masker, id: RunId, phase: &str, now: Timestamp) -> Self {
        let mut tail = Self {
            folder,
            masker,
            id,
            phase: phase.to_owned(),
            tail: Vec::new(),
            started: now,
            since: instant(),
            written: None,
        };
        tail.write();
        tail
    }

    pub fn chunk(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > 2 * TAIL_BYTES {
            self.tail.drain(..self.tail.len() - TAIL_BYTES);
        }
        if self.written.is_none_or(|it| it.elapsed() >= PERIOD) {
            self.write();
        }
    }

    /// Writes what came since the last time.
    pub fn write(&mut self) {
        let from = self.tail.len().saturating_sub(TAIL_BYTES);
        let tail = String::from_utf8_lossy(&self.tail[from..]);
        // The first line may have lost its beginning, and with it what would mask a secret.
        let whole_lines = if from > 0 { tail.split_once('\n').map_or("", |(_, rest)| rest) } else { &tail };
        let clean = text::clean(whole_lines);
        self.folder.write(
            self.id,
            &Live {
                phase: self.phase.clone(),
                tail: self.masker.mask(&clean).into_owned(),
                updated_at: self.started + self.since.elapsed(),
            },
        );
        self.written = Some(instant());
    }
}
