//! Tests of the console: decisions, frames, hostile text, the runtime, the pictures.
mod fixture;
mod harness;
mod scratch;
