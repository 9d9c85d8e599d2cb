//! Kernel namespaces of our own, where the machine permits them: a process table, a network and a view of sockets that end with the job.
use crate::process::sandbox::mounts;
use crate::process::sandbox::views::View;
use nix::errno::Errno;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::sched::CloneFlags;
use nix::sched::unshare;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::NetlinkAddr;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockProtocol;
use nix::sys::socket::SockType;
use nix::sys::socket::recv;
use nix::sys::socket::sendto;
use nix::sys::socket::socket;
use nix::unistd;
use nix::unistd::Gid;
use nix::unistd::Uid;
use rustix::thread::CapabilitySet;
use serde::Deserialize;
use serde::Serialize;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::path::PathBuf;

/// What a superuser's program keeps inside the sandbox: what concerns files it may write to anyway.
const KEPT_CAPABILITIES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID);
/// Needed between the two stages of a user who is not root.
const STAGE_CAPABILITIES: [CapabilitySet; 2] = [CapabilitySet::SYS_ADMIN, CapabilitySet::SETPCAP];

/// Which namespaces to make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::process) struct Wish {
    /// A process table of its own: when its first process ends, the kernel ends the rest.
    pub(in crate::process) own_processes: bool,
    /// A network that has only a loopback interface.
    pub(in crate::process) no_network: bool,
    /// What looks different, outer before inner; only with `own_processes`.
    pub(in crate::process) views: Vec<(PathBuf, View)>,
}

impl Wish {
    pub(in crate::process) const fn is_empty(&self) -> bool {
        !self.own_processes && !self.no_network
    }
}

/// Leaves the machine's namespaces; the process table changes for the next child only.
pub(in crate::process) fn leave(wish: &Wish) -> io::Result<()> {
    let mut flags = CloneFlags::empty();
    if wish.own_processes {
        flags |= CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC;
    }
    if wish.no_network {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    let (uid, gid) = (Uid::current(), Gid::current());
    match unshare(flags) {
        Ok(()) => (),
        Err(Errno::EPERM) => {
            unshare(flags | CloneFlags::CLONE_NEWUSER).map_err(|error| explain("no namespaces", error))?;
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
            fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
            hand_on_capabilities()?;
        }
        Err(error) => return Err(explain("no namespaces", error)),
    }
    if wish.no_network {
        raise_loopback().map_err(|error| explain("no loopback interface", error))?;
    }
    Ok(())
}

/// Makes the machine's other processes invisible and shows the file system as wished; called by the first process of the new table.
pub(in crate::process) fn settle(wish: &Wish) -> io::Result<()> {
    if !wish.own_processes {
        return Ok(());
    }
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
        .map_err(|error| explain("no private mounts", error))?;
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), plain, nothing).map_err(|error| explain("no own /proc", error))?;
    let cwd = unistd::getcwd()?;
    mounts::show(&wish.views)?;
    // The folder of that name may be another one now.
    Ok(unistd::chdir(&cwd)?)
}

/// Gives up what only making the sandbox needed, and most of what a superuser has; says whether all of that is gone.
pub(in crate::process) fn drop_capabilities() -> io::Result<bool> {
    rustix::thread::clear_ambient_capability_set()?;
    let mut is_all = true;
    for capability in CapabilitySet::all().difference(KEPT_CAPABILITIES).iter() {
        // Unknown to this kernel: nobody has it.
        let is_there = rustix::thread::capability_is_in_bounding_set(capability).unwrap_or(false);
        if is_there {
            is_all &= rustix::thread::remove_capability_from_bounding_set(capability).is_ok();
        }
    }
    // Only a superuser's program gets what is in the set.
    Ok(is_all || !Uid::effective().is_root())
}

/// Keeps what `settle` needs across the start of the next stage, which a user other than root would lose.
fn hand_on_capabilities() -> io::Result<()> {
    let mut sets = rustix::thread::capabilities(None)?;
    for capability in STAGE_CAPABILITIES {
        sets.inheritable |= capability;
    }
    rustix::thread::set_capabilities(None, sets)?;
    for capability in STAGE_CAPABILITIES {
        rustix::thread::configure_capability_in_ambient_set(capability, true)?;
    }
    Ok(())
}

/// Sets the loopback interface up by the routing socket, since the tools that do it may be absent.
fn raise_loopback() -> Result<(), Errno> {
    let request = new_link_request();
    let flags = SockFlag::SOCK_CLOEXEC;
    let route = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    sendto(route.as_raw_fd(), &request, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = [0; 256];
    let n_read = recv(route.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // struct nlmsghdr is 16 bytes; the answer to a request with NLM_F_ACK goes on with a negated error number.
    let code = answer[..n_read].get(16..20).and_then(|it| it.try_into().ok()).map_or(-1, i32::from_ne_bytes);
    if code == 0 { Ok(()) } else { Err(Errno::from_raw(-code)) }
}

/// `RTM_NEWLINK` for interface 1, which is the loopback interface in every network namespace.
fn new_link_request() -> Vec<u8> {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST_ACK: u16 = 0x1 | 0x4;
    const LOOPBACK: i32 = 1;
    const IFF_UP: u32 = 1;
    const LENGTH: u32 = 32;
    let header = [&LENGTH.to_ne_bytes()[..], &RTM_NEWLINK.to_ne_bytes(), &NLM_F_REQUEST_ACK.to_ne_bytes(), &[0; 8]];
    let body = [&[0; 4][..], &LOOPBACK.to_ne_bytes(), &IFF_UP.to_ne_bytes(), &IFF_UP.to_ne_bytes()];
    [header.concat(), body.concat()].concat()
}

/// Says why this process is not alone in its network, if it is not.
pub(in crate::process) fn check_alone() -> io::Result<()> {
    let table = fs::read_to_string("/proc/self/net/dev")?;
    let names = table.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
    if let Some(name) = names.into_iter().find(|it| *it != "lo") {
        return Err(io::Error::other(format!("network interface {name} is there")));
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    TcpStream::connect(listener.local_addr()?)?;
    Ok(())
}

/// Says why this process is not in a process table of its own, if it is not.
pub(in crate::process) fn check_own_processes() -> io::Result<()> {
    let own = std::process::id().to_string();
    let is_first = own == "1" && fs::read_link("/proc/self")? == Path::new(&own);
    if is_first { Ok(()) } else { Err(io::Error::other("the process table is shared")) }
}

pub(super) fn explain(what: &str, error: Errno) -> io::Error {
    io::Error::new(io::Error::from(error).kind(), format!("{what}: {}", error.desc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_has_the_length_it_says() {
        let request = new_link_request();
        assert_eq!(request.len(), 32);
        assert_eq!(request[..4], 32_u32.to_ne_bytes());
    }
}
