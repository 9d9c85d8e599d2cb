//! Settings: raw (serde, unknown keys refused) to checked; the only reader of the environment.
