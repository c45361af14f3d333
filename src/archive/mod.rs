//! Making an archive: every record up to the cut is copied, then the copy is verified, and only
//! what verified gets its name. What was proved is the file, by what lies in it.
//!
//! The log is only read. Nothing is ever taken out of it.

mod copy;
mod part;

use crate::council::Models;
use crate::error::{Error, Result};
use crate::log::LogReader;
use crate::log::archive::{ArchiveFile, ArchiveWriter, Manifest, Origin};
use crate::verify::{Report, Scope, Verdict, chain_head, verify_by_councils};
use crate::wire::schemas::{COMMAND_SCHEMAS, DECISION_SCHEMA};
use crate::wire::{admit, fingerprint};
use conclave_core::council::ModelId;
use conclave_core::limits::DECIDE_VERSION_NEWEST;
use conclave_core::units::{Hash32, Offset, TimeMs};
use copy::{Copied, Stop};
use part::Part;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What is to be archived.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The file to make. It may not be there yet.
    pub to: &'a Path,
    /// Where the log is.
    pub origin: Origin,
    /// How many partitions the log has.
    pub partition_count: i64,
    /// The partitions to cut, by number, each with the last decision to take; none is its end.
    pub partitions: Vec<(i64, Option<Offset>)>,
    /// The texts of writers' schemas that are kept beside the log.
    pub schemas: Vec<String>,
    /// The councils that voted: every decision is computed again.
    pub models: Models,
    /// The time, for the manifest.
    pub made_at: TimeMs,
}

/// How it ended when nothing broke.
#[derive(Debug)]
pub enum Archived {
    /// The file is there, and every decision in it was computed again.
    Made {
        /// It.
        file: Arc<ArchiveFile>,
        /// Partitions whose decisions speak of more dead letters than the log holds, and how many
        /// are missing: those that are older than the topic keeps them.
        letters_missing: Vec<(i64, u64)>,
    },
    /// There is no file: a partition did not verify.
    Refused(Refusal),
}

/// Why a partition is not archived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which one.
    pub partition: i64,
    /// What kind of fault it is.
    pub verdict: Verdict,
    /// What was found, and where.
    pub sentences: Vec<String>,
}

/// Cuts, copies, verifies and names the file. `open` opens a partition, as it stands now.
///
/// # Errors
/// `Invalid` when the file is there already; `Unavailable` when the disk or the log cannot be
/// reached; `Corrupt` when the log cannot be read. No file is left behind.
///
/// # Panics
/// Never: our own schemas have fingerprints.
pub fn make<L: LogReader>(plan: &Plan<'_>, open: impl Fn(i64) -> Result<L>) -> Result<Archived> {
    let part = Part::create(plan.to)?;
    let mut writer = ArchiveWriter::begin(part.file()?)?;
    let schemas = needed(&plan.schemas);
    schemas.iter().try_for_each(|text| writer.add_schema(text))?;
    let (mut cuts, mut heads, mut sat) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (partition, until) in &plan.partitions {
        match copy::copy(&open(*partition)?, *until, &mut writer) {
            Ok(Copied { cut, head, models }) => {
                cuts.push(cut);
                heads.push(head);
                sat.extend(models.into_iter().map(|model| (model, *partition)));
            }
            Err(Stop::Broken(error)) => return Err(error),
            Err(Stop::Misplaced(sentence)) => {
                let (partition, sentences) = (*partition, vec![sentence]);
                let verdict = Verdict::Differs;
                return Ok(Archived::Refused(Refusal { partition, verdict, sentences }));
            }
        }
    }
    if let Some(refusal) = add_models(&sat, &plan.models, &mut writer)? {
        return Ok(Archived::Refused(refusal));
    }
    let models = sat.keys().map(|model| model.0.to_string()).collect();
    let name = |text: &String| fingerprint(text).map(|digest| digest.to_string());
    writer.finish(&Manifest {
        made_at_ms: plan.made_at.0,
        release: env!("CARGO_PKG_VERSION").to_owned(),
        decide_version: DECIDE_VERSION_NEWEST,
        origin: plan.origin.clone(),
        partition_count: plan.partition_count,
        partitions: cuts,
        chain_head: chain_head(&heads).to_string(),
        schemas: schemas.iter().map(name).collect::<Result<_>>()?,
        models,
    })?;
    let written = ArchiveFile::open(part.path())?;
    let mut letters_missing = vec![];
    for (cut, head) in written.manifest().partitions.iter().zip(&heads) {
        match verify_one(&written, cut.partition, *head)? {
            Verified::Letters(promised) if promised > cut.dead_letters => {
                letters_missing.push((cut.partition, promised - cut.dead_letters));
            }
            Verified::Letters(_) => {}
            Verified::Refused(refusal) => return Ok(Archived::Refused(refusal)),
        }
    }
    drop(written);
    part.put(plan.to)?;
    Ok(Archived::Made { file: ArchiveFile::open(plan.to)?, letters_missing })
}

