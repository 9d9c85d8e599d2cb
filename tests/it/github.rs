//! The client of GitHub against a fake of it, and what `doctor` says of the token.
mod analysis;
mod described;
mod doctor;
mod flood;
mod limits;
mod reads;
mod watch;
