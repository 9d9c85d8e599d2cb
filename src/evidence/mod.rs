//! From a raw log to what is known of a failure. Pure: bytes in, values out.
pub mod text;
