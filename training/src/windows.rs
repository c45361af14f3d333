//! Which fleets and times a council is chosen by, and which it is judged by. The two share nothing:
//! what is chosen by ends at the second cut, what is judged by begins there, or is another fleet.
//!
//! How a seat does on one stretch of an overloaded fleet hangs on who came just before whom: the
//! same requests at nine tenths of the load may be worth a tenth more or less. So wherever anybody
//! waits, several loads are run.

use crate::dataset::Source;
use crate::judge::Kind;
use crate::simulate::{self, Extent};
use crate::split::Part;
use crate::trial::{Range, Trial};

/// Seeds of the fleets that nothing is learnt from or fitted to, after the seed of the first.
pub const JUDGED: [u64; 5] = [11, 12, 13, 14, 15];
/// Loads that leans and the quorum's numbers are chosen by, by that of the source.
pub const CHOSEN_LOADS: [f64; 3] = [0.8, 1.0, 1.25];
/// Loads that the council is judged by besides that of the source.
pub const JUDGED_LOADS: [f64; 8] = [0.75, 0.85, 0.9, 0.95, 1.05, 1.1, 1.15, 1.25];
/// Where stretches that are chosen by begin and end, in per cent of the requests.
const STRETCHES: [[usize; 2]; 4] = [[25, 40], [40, 55], [55, 70], [70, 85]];
/// Fewer late requests than this share, and load makes no difference.
const LATE_MIN: f64 = 0.01;

/// What leans and the quorum's numbers are chosen by: the time until the second cut, and what is
/// fitted to as a whole. Members were taught by the first 70 % themselves and do better there than
/// they will; but a trace has little time, and who is chosen by one stretch of it is chosen by
/// chance. Where nobody waits, or there are other fleets to be fitted to, the time between the cuts
/// is all that is taken.
#[must_use]
pub fn chosen_by(sources: &[Source]) -> Vec<Range> {
    sources.iter().flat_map(|source| of_source(sources, source)).collect()
}

fn of_source(sources: &[Source], source: &Source) -> Vec<Range> {
    let (name, split) = (source.story.name, &source.split);
    let is_fitted = |other: &&Source| other.split.whole == Some(Part::Calibrate);
    let has_others = sources.iter().filter(is_fitted).any(|other| other.story.name == name);
    match split.whole {
        Some(Part::Calibrate) => vec![Range::new(name, source.scenario.clone(), 0)],
        Some(_) => vec![],
        None if has_others || !waits(source) => {
            let (from_ms, until_ms) = (split.learnt_until_ms, split.fitted_until_ms);
            vec![Range::between(name, source.scenario.clone(), from_ms, until_ms)]
        }
        None => {
            let all = STRETCHES.iter().enumerate();
            all.flat_map(|(at, part)| {
                CHOSEN_LOADS.map(|load| Range { stretch: at, ..early(source, *part, load) })
            })
            .collect()
        }
    }
}

/// A stretch before the second cut, with all that was asked before it, as it is judged.
fn early(source: &Source, part: [usize; 2], load: f64) -> Range {
    let mut scenario = source.scenario.clone();
    let [from, until] = part.map(|percent| scenario.jobs.len() * percent / 100);
    scenario.jobs.truncate(until);
    scenario.jobs.retain(|job| job.at_ms < source.split.fitted_until_ms);
    let scenario = scenario.at_load(load);
    let from_ms = scenario.jobs.get(from).map_or(i64::MAX, |job| job.at_ms);
    Range::new(source.story.name, scenario, from_ms)
}

/// Whether anybody waits there with nobody in the seat.
fn waits(source: &Source) -> bool {
    LATE_MIN <= Trial::of(&source.story, i64::MIN).late
}

/// What the council is judged by: what comes later, at the source's own load and at others, and
/// other fleets.
#[must_use]
pub fn judged_by(sources: &[Source], (seed, extent): (u64, Extent)) -> Vec<Kind> {
    let cut = || sources.iter().filter(|source| source.split.whole.is_none());
    let later = |source: &Source, load: f64| {
        let before = source.scenario.jobs.iter();
        let before = before.filter(|job| job.at_ms < source.split.fitted_until_ms).count();
        let scenario = source.scenario.clone().at_load(load);
        let from_ms = scenario.jobs.get(before).map_or(i64::MAX, |job| job.at_ms);
        Range::new(source.story.name, scenario, from_ms)
    };
    let mut all: Vec<_> = cut()
        .map(|source| Kind { name: source.story.name.to_owned(), ranges: vec![later(source, 1.0)] })
        .collect();
    all.extend(cut().filter(|source| waits(source)).map(|source| Kind {
        name: format!("{}, other loads", source.story.name),
        ranges: JUDGED_LOADS.map(|load| later(source, load)).into(),
    }));
    let fleet = |number| {
        let scenario = simulate::scenario(seed + number, extent.half());
        Range::new("another fleet", scenario, 0)
    };
    all.push(Kind { name: "other fleets".to_owned(), ranges: JUDGED.map(fleet).into() });
    all
}
