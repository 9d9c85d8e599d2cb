//! A zip archive that a forge gave us, read a piece at a time: hostile, so its entries, their sizes and their sum are bounded.
use crate::forge::{ForgeError, LogEnd, Take};
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::Path;
use zip::ZipArchive;

/// Entries of an archive.
const MAX_ENTRIES: usize = 20_000;
/// What opens each entry of the directory at an archive's end.
const ENTRY: &[u8] = b"PK\x01\x02";
/// Bytes that come out of an archive, all entries together. Beside that no entry is too large for its packed bytes: a log that says the same
/// again and again shrinks as much as what was made to grow.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// An archive. It reads from the disk and waits for it: not for a task that others wait for.
pub struct Archive {
    zip: ZipArchive<BufReader<File>>,
    left: u64,
}

impl Archive {
    /// Opens an archive, of which only the directory is held.
    pub fn open(path: &Path) -> Result<Self, ForgeError> {
        let mut file = BufReader::new(File::open(path).map_err(|it| odd(&it))?);
        if entries(&mut file).map_err(|it| odd(&it))? > MAX_ENTRIES {
            return Err(ForgeError::TooLarge(format!("the archive has more than {MAX_ENTRIES} files")));
        }
        let zip = ZipArchive::new(file).map_err(|it| odd(&it))?;
        Ok(Self { zip, left: MAX_BYTES })
    }

    /// Returns the names of the files in it. They are foreign: good for comparing, never for writing to.
    pub fn names(&self) -> Vec<String> {
        let names = self.zip.file_names().flatten().map(std::borrow::Cow::into_owned);
        names.filter(|it| !it.ends_with('/')).collect()
    }

    /// Hands a file of it to `take`, piece by piece, at most `max` bytes; `take` returns false to stop early.
    /// Where all that was read of the archive grows beyond measure it is [`ForgeError::TooLarge`].
    pub fn read(&mut self, name: &str, max: u64, take: &mut Take<'_>) -> Result<LogEnd, ForgeError> {
        let mut entry = self.zip.by_name(name).map_err(|it| odd(&it))?;
        let mut bytes = 0;
        let mut piece = vec![0; 64 * 1024];
        loop {
            let n = entry.read(&mut piece).map_err(|it| odd(&it))?;
            if n == 0 {
                return Ok(LogEnd { bytes, is_cut: false });
            }
            let room = usize::try_from(max - bytes).unwrap_or(usize::MAX);
            let taken = &piece[..n.min(room)];
            bytes += taken.len() as u64;
            self.left = self.left.saturating_sub(n as u64);
            if self.left == 0 {
                return Err(ForgeError::TooLarge("the archive grows beyond measure".to_owned()));
            }
            if !take(taken) || taken.len() < n {
                return Ok(LogEnd { bytes, is_cut: true });
            }
        }
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").field("files", &self.zip.len()).finish_non_exhaustive()
    }
}

/// Returns how many entries the directory can have at most: what the archive says of itself is not to be believed.
fn entries(file: &mut BufReader<File>) -> std::io::Result<usize> {
    let mut n = 0;
    let mut piece = vec![0; 64 * 1024];
    let mut n_kept = 0;
    loop {
        let n_read = file.read(&mut piece[n_kept..])?;
        if n_read == 0 {
            file.rewind()?;
            return Ok(n);
        }
        let held = &piece[..n_kept + n_read];
        n += held.windows(ENTRY.len()).filter(|it| *it == ENTRY).count();
        // The beginning of one may stand at the end of the piece.
        let kept = held.len().saturating_sub(ENTRY.len() - 1);
        let end = held.len();
        piece.copy_within(kept..end, 0);
        n_kept = end - kept;
    }
}

fn odd(error: &dyn std::error::Error) -> ForgeError {
    ForgeError::Odd(crate::evidence::text::clean_line(&format!("the archive cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write as _;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn archive(files: &[(&str, &[u8])]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs.zip");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        for (name, content) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap();
        (folder, path)
    }

    fn read(archive: &mut Archive, name: &str, max: u64) -> Result<(Vec<u8>, LogEnd), ForgeError> {
        let mut taken = Vec::new();
        let end = archive.read(name, max, &mut |piece: &[u8]| {
            taken.extend_from_slice(piece);
            true
        })?;
        Ok((taken, end))
    }

    #[test]
    fn files_are_read_by_name_and_no_more_of_them_than_is_wanted() {
        let long: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let (_folder, path) =
            archive(&[("0_build.txt", &long), ("build/1_Set up job.txt", b"\xff\x00"), ("../x", b"y")]);
        let mut archive = Archive::open(&path).unwrap();
        assert_eq!(archive.names().len(), 3);
        let (whole, end) = read(&mut archive, "0_build.txt", u64::MAX).unwrap();
        assert!(whole == long && end == LogEnd { bytes: long.len() as u64, is_cut: false });
        let (some, end) = read(&mut archive, "0_build.txt", 1_000).unwrap();
        assert!(some == long[..1_000] && end.is_cut);
        assert_eq!(read(&mut archive, "build/1_Set up job.txt", 9).unwrap().0, b"\xff\x00");
        assert!(matches!(read(&mut archive, "gone", 9), Err(ForgeError::Odd(_))));
    }

    #[test]
    fn what_was_made_to_grow_beyond_measure_is_refused() {
        let (_folder, path) = archive(&[("bomb", &vec![b'0'; 64 * 1024 * 1024])]);
        let mut bomb = Archive::open(&path).unwrap();
        assert!(matches!(bomb.read("bomb", 1_000, &mut |_| true), Ok(LogEnd { bytes: 1_000, is_cut: true })));
        bomb.left = 100_000;
        assert!(matches!(bomb.read("bomb", u64::MAX, &mut |_| true), Err(ForgeError::TooLarge(_))));
        let (_folder, path) = archive(&[]);
        let mut bytes = fs::read(&path).unwrap();
        bytes.splice(..0, ENTRY.repeat(MAX_ENTRIES + 1));
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(Archive::open(&path), Err(ForgeError::TooLarge(_))));
    }

    #[test]
    fn what_is_no_archive_is_said() {
        let (_folder, path) = archive(&[("a", &[7; 10_000])]);
        let whole = fs::read(&path).unwrap();
        for bytes in [&b""[..], b"<html>", &whole[..whole.len() - 30], &whole[40..]] {
            fs::write(&path, bytes).unwrap();
            let read = Archive::open(&path).and_then(|mut it| it.read("a", 9, &mut |_| true));
            assert!(matches!(read, Err(ForgeError::Odd(_))), "{read:?}");
        }
    }
}
