//! The client of GitHub against a fake of it, what `doctor` says of the token, watching, and decisions.
mod analysis;
mod app;
mod deciding;
mod described;
mod doctor;
mod downloads;
mod flood;
mod limits;
mod moving;
mod reads;
mod watch;
mod writes;
