//! Tests of agents.
