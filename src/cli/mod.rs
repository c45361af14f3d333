//! The command line: results on stdout, everything else on stderr, exit codes that stay the same.

mod demo;
mod import;
pub mod page;
mod place;

use crate::error::{Error, Result};
use crate::telemetry::logs::init_from_environment;
use clap::{Parser, Subcommand, ValueEnum};
use std::io::Write;
use std::process::ExitCode;

/// Decides who gets which GPUs, and can prove every decision afterwards.
#[derive(Debug, Parser)]
#[command(name = "conclave", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused or different, 2 wrong usage, \
    3 unavailable or not checkable, 4 corrupt log (see docs/runbooks/corrupt-log.md)

Log lines go to stderr: CONCLAVE_LOG sets their level (warn), CONCLAVE_LOG_FORMAT their form \
    (text, json)";

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the whole pipeline on the embedded log and prints the replay line to try next
    Demo(demo::DemoArguments),
    /// Makes a log of a published trace, with the trace's own times
    Import(import::ImportArguments),
    /// Runs the published inflation experiment with one placement policy
    Place(place::PlaceArguments),
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
}

/// Runs the program and returns its exit code.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let done = init_from_environment().and_then(|()| match arguments.command {
        Command::Demo(demo) => demo::run(&demo),
        Command::Import(import) => import::run(&import),
        Command::Place(place) => place::run(&place),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Says what broke and what to do, and returns the exit code for it.
#[must_use]
pub fn fail(error: &Error) -> ExitCode {
    let mut stderr = std::io::stderr();
    // When stderr is closed there is nobody left to tell.
    let _ignored = writeln!(stderr, "error ({}): {error}", error.kind.as_str());
    ExitCode::from(error.kind.exit_code())
}

/// Prints a line on stdout. A reader that has seen enough (`| head`) is no error.
///
/// # Errors
/// `Unavailable` when stdout cannot be written for another reason.
pub fn print(line: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Error::unavailable("stdout cannot be written").caused_by(error)),
    }
}
