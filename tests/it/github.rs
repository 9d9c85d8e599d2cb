//! The client of GitHub against a fake of it.
mod limits;
mod reads;
