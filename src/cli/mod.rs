//! One file per subcommand; the only module that prints.
