//! Paramedic is first on the scene of a red build.
//!
//! In reading order: `domain` is what the product is about; `evidence`, `guard`, `rules` and `signal` read foreign text; `store`, `workspace` and `agent` are ports with
//! their adapters; `engine` runs the loop over them; `backlog` is what a console or script may ask; `notify` and `telemetry` tell
//! others what happens; `http` serves it to others; `console` and `cli` show it to people.
//! ARCHITECTURE.md has the map and the rules; `tests/it/tidy.rs` checks them.
pub mod clock;
pub mod domain;

pub mod evidence;
pub mod guard;
pub mod rules;
pub mod signal;

pub mod agent;
pub mod forge;
pub mod process;
pub mod store;
pub mod workspace;

pub mod access;
pub mod backlog;
pub mod engine;
pub mod http;
pub mod notify;
pub mod telemetry;

pub mod cli;
pub mod config;
pub mod console;
pub mod demo;
pub mod wiring;