/// Adds the files of the councils that sat, each with a partition where it did; says why not when
/// one is not here.
fn add_models(
    sat: &BTreeMap<ModelId, i64>,
    models: &Models,
    to: &mut ArchiveWriter,
) -> Result<Option<Refusal>> {
    for (model, partition) in sat {
        match models.bytes(*model) {
            Ok(file) => to.add_model(&file)?,
            Err(why) => {
                let (partition, verdict) = (*partition, Verdict::Unchecked);
                let sentences = vec![format!("the council {} sat: {why}", model.0)];
                return Ok(Some(Refusal { partition, verdict, sentences }));
            }
        }
    }
    Ok(None)
}

/// The texts that commands and decisions are read by: ours, and those that are kept beside the log
/// and may be a command's.
fn needed(kept: &[String]) -> Vec<String> {
    let own = COMMAND_SCHEMAS.into_iter().chain([DECISION_SCHEMA]).map(str::to_owned);
    let mut texts: Vec<String> = own.collect();
    let mut known: Vec<Hash32> = texts.iter().filter_map(|text| fingerprint(text).ok()).collect();
    for text in kept {
        if let Ok(schema) = admit(text)
            && !known.contains(&schema.fingerprint())
        {
            known.push(schema.fingerprint());
            texts.push(text.clone());
        }
    }
    texts
}

/// What verifying a partition of the copy gave.
enum Verified {
    /// Every decision is what its command gives; so many speak of dead letters.
    Letters(u64),
    /// It cannot be kept.
    Refused(Refusal),
}

fn verify_one(copy: &Arc<ArchiveFile>, partition: i64, head: Hash32) -> Result<Verified> {
    let log = copy.reader(partition)?;
    let models = Models::in_dirs([]).or_from(Arc::new(copy.models().clone()));
    let scope = Scope { schemas: Some(copy.schemas()), ..Scope::default() };
    let report = verify_by_councils(&log, partition, &models, &scope, |_| {})?;
    let verdict = report.verdict();
    if verdict == Verdict::Clean {
        if report.head == head {
            return Ok(Verified::Letters(report.dead_letters));
        }
        return Err(Error::bug(format!("partition {partition} was copied with another head")));
    }
    let sentences = sentences(&report);
    Ok(Verified::Refused(Refusal { partition, verdict, sentences }))
}

fn sentences(report: &Report) -> Vec<String> {
    let divergences = report.first_divergences.iter();
    let mut all: Vec<String> = divergences
        .map(|divergence| format!("decision {}: {}", divergence.offset, divergence.what))
        .collect();
    if !report.schemas_missing.is_empty() {
        all.push(format!("schemas not kept: {:?}", report.schemas_missing));
    }
    if report.input_missing > 0 {
        let missing = report.input_missing;
        all.push(format!("{missing} decisions whose command or its schema is not there"));
    }
    all.extend(report.broken_invariant.iter().map(|rule| format!("the last state: {rule}")));
    all.extend(report.stopped.iter().map(|why| format!("stopped: {why}")));
    all
}
