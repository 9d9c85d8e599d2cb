//! Tests of the console: decisions, moving about, frames, hostile text, the pictures, the running loop.
mod ci;
mod ci_fixture;
mod decisions;
mod fixture;
mod frames;
mod harness;
mod hostile;
mod moving;
mod pictures;
mod pty;
mod server;
mod sessions;
