//! Mirrors of remote repositories: one folder each, shared by all processes on the data directory, fetched into by one at a time, removed when room is short.
//!
//! A mirror is a repository without files. It is named like the repository, so that trees of it are too.
use crate::domain::Digest;
use crate::evidence::text;
use crate::process::Launcher;
use crate::workspace::WorkspaceError;
use crate::workspace::git::command::{Git, complaint};
use crate::workspace::git::home::failed;
use crate::workspace::git::network::{Network, Remote, is_object_id};
use crate::workspace::git::removal;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often a lock is tried that another process holds.
const LOCK_PAUSE: Duration = Duration::from_millis(100);
/// How often it is looked how large a mirror has grown while it is fetched into.
const WATCH: Duration = Duration::from_millis(500);
/// How deep folders of a mirror are measured.
const MAX_DEPTH: usize = 8;

/// The mirrors below one folder.
#[derive(Debug, Clone)]
pub struct Mirrors {
    launcher: Launcher,
    home: PathBuf,
    /// Bytes of all mirrors together.
    cap: u64,
    network: Network,
}

/// A mirror that has the wanted commit, and is not removed while this is held.
#[derive(Debug)]
pub struct HeldMirror {
    pub path: PathBuf,
    _used: File,
}

/// The files of one mirror and its two locks.
#[derive(Debug, Clone)]
struct Place {
    dir: PathBuf,
    /// Held together by all who use it, alone by who removes it.
    used: PathBuf,
    /// Held by the one who fetches.
    fetching: PathBuf,
}

impl Mirrors {
    /// Makes the port; `home` is created when the first mirror is.
    pub fn new(launcher: Launcher, home: PathBuf, cap: u64, network: Network) -> Self {
        Self { launcher, home, cap, network }
    }

    /// Returns a mirror that has `commit`, fetched by its id or, where the server refuses that, with the branch it was seen on.
    pub async fn hold(&self, remote: &Remote, commit: &str, branch: &str) -> Result<HeldMirror, WorkspaceError> {
        if !is_object_id(commit) {
            let commit = text::clean_line(commit);
            return Err(WorkspaceError::Unusable(format!("`{commit}` is not the full id of a commit")));
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.home).map_err(|it| failed(&self.home, it))?;
        let place = self.place(remote);
        let used = lock(&place.used, File::try_lock_shared).await?;
        // The time of its last use, by which the oldest is found.
        used.set_modified(now()).map_err(|it| failed(&place.used, it))?;
        let path = place.checkout(remote);
        if self.has(&path, commit).await? {
            return Ok(HeldMirror { path, _used: used });
        }
        let fetching = lock(&place.fetching, File::try_lock).await?;
        if !self.has(&path, commit).await? {
            self.fetch(&place, remote, commit, branch).await?;
        }
        drop(fetching);
        let size = size_of(place.dir.clone()).await;
        if size > self.cap {
            drop(used);
            remove_unused(&place)?;
            return Err(self.too_large(remote, size));
        }
        self.make_room(&place).await?;
        Ok(HeldMirror { path, _used: used })
    }

