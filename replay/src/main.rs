//! `replay`: reads a decision log, shows it, verifies it, rebuilds states. It writes nothing.

mod args;
mod page;
mod position;
mod state;
mod stream;
mod timeline;
mod verify;
mod view;
mod why;

use args::{Arguments, Question};
use clap::Parser;
use conclave::cli::fail;
use conclave::fold::is_catching;
use conclave::telemetry::logs::init_from_environment;
use std::process::ExitCode;

fn main() -> ExitCode {
    conclave::wire::init();
    stay_silent_about_answers();
    let arguments = Arguments::parse();
    let answered = init_from_environment().and_then(|()| match arguments.question() {
        Question::Timeline(arguments) => timeline::run(arguments),
        Question::Page(arguments) => page::run(arguments),
        Question::Verify(arguments) => verify::run(arguments),
        Question::State(arguments) => state::run(arguments),
        Question::Why(arguments) => why::run(arguments),
    });
    match answered {
        Ok(code) => ExitCode::from(code),
        Err(error) => fail(&error),
    }
}

/// A tampered log makes the core contradict it by a panic, which becomes a sentence of the report.
fn stay_silent_about_answers() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_catching() {
            usual(panic);
        }
    }));
}
