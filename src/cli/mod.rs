//! The command line: results on stdout, everything else on stderr, exit codes that stay the same.

mod appeal;
mod archive;
mod budget;
mod check;
mod command_id;
mod connection;
mod council;
mod decided;
mod demo;
pub mod engine;
mod explain;
mod fairness;
mod import;
mod input;
mod kafka;
mod lease;
mod metrics;
mod nodes;
pub mod page;
mod papers;
mod place;
mod plan;
pub mod position;
mod queue;
mod quota;
mod requests;
mod reservations;
mod schemas;
mod send;
mod serve;
mod skip;
pub mod source;
mod status;
mod submit;
mod tail;
mod tariff;
mod token;
mod top;
mod topics;
mod validate;
mod values;

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
    /// Runs the published inflation experiment with one placement policy, or a table of all
    Place(place::PlaceArguments),
    /// Runs the service
    Serve(serve::ServeArguments),
    /// Says what is wrong with a set-up and how to mend it
    Check(check::CheckArguments),
    /// Makes the topics of a log on Kafka, and says what is wrong with them
    Topics(topics::TopicsArguments),
    /// Asks the rules that every log keeps, once or all the time
    Validate(validate::ValidateArguments),
    /// Cuts a log at a verified point and keeps it in one file
    Archive(archive::ArchiveArguments),
    /// Has the next start pass over a command that stops deciding
    Skip(skip::SkipArguments),
    /// Registers our schemas in a schema registry, and compares
    Schemas(schemas::SchemasArguments),
    /// Says what a council's file holds, proves it, measures it, and keeps it beside a log
    Council(council::CouncilArguments),
    /// Makes a token for the HTTP API
    Token(token::TokenArguments),
    /// Sends commands from a file
    Submit(submit::SubmitArguments),
    /// Says what would be decided now, without doing it
    Plan(plan::PlanArguments),
    /// Says why a request waits, or what became of it
    Explain(explain::ExplainArguments),
    /// Shows the pools at a glance
    Status(status::StatusArguments),
    /// Shows who waits, in which order, and for what
    Queue(queue::QueueArguments),
    /// Shows nodes and what is left of them; registers, drains and removes them
    Nodes(nodes::NodesArguments),
    /// Shows and sets who may use how much
    Quota(quota::QuotaArguments),
    /// Shows who has used how much for its weight; orders the queue by it
    Fairness(fairness::FairnessArguments),
    /// What is left of tenants' GPU-hour budgets, and what their GPUs cost
    Budget(budget::BudgetArguments),
    /// Shows what is kept free for whom, and keeps room free
    Reservations(reservations::ReservationsArguments),
    /// Shows live requests and their leases
    Requests(requests::RequestsArguments),
    /// Withdraws a request that has no lease yet
    Cancel(lease::CancelArguments),
    /// Gives back everything that a request holds
    Release(lease::ReleaseArguments),
    /// Moves the end of a lease
    Renew(lease::RenewArguments),
    /// Gives back the last replicas of a gang
    Shrink(lease::ShrinkArguments),
    /// Puts an operator's word in place of the council's
    Override(appeal::OverrideArguments),
    /// Asks for another look at a request that was put off or denied
    Appeal(appeal::AppealArguments),
    /// Shows decisions as they are made
    Tail(tail::TailArguments),
    /// Shows pools, a queue and the last decisions, live
    Top(top::TopArguments),
    /// Prints a completion script
    Completions(papers::CompletionsArguments),
    /// Prints the manual page
    Man(papers::ManArguments),
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
    match init_from_environment().and_then(|()| arguments.command.run()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => fail(&error),
    }
}

impl Command {
    /// Returns the exit code.
    fn run(&self) -> Result<u8> {
        match self {
            Self::Demo(demo) => demo::run(demo).map(|()| 0),
            Self::Import(import) => import::run(import).map(|()| 0),
            Self::Place(place) => place::run(place).map(|()| 0),
            Self::Serve(serve) => serve::run(serve),
            Self::Check(check) => check::run(check),
            Self::Topics(topics) => topics::run(topics),
            Self::Validate(validate) => validate::run(validate),
            Self::Archive(archive) => archive::run(archive),
            Self::Skip(skip) => skip::run(skip),
            Self::Schemas(schemas) => schemas::run(schemas),
            Self::Council(council) => council::run(council),
            Self::Token(token) => token::run(token),
            Self::Submit(submit) => submit::run(submit),
            Self::Plan(plan) => plan::run(plan),
            Self::Explain(explain) => explain::run(explain),
            Self::Status(status) => status::run(status),
            Self::Queue(queue) => queue::run(queue),
            Self::Nodes(nodes) => nodes::run(nodes),
            Self::Quota(quota) => quota::run(quota),
            Self::Fairness(fairness) => fairness::run(fairness),
            Self::Budget(budget) => budget::run(budget),
            Self::Reservations(reservations) => reservations::run(reservations),
            Self::Requests(requests) => requests::run(requests),
            Self::Cancel(cancel) => lease::cancel(cancel),
            Self::Release(release) => lease::release(release),
            Self::Renew(renew) => lease::renew(renew),
            Self::Shrink(shrink) => lease::shrink(shrink),
            Self::Override(word) => appeal::decide(word),
            Self::Appeal(appeal) => appeal::appeal(appeal),
            Self::Tail(tail) => tail::run(tail),
            Self::Top(top) => top::run(top),
            Self::Completions(completions) => papers::completions(completions),
            Self::Man(man) => papers::man(man),
        }
    }
}

/// Says what broke and what to do, and returns the exit code for it.
#[must_use]
pub fn fail(error: &Error) -> ExitCode {
    let mut stderr = std::io::stderr();
    let text = format!("error ({}): {error}", error.kind.as_str());
    for line in text.lines() {
        // When stderr is closed there is nobody left to tell.
        let _ignored = writeln!(stderr, "{}", page::shown(line));
    }
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
