//! Pure: a patch and a policy in, a judgement out.
pub mod diff;
pub mod glob;
pub mod lang;
pub mod mask;
pub mod policy;
