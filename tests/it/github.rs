//! GitHub, against a fake of it: the client, `doctor`, watching, publishing, decisions, and the whole story.
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
mod moving;
mod publishing;
mod reads;
mod reads;
mod story;
mod tracking;
mod watch;
mod writes;
