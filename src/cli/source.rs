//! Where a log is read from: a data directory, topics on Kafka, or an archive.

use super::demo::shell_word;
use super::kafka::named;
use super::page::say;
use crate::config::Config;
use crate::council::{Models, dir_beside};
use crate::error::{Error, Result};
use crate::log::archive::{ArchiveFile, ArchiveReader, Origin};
use crate::log::kafka::settings::KafkaSettings;
use crate::log::kafka::topics::Artifacts;
use crate::log::kafka::{StillReader, Uncommitted, partition_count};
use crate::log::rocks::RocksReader;
use crate::log::{DeadLetterRecord, DecisionRecord, LogEnds, LogReader, StoredCommand};
use crate::registry::{kept_beside, shared_texts};
use clap::builder::{Resettable, Str};
use clap::{Arg, ArgGroup, Args};
use conclave_core::units::Offset;
use std::path::PathBuf;
use std::sync::Arc;

/// Which log is read.
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("place").args(["log", "brokers", "archive"]).required(true)))]
#[allow(rustdoc::broken_intra_doc_links, reason = "[kafka] is a section of a file, in the help")]
pub struct SourceArguments {
    /// Data directory of the log
    #[arg(long, value_name = "DIR", alias = "data")]
    pub log: Option<PathBuf>,
    /// File that `conclave archive` made, instead of a directory: needs no brokers, no registry
    #[arg(long, value_name = "FILE")]
    pub archive: Option<PathBuf>,
    /// Kafka's brokers, instead of a directory: nothing is written, and no group joined
    #[arg(long, value_name = "HOST:PORT,...")]
    pub brokers: Option<String>,
    /// What the names of the topics begin with [default: conclave]
    #[arg(long, requires = "brokers")]
    pub prefix: Option<String>,
    /// File whose section [kafka] says how brokers are spoken to: TLS, SASL
    #[arg(long, value_name = "FILE", requires = "brokers")]
    pub config: Option<PathBuf>,
    /// Directory of the files of councils that voted, whatever they are called [default: models/ in
    /// the data directory, the archive, or the topic of artifacts]
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,
}

/// Names the data directory as every other command of `conclave` does: `--data`.
pub(super) fn called_data(log: Arg) -> Arg {
    log.alias(Resettable::<Str>::Reset).long("data").alias("log")
}

/// A log that was found, not read yet.
#[derive(Clone, Debug)]
pub enum Place {
    /// An embedded log.
    Directory(PathBuf),
    /// Topics of so many partitions.
    Topics(Box<KafkaSettings>, i32),
    /// An archive.
    Archive(Arc<ArchiveFile>),
}

impl SourceArguments {
    /// The councils that may have voted in the log that was found at `place`: those in --models,
    /// those beside the log, and those that came with an archive or are shared on Kafka.
    #[must_use]
    pub fn councils(&self, place: &Place) -> Models {
        let beside = self.log.as_deref().map(dir_beside);
        let here = Models::in_dirs(self.models.clone().into_iter().chain(beside));
        let here = self.models.iter().fold(here, |models, dir| models.or_through(dir));
        match place {
            Place::Directory(_) => here,
            Place::Topics(settings, _) => here.or_from(Arc::new(Artifacts::of(settings))),
            Place::Archive(archive) => here.or_from(Arc::new(archive.models().clone())),
        }
    }

    /// Finds the log, and on Kafka how many partitions it has. An archive is read whole once.
    ///
    /// # Errors
    /// `Invalid` when a setting is refused or there are no such topics, or no such directory of
    /// councils; `Unavailable` when brokers do not answer; `Corrupt` when an archive is not what
    /// was written.
    pub fn place(&self) -> Result<Place> {
        if let Some(models) = self.models.as_ref().filter(|models| !models.is_dir()) {
            return Err(Error::invalid(format!(
                "--models {} is no directory: name the one that holds the files of councils",
                models.display()
            )));
        }
        if let Some(archive) = &self.archive {
            return ArchiveFile::open(archive).map(Place::Archive);
        }
        let Some(brokers) = &self.brokers else {
            let directory = self.log.clone().ok_or_else(|| Error::invalid("no log is named"))?;
            return Ok(Place::Directory(directory));
        };
        let settings = named(self.config.as_deref(), brokers, self.prefix.as_ref())?;
        let partitions = partition_count(&settings)?;
        Ok(Place::Topics(Box::new(settings), partitions))
    }

