//! The `althing` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    althing::cli::main()
}
