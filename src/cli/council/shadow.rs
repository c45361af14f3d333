//! `conclave council shadow`: a council beside the seat of a log.

mod text;

use crate::cli::Output;
use crate::cli::engine::{EngineArguments, for_mass_work};
use crate::cli::metrics;
use crate::cli::page::{Page, say};
use crate::cli::source::{Place, SourceArguments, called_data};
use crate::council::{Engines, Seated, model_id, read_to_vote};
use crate::error::{Error, ErrorKind, Result};
use crate::log::rocks::RocksReader;
use crate::report::show::count;
use crate::shadow::{Figures, Report, Sums, Watch};
use crate::validate::{Feed, KafkaFeed, LogFeed, RocksFeed};
use clap::Args;
use conclave_core::council::shadow::Counts;
use serde::Serialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two looks at a log that has nothing new.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Between two lines while following.
const LINE_EVERY: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "Examples:
  conclave council shadow --council-file models/FILE.council --data data/conclave
  conclave council shadow --council-file FILE --brokers k1:9092 --follow --metrics 127.0.0.1:9465
  conclave council shadow --council-file FILE --archive 2026-q3.conclave --output json

It reads the log from its beginning, writes nothing and is asked by nobody: docs/serve.md.

Exit codes: 0 done, 2 wrong usage or the file is refused, 3 unavailable, 4 corrupt log";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, mut_arg("log", called_data))]
pub(super) struct ShadowArguments {
    /// The council that votes beside the seat
    #[arg(long, value_name = "FILE")]
    council_file: PathBuf,
    #[command(flatten)]
    source: SourceArguments,
    /// Only this partition [default: all of them]
    #[arg(long, value_name = "P")]
    partition: Option<i64>,
    #[command(flatten)]
    engine: EngineArguments,
    /// How many of the latest disagreements are listed
    #[arg(long, value_name = "N", default_value_t = 10)]
    latest: usize,
    /// Goes on with what is written from now on, until it is interrupted: a line every five seconds
    #[arg(long, conflicts_with = "archive")]
    follow: bool,
    /// Where /metrics is served while following
    #[arg(long, value_name = "ADDRESS", requires = "follow")]
    metrics: Option<SocketAddr>,
    /// Lines for people, or JSON: one object, and while following one each time
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// All partitions under one shadow.
struct Watches {
    seated: Arc<Seated>,
    all: Vec<Watch<Box<dyn Feed>>>,
    sums: Sums,
}

/// A line of one that follows.
#[derive(Serialize)]
struct Line {
    decisions: u64,
    votes: u64,
    agreed: u64,
    agreed_per_mille: Option<u64>,
    lag_records: u64,
    is_reading: bool,
}

pub(super) fn run(arguments: &ShadowArguments) -> Result<u8> {
    let EngineArguments { council, software_gpu } = arguments.engine;
    let engines = for_mass_work(council, software_gpu)?;
    let seated = seated(&arguments.council_file, &engines)?;
    let place = arguments.source.place()?;
    let kept = arguments.source.schemas(&place)?;
    let partitions = arguments.partition.map_or_else(|| place.partitions(), |one| vec![one]);
    let watch = |partition: i64| {
        let feed = feed(&place, partition)?;
        Ok(Watch::new(partition, feed, kept.as_deref(), Arc::clone(&seated)))
    };
    let all = partitions.into_iter().map(watch).collect::<Result<_>>()?;
    let sums = Sums::new(seated.council(), arguments.latest);
    let mut watches = Watches { seated, all, sums };
    if arguments.follow { watches.follow(arguments) } else { watches.once(arguments.output) }
}

fn seated(path: &Path, engines: &Engines) -> Result<Arc<Seated>> {
    let bytes = std::fs::read(path).map_err(|error| {
        Error::invalid(format!("{} cannot be read", path.display())).caused_by(error)
    })?;
    let file = read_to_vote(&bytes, model_id(&bytes))?;
    let seated = Seated::new(file, engines)
        .map_err(|why| Error::invalid(format!("{} cannot vote: {why}", path.display())))?;
    Ok(Arc::new(seated))
}

/// One partition from its beginning.
fn feed(place: &Place, partition: i64) -> Result<Box<dyn Feed>> {
    place.check(partition)?;
    Ok(match place {
        Place::Directory(directory) => Box::new(RocksFeed::new(RocksReader::open(directory)?)),
        Place::Topics(settings, _) => Box::new(KafkaFeed::open(settings, place.check(partition)?)?),
        Place::Archive(archive) => Box::new(LogFeed::new(archive.reader(partition)?)),
    })
}

impl Watches {
    /// Everything that is there now.
    fn once(&mut self, output: Output) -> Result<u8> {
        let started = Instant::now();
        for watch in &mut self.all {
            while watch.look(&mut self.sums)? {}
        }
        let report = self.report();
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let speed = report.votes.saturating_mul(1_000) / ms;
        let votes = count(report.votes, "vote");
        say(&format!("{votes} beside the seat in {ms} ms, {speed} votes/s"));
        let mut page = Page::open();
        match output {
            Output::Json => page.json(&report)?,
            Output::Text => text::of(&report).iter().try_for_each(|line| page.line(line))?,
        }
        page.flush()?;
        let damage = self.all.iter().find_map(Watch::damage);
        damage.map_or(Ok(0), |damage| Err(Error::corrupt(damage.to_string())))
    }

    /// Goes on with whatever comes, until somebody interrupts.
    fn follow(&mut self, arguments: &ShadowArguments) -> Result<u8> {
        let figures = Figures::default();
        if let Some(listen) = arguments.metrics {
            let served = figures.clone();
            metrics::serve(listen, move || served.text())?;
        }
        let mut said_at: Option<Instant> = None;
        loop {
            let (mut is_news, mut is_reading) = (false, true);
            for watch in &mut self.all {
                match watch.look(&mut self.sums) {
                    Ok(moved) => is_news |= moved,
                    // The log may be there again at the next look.
                    Err(error) if error.kind == ErrorKind::Unavailable => {
                        is_reading = false;
                        say(&error.to_string());
                    }
                    Err(error) => return Err(error),
                }
            }
            let lag = self.all.iter().map(Watch::lag).sum();
            figures.note(&self.sums, lag, is_reading);
            if said_at.is_none_or(|at| at.elapsed() >= LINE_EVERY) {
                self.say_line(arguments.output, lag, is_reading)?;
                said_at = Some(Instant::now());
            }
            if !is_news {
                std::thread::sleep(LOOK_EVERY);
            }
        }
    }

    fn say_line(&self, output: Output, lag_records: u64, is_reading: bool) -> Result<()> {
        let Report { decisions, votes, agreed, agreed_per_mille, .. } = self.report();
        let line = Line { decisions, votes, agreed, agreed_per_mille, lag_records, is_reading };
        let mut page = Page::open();
        match output {
            Output::Json => page.json(&line)?,
            Output::Text => page.line(&text::line(&line))?,
        }
        page.flush()
    }

    fn report(&self) -> Report {
        let add = |sum: Counts, watch: &Watch<_>| {
            let Counts { decisions, not_asked, rounds_unread } = watch.counts();
            Counts {
                decisions: sum.decisions + decisions,
                not_asked: sum.not_asked + not_asked,
                rounds_unread: sum.rounds_unread + rounds_unread,
            }
        };
        let counts = self.all.iter().fold(Counts::default(), add);
        self.sums.report(self.seated.file().id().0.to_string(), counts)
    }
}
