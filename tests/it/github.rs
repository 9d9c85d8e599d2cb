//! The client of GitHub against a fake of it, what `doctor` says of the token, watching, decisions, and the steward.
mod after;
mod analysis;
mod app;
mod checks;
mod deciding;
mod described;
mod doctor;
mod downloads;
mod flood;
mod house;
mod housekeeping;
mod limits;
mod publishing;
mod reads;
mod tracking;
mod watch;
mod writes;
