//! The one integration test binary: stories through the real program, contracts of the ports, frames of the console, and the rules of the house.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::disallowed_methods, reason = "tests start programs and read the environment themselves")]

mod access;
mod agents;
mod backlog_contract;
mod cheats;
mod cli;
mod console;
mod crash;
mod decisions;
mod demo;
mod dispatch;
mod github;
mod heal;
mod http;
mod init;
mod machines;
mod notify;
mod outage;
mod packaging;
mod process;
mod remote;
mod serve_ops;
mod store_contract;
mod support;
mod telemetry;
mod tidy;
mod webhook;
mod workers;
mod workspace;
