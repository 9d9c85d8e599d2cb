//! What the engine, the supervisor and init tell each other.
use crate::process::Exit;
use crate::process::sandbox::landlock;
use crate::process::sandbox::namespace;
use nix::sys::signal::Signal;
use serde::Deserialize;
use serde::Serialize;
use std::ffi::OsString;
use std::io;
use std::io::Read;
use std::path::PathBuf;

/// Longest order that is accepted; arguments and environment of a program are far below it.
const MAX_ORDER: u32 = 16 << 20;
/// Longest report that is read.
pub(in crate::process) const MAX_REPORT: u64 = 4096;

/// What the supervisor is told on its standard input; whatever comes after it, also the end, means: kill.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::process) struct Order {
    /// Opens the report; a job never sees it and so cannot forge one.
    pub(in crate::process) nonce: String,
    /// Starts init, in the sandbox.
    pub(in crate::process) argv: Vec<OsString>,
    /// The whole environment of the job.
    pub(in crate::process) env: Vec<(OsString, OsString)>,
    pub(in crate::process) cwd: PathBuf,
    pub(in crate::process) stdin: Option<PathBuf>,
    pub(in crate::process) timeout_ms: u64,
}

impl Order {
    /// Its length, then itself.
    pub(in crate::process) fn encode(&self) -> io::Result<Vec<u8>> {
        let body = serde_json::to_vec(self)?;
        let length = u32::try_from(body.len()).ok().filter(|it| *it <= MAX_ORDER);
        let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the job is too large"))?;
        Ok([&length.to_be_bytes()[..], &body].concat())
    }

    pub(super) fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > MAX_ORDER {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the order is too large"));
        }
        let mut body = Vec::new();
        from.take(length.into()).read_to_end(&mut body)?;
        Ok(serde_json::from_slice(&body)?)
    }
}

/// What init is told in its only argument.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::process) struct InitOrder {
    pub(in crate::process) task: Task,
    pub(in crate::process) namespaces: namespace::Wish,
    pub(in crate::process) rules: Option<landlock::Rules>,
}

/// What init does once it is confined.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::process) enum Task {
    /// Runs a command by `sh -c`.
    Shell(String),
    /// Looks whether the sandbox holds.
    Check(Check),
}

/// What must hold inside the sandbox.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::process) struct Check {
    pub(in crate::process) writable: PathBuf,
    pub(in crate::process) read_only: PathBuf,
    pub(in crate::process) hidden: PathBuf,
    /// Only the loopback interface is there, and it works.
    pub(in crate::process) alone: bool,
    /// No process of the machine is seen.
    pub(in crate::process) own_processes: bool,
}

/// How a job ended, or why it could not start.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::process) enum Report {
    Ended(Exit),
    Failed(String),
}

impl Report {
    pub(in crate::process) fn encode(&self) -> String {
        match self {
            Self::Ended(Exit::Code(code)) => format!("code {code}"),
            Self::Ended(Exit::Signal(signal)) => format!("signal {signal}"),
            Self::Ended(Exit::TimedOut) => "timed-out 0".to_owned(),
            Self::Ended(Exit::Cancelled) => "cancelled 0".to_owned(),
            Self::Failed(text) => format!("failed {}", text.replace(['\n', '\r'], " ")),
        }
    }

    pub(in crate::process) fn decode(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(' ')?;
        Some(match kind {
            "code" => Self::Ended(Exit::Code(rest.parse().ok()?)),
            "signal" => Self::Ended(Exit::Signal(rest.parse().ok()?)),
            "timed-out" => Self::Ended(Exit::TimedOut),
            "cancelled" => Self::Ended(Exit::Cancelled),
            "failed" => Self::Failed(rest.to_owned()),
            _ => return None,
        })
    }

    /// Decodes the report that follows `nonce`, whatever somebody else put before it.
    pub(in crate::process) fn decode_signed(text: &[u8], nonce: &str) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let (_, signed) = text.split_once(nonce)?;
        Self::decode(signed.lines().next()?.strip_prefix(' ')?)
    }
}

/// Ended by SIGKILL: what is said when nobody is left who could say better.
pub(in crate::process) const KILLED: Exit = Exit::Signal(Signal::SIGKILL as i32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_the_pipe_and_leaves_what_follows_unread() {
        let order = Order {
            nonce: "n".to_owned(),
            argv: vec!["sh".into()],
            env: vec![("A".into(), "b\n".into())],
            cwd: "/x".into(),
            stdin: None,
            timeout_ms: 7,
        };
        let mut bytes = order.encode().unwrap();
        bytes.push(b'k');
        let mut rest = &bytes[..];
        let read = Order::read(&mut rest).unwrap();
        assert_eq!((read.nonce, read.argv, read.env, read.timeout_ms), (order.nonce, order.argv, order.env, 7));
        assert_eq!(rest, b"k");
    }

    #[test]
    fn a_cut_or_oversized_order_is_refused() {
        assert!(Order::read(&mut &[0, 0, 0, 9, b'{'][..]).is_err());
        assert!(Order::read(&mut &u32::MAX.to_be_bytes()[..]).is_err());
        assert!(Order::read(&mut &[][..]).is_err());
    }

    #[test]
    fn a_report_needs_the_nonce() {
        let reports = [
            Report::Ended(Exit::Code(3)),
            Report::Ended(Exit::Signal(9)),
            Report::Ended(Exit::TimedOut),
            Report::Ended(Exit::Cancelled),
            Report::Failed("no such file".to_owned()),
        ];
        for report in reports {
            let signed = format!("abc {}\n", report.encode());
            assert_eq!(Report::decode_signed(signed.as_bytes(), "abd"), None);
            assert_eq!(Report::decode_signed(format!("code 0\ncode 0{signed}x").as_bytes(), "abc"), Some(report));
        }
        assert_eq!(Report::decode_signed(b"code 0", "abc"), None);
        assert_eq!(Report::decode_signed(b"abccode 0", "abc"), None);
    }
}
