//! `conclave council`: files of councils.

mod bench;
mod info;
mod keep;
mod shadow;

use super::{Output, page::Page};
use crate::council::{CpuCouncil, Engines, Seated, Way, check_features, read};
use crate::error::{Error, Result};
use bench::Bench;
use clap::{Args, Subcommand};
use conclave_core::council::CouncilFile;
use conclave_gpu::Software;
use info::Info;
use keep::KeepArguments;
use serde::Serialize;
use shadow::ShadowArguments;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "Examples:
  conclave council info models/FILE.council
  conclave council verify models/FILE.council --output json
  conclave council bench models/FILE.council
  conclave council keep models/FILE.council --data data/conclave
  conclave council shadow --council-file models/FILE.council --data data/conclave
  conclave council keep models/FILE.council --brokers k1:9092,k2:9092

A log takes networks into the seat with two commands of an administrator, which `council keep`
prints for `conclave submit`: ActivateDecider (version 2) and ActivateCouncil. Each instance needs
the file in models/ of its data directory, or on Kafka in the topic of artifacts, where every
instance takes it from; one that lacks it waits, and decides nothing otherwise.

Exit codes: 0 done, 1 the council differs or cannot sit here, 2 the file is refused, 3 a log cannot
be read now, 4 it is corrupt";

/// Files of councils.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CouncilArguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Says what a file holds
    Info(FileArguments),
    /// Proves that nothing leaves its range, computes the golden sequences in every way that this
    /// processor has, and says whether the council may sit
    Verify(FileArguments),
    /// Measures what a decision costs in every way that this processor has, and on every GPU
    Bench(BenchArguments),
    /// Keeps a copy where the instances of a log look for it
    Keep(KeepArguments),
    /// Votes beside the seat of a log, without any effect, and compares
    Shadow(ShadowArguments),
}

#[derive(Debug, Args)]
struct FileArguments {
    /// The council
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Args)]
struct BenchArguments {
    #[command(flatten)]
    of: FileArguments,
    /// Measure drivers that play a GPU on the processor (lavapipe), too
    #[arg(long)]
    software_gpu: bool,
}

/// What came of computing a file's golden sequences.
#[derive(Serialize)]
struct Verified {
    model: String,
    golden_sequences: usize,
    golden_steps: usize,
    /// Ways that found the same words, and the reason of each that did not.
    ways: Vec<WayVerified>,
    /// Whether it was trained on the features that this release computes.
    features_match: bool,
    /// Why it cannot sit; none when it can.
    cannot_sit: Option<String>,
}

#[derive(Serialize)]
struct WayVerified {
    way: &'static str,
    differs: Option<String>,
}

pub(super) fn run(arguments: &CouncilArguments) -> Result<u8> {
    match &arguments.what {
        What::Info(of) => {
            let (file, bytes) = open(&of.file)?;
            show(of.output, &Info::of(&file, bytes), |info| info.lines()).map(|()| 0)
        }
        What::Verify(of) => {
            let verified = Verified::of(open(&of.file)?.0);
            show(of.output, &verified, Verified::lines)?;
            Ok(u8::from(!verified.is_sound()))
        }
        What::Bench(BenchArguments { of, software_gpu }) => {
            let software = if *software_gpu { Software::Allowed } else { Software::Refused };
            let bench = Bench::of(open(&of.file)?.0, software)?;
            show(of.output, &bench, Bench::lines)?;
            Ok(0)
        }
        What::Keep(of) => keep::run(of),
        What::Shadow(of) => shadow::run(of),
    }
}

/// A council that is proved, and how many bytes its file has.
fn open(path: &Path) -> Result<(CouncilFile, usize)> {
    let bytes = std::fs::read(path).map_err(|error| {
        Error::invalid(format!("{} cannot be read", path.display())).caused_by(error)
    })?;
    Ok((read(&bytes)?, bytes.len()))
}

fn show<T: Serialize>(
    output: Output,
    shown: &T,
    lines: impl FnOnce(&T) -> Vec<String>,
) -> Result<()> {
    let mut page = Page::open();
    match output {
        Output::Json => page.json(shown)?,
        Output::Text => lines(shown).iter().try_for_each(|line| page.line(line))?,
    }
    page.flush()
}

/// Why the seat of this release would not take it.
fn cannot_sit(file: CouncilFile) -> Option<String> {
    if let Err(error) = check_features(&file) {
        return Some(error.to_string());
    }
    Seated::new(file, &Engines::cpu()).err()
}

impl Verified {
    fn of(file: CouncilFile) -> Self {
        let ways = Way::all().into_iter().map(|way| WayVerified {
            way: way.name(),
            differs: CpuCouncil::new(&file, way).err().map(|error| error.to_string()),
        });
        Self {
            model: file.id().0.to_string(),
            golden_sequences: file.golden().len(),
            golden_steps: file.golden().iter().map(|sequence| sequence.steps.len()).sum(),
            ways: ways.collect(),
            features_match: check_features(&file).is_ok(),
            cannot_sit: cannot_sit(file),
        }
    }

    fn is_sound(&self) -> bool {
        self.ways.iter().all(|way| way.differs.is_none()) && self.cannot_sit.is_none()
    }

    fn lines(&self) -> Vec<String> {
        let (sequences, steps) = (self.golden_sequences, self.golden_steps);
        let mut lines = vec![
            format!("model      {}", self.model),
            "range      proved: no sum, state or logit can leave its range".to_owned(),
            format!("reference  {steps} steps of {sequences} golden sequences: same words"),
        ];
        lines.extend(self.ways.iter().map(|one| match &one.differs {
            None => format!("{:<10} same words", one.way),
            Some(why) => format!("{:<10} DIFFERS: {why}", one.way),
        }));
        lines.push(match self.features_match {
            true => "features   those that this release computes".to_owned(),
            false => "features   OTHERS than this release computes".to_owned(),
        });
        lines.push(match &self.cannot_sit {
            None => "seat       it can sit here".to_owned(),
            Some(why) => format!("seat       it CANNOT sit here: {why}"),
        });
        lines
    }
}
