//! Starts the program.
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|it| it == paramedic::process::supervise::SUBCOMMAND) {
        return paramedic::process::supervise::main(args);
    }
    ExitCode::SUCCESS
}
