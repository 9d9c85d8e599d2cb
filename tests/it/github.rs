//! The client of GitHub against a fake of it, and what `doctor` says of the token.
mod app;
mod described;
mod doctor;
mod downloads;
mod limits;
mod reads;
mod writes;
