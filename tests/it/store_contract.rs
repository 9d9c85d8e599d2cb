//! The contract that every store is held to, and what is particular to one adapter.
//!
//! A second adapter implements [`backend::Backend`] and takes the same list of tests.
mod backend;
mod chain;
pub(crate) mod fixtures;
mod life;
mod queue;
mod reading;
mod sqlite;

/// Makes one test of each contract function for a backend.
macro_rules! held_to_the_contract {
    ($backend:ty: $($module:ident { $($name:ident),+ $(,)? })+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::store_contract::$module::$name(&<$backend>::fresh()).await;
            }
        )+)+
    };
}
pub(crate) use held_to_the_contract;
