//! Mix C: mix B once more under a council of networks whose votes are recorded and do not count, so
//! that both place the same requests in the same places. What a vote costs is the difference.

use crate::figures::{Figures, Goal};
use crate::machine::Spent;
use crate::mix_b::MixB;
use crate::pipeline::{Pipeline, measure_verify};
use crate::{LONG_ROUND, ROUND};
use conclave::council::{CouncilSeat, Models, keep};
use conclave::log::rocks::{Durability, RocksLog};
use conclave_core::command::PlacementPolicy;
use conclave_core::decision::{Decision, Event};
use conclave_core::seat::{RuleSeat, Seat};
use std::io;
use std::path::Path;

/// The released council.
const COUNCIL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/council-1.council");
/// Each side is measured so often, in turns.
const TURNS: usize = 3;
/// No snapshot falls into it.
const NO_SNAPSHOT: i64 = i64::MAX;

/// What one side took.
struct Side {
    spent: Spent,
    decided: usize,
    voted: usize,
    log: RocksLog,
}

pub(crate) fn measure(count: usize, parent: &Path, figures: &mut Figures) -> io::Result<()> {
    for (name, round) in [("mix C", ROUND), ("mix C (rounds of 1000)", LONG_ROUND)] {
        let mix = MixB::record(PlacementPolicy::BestFit, round, count);
        let mut costs = vec![];
        for turn in 0..TURNS {
            let directory = tempfile::tempdir_in(parent)?;
            let without = side(RuleSeat, directory.path(), round, &mix.setup, &mix);
            let models = tempfile::tempdir_in(parent)?;
            let model = keep(Path::new(COUNCIL), models.path()).expect("it was released");
            let mut seat = CouncilSeat::new(Models::beside(models.path()));
            let directory = tempfile::tempdir_in(parent)?;
            let setup = mix.setup_under(model);
            let with = side(seat.clone(), directory.path(), round, &setup, &mix);
            assert!(without.voted == 0 && with.voted > 0, "networks voted in one of them");
            let micros = |side: &Side| side.spent.core.as_secs_f64() * 1e6;
            costs.push((micros(&with) - micros(&without)) / with.voted as f64);
            if turn + 1 == TURNS {
                report(name, &with, &without, figures);
                report_verify(name, &with, &mut seat, figures);
            }
        }
        costs.sort_by(f64::total_cmp);
        let row = format!("{name}: a vote, core time beyond mix B, median of {TURNS}");
        figures.add_with_goal(&row, costs[TURNS / 2], "µs", Goal::AtMost(5.0));
    }
    Ok(())
}

fn side<S: Seat>(
    seat: S,
    directory: &Path,
    round: usize,
    setup: &[conclave::log::CommandRecord],
    mix: &MixB,
) -> Side {
    let mut pipeline = Pipeline::under(seat, directory, Durability::Os, round, NO_SNAPSHOT);
    pipeline.prepare(setup, |_| {});
    let mut voted = 0;
    pipeline.measure(&mix.steady, |_, decisions| {
        voted += decisions.iter().filter(|decision| is_voted_on(decision)).count();
    });
    let (spent, decided) = (pipeline.spent, pipeline.decided);
    Side { spent, decided, voted, log: pipeline.close() }
}

fn is_voted_on(decision: &Decision) -> bool {
    decision.events.iter().any(|event| matches!(event, Event::CouncilVoted(_)))
}

fn report(name: &str, with: &Side, without: &Side, figures: &mut Figures) {
    let rate = |side: &Side| side.spent.core_per_second(side.decided);
    figures.add(&format!("{name}: decisions per second of its core"), rate(with), "1/s");
    figures.add(&format!("{name}: the same without networks"), rate(without), "1/s");
    let share = with.voted as f64 / with.decided as f64 * 100.0;
    figures.add(&format!("{name}: commands that were voted on"), share, "%");
}

fn report_verify(name: &str, with: &Side, seat: &mut CouncilSeat, figures: &mut Figures) {
    let (spent, decisions) = measure_verify(&with.log, seat);
    let row = format!("{name}: verify, decisions per second of its core");
    figures.add(&row, spent.core_per_second(decisions), "1/s");
    let row = format!("{name}: verify, votes per second of its core");
    figures.add(&row, spent.core_per_second(with.voted), "1/s");
}
