//! Starts the program.
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|it| it == paramedic::process::supervise::SUBCOMMAND) {
        return paramedic::process::supervise::main(arguments);
    }
    paramedic::cli::main()
}
