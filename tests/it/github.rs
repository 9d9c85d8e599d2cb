//! The client of GitHub against a fake of it, and what `doctor` says of the token.
mod analysis;
mod app;
mod described;
mod doctor;
mod downloads;
mod flood;
mod limits;
mod reads;
mod watch;
mod writes;
