//! Operators: who comes in with what, who is refused, and what is kept of it.
mod command;
mod gate;
mod server;

use std::fs;
use std::path::Path;

/// Fails when one of `secrets` is in a file below `folder`, in clear or as hexadecimal digits.
fn assert_nowhere(folder: &Path, secrets: &[&str]) {
    let mut n_files = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            n_files += 1;
            let bytes = fs::read(&path).unwrap();
            for secret in secrets {
                let hex = hex::encode(secret);
                let random = secret.strip_prefix("pmd_").unwrap_or(secret);
                for form in [random, &hex] {
                    let is_there = bytes.windows(form.len()).any(|it| it.eq_ignore_ascii_case(form.as_bytes()));
                    assert!(!is_there, "{} holds {secret}", path.display());
                }
            }
        }
    }
    assert!(n_files > 0, "nothing was stored");
}