    /// The same as arguments of `replay` in a shell, each after a space.
    #[must_use]
    pub fn typed(&self) -> String {
        let Self { log, archive, brokers, prefix, config, models } = self;
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let named = [
            ("--log", path(log)),
            ("--archive", path(archive)),
            ("--brokers", brokers.clone()),
            ("--prefix", prefix.clone()),
            ("--config", path(config)),
            ("--models", path(models)),
        ];
        let given = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
        given.map(|(name, value)| format!(" {name} {}", shell_word(value.as_ref()))).collect()
    }

    /// The texts of writers' schemas that are kept beside the log, which was found at `place`: in
    /// its directory, in the archive or, on Kafka, in the data directory that the configuration
    /// names and in the topic of artifacts. None where no registry was asked.
    ///
    /// # Errors
    /// `Invalid` when the configuration is refused, `Unavailable` when they cannot be read.
    pub fn schemas(&self, place: &Place) -> Result<Option<Vec<String>>> {
        if let Place::Archive(archive) = place {
            return Ok(Some(archive.schemas().to_vec()));
        }
        let config = self.config.as_deref().map(Config::read).transpose()?;
        if let Some(log) = &self.log {
            return kept_beside(log);
        }
        // On Kafka everybody's commands bear a registry's ids: the decisions say which schema it
        // was.
        let kept = config.map_or(Ok(None), |config| kept_beside(&config.data))?;
        let mut texts = kept.unwrap_or_default();
        if let Place::Topics(settings, _) = place {
            texts.extend(in_artifacts(settings));
        }
        Ok(Some(texts))
    }
}

/// The texts that instances share. Without them a proof says which it misses, so that they cannot
/// be read is said and no more.
pub(super) fn in_artifacts(settings: &KafkaSettings) -> Vec<String> {
    shared_texts(&Artifacts::of(settings)).unwrap_or_else(|error| {
        say(&format!("{} is not read: {error}", settings.topics.artifacts));
        vec![]
    })
}

impl Place {
    /// How many partitions the log has, numbered from 0.
    #[must_use]
    pub fn partition_count(&self) -> i64 {
        match self {
            Self::Directory(_) => 1,
            Self::Topics(_, partitions) => i64::from(*partitions),
            Self::Archive(archive) => archive.manifest().partition_count,
        }
    }

    /// The partitions that can be read, by number: an archive may hold some of them only.
    #[must_use]
    pub fn partitions(&self) -> Vec<i64> {
        match self {
            Self::Directory(_) | Self::Topics(..) => (0..self.partition_count()).collect(),
            Self::Archive(archive) => {
                archive.manifest().partitions.iter().map(|cut| cut.partition).collect()
            }
        }
    }

    /// Whether it lies on Kafka or was cut there, so that partitions are called by their numbers.
    #[must_use]
    pub fn is_from_topics(&self) -> bool {
        matches!(self.origin(), Origin::Topics { .. })
    }

