//! GitHub, against a fake of it: the client, `doctor`, watching, publishing, decisions, and the whole story.
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
mod story;
mod watch;
mod writes;