    /// Returns branch and commit of the remote's default branch.
    pub async fn head(&self, remote: &Remote) -> Result<(String, String), WorkspaceError> {
        let git = self.network.reach(Git::of_user(&self.launcher, Path::new("/")), remote);
        let output = git.output(&["ls-remote", "--symref", "--", &remote.url, "HEAD"], None).await?;
        if output.code != Some(0) {
            return Err(refused(remote, &complaint(&output)));
        }
        let listing = String::from_utf8_lossy(&output.stdout).into_owned();
        let branch = listing.lines().find_map(|it| it.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
        let commit = listing.lines().find_map(|it| it.strip_suffix("\tHEAD").filter(|it| is_object_id(it)));
        let nothing = || WorkspaceError::Unusable(format!("{} has no commit yet", remote.name));
        Ok((text::clean_line(branch.unwrap_or("HEAD")), commit.ok_or_else(nothing)?.to_owned()))
    }

    /// Returns the commit of a remote's branch, `None` if there is no such branch.
    pub async fn tip(&self, remote: &Remote, branch: &str) -> Result<Option<String>, WorkspaceError> {
        let git = self.network.reach(Git::of_user(&self.launcher, Path::new("/")), remote);
        let name = format!("refs/heads/{branch}");
        let output = git.output(&["ls-remote", "--", &remote.url, &name], None).await?;
        if output.code != Some(0) {
            return Err(refused(remote, &complaint(&output)));
        }
        let listing = String::from_utf8_lossy(&output.stdout).into_owned();
        // git lists every ref that ends so.
        let commit = listing.lines().find_map(|it| it.split_once('\t').filter(|(_, it)| *it == name));
        Ok(commit.map(|(commit, _)| commit.to_owned()).filter(|it| is_object_id(it)))
    }

    fn place(&self, remote: &Remote) -> Place {
        let key: String = Digest::of(format!("{}\n{}", remote.name, remote.url)).as_str().chars().take(16).collect();
        Place {
            dir: self.home.join(&key),
            used: self.home.join(format!("{key}.used")),
            fetching: self.home.join(format!("{key}.fetching")),
        }
    }

    async fn has(&self, path: &Path, commit: &str) -> Result<bool, WorkspaceError> {
        let git_dir = path.join(".git");
        if !git_dir.join("HEAD").exists() {
            return Ok(false);
        }
        let spec = format!("{commit}^{{commit}}");
        let git = Git::on(&self.launcher, path, &git_dir);
        Ok(git.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &spec]).await?.is_some())
    }

    async fn fetch(&self, place: &Place, remote: &Remote, commit: &str, branch: &str) -> Result<(), WorkspaceError> {
        let path = place.checkout(remote);
        init(&path, commit)?;
        let git = self.network.reach(Git::on(&self.launcher, &path, &path.join(".git")), remote);
        // Named by digest: what branches are called elsewhere makes no name here. What is kept is what the next fetch need not bring again.
        let key: String = Digest::of(branch).as_str().chars().take(16).collect();
        let by_id = format!("+{commit}:refs/paramedic/{key}");
        let by_branch = format!("+refs/heads/{branch}:refs/paramedic/{key}");
        let mut said = String::new();
        for refspec in [&by_id, &by_branch] {
            let args =
                ["fetch", "--quiet", "--no-write-fetch-head", "--no-recurse-submodules", "--", &remote.url, refspec];
            let done = tokio::select! {
                done = git.output(&args, None) => done?,
                // Who comes after measures it again, and removes it.
                _ = self.grows_too_large(place) => return Ok(()),
            };
            if done.code == Some(0) && self.has(&path, commit).await? {
                return Ok(());
            }
            said = complaint(&done);
            tracing::debug!(repository = remote.name, said, "a fetch did not bring the commit");
            let is_plain_branch = !branch.is_empty() && !branch.contains([':', '*', '^', '~', '?', '[', '\\']);
            if !is_plain_branch {
                break;
            }
        }
        // Whether the server is there at all decides which of two things the reader is told.
        self.head(remote).await?;
        let (name, short) = (&remote.name, commit.get(..12).unwrap_or_default());
        Err(WorkspaceError::Unusable(format!(
            "{name} has no commit {short} on its server (any more); push it again, or check `clone_url` of \
             [repositories.\"{name}\"] in the settings ({said})"
        )))
    }

    /// Returns when a mirror alone is larger than all may be together.
    async fn grows_too_large(&self, place: &Place) -> u64 {
        loop {
            tokio::time::sleep(WATCH).await;
            let size = size_of(place.dir.clone()).await;
            if size > self.cap {
                return size;
            }
        }
    }

    fn too_large(&self, remote: &Remote, size: u64) -> WorkspaceError {
        WorkspaceError::Unusable(format!(
            "the mirror of {} takes more than {} MiB, and `mirror_cap` of [workers] allows {} MiB for all; raise it, or name a checkout by \
             `path`",
            remote.name,
            size >> 20,
            self.cap >> 20
        ))
    }

    /// Removes the mirrors that were used longest ago until all fit; one in use stays.
    async fn make_room(&self, mine: &Place) -> Result<(), WorkspaceError> {
        let mut places = Vec::new();
        let mut total = 0;
        for entry in fs::read_dir(&self.home).map_err(|it| failed(&self.home, it))?.flatten() {
            let Some(key) = entry.file_name().to_str().and_then(|it| it.strip_suffix(".used")).map(str::to_owned)
            else {
                continue;
            };
            let fetching = self.home.join(format!("{key}.fetching"));
            let place = Place { dir: self.home.join(&key), used: entry.path(), fetching };
            let size = size_of(place.dir.clone()).await;
            total += size;
            let used_at = entry.metadata().and_then(|it| it.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            places.push((used_at, size, place));
        }
        places.sort_by_key(|(used_at, ..)| *used_at);
        for (_, size, place) in places.iter().filter(|(_, size, place)| *size > 0 && place.dir != mine.dir) {
            if total <= self.cap {
                break;
            }
            if remove_unused(place)? {
                total -= size;
            }
        }
        Ok(())
    }
}

impl Place {
    /// Trees take the folder's name, and tests may import by it.
    fn checkout(&self, remote: &Remote) -> PathBuf {
        self.dir.join(remote.name.rsplit('/').next().unwrap_or("repository"))
    }
}

