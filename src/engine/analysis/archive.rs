//! A job's log out of the archive of all logs of a run, where the log alone is not to be had.
use crate::domain::CiJob;
use crate::engine::analysis::Reading;
use crate::engine::analysis::logs::LogReader;
use crate::evidence::extractor::Options;
use crate::forge::{self, ForgeError};
use std::path::Path;
use tempfile::TempDir;

/// Bytes of an archive that are taken.
const MAX_ARCHIVE_BYTES: u64 = 300 << 20;
/// UTF-16 units of a job's name that an archive keeps.
const NAME_UNITS: usize = 90;
/// What it is called in its folder.
const FILE: &str = "logs.zip";

/// The archive of a run, fetched when a log is missing, and once.
#[derive(Debug, Default)]
pub(super) enum Fetched {
    #[default]
    NotAsked,
    Missing,
    /// In this folder.
    Here(TempDir),
}

/// What came of reading an archive.
struct Poured {
    reader: LogReader,
    n_bytes: u64,
    /// What was odd, in words.
    odd: Option<String>,
}

impl Reading<'_> {
    /// Reads a job's log out of the archive, `None` where it is not in there either.
    pub(super) async fn archived(
        &mut self,
        job: &CiJob,
        max: u64,
        options: Options,
    ) -> Result<Option<LogReader>, ForgeError> {
        if matches!(self.archive, Fetched::NotAsked) {
            self.archive = self.fetched().await?;
        }
        let Fetched::Here(folder) = &self.archive else { return Ok(None) };
        let (path, name) = (folder.path().join(FILE), job.name.clone());
        let read = tokio::task::spawn_blocking(move || read_job(&path, &name, max, LogReader::new(options))).await;
        let Ok(Poured { reader, n_bytes, odd }) = read else {
            self.note("the archive of logs could not be read");
            return Ok(None);
        };
        self.left = self.left.saturating_sub(n_bytes);
        if let Some(odd) = odd {
            self.note(&format!("the archive of logs, job {}: {odd}", job.name));
        }
        if n_bytes > 0 {
            self.note(&format!("the log of job {} is from the archive", job.name));
        }
        Ok((n_bytes > 0).then_some(reader))
    }

    async fn fetched(&mut self) -> Result<Fetched, ForgeError> {
        let Ok(folder) = tempfile::tempdir_in(&self.analyst.scratch) else {
            self.note("there is no room for the archive of logs");
            return Ok(Fetched::Missing);
        };
        let (reads, to) = (&self.analyst.reads, folder.path().join(FILE));
        match reads.log_archive(self.repository, self.run.id, self.run.attempt, &to, MAX_ARCHIVE_BYTES).await {
            Ok(0) | Err(ForgeError::NotFound(_)) => Ok(Fetched::Missing),
            Ok(_) => Ok(Fetched::Here(folder)),
            Err(ForgeError::TooLarge(why) | ForgeError::Odd(why)) => {
                self.note(&format!("the archive of logs was not read: {why}"));
                Ok(Fetched::Missing)
            }
            Err(error) => Err(error),
        }
    }
}

/// Hands the log of a job to `reader`: the job's own file, else those of its steps in their order.
fn read_job(path: &Path, job: &str, max: u64, reader: LogReader) -> Poured {
    let mut poured = Poured { reader, n_bytes: 0, odd: None };
    let mut archive = match forge::Archive::open(path) {
        Ok(archive) => archive,
        Err(error) => return Poured { odd: Some(error.to_string()), ..poured },
    };
    let names = archive.names();
    for name in files_of(job, &names) {
        let Poured { reader, n_bytes, odd } = &mut poured;
        let left = max.saturating_sub(*n_bytes);
        let mut take = |bytes: &[u8]| {
            reader.push(bytes);
            *n_bytes += bytes.len() as u64;
            true
        };
        // What came before an error counts.
        let read = archive.read(name, left, &mut take);
        match read {
            Ok(end) if !end.is_cut => {}
            Ok(_) => *odd = Some(format!("only the first {max} bytes were read")),
            Err(error) => *odd = Some(error.to_string()),
        }
    }
    poured
}

/// Returns the files with a job's log: `3_build.txt`, else `build/1_Set up job.txt` and so on. Names are only compared.
fn files_of<'a>(job: &str, names: &'a [String]) -> Vec<&'a str> {
    let wanted = archived_name(job);
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    let whole = names.iter().find(|it| {
        let Some((number, rest)) = it.split_once('_') else { return false };
        is_number(number) && rest.strip_suffix(".txt") == Some(wanted.as_str())
    });
    if let Some(whole) = whole {
        return vec![whole];
    }
    let steps = names.iter().filter_map(|it| {
        let (folder, file) = it.split_once('/')?;
        let number: u32 = file.split_once('_')?.0.parse().ok()?;
        (folder == wanted).then_some((number, it.as_str()))
    });
    let mut steps: Vec<(u32, &str)> = steps.collect();
    steps.sort_unstable();
    steps.into_iter().map(|(_, name)| name).collect()
}

/// Returns a job's name as archives have it.
fn archived_name(job: &str) -> String {
    let mut n_units = 0;
    let short = job.chars().filter(|it| !['/', ':'].contains(it)).take_while(|it| {
        n_units += it.len_utf16();
        n_units <= NAME_UNITS
    });
    short.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_found_by_its_own_file_or_its_steps() {
        let names = ["2_build.txt", "1_build.txt.txt", "build/10_Post.txt", "build/2_Run tests.txt", "x_build.txt"];
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        assert_eq!(files_of("build", &names), ["2_build.txt"]);
        assert_eq!(files_of("build", &names[1..]), ["build/2_Run tests.txt", "build/10_Post.txt"]);
        assert_eq!(files_of("b:ui/ld", &names), ["2_build.txt"]);
        assert!(files_of("../build", &names).is_empty());
        let long = "é".repeat(200);
        assert_eq!(files_of(&long, &[format!("0_{}.txt", "é".repeat(90))]).len(), 1);
    }
}
