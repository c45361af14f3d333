//! A GPU that errs while it proves a log: what is said of the log is what the processor finds.

use crate::{check_sum, forge, models, networks, story, told};
use conclave::council::engine::Gpus;
use conclave::council::engine::gpus::Treatment;
use conclave::council::{EngineChoice, EngineKind, Engines};
use conclave::log::LogReader;
use conclave::verify::{Report, Scope, Verdict, verify_by_councils};
use conclave_core::council::{Council, HiddenState, Ran, Run, Runner};
use conclave_core::decision::Event;
use conclave_gpu::{AdapterCard, AdapterKind, GpuCouncil, GpuFault, Machine};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Passes its test, and then turns a bit of the last state of the second run of every batch.
struct Errs {
    council: Council,
    is_tested: bool,
}

impl Machine for Errs {
    fn compute(&mut self, batch: &[Run], _: Instant) -> Result<Vec<Ran>, GpuFault> {
        let mut all = self.council.run(batch);
        if std::mem::replace(&mut self.is_tested, true) {
            let state = all[1].states.last_mut().expect("it has steps");
            let mut words = state.words().to_vec();
            words[0] ^= 1;
            *state = HiddenState::from_words(&self.council, words).unwrap();
        }
        Ok(all)
    }

    fn way(&self) -> &'static str {
        "errs"
    }
}

/// Proved by a device that errs, in a run that no sample sees.
fn proved_by_one_that_errs(log: &dyn LogReader) -> Report {
    let treatment = Treatment {
        patience: Duration::from_secs(60),
        opening_patience: Duration::from_secs(60),
        recheck_first: 0,
        recheck_one_in: u64::MAX,
        ..Treatment::default()
    };
    let gpus = Gpus::opened_by(treatment, |file, banned| {
        if !banned.cards().is_empty() {
            return Err(GpuFault::unavailable("it is banned"));
        }
        let council = file.council().clone();
        let card = AdapterCard {
            name: "errs".to_owned(),
            backend: String::new(),
            driver: String::new(),
            kind: AdapterKind::Discrete,
        };
        GpuCouncil::with_machine(Arc::clone(file), card, move || {
            Ok(Box::new(Errs { council, is_tested: false }))
        })
    });
    let engines = Engines::of(EngineChoice::Gpu, gpus);
    let models = models().computed_by(&engines);
    let report = verify_by_councils(log, 0, &models, &Scope::default(), |_| {}).unwrap();
    check_sum(&report);
    let figures = engines.figures();
    assert!(0 < figures.votes(EngineKind::Gpu), "it was asked");
    assert_eq!((figures.mismatches(), figures.adapter()), (1, None), "and found out");
    report
}

#[test]
fn an_honest_log_stays_clean() {
    let disk = told(&story(), networks());
    let report = proved_by_one_that_errs(&disk);
    assert_eq!(report.verdict(), Verdict::Clean, "{report:#?}");
    assert_eq!(report.council_votes, forge::votes(&disk));
}

#[test]
fn a_forged_one_does_not() {
    let disk = told(&story(), networks());
    let forged = forge::changed(&disk, |decisions| {
        let events = decisions.iter_mut().flat_map(|decision| &mut decision.events);
        let mut votes = events.filter_map(|event| match event {
            Event::CouncilVoted(voted) => Some(voted),
            _ => None,
        });
        votes.nth(50).unwrap().members[0].deny ^= 1;
    });
    let report = proved_by_one_that_errs(&forged);
    assert_eq!((report.verdict(), report.divergences), (Verdict::Differs, 1), "{report:#?}");
}
