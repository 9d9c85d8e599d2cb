//! Real repositories, worked on for real: what comes out of them, and that nothing is left in them.
mod branches;
mod differences;
mod discovery;
mod facts;
mod patches;
mod pushes;
mod trees;
mod world;
