//! `conclave`: see `conclave --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    conclave::wire::init();
    conclave::cli::run()
}
