//! Mounts that make the file system look as a job should see it.
use crate::process::sandbox::namespace::explain;
use crate::process::sandbox::views::SHARED_TMP;
use crate::process::sandbox::views::View;
use nix::errno::Errno;
use nix::fcntl;
use nix::fcntl::OFlag;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::sys::stat::Mode;
use nix::sys::statvfs::FsFlags;
use nix::sys::statvfs::fstatvfs;
use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::path::PathBuf;

/// Mounts what is given, outer before inner.
pub(super) fn show(views: &[(PathBuf, View)]) -> io::Result<()> {
    // What an outer mount covers can be reached afterwards only if it was opened before.
    let opened: Vec<Option<OwnedFd>> = views.iter().map(|(path, view)| open(path, *view)).collect::<io::Result<_>>()?;
    for ((path, view), source) in views.iter().zip(&opened) {
        let shown = match (view, source) {
            (View::EmptyFolder, _) => empty(path, "mode=1777"),
            (View::HiddenFolder, _) => place(path, true).and_then(|()| empty(path, "mode=0755")),
            (View::HiddenFile, _) => place(path, false).and_then(|()| bind(Path::new("/dev/null"), path)),
            // Replaced by something else since it was listed: then it is not shown.
            (View::ReadOnly, Some(source)) if show_again(source, path).is_err() => Ok(()),
            (View::ReadOnly, Some(source)) => forbid_writing(source, path),
            (View::Writable, Some(source)) => show_again(source, path),
            // It was there when it was listed.
            (View::ReadOnly | View::Writable, None) => Ok(()),
        };
        match shown {
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_hidden(*view) => (),
            other => other.map_err(|it| io::Error::new(it.kind(), format!("cannot show {}: {it}", path.display())))?,
        }
    }
    Ok(())
}

/// What has ended since it was listed need not be hidden.
fn is_hidden(view: View) -> bool {
    matches!(view, View::HiddenFile | View::HiddenFolder)
}

fn open(path: &Path, view: View) -> io::Result<Option<OwnedFd>> {
    if !matches!(view, View::ReadOnly | View::Writable) {
        return Ok(None);
    }
    match fcntl::open(path, OFlag::O_PATH | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW, Mode::empty()) {
        Ok(source) => Ok(Some(source)),
        Err(Errno::ENOENT) if view == View::ReadOnly => Ok(None),
        Err(error) => Err(explain(&format!("cannot open {}", path.display()), error)),
    }
}

fn empty(path: &Path, options: &str) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    Ok(mount(Some("tmpfs"), path, Some("tmpfs"), flags, Some(options))?)
}

fn show_again(source: &OwnedFd, path: &Path) -> io::Result<()> {
    let source = PathBuf::from(format!("/proc/self/fd/{}", source.as_raw_fd()));
    place(path, source.is_dir())?;
    bind(&source, path)
}

/// Not the mounts below it: they would stay writable.
fn bind(source: &Path, path: &Path) -> io::Result<()> {
    Ok(mount(Some(source), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}

/// What is already forbidden there must be said again, or the kernel takes it for a wish to allow it.
fn forbid_writing(source: &OwnedFd, path: &Path) -> io::Result<()> {
    let same = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    let there = fstatvfs(source)?.flags();
    let kept = same.iter().filter(|(flag, _)| there.contains(*flag)).fold(MsFlags::empty(), |all, (_, it)| all | *it);
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | kept;
    Ok(mount(None::<&str>, path, None::<&str>, flags, None::<&str>)?)
}

/// Makes a place to mount on, where our own temporary folder has none; nothing is ever made in the machine's folders.
fn place(path: &Path, is_folder: bool) -> io::Result<()> {
    if !path.starts_with(SHARED_TMP) || path.symlink_metadata().is_ok() {
        return Ok(());
    }
    if is_folder {
        return fs::create_dir_all(path);
    }
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::File::create(path).map(drop)
}
