//! Notifications: what arrives at real HTTP servers and programs, how often, and what a dead one does not hold up.
mod channels;
mod processes;
pub(crate) mod server;
mod targets;
