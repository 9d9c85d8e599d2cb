//! The key that signs short-lived tokens: from the settings, else made once and kept in the data directory.
use std::fmt;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const KEY_BYTES: usize = 32;
const FILE: &str = "token.key";

/// A key of at least 256 bits. It has no `Debug` form that shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Vec<u8>);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the token secret has {0} bytes; it needs at least {KEY_BYTES}, for example from `openssl rand -hex 32`")]
    TooShort(usize),
    #[error("{}: {why}; delete the file to get a new key (who logged in with a password must do so again)", path.display())]
    Unusable { path: PathBuf, why: String },
}

impl SigningKey {
    /// Takes a secret that several servers share.
    pub fn shared(secret: &str) -> Result<Self, KeyError> {
        let secret = secret.trim();
        if secret.len() < KEY_BYTES { Err(KeyError::TooShort(secret.len())) } else { Ok(Self(secret.into())) }
    }

    /// Returns the key kept in `data_dir`, made now if there is none. Deleting the file rotates it.
    pub fn kept_in(data_dir: &Path) -> Result<Self, KeyError> {
        let path = data_dir.join(FILE);
        if let Some(key) = read(&path)? {
            return Ok(key);
        }
        make(data_dir, &path)?;
        // Whoever was first: theirs is the key.
        read(&path)?.ok_or_else(|| unusable(&path, "it went away"))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

fn read(path: &Path) -> Result<Option<SigningKey>, KeyError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, error)),
    };
    let mode = fs::metadata(path).map_err(|it| unusable(path, it))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(unusable(path, "others may read or write it"));
    }
    match hex::decode(text.trim()) {
        Ok(bytes) if bytes.len() == KEY_BYTES => Ok(Some(SigningKey(bytes))),
        _ => Err(unusable(path, "it holds no key")),
    }
}

/// Writes a key beside its place and links it there, which fails for all but the first.
fn make(folder: &Path, path: &Path) -> Result<(), KeyError> {
    let mut bytes = [0_u8; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|it| unusable(path, it))?;
    let mut file = tempfile::Builder::new()
        .prefix(".token.key.")
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(folder)
        .map_err(|it| unusable(path, it))?;
    writeln!(file, "{}", hex::encode(bytes)).map_err(|it| unusable(path, it))?;
    file.as_file().sync_all().map_err(|it| unusable(path, it))?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(unusable(path, error.error)),
    }
}

fn unusable(path: &Path, why: impl fmt::Display) -> KeyError {
    KeyError::Unusable { path: path.to_owned(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_a_new_one_after_it_was_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<SigningKey> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| SigningKey::kept_in(folder.path()).unwrap())).collect();
            makers.into_iter().map(|it| it.join().unwrap()).collect()
        });
        assert!(keys.windows(2).all(|it| it[0] == it[1]));
        let path = folder.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        fs::remove_file(&path).unwrap();
        assert!(SigningKey::kept_in(folder.path()).unwrap() != keys[0]);
    }

    #[test]
    fn a_key_that_others_know_or_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        SigningKey::kept_in(folder.path()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(SigningKey::kept_in(folder.path()).unwrap_err().to_string().contains("others may read"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "00").unwrap();
        assert!(SigningKey::kept_in(folder.path()).unwrap_err().to_string().contains("holds no key"));
        assert!(matches!(SigningKey::shared("short"), Err(KeyError::TooShort(5))));
        assert!(SigningKey::shared(&"s".repeat(32)).is_ok());
    }
}
