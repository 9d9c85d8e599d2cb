//! A server as it may be: refusing, gone, restarted, or not ours at all; and the program that asks it.
mod command;
mod line;
pub(crate) mod serve;
