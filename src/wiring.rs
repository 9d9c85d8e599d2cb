//! The only place that names concrete adapters and puts them together.
