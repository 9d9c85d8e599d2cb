//! The terminal console: `update` decides, `view` draws, the runtime acts.
pub mod document;
