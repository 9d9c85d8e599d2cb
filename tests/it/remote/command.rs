//! The command line on a server.
