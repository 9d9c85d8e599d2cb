//! Confinement of the file system by the kernel's Landlock, which needs no right and no other program.
//!
//! Landlock only grants: what must not be read is left out of the list, which means that the folders above it are granted entry by entry.
use crate::process::sandbox::namespace;
use landlock::ABI;
use landlock::Access as _;
use landlock::AccessFs;
use landlock::CompatLevel;
use landlock::Compatible as _;
use landlock::LandlockStatus;
use landlock::Ruleset;
use landlock::RulesetAttr as _;
use landlock::RulesetCreatedAttr as _;
use landlock::RulesetStatus;
use landlock::Scope;
use landlock::path_beneath_rules;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// Below it moving a file between folders is always refused, which no build survives.
const LEAST: ABI = ABI::V2;
/// The newest that is known here; older kernels enforce what they know.
const BEST: ABI = ABI::V9;
/// Devices every program may use; others, such as disks, are not even readable.
const DEVICES: &[&str] =
    &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/ptmx", "/dev/pts"];

/// What a program may do with which part of the file system; everything not named is readable.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::process) struct Rules {
    pub(in crate::process) writable: Vec<PathBuf>,
    /// Contents that cannot be read; names of files in it still can.
    pub(in crate::process) hidden: Vec<PathBuf>,
}

/// Confines this process and its descendants for good; answers with what this kernel cannot enforce.
pub(in crate::process) fn confine(rules: &Rules) -> io::Result<Vec<&'static str>> {
    let is_powerless = namespace::drop_capabilities()?;
    let read = AccessFs::from_read(BEST) & !AccessFs::ResolveUnix;
    let write = AccessFs::from_all(BEST) & !(AccessFs::MakeBlock | AccessFs::MakeChar);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::ReadDir | AccessFs::Truncate | AccessFs::IoctlDev;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(LEAST))
        .and_then(|it| it.set_compatibility(CompatLevel::BestEffort).handle_access(AccessFs::from_all(BEST)))
        .and_then(|it| it.scope(Scope::from_all(BEST)))
        .and_then(Ruleset::create)
        .and_then(|it| it.add_rules(path_beneath_rules(["/"], AccessFs::ReadDir)))
        .and_then(|it| it.add_rules(path_beneath_rules(readable(&rules.hidden), read)))
        .and_then(|it| it.add_rules(path_beneath_rules(DEVICES, device)))
        .and_then(|it| it.add_rules(path_beneath_rules(["/dev/shm"], write)))
        .and_then(|it| it.add_rules(path_beneath_rules(&rules.writable, write)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(io::Error::other)?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => Err(io::Error::other("the kernel does not enforce Landlock")),
        (_, LandlockStatus::Available { effective_abi, .. }) => Ok(gaps(effective_abi, is_powerless)),
        _ => Err(io::Error::other("the kernel has no Landlock")),
    }
}

fn gaps(abi: ABI, is_powerless: bool) -> Vec<&'static str> {
    let wanted = [
        (is_powerless, "a superuser keeps power over the machine"),
        (abi >= ABI::V3, "files elsewhere can be truncated (Linux 6.2 prevents it)"),
        (abi >= ABI::V6, "processes outside can be sent signals (Linux 6.12 prevents it)"),
    ];
    wanted.into_iter().filter(|(holds, _)| !holds).map(|(_, gap)| gap).collect()
}

/// The largest parts of the file system in which nothing is hidden; devices are granted one by one.
fn readable(hidden: &[PathBuf]) -> Vec<PathBuf> {
    let mut left_out: BTreeSet<&Path> = hidden.iter().map(PathBuf::as_path).collect();
    left_out.insert(Path::new("/dev"));
    let above: BTreeSet<&Path> = left_out.iter().flat_map(|it| it.ancestors().skip(1)).collect();
    let mut found = Vec::new();
    let mut todo = vec![PathBuf::from("/")];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            // A link is judged by where it leads.
            let is_link = entry.file_type().map_or(true, |it| it.is_symlink());
            if is_link || left_out.contains(path.as_path()) {
                continue;
            }
            if above.contains(path.as_path()) { todo.push(path) } else { found.push(path) }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_left_out_and_its_neighbours_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for name in ["open", "closed", "closed/inner", "deep", "deep/closed", "deep/open"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        std::os::unix::fs::symlink(root.join("closed"), root.join("link")).unwrap();
        let found = readable(&[root.join("closed"), root.join("deep/closed")]);
        let mut below: Vec<_> = found.iter().filter_map(|it| it.strip_prefix(&root).ok()).collect();
        below.sort();
        assert_eq!(below, [Path::new("deep/open"), Path::new("open")]);
        assert!(found.iter().all(|it| !root.starts_with(it)), "nothing above grants it");
        assert!(found.contains(&PathBuf::from("/usr")));
        assert!(!found.iter().any(|it| it.starts_with("/dev")));
    }
}
