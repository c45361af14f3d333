//! The second pass: votes that the first one took from the record are computed again beside it, in
//! large batches, and compared word by word.

use super::record_seat::Taken;
use super::recorded::Standing;
use super::report::{DIVERGENCES_LISTED_MAX, Report};
use crate::council::{CouncilSeat, Models, Seated, digest};
use crate::error::{Error, Result};
use conclave_core::council::recount::{Discrepancy, Testimony};
use conclave_core::council::{Ran, Run, Runner};
use conclave_core::units::Offset;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Steps that are computed at once: enough for many cores or a GPU, and some megabytes.
const BATCH_STEPS: usize = 4_096;
/// Batches that wait for the second pass before the first one does.
const BATCHES_WAITING: usize = 2;

/// The second pass, as the first one sees it.
pub(super) struct Recount {
    seat: CouncilSeat,
    /// What is not sent yet.
    open: Option<Batch>,
    batches: SyncSender<Batch>,
    at_work: JoinHandle<Found>,
}

/// Rounds under one council, and all that is to be computed for them.
struct Batch {
    seated: Arc<Seated>,
    steps: usize,
    runs: Vec<Run>,
    rounds: Vec<Round>,
}

/// A round that is proved once its testimonies are.
struct Round {
    /// One for each of its runs.
    testimonies: Vec<Testimony>,
    standings: Vec<Standing>,
}

/// What the second pass found.
#[derive(Default)]
struct Found {
    /// Votes that are what is computed.
    votes: u64,
    /// Decisions that the first pass counted as verified and that are not.
    divergences: u64,
    /// Those of them that it counted as sending their command to the dead letters.
    dead_letters: u64,
    /// The first of them, each with what differs.
    first: Vec<(Offset, String)>,
}

impl Recount {
    /// Begins, in a thread of its own, with the councils of `models`.
    ///
    /// # Errors
    /// `Unavailable` when there is no thread to be had.
    pub(super) fn begin(models: &Models) -> Result<Self> {
        let (batches, waiting) = sync_channel(BATCHES_WAITING);
        let at_work = std::thread::Builder::new()
            .name("recount".to_owned())
            .spawn(move || Found::of(&waiting))
            .map_err(|error| {
                Error::unavailable("no thread can be started: try again with less beside it")
                    .caused_by(error)
            })?;
        Ok(Self { seat: CouncilSeat::new(models.clone()), open: None, batches, at_work })
    }

    /// Who is asked.
    pub(super) fn seat(&self) -> &CouncilSeat {
        &self.seat
    }

    /// Leaves to the second pass what was `taken` from a round, whose decisions are the recorded
    /// ones given that, and `standings` says how they are counted.
    pub(super) fn add(&mut self, taken: Taken, standings: &[Standing]) {
        let Taken { seated, runs, testimonies } = taken;
        if self.open.as_ref().is_some_and(|open| !Arc::ptr_eq(&open.seated, &seated)) {
            self.send();
        }
        let open = self.open.get_or_insert_with(|| Batch::new(seated));
        open.steps += runs.iter().map(|run| run.steps.len()).sum::<usize>();
        open.runs.extend(runs);
        open.rounds.push(Round { testimonies, standings: standings.to_vec() });
        if open.steps >= BATCH_STEPS {
            self.send();
        }
    }

    fn send(&mut self) {
        // It listens until it is told that nothing comes any more, or panics: that is met at the
        // end.
        let _gone = self.open.take().map(|batch| self.batches.send(batch));
    }

    /// Waits until everything is computed, and corrects `report` by what was found.
    ///
    /// # Panics
    /// When the second pass did: that is a bug.
    pub(super) fn finish(mut self, report: &mut Report) {
        self.send();
        let Self { batches, at_work, .. } = self;
        drop(batches);
        let found = at_work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        report.council_votes += found.votes;
        report.verified -= found.divergences;
        report.dead_letters -= found.dead_letters;
        report.divergences += found.divergences;
        found.first.iter().for_each(|(offset, what)| report.list_late(offset.0, what));
    }
}

impl Batch {
    fn new(seated: Arc<Seated>) -> Self {
        Self { seated, steps: 0, runs: vec![], rounds: vec![] }
    }
}

/// What is recorded and not computed. A log is called divergent by the processor only: where `ran`
/// is not what the processor finds, a device erred, and is not asked again.
fn differing_words(
    seated: &Seated,
    testimony: &Testimony,
    run: &Run,
    ran: &Ran,
) -> Vec<Discrepancy> {
    let council = seated.council();
    let found = testimony.check(council, digest, run, ran);
    if found.is_empty() {
        return found;
    }
    let computed = seated.evaluator().run(std::slice::from_ref(run));
    if computed.iter().eq([ran]) {
        return found;
    }
    seated.engine().erred();
    testimony.check(council, digest, run, &computed[0])
}

impl Found {
    fn of(batches: &Receiver<Batch>) -> Self {
        let mut found = Self::default();
        batches.iter().for_each(|batch| found.check(batch));
        found
    }

    fn check(&mut self, Batch { seated, runs, rounds, .. }: Batch) {
        let votes = rounds.iter().flat_map(|round| &round.testimonies).map(Testimony::votes);
        let all = seated.engine().bulk().answer(&runs, votes.sum::<usize>() as u64);
        assert_eq!(all.len(), runs.len(), "every run has its result");
        let mut ran = runs.iter().zip(&all);
        for Round { testimonies, standings } in rounds {
            let mut differing = BTreeMap::new();
            for (testimony, (run, ran)) in testimonies.iter().zip(&mut ran) {
                let found = differing_words(&seated, testimony, run, ran);
                let wrong = found.iter().filter(|found| found.request.is_some()).count();
                self.votes += (testimony.votes() - wrong) as u64;
                for found in found {
                    differing.entry(found.at).or_insert(found.what);
                }
            }
            for standing in standings {
                if let Some(what) = differing.remove(&standing.offset) {
                    self.diverge(standing, what);
                }
            }
        }
    }

    fn diverge(&mut self, standing: Standing, what: String) {
        // One that does not continue the chain was never counted as verified.
        self.divergences += standing.verified();
        self.dead_letters += standing.dead_letters();
        if standing.verified() > 0 && self.first.len() < DIVERGENCES_LISTED_MAX {
            self.first.push((standing.offset, what));
        }
    }
}
