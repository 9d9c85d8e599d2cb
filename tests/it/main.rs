//! The one integration test binary.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod agents;
mod console;
mod heal;
mod process;
mod store_contract;
mod tidy;
mod workspace;