    /// Where the log lies or, of an archive, lay.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match self {
            Self::Directory(_) => Origin::Directory,
            Self::Topics(settings, _) => Origin::Topics {
                commands: settings.topics.commands.clone(),
                decisions: settings.topics.decisions.clone(),
                dead_letters: settings.topics.dead_letters.clone(),
            },
            Self::Archive(archive) => archive.manifest().origin.clone(),
        }
    }

    /// What people call a partition of it.
    #[must_use]
    pub fn name(&self, partition: i64) -> String {
        match self {
            Self::Directory(directory) => directory.display().to_string(),
            Self::Topics(settings, _) => format!("{}-{partition}", settings.topics.decisions),
            Self::Archive(archive) => match archive.manifest().partition_count {
                1 => archive.path().display().to_string(),
                _ => format!("{} partition {partition}", archive.path().display()),
            },
        }
    }

    /// Opens one partition, up to where it ends now.
    ///
    /// # Errors
    /// `Invalid` when there is no such partition; otherwise as the log's.
    pub fn open(&self, partition: i64) -> Result<Source> {
        let number = self.check(partition)?;
        match self {
            Self::Directory(directory) => RocksReader::open(directory).map(Source::Directory),
            Self::Topics(settings, _) => {
                StillReader::open(settings, number).map(Box::new).map(Source::Topics)
            }
            Self::Archive(archive) => archive.reader(partition).map(Box::new).map(Source::Archive),
        }
    }

    /// Opens the decisions of one partition with what transactions left that were aborted, or are
    /// open.
    ///
    /// # Errors
    /// `Invalid` when there are no transactions or no such partition; otherwise as the log's.
    pub fn open_uncommitted(&self, partition: i64) -> Result<Uncommitted> {
        let number = self.check(partition)?;
        match self {
            Self::Directory(_) => Err(Error::invalid("an embedded log has no transactions")),
            Self::Archive(_) => Err(Error::invalid("an archive holds what was committed")),
            Self::Topics(settings, _) => Uncommitted::open(settings, number),
        }
    }

    pub(super) fn check(&self, partition: i64) -> Result<i32> {
        let count = self.partition_count();
        let number = i32::try_from(partition).ok().filter(|_| (0..count).contains(&partition));
        number.ok_or_else(|| {
            Error::invalid(match count - 1 {
                0 => format!("there is no partition {partition}: the log has one, number 0"),
                last => format!("there is no partition {partition}: they are numbered 0 to {last}"),
            })
        })
    }
}

/// One partition of a log, up to where it ended when it was opened.
#[derive(Debug)]
pub enum Source {
    /// An embedded log.
    Directory(RocksReader),
    /// A partition on Kafka.
    Topics(Box<StillReader>),
    /// A partition of an archive.
    Archive(Box<ArchiveReader>),
}

impl Source {
    /// What is wrong with the log, as far as opening it tells; damage inside shows when it is read.
    #[must_use]
    pub fn damage(&self) -> Option<&Error> {
        match self {
            Self::Directory(log) => log.damage(),
            Self::Topics(log) => log.damage(),
            Self::Archive(_) => None,
        }
    }

    /// The offset from which on the log is not whole. Reads everything; none when nothing is lost.
    ///
    /// # Errors
    /// `Unavailable` when the disk or the brokers refuse: nothing is known then.
    pub fn lost_from(&self) -> Result<Option<Offset>> {
        match self {
            Self::Directory(log) => log.lost_from(),
            Self::Topics(log) => log.lost_from(),
            Self::Archive(_) => Ok(None),
        }
    }

    /// The first decision that is kept, when others before it were deleted: then nothing can be
    /// folded.
    #[must_use]
    pub fn decisions_from(&self) -> Option<Offset> {
        match self {
            Self::Directory(_) | Self::Archive(_) => None,
            Self::Topics(log) => log.decisions_from(),
        }
    }

    fn reader(&self) -> &dyn LogReader {
        match self {
            Self::Directory(log) => log,
            Self::Topics(log) => &**log,
            Self::Archive(log) => &**log,
        }
    }
}

impl LogReader for Source {
    fn partition(&self) -> i64 {
        self.reader().partition()
    }

    fn ends(&self) -> Result<LogEnds> {
        self.reader().ends()
    }

    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        self.reader().commands(from, bytes_max)
    }

    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        self.reader().decisions(from, bytes_max)
    }

    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.reader().dead_letters(from, bytes_max)
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.reader().snapshots()
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.reader().snapshot(offset)
    }
}
