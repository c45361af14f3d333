//! `conclave validate`: asks the rules that every log keeps.

mod kept;

use super::Output;
use super::metrics;
use super::page::{Page, say};
use super::source::in_artifacts;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::log::archive::ArchiveFile;
use crate::log::kafka::partition_count;
use crate::log::kafka::settings::{KafkaSettings, TopicNames};
use crate::log::rocks::RocksReader;
use crate::registry::{kept_beside, texts};
use crate::report::show::count;
use crate::validate::{
    Acknowledged, Feed, Figures, Finding, KafkaFeed, LogFeed, Report, RocksFeed, Rule, Validator,
    Verdict, Watch, settle_unanswered,
};
use crate::wire::RecordedReader;
use clap::Args;
use kept::Keeper;
use serde::Serialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Between two looks at a log that has nothing new.
const LOOK_EVERY: Duration = Duration::from_millis(500);

const EXAMPLES: &str = "Examples:
  conclave validate --data data/conclave
  conclave validate --brokers 127.0.0.1:9092 --output json
  conclave validate --config conclave.toml --follow --state data/validated --metrics 127.0.0.1:9464
  conclave validate --data data/conclave --acknowledged acknowledged.jsonl
  conclave validate --archive 2026-q3.conclave

Exit codes: 0 every rule is kept, 1 one is broken, 2 wrong usage, 3 a part could not be checked,
4 corrupt log. docs/validate.md says what each rule means, docs/runbooks/validator-finding.md what
to do.";

/// Asks the rules that every log keeps: of the embedded log, or of all partitions on Kafka.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ValidateArguments {
    /// Directory of an embedded log
    #[arg(long, value_name = "DIR", required_unless_present_any = ["brokers", "config", "archive"])]
    data: Option<PathBuf>,
    /// File that `conclave archive` made
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "brokers", "config", "follow"])]
    archive: Option<PathBuf>,
    /// Brokers of a log on Kafka, several with commas between them
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "data")]
    brokers: Option<String>,
    /// What the names of the topics begin with
    #[arg(long, value_name = "PREFIX", default_value = "conclave")]
    prefix: String,
    /// Configuration file: its [kafka], or its data
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "brokers"])]
    config: Option<PathBuf>,
    /// Only this partition
    #[arg(long)]
    partition: Option<i32>,
    /// Directory of kept schema texts [default: `schemas` in the data directory]
    #[arg(long, value_name = "DIR")]
    schemas: Option<PathBuf>,
    /// Commands that were acknowledged, as lines of JSON: each has to be decided once
    #[arg(long, value_name = "FILE", conflicts_with = "follow")]
    acknowledged: Option<PathBuf>,
    /// Goes on with what is written from now on, until it is interrupted
    #[arg(long)]
    follow: bool,
    /// Directory where what was validated is kept: following goes on from there
    #[arg(long, value_name = "DIR", requires = "follow")]
    state: Option<PathBuf>,
    /// Where /metrics is served while following
    #[arg(long, value_name = "ADDRESS", requires = "follow")]
    metrics: Option<SocketAddr>,
    /// How the findings are printed
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

type AnyWatch = Watch<Box<dyn Feed>>;

/// A watch, where its books are kept, and how many of its findings were printed.
struct Followed {
    watch: AnyWatch,
    keeper: Option<Keeper>,
    shown: usize,
}

/// All partitions, and what they mean together.
#[derive(Serialize)]
struct Reports {
    verdict: Verdict,
    partitions: Vec<Report>,
}

pub(super) fn run(arguments: &ValidateArguments) -> Result<u8> {
    let acknowledged = match &arguments.acknowledged {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Error::invalid(format!("{} cannot be read", path.display())).caused_by(error)
            })?;
            Acknowledged::read(&text)?
        }
        None => vec![],
    };
    let all = open(arguments, &acknowledged)?;
    if arguments.follow { follow(arguments, all) } else { once(arguments.output, all) }
}

fn open(arguments: &ValidateArguments, acknowledged: &[Acknowledged]) -> Result<Vec<Followed>> {
    if let Some(archive) = &arguments.archive {
        return open_archive(archive, arguments.partition, acknowledged);
    }
    let (data, settings) = place(arguments)?;
    let kept = match &arguments.schemas {
        Some(directory) => texts(directory)?,
        None => {
            let mut texts = kept_beside(&data)?.unwrap_or_default();
            texts.extend(settings.iter().flat_map(in_artifacts));
            texts
        }
    };
    let reader = || RecordedReader::new(kept.iter().map(String::as_str));
    let watch = |partition, feed: Box<dyn Feed>| -> Result<Followed> {
        let Some(directory) = &arguments.state else {
            let watch = Watch::new(feed, Validator::new(partition, reader(), acknowledged));
            return Ok(Followed { watch, keeper: None, shown: 0 });
        };
        let mut keeper = Keeper::open(directory, partition)?;
        let watch = keeper.resume(partition, feed, reader)?;
        let shown = watch.validator().findings().len();
        Ok(Followed { watch, keeper: Some(keeper), shown })
    };
    let Some(settings) = settings else {
        let reader = RocksReader::open(&data)?;
        return Ok(vec![watch(0, Box::new(RocksFeed::new(reader)))?]);
    };
    let partitions = match arguments.partition {
        Some(partition) => partition..partition + 1,
        None => 0..partition_count(&settings)?,
    };
    let open_one = |partition: i32| {
        let feed = KafkaFeed::open(&settings, partition)?;
        watch(i64::from(partition), Box::new(feed))
    };
    partitions.map(open_one).collect()
}

