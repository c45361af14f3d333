//! `conclave archive`: cuts a log at a verified point and keeps it in one file.

use super::Output;
use super::page::{Page, say};
use super::position::{Position, position};
use super::source::{Place, Source, SourceArguments, called_data};
use crate::archive::{Archived, Plan, Refusal, make};
use crate::error::{Error, Result};
use crate::log::LogReader as _;
use crate::log::archive::{ArchiveFile, Manifest, PartitionCut};
use crate::log::own::now;
use crate::report::show::count;
use crate::verify::Verdict;
use clap::Args;
use conclave_core::units::Offset;
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLES: &str = "Examples:
  conclave archive --to 2026-q3.conclave --brokers k1:9092,k2:9092
  conclave archive --to lab.conclave --data data/conclave --until 120000
  conclave archive --to two.conclave --brokers k1:9092 --partition 2 --until 2:5000
  replay verify --archive 2026-q3.conclave

Nothing is deleted from the log, and nothing is written to it: docs/archive.md says what to do then.

Exit codes: 0 the file is there and every decision in it verified; 1 something differs, and there is
no file; 2 wrong usage, or the file is there already; 3 unavailable, or a part could not be checked;
4 corrupt log";

/// Cuts commands, decisions and dead letters at the end of a round, proves every decision and keeps
/// all of it with its schemas in one file that `replay --archive` reads.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, mut_arg("log", called_data))]
pub(super) struct ArchiveArguments {
    /// File to make
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    source: SourceArguments,
    /// Only this partition; several may be named [default: all]
    #[arg(long, value_name = "P")]
    partition: Vec<i64>,
    /// Last decision to take; the cut is the end of the last whole round before or at it. Once for
    /// each partition that is named [default: the end of the log]
    #[arg(long, value_name = "[P:]OFFSET", value_parser = position)]
    until: Vec<Position>,
    /// How it is told what was cut
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What was made.
#[derive(Serialize)]
struct Made<'a> {
    file: String,
    bytes: u64,
    digest: String,
    #[serde(flatten)]
    manifest: &'a Manifest,
}

pub(super) fn run(arguments: &ArchiveArguments) -> Result<u8> {
    let place = arguments.source.place()?;
    let partitions = arguments.partitions(&place)?;
    let until = |partition: i64| arguments.until_in(partition, partitions.len());
    let plan = Plan {
        to: &arguments.to,
        origin: place.origin(),
        partition_count: place.partition_count(),
        partitions: partitions.iter().map(|number| (*number, until(*number).0)).collect(),
        schemas: arguments.source.schemas(&place)?.unwrap_or_default(),
        models: arguments.source.councils(&place),
        made_at: now(),
    };
    match make(&plan, |partition| open(&place, partition, until(partition)))? {
        Archived::Made { file, letters_missing } => {
            for (partition, missing) in letters_missing {
                say(&letters_sentence(&place.name(partition), missing));
            }
            tell(arguments.output, &file)
        }
        Archived::Refused(refusal) => Ok(refused(&place, &refusal)),
    }
}

impl ArchiveArguments {
    fn partitions(&self, place: &Place) -> Result<Vec<i64>> {
        let mut wanted = self.partition.clone();
        if wanted.is_empty() {
            wanted = place.partitions();
        }
        wanted.sort_unstable();
        wanted.dedup();
        let mut named = self.until.iter().filter_map(|until| until.partition);
        if let Some(other) = named.find(|partition| !wanted.contains(partition)) {
            return Err(Error::invalid(format!(
                "--until names partition {other}, which is not to be archived: leave it out, or \
                 name it with --partition"
            )));
        }
        Ok(wanted)
    }

    /// The last decision to take of a partition, and whether it has to be there.
    fn until_in(&self, partition: i64, count: usize) -> (Option<Offset>, bool) {
        let of = |wanted| self.until.iter().rfind(|until| until.partition == wanted);
        let (named, any) = (of(Some(partition)), of(None));
        let until = named.or(any).map(|until| until.offset);
        (until, named.is_some() || count == 1)
    }
}

/// Opens a partition that can be cut at `until`.
fn open(place: &Place, partition: i64, until: (Option<Offset>, bool)) -> Result<Source> {
    let log = place.open(partition)?;
    let (name, ends) = (place.name(partition), log.ends()?);
    if let Some(oldest) = log.decisions_from() {
        return Err(Error::corrupt(format!(
            "{name} keeps decisions from offset {oldest} on, and those before it are deleted: \
             nothing can be proved without them, so nothing is archived"
        )));
    }
    let reaches = |until: Offset| until < ends.decisions_next;
    match until {
        (Some(until), _) if reaches(until) => {}
        (Some(until), true) => {
            return Err(Error::unavailable(format!("there is no decision {until} in {name} yet")));
        }
        (None, _) | (Some(_), false) => {
            if let Some(damage) = log.damage() {
                return Err(Error::corrupt(format!(
                    "{damage}; what is sound can be archived with --until"
                )));
            }
        }
    }
    say(&format!("{name}: decisions before offset {}", ends.decisions_next));
    Ok(log)
}

fn tell(output: Output, file: &ArchiveFile) -> Result<u8> {
    let (manifest, bytes) = (file.manifest(), file.bytes());
    let (name, digest) = (file.path().display().to_string(), file.digest().to_string());
    let mut page = Page::open();
    match output {
        Output::Json => page.json(&Made { file: name, bytes, digest, manifest })?,
        Output::Text => {
            manifest.partitions.iter().try_for_each(|cut| page.line(&line(cut)))?;
            page.line(&format!("schemas     {}", manifest.schemas.len()))?;
            page.line(&format!("models      {}", manifest.models.len()))?;
            page.line(&format!("chain_head  {}", manifest.chain_head))?;
            page.line(&format!("digest      {digest}"))?;
            page.line(&format!("{name}: {bytes} bytes, every decision verified"))?;
        }
    }
    page.flush()?;
    Ok(0)
}

fn line(cut: &PartitionCut) -> String {
    let PartitionCut { partition, decisions, commands, dead_letters, bytes, .. } = cut;
    let upto = match cut.cut {
        0 => "nothing is decided".to_owned(),
        next => format!("offsets 0 to {}", next - 1),
    };
    let decisions = count(*decisions, "decision");
    let commands = count(*commands, "command");
    let letters = count(*dead_letters, "dead letter");
    let head = &cut.head;
    format!(
        "partition {partition}: {upto}, {decisions}, {commands}, {letters}, {bytes} bytes, head \
         {head}"
    )
}

/// Nothing is proved by dead letters, so an archive without some of them is one.
fn letters_sentence(name: &str, missing: u64) -> String {
    let missing = count(missing, "dead letter");
    format!(
        "{name}: decisions speak of {missing} more than the log holds: their topic deletes what is \
         older than its retention.ms. The commands themselves are archived"
    )
}

fn refused(place: &Place, refusal: &Refusal) -> u8 {
    let Refusal { partition, verdict, sentences } = refusal;
    let name = place.name(*partition);
    for sentence in sentences {
        say(&format!("{name}: {sentence}"));
    }
    say("no archive was made: `replay verify` says more about this log");
    match verdict {
        Verdict::Clean | Verdict::Differs => 1,
        Verdict::Unchecked => 3,
        Verdict::Corrupt => 4,
    }
}
