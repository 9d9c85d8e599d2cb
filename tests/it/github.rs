//! The client of GitHub against a fake of it, and what `doctor` says of the token.
mod deciding;
mod described;
mod doctor;
mod limits;
mod reads;