fn open_archive(
    path: &Path,
    partition: Option<i32>,
    acknowledged: &[Acknowledged],
) -> Result<Vec<Followed>> {
    let archive = ArchiveFile::open(path)?;
    let held = archive.manifest().partitions.iter().map(|cut| cut.partition);
    let partitions = partition.map_or_else(|| held.collect(), |only| vec![i64::from(only)]);
    let open_one = |partition: i64| {
        let feed: Box<dyn Feed> = Box::new(LogFeed::new(archive.reader(partition)?));
        let reader = RecordedReader::new(archive.schemas().iter().map(String::as_str));
        let watch = Watch::new(feed, Validator::new(partition, reader, acknowledged));
        Ok(Followed { watch, keeper: None, shown: 0 })
    };
    partitions.into_iter().map(open_one).collect()
}

/// Where the log is: a directory, or brokers.
fn place(arguments: &ValidateArguments) -> Result<(PathBuf, Option<KafkaSettings>)> {
    if let Some(brokers) = &arguments.brokers {
        let topics = TopicNames::prefixed(&arguments.prefix);
        let settings = KafkaSettings { topics, ..KafkaSettings::plain(brokers) };
        settings.check()?;
        return Ok((Config::default().data, Some(settings)));
    }
    if let Some(data) = &arguments.data {
        return Ok((data.clone(), None));
    }
    let config = match &arguments.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    let kafka = &config.kafka;
    let settings = if kafka.is_set() { Some(kafka.settings()?) } else { None };
    Ok((config.data.clone(), settings))
}

/// Everything that is there now.
fn once(output: Output, all: Vec<Followed>) -> Result<u8> {
    let started = Instant::now();
    let mut partitions = Vec::with_capacity(all.len());
    for Followed { mut watch, .. } in all {
        let is_at_rest = watch.look_to_the_end(|_| {})?;
        partitions.push(watch.finish(is_at_rest));
    }
    settle_unanswered(&mut partitions);
    let decisions: u64 = partitions.iter().map(|report| report.decisions).sum();
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    let speed = decisions.saturating_mul(1_000) / ms;
    say(&format!("{} in {ms} ms, {speed} decisions/s", count(decisions, "decision")));
    let verdict = partitions.iter().map(Report::verdict).max().unwrap_or(Verdict::Sound);
    let reports = Reports { verdict, partitions };
    let mut page = Page::open();
    match output {
        Output::Json => page.json(&reports)?,
        Output::Text => text(&reports).iter().try_for_each(|line| page.line(line))?,
    }
    page.flush()?;
    Ok(exit_code(verdict))
}

fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Sound => 0,
        Verdict::Broken => 1,
        Verdict::Unchecked => 3,
    }
}

fn text(reports: &Reports) -> Vec<String> {
    let partitions = &reports.partitions;
    let sum = |of: fn(&Report) -> u64| partitions.iter().map(of).sum::<u64>();
    let mut lines = vec![
        format!("{:<14} {}", "partitions", partitions.len()),
        format!("{:<14} {}", "commands", sum(|report| report.commands)),
        format!("{:<14} {}", "decisions", sum(|report| report.decisions)),
        format!("{:<14} {}", "undecided", sum(|report| report.undecided)),
        format!("{:<14} {}", "unchecked", sum(|report| report.unchecked)),
    ];
    for rule in Rule::ALL {
        let found: u64 = partitions.iter().map(|report| report.count(*rule)).sum();
        lines.push(format!("{:<14} {found}", rule.as_str()));
    }
    let mut listed = 0;
    for found in partitions.iter().flat_map(|report| &report.first_findings) {
        lines.push(sentence(found));
        listed += 1;
    }
    let more = sum(Report::finding_count) - listed;
    if more > 0 {
        lines.push(format!("and {}", count(more, "other finding")));
    }
    for report in partitions {
        let why = report.unchecked_because.as_ref();
        lines.extend(why.map(|why| format!("partition {}: {why}", report.partition)));
    }
    lines.push(match reports.verdict {
        Verdict::Sound => "sound: every rule is kept".to_owned(),
        Verdict::Unchecked => "unchecked: no rule is broken, and not all could be asked".to_owned(),
        Verdict::Broken => {
            "broken: read the first finding first (docs/runbooks/validator-finding.md)".to_owned()
        }
    });
    lines
}

fn sentence(found: &Finding) -> String {
    let Finding { rule, partition, offset, sentence } = found;
    format!("{} at {partition}:{offset}: {sentence}", rule.as_str())
}

/// Prints findings as they come, until somebody interrupts.
fn follow(arguments: &ValidateArguments, mut all: Vec<Followed>) -> Result<u8> {
    let figures = Figures::default();
    if let Some(listen) = arguments.metrics {
        let served = figures.clone();
        metrics::serve(listen, move || served.text())?;
    }
    loop {
        let mut is_news = false;
        let mut is_reading = true;
        for followed in &mut all {
            match followed.watch.look() {
                Ok(moved) => is_news |= moved,
                // The log may be there again at the next look.
                Err(error) if error.kind == ErrorKind::Unavailable => {
                    is_reading = false;
                    say(&error.to_string());
                }
                Err(error) => return Err(error),
            }
            show(arguments.output, &followed.watch, &mut followed.shown)?;
            if let Some(keeper) = &mut followed.keeper {
                // What was printed is kept as printed.
                keeper.keep(&followed.watch)?;
            }
        }
        figures.note(all.iter().map(|followed| &followed.watch), is_reading);
        if !is_news {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// Prints what was found since the last time.
fn show(output: Output, watch: &AnyWatch, shown: &mut usize) -> Result<()> {
    let mut page = Page::open();
    for found in &watch.validator().findings()[*shown..] {
        *shown += 1;
        match output {
            Output::Json => page.json(found)?,
            Output::Text => page.line(&sentence(found))?,
        }
    }
    page.flush()
}
