//! What a council is chosen by and what it is judged by share no time and no fleet.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use conclave_training::dataset::Source;
use conclave_training::job::Job;
use conclave_training::run::fleets;
use conclave_training::simulate::{self, Extent, scenario};
use conclave_training::trial::{Range, Trial};
use conclave_training::windows::{CHOSEN_LOADS, JUDGED, JUDGED_LOADS, chosen_by, judged_by};
use std::collections::BTreeSet;

const TINY: Extent = Extent { tenants: 12, days: 6, requests: 400 };

/// What is asked, whenever.
fn work(jobs: &[Job]) -> BTreeSet<(usize, i64, i64)> {
    jobs.iter().map(|job| (job.tenant, job.run_ms, job.expected_ms)).collect()
}

#[test]
fn what_is_chosen_by_ends_where_what_is_judged_by_begins() {
    // A fleet that is alone, like a trace: all stretches, and several loads where anybody waits.
    let alone = Source::new(scenario(5, TINY), 5);
    assert!(0.01 <= Trial::of(&alone.story, i64::MIN).late, "nobody waits");
    let chosen = chosen_by(std::slice::from_ref(&alone));
    assert_eq!(chosen.len(), 4 * CHOSEN_LOADS.len());
    let before = alone.scenario.jobs.iter();
    let before = before.filter(|job| job.at_ms < alone.split.fitted_until_ms).count();
    let early = work(&alone.scenario.jobs[..before]);
    for range in &chosen {
        assert!(work(&range.scenario.jobs).is_subset(&early));
        let counted = range.scenario.jobs.iter().filter(|job| range.from_ms <= job.at_ms).count();
        let wanted = alone.scenario.jobs.len() * 15 / 100;
        assert!(counted.abs_diff(wanted) <= 2, "{counted} for {wanted}");
    }
    let judged = judged_by(std::slice::from_ref(&alone), (5, TINY));
    let counts: Vec<_> = judged.iter().map(|kind| kind.ranges.len()).collect();
    assert_eq!(counts, [1, JUDGED_LOADS.len(), JUDGED.len()]);
    for range in judged[..2].iter().flat_map(|kind| &kind.ranges) {
        assert_eq!(range.scenario.jobs.len(), alone.scenario.jobs.len());
        let counted = range.scenario.jobs.iter().filter(|job| range.from_ms <= job.at_ms);
        assert_eq!(counted.count(), alone.scenario.jobs.len() - before);
    }
}

#[test]
fn other_fleets_are_nobody_elses() {
    let sources = fleets(3, TINY);
    // The time between the cuts of the first, and two fleets.
    let chosen = chosen_by(&sources);
    assert_eq!(chosen.len(), 3);
    let judged = judged_by(&sources, (3, TINY));
    let others = judged.last().unwrap();
    for range in &others.ranges {
        let judged = work(&range.scenario.jobs);
        let is_other = |chosen: &Range| work(&chosen.scenario.jobs).is_disjoint(&judged);
        assert!(chosen.iter().all(is_other));
        assert_eq!(range.scenario.name, simulate::NAME);
    }
}
