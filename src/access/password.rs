//! Passwords: Argon2id, on threads of their own and few at a time, so that many logins at once take neither all memory nor all processors.
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use std::sync::Arc;
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
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Passwords {
    /// Returns the PHC string to store.
    pub(super) async fn hash(&self, password: String) -> Result<String, String> {
        self.in_turn(move || hash(&password)).await?
    }

    /// Whether `password` is the one behind `stored`. Without one, the same work is done for nothing, so that its time does not tell
    /// which names are there.
    pub(super) async fn is_right(&self, password: String, stored: Option<String>) -> Result<bool, String> {
        if password.len() > MAX_BYTES {
            return Ok(false);
        }
        let compare = move || match stored {
            Some(stored) => {
                let stored = PasswordHash::new(&stored).map_err(|it| it.to_string())?;
                Ok(Argon2::default().verify_password(password.as_bytes(), &stored).is_ok())
            }
            None => hash(&password).map(|_| false),
        };
        self.in_turn(compare).await?
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|it| it.to_string())?;
        let work = move || {
            // Kept until the work is done, also when nobody waits for it any more.
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|it| it.to_string())
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

    #[test]
    fn a_password_has_a_length() {
        assert!(check_password("12345678").is_ok() && check_password(&"x".repeat(MAX_BYTES)).is_ok());
        for bad in ["1234567".to_owned(), "x".repeat(MAX_BYTES + 1), "12345678\u{7}".to_owned()] {
            assert!(check_password(&bad).is_err(), "{bad}");
        }
    }
}
