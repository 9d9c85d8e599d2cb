//! Passwords: Argon2id, on threads of their own and few at a time, so that many logins at once take neither all memory nor all processors.
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

const MIN_CHARS: usize = 8;
const MAX_BYTES: usize = 1_024;
/// How many are digested at once; each takes 19 MiB.
const AT_ONCE: usize = 2;

/// Checks a password that is to be set: long enough to be one, short enough to be digested.
pub fn check_password(password: &str) -> Result<(), String> {
    if password.chars().count() < MIN_CHARS {
        return Err(format!("a password has at least {MIN_CHARS} characters"));
    }
    if password.len() > MAX_BYTES {
        return Err(format!("a password has at most {MAX_BYTES} bytes"));
    }
    if password.chars().any(char::is_control) {
        return Err("a password has no control characters".to_owned());
    }
    Ok(())
}

/// Digests passwords and compares them.
#[derive(Debug, Clone)]
pub(super) struct Passwords {
    turns: Arc<Semaphore>,
    /// What is not used right now; as many as there were turns at once.
    memories: Arc<Mutex<Vec<Memory>>>,
}

/// What one digest works in. It is kept: the system's allocator does not give back pieces of this kind, and takes new ones for the next.
#[derive(Default)]
struct Memory(Vec<Block>);

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), memories: Arc::default() }
    }
}

impl Passwords {
    /// Returns the PHC string to store.
    pub(super) async fn hash(&self, password: String) -> Result<String, String> {
        self.in_turn(move |_| hash(&password)).await?
    }

    /// Whether `password` is the one behind `stored`. Without one, the same work is done for nothing, so that its time does not tell
    /// which names are there.
    pub(super) async fn is_right(&self, password: String, stored: Option<String>) -> Result<bool, String> {
        if password.len() > MAX_BYTES {
            return Ok(false);
        }
        let compare = move |memory: &mut Memory| {
            let password = password.as_bytes();
            let is_right = if let Some(stored) = stored {
                memory.is_behind(password, &stored)
            } else {
                let digest = memory.digest(&Argon2::default(), password, b"of nobody", Params::DEFAULT_OUTPUT_LEN);
                digest.map(|_| false)
            };
            is_right.map_err(|it| it.to_string())
        };
        self.in_turn(compare).await?
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, String> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|it| it.to_string())?;
        let memories = Arc::clone(&self.memories);
        let work = move || {
            // Kept until the work is done, also when nobody waits for it any more.
            let _turn = turn;
            let free = || memories.lock().unwrap_or_else(PoisonError::into_inner);
            let mut memory = free().pop().unwrap_or_default();
            let done = work(&mut memory);
            free().push(memory);
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(|it| it.to_string())
    }
}

impl Memory {
    /// Whether this is the password behind a PHC string.
    fn is_behind(&mut self, password: &[u8], stored: &str) -> argon2::password_hash::Result<bool> {
        let stored = PasswordHash::new(stored)?;
        let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else { return Ok(false) };
        let algorithm = Algorithm::try_from(stored.algorithm.as_str())?;
        let version = stored.version.map(Version::try_from).transpose()?.unwrap_or_default();
        let argon2 = Argon2::new(algorithm, version, Params::try_from(&stored)?);
        // Outputs are compared in constant time.
        Ok(*expected == self.digest(&argon2, password, salt, expected.len())?)
    }

    fn digest(
        &mut self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        length: usize,
    ) -> argon2::password_hash::Result<Output> {
        let n_blocks = argon2.params().block_count();
        if self.0.len() < n_blocks {
            self.0.resize(n_blocks, Block::new());
        }
        let mut digest = vec![0; length];
        argon2.hash_password_into_with_memory(password, salt, &mut digest, &mut self.0)?;
        Ok(Output::new(&digest)?)
    }
}

/// Shows nothing of what was worked on.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({})", self.0.len())
    }
}

fn hash(password: &str) -> Result<String, String> {
    let hash: PasswordHash = Argon2::default().hash_password(password.as_bytes()).map_err(|it| it.to_string())?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_and_no_other() {
        let passwords = Passwords::default();
        let stored = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        for (text, is_right) in [("correct horse", true), ("correct hors", false), ("", false)] {
            assert_eq!(passwords.is_right(text.to_owned(), Some(stored.clone())).await, Ok(is_right), "{text}");
        }
        assert_eq!(passwords.is_right("correct horse".to_owned(), None).await, Ok(false));
        assert_eq!(passwords.is_right("x".repeat(MAX_BYTES + 1), Some(stored)).await, Ok(false));
    }

    #[tokio::test]
    async fn memory_is_used_again() {
        let passwords = Passwords::default();
        let stored = passwords.hash("correct horse".to_owned()).await.unwrap();
        let attempt = |idx: usize| {
            let password = if idx.is_multiple_of(3) { "correct horse" } else { "wrong" }.to_owned();
            passwords.is_right(password, (!idx.is_multiple_of(2)).then(|| stored.clone()))
        };
        let right = futures::future::join_all((0..12).map(attempt)).await;
        let expected: Vec<_> = (0..12).map(|idx| Ok(idx == 3 || idx == 9)).collect();
        assert_eq!(right, expected);
        let kept: Vec<usize> = passwords.memories.lock().unwrap().iter().map(|it| it.0.len()).collect();
        assert!(kept.len() <= AT_ONCE && kept.contains(&19_456), "{kept:?}");
    }

    #[test]
    fn a_password_has_a_length() {
        assert!(check_password("12345678").is_ok() && check_password(&"x".repeat(MAX_BYTES)).is_ok());
        for bad in ["1234567".to_owned(), "x".repeat(MAX_BYTES + 1), "12345678\u{7}".to_owned()] {
            assert!(check_password(&bad).is_err(), "{bad}");
        }
    }
}
