//! Tests of heal.
