//! From a raw log to what is known of a failure. Pure: bytes in, values out.
//!
//! `extractor` is the way in; it feeds each line of a log, whatever its size, to the parts beside it. `report::compare` and `progress` set two
//! failures side by side; `mask` and `text` make any text fit to be kept and shown.
pub mod classify;
pub mod commands;
pub mod extractor;
pub mod files;
pub mod green;
pub mod markdown;
pub mod mask;
pub mod normalize;
pub mod progress;
pub mod reduce;
pub mod report;
pub mod text;

mod candidates;
mod keep;
mod lines;
mod pattern;
mod prefix;
mod weigh;
