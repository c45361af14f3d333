//! `conclave completions` and `conclave man`: made from the same description as `--help`.

use super::{Arguments, print};
use crate::error::{Error, Result};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::path::PathBuf;

const COMPLETIONS_EXAMPLES: &str = "Examples:
  conclave completions bash > ~/.local/share/bash-completion/completions/conclave
  conclave completions zsh > ~/.zfunc/_conclave
  conclave completions fish > ~/.config/fish/completions/conclave.fish";

const MAN_EXAMPLES: &str = "Examples:
  conclave man | man -l -
  conclave man --dir ~/.local/share/man/man1";

#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(super) struct CompletionsArguments {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(super) struct ManArguments {
    /// Write a page for each command into this directory instead of printing the first one
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn completions(arguments: &CompletionsArguments) -> Result<u8> {
    let mut script = vec![];
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "conclave", &mut script);
    print_bytes(&script)
}

pub(super) fn man(arguments: &ManArguments) -> Result<u8> {
    let command = Arguments::command();
    let Some(directory) = &arguments.dir else {
        let mut page = vec![];
        let made = clap_mangen::Man::new(command).render(&mut page);
        made.map_err(|error| Error::bug("no man page could be made").caused_by(error))?;
        return print_bytes(&page);
    };
    let written = std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(command, directory));
    written.map(|()| 0).map_err(|error| {
        let directory = directory.display();
        Error::unavailable(format!("{directory} cannot be written")).caused_by(error)
    })
}

fn print_bytes(bytes: &[u8]) -> Result<u8> {
    print(String::from_utf8_lossy(bytes).trim_end()).map(|()| 0)
}
