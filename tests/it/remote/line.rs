//! The line to a server.