/// Removes a mirror that nobody uses or fetches into. Returns whether it did.
fn remove_unused(place: &Place) -> Result<bool, WorkspaceError> {
    let (used, fetching) = (open(&place.used)?, open(&place.fetching)?);
    if used.try_lock().is_err() || fetching.try_lock().is_err() {
        return Ok(false);
    }
    removal::remove(&place.dir).map_err(|it| failed(&place.dir, it))?;
    Ok(true)
}

/// Writes an empty repository, if there is none.
fn init(path: &Path, commit: &str) -> Result<(), WorkspaceError> {
    let git_dir = path.join(".git");
    if git_dir.join("HEAD").exists() {
        return Ok(());
    }
    let (version, format) = if commit.len() == 64 { (1, "[extensions]\n\tobjectFormat = sha256\n") } else { (0, "") };
    let config = format!(
        "[core]\n\trepositoryFormatVersion = {version}\n\tbare = false\n\tlogAllRefUpdates = false\n[gc]\n\tauto = 0\n{format}"
    );
    let write = || -> io::Result<()> {
        for dir in ["objects/info", "objects/pack", "refs/heads", "refs/tags"] {
            fs::create_dir_all(git_dir.join(dir))?;
        }
        fs::write(git_dir.join("config"), config)?;
        fs::write(git_dir.join("HEAD"), "ref: refs/heads/none\n")
    };
    write().map_err(|it| failed(&git_dir, it))
}

fn refused(remote: &Remote, said: &str) -> WorkspaceError {
    let name = &remote.name;
    WorkspaceError::Unusable(format!(
        "{name} cannot be fetched: {said}; check `clone_url` and `token_env` of [repositories.\"{name}\"] in the settings"
    ))
}

/// Takes a file lock, waiting for as long as another process holds it; a dropped future waits no longer.
async fn lock(path: &Path, take: fn(&File) -> Result<(), TryLockError>) -> Result<File, WorkspaceError> {
    let file = open(path)?;
    loop {
        match take(&file) {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
            Err(TryLockError::Error(error)) => return Err(failed(path, error)),
        }
    }
}

fn open(path: &Path) -> Result<File, WorkspaceError> {
    File::options().create(true).truncate(false).write(true).open(path).map_err(|it| failed(path, it))
}

#[expect(clippy::disallowed_methods, reason = "the time of a file, compared with those of other files only")]
fn now() -> SystemTime {
    SystemTime::now()
}

async fn size_of(dir: PathBuf) -> u64 {
    tokio::task::spawn_blocking(move || size(&dir, MAX_DEPTH)).await.unwrap_or(0)
}

fn size(dir: &Path, depth: usize) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let size_of = |it: fs::DirEntry| match it.metadata() {
        Ok(about) if about.is_dir() && depth > 0 => size(&it.path(), depth - 1),
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size_of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{LauncherOptions, SandboxChoice};
    use std::os::unix::fs::PermissionsExt as _;

    /// Stands in for git: keeps what it is called with.
    const GIT: &str = "#!/bin/sh\nprintf '%s\\n' \"$@\" > argv\nenv > env\nexit 1\n";

    #[tokio::test]
    async fn a_token_is_on_no_command_line_and_only_for_its_host() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("git");
        fs::write(
            &program,
            GIT.replace("argv", &format!("{}/argv", folder.path().display()))
                .replace("> env", &format!("> {}/env", folder.path().display())),
        )
        .unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let launcher = Launcher::new(LauncherOptions {
            supervisor: PathBuf::new(),
            environment: vec![("PATH".into(), path.into())],
            sandbox: SandboxChoice::Off,
            private: Vec::new(),
        });
        let mirrors = Mirrors::new(
            launcher,
            folder.path().join("mirrors"),
            1 << 20,
            Network::new(vec![("HTTPS_PROXY", "http://p:1".into())]),
        );
        let remote = Remote {
            url: "https://host.test/acme/shop.git".to_owned(),
            name: "acme/shop".to_owned(),
            username: "x-access-token".to_owned(),
            token: Some("s3cr3t-t0ken".to_owned()),
        };
        let refused = mirrors.head(&remote).await.unwrap_err().to_string();
        assert!(refused.contains("token_env") && !refused.contains("s3cr3t"), "{refused}");
        assert!(!format!("{remote:?}").contains("s3cr3t"));
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let (argv, env) = (read("argv"), read("env"));
        assert!(!argv.contains("s3cr3t") && argv.contains("credential.https://host.test.helper=!f()"), "{argv}");
        assert!(argv.contains("protocol.allow=never") && argv.contains("protocol.https.allow=always"), "{argv}");
        assert!(env.contains("PARAMEDIC_GIT_TOKEN=s3cr3t-t0ken") && env.contains("HTTPS_PROXY=http://p:1"), "{env}");
    }
}
