//! The trainer's command line.

use clap::{Args, Parser, Subcommand};
use conclave_training::ablate::{ablate, told};
use conclave_training::dataset::Source;
use conclave_training::network::train::Plan;
use conclave_training::run::{EXTENT, Settings, fleets, make, traces};
use conclave_training::{Error, Result};
use std::path::PathBuf;
use std::process::ExitCode;

/// Trains councils offline.
#[derive(Debug, Parser)]
#[command(name = "conclave-training", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Trains a council on published traces and the simulator, and writes its file and model card.
    Train(Train),
    /// Trains all members with and without the time between steps, and writes nothing but what that
    /// is worth.
    Ablate(Learn),
}

#[derive(Debug, Args)]
struct Train {
    #[command(flatten)]
    learn: Learn,
    /// Where <NAME>.council and <NAME>.md are written.
    #[arg(long, value_name = "DIR", default_value = "models")]
    out: PathBuf,
    /// The council's name.
    #[arg(long, default_value = "council-1")]
    name: String,
}

#[derive(Debug, Args)]
struct Learn {
    /// Folder of the traces; see docs/training.md for the files that are read.
    #[arg(long, value_name = "DIR")]
    traces: PathBuf,
    /// What everything is drawn from: the same seed gives the same file.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Passes over the data; the last fifth in integers.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    epochs: u32,
    /// How often each member is trained; the one that does best where confidence is fitted stays.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    draws: u8,
    /// Hidden units of a member.
    #[arg(long, default_value_t = 32, value_parser = units)]
    units: usize,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Train(train) => run(&train),
        Command::Ablate(learn) => without_time(&learn),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

impl Learn {
    fn plan(&self) -> Plan {
        let Self { seed, epochs, draws, units, .. } = *self;
        let epochs = usize::try_from(epochs).expect("at most a thousand");
        Plan { seed, units, epochs, draws: usize::from(draws) }
    }

    fn sources(&self) -> Result<Vec<Source>> {
        let mut sources = traces(&self.traces, self.seed)?;
        sources.extend(fleets(self.seed, EXTENT));
        Ok(sources)
    }
}

fn run(train: &Train) -> Result<()> {
    let Train { learn, out, name } = train;
    let settings = Settings { name: name.clone(), plan: learn.plan(), extent: EXTENT };
    let made = make(&learn.sources()?, &settings, &mut |line| eprintln!("{line}"))?;
    write(out, &format!("{name}.council"), &made.file)?;
    write(out, &format!("{name}.md"), made.card.as_bytes())
}

fn without_time(learn: &Learn) -> Result<()> {
    let lines = ablate(&learn.sources()?, learn.plan(), &mut |line| eprintln!("{line}"))?;
    print!("{}", told(&lines));
    Ok(())
}

fn write(folder: &std::path::Path, file: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(file);
    let why = |error| Error::Unavailable(format!("{} ({error}): check --out", path.display()));
    std::fs::create_dir_all(folder).map_err(why)?;
    std::fs::write(&path, bytes).map_err(why)?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

fn units(text: &str) -> std::result::Result<usize, String> {
    match text {
        "16" => Ok(16),
        "32" => Ok(32),
        "64" => Ok(64),
        _ => Err("16, 32 or 64".to_owned()),
    }
}
