//! A GPU in the council's seat that hangs, panics, lies or is lost: the votes are those of the
//! processor, within a second, and a sound device comes back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod shims;

use conclave::council::engine::gpus::Treatment;
use conclave::council::engine::{Figures, Gpus};
use conclave::council::{CouncilEngine, EngineChoice, EngineKind, Engines, model_id, read};
use conclave::resilience::BreakerState;
use conclave_core::council::{CouncilFile, HiddenState, Run, Runner, Step};
use conclave_gpu::{GpuCouncil, GpuFault, Software, adapters};
use shims::{Then, card, doomed, shim};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

/// The second that a ballot may take whatever happens, and what a busy machine adds to it.
const ABOUT_A_SECOND: Duration = Duration::from_secs(2);
/// How long a test waits for what happens beside it.
const SOON: Duration = Duration::from_secs(60);

fn file() -> Arc<CouncilFile> {
    let bytes = include_bytes!("../golden/council/five.council");
    assert_eq!(read(bytes).unwrap().id(), model_id(bytes));
    Arc::new(read(bytes).unwrap())
}

/// The golden sequences of `file` as a ballot.
fn ballot(file: &CouncilFile) -> Vec<Run> {
    let council = file.council();
    let code = |elapsed| council.parts().time.code(elapsed);
    let step = |step: &conclave_core::council::GoldenStep| Step {
        features: step.features,
        time: code(step.elapsed),
    };
    let run = |sequence: &conclave_core::council::GoldenSequence| Run {
        state: HiddenState::new(council),
        steps: sequence.steps.iter().map(step).collect(),
    };
    file.golden().iter().map(run).collect()
}

fn treatment() -> Treatment {
    let patience = Duration::from_millis(300);
    let alone = Duration::from_millis(50);
    Treatment { patience, alone, opening_patience: SOON, ..Treatment::default() }
}

/// A council on devices that `open` opens, told how many it opened before; and how many those are.
fn council(
    choice: EngineChoice,
    open: impl Fn(&Arc<CouncilFile>, usize) -> Result<GpuCouncil, GpuFault> + Send + Sync + 'static,
) -> (Arc<CouncilEngine>, Arc<Figures>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let gpus = Gpus::opened_by(treatment(), move |file, banned| {
        if banned.cards().contains(&card()) {
            return Err(GpuFault::unavailable("it is banned"));
        }
        open(file, counted.fetch_add(1, Ordering::SeqCst))
    });
    let engines = Engines::of(choice, gpus);
    let engine = Arc::new(engines.engine(&file()).unwrap());
    (engine, Arc::clone(engines.figures()), count)
}

/// Answers a ballot, which is right and there within about a second.
#[track_caller]
fn check(engine: &Arc<CouncilEngine>) {
    let file = file();
    let (asked, runs) = (Arc::clone(engine), ballot(&file));
    let (answer, answered) = sync_channel(1);
    let asking = thread::spawn(move || answer.send(asked.run(&runs)));
    let answer = answered.recv_timeout(ABOUT_A_SECOND).expect("no ballot waits longer");
    asking.join().unwrap().unwrap();
    assert!(answer == file.council().run(&ballot(&file)), "other words");
}

/// Asks on, rightly answered, until a device is there.
#[track_caller]
fn check_returns(engine: &Arc<CouncilEngine>) {
    let begun = Instant::now();
    while !engine.has_device() {
        assert!(begun.elapsed() < SOON, "no device came back");
        check(engine);
        thread::sleep(Duration::from_millis(10));
    }
}

fn fault_count(figures: &Figures, class: &str) -> u64 {
    figures.faults().find(|(name, _)| *name == class).unwrap().1
}

#[test]
fn a_device_that_fails_costs_no_word_and_another_one_takes_its_place() {
    for then in [Then::Hangs, Then::Panics, Then::IsLost] {
        let honest_later = move |file: &Arc<CouncilFile>, opened: usize| {
            shim(file, 2, if opened == 0 { then } else { Then::Honest })
        };
        let (engine, figures, opened) = council(EngineChoice::Gpu, honest_later);
        assert!(engine.has_device(), "{then:?}");
        check(&engine);
        check(&engine);
        let votes = figures.votes(EngineKind::Gpu);
        assert!(0 < votes && figures.votes(EngineKind::Cpu) == 0, "{then:?}");
        check(&engine);
        assert_eq!(figures.breaker(), Some(BreakerState::Open), "{then:?}");
        assert_eq!(fault_count(&figures, "unavailable"), 1, "{then:?}");
        assert_eq!((figures.votes(EngineKind::Gpu), figures.adapter()), (votes, None));
        assert!(0 < figures.votes(EngineKind::Cpu), "{then:?}");
        check_returns(&engine);
        assert_eq!(opened.load(Ordering::SeqCst), 2, "{then:?}");
        check(&engine);
        assert_eq!(figures.breaker(), Some(BreakerState::Closed), "{then:?}");
        assert!(votes < figures.votes(EngineKind::Gpu), "{then:?}");
    }
}

#[test]
fn a_device_that_lies_is_found_out_by_the_first_word_and_never_asked_again() {
    for then in [Then::LiesOnce, Then::LiesAlways, Then::IsShort] {
        let (engine, figures, opened) =
            council(EngineChoice::Gpu, move |file, _| shim(file, 1, then));
        check(&engine);
        check(&engine);
        assert_eq!(fault_count(&figures, "corrupt"), 1, "{then:?}");
        // Golden words beside the batch are looked at first; only the recheck sees the others.
        assert_eq!(figures.mismatches(), u64::from(then == Then::LiesOnce), "{then:?}");
        let votes = figures.votes(EngineKind::Gpu);
        for _ in 0..30 {
            check(&engine);
            thread::sleep(Duration::from_millis(10));
        }
        assert!(0 < fault_count(&figures, "unavailable"), "{then:?}: it was tried again");
        assert_eq!(opened.load(Ordering::SeqCst), 1, "{then:?}: and not opened");
        assert_eq!((figures.votes(EngineKind::Gpu), figures.adapter()), (votes, None));
        assert_ne!(figures.breaker(), Some(BreakerState::Closed), "{then:?}");
    }
}

#[test]
fn every_live_vote_is_recomputed_and_mass_work_is_sampled() {
    let seldom = Treatment { recheck_first: 0, recheck_one_in: u64::MAX, ..treatment() };
    let gpus = Gpus::opened_by(seldom, |file, _| shim(file, 2, Then::LiesOnce));
    let engines = Engines::of(EngineChoice::Gpu, gpus);
    let (file, figures) = (file(), Arc::clone(engines.figures()));
    let engine = Arc::new(engines.engine(&file).unwrap());
    check(&engine);
    assert_eq!(figures.rechecks(), ballot(&file).len() as u64);
    assert!(engine.bulk().run(&ballot(&file)) == file.council().run(&ballot(&file)));
    assert_eq!(figures.rechecks(), ballot(&file).len() as u64, "not this time");
    // Here it begins to lie, in a run that no sample would see.
    check(&engine);
    assert_eq!((figures.mismatches(), engine.has_device()), (1, false));
}

#[test]
fn a_device_that_cannot_be_opened_is_tried_again_beside() {
    let absent_at_first = |file: &Arc<CouncilFile>, opened: usize| match opened {
        0 => panic!("as whoever lists drivers may"),
        1 => Err(GpuFault::unavailable("its driver is being installed")),
        _ => shim(file, 99, Then::Honest),
    };
    let (engine, figures, opened) = council(EngineChoice::Gpu, absent_at_first);
    assert!(!engine.has_device());
    check_returns(&engine);
    assert_eq!((opened.load(Ordering::SeqCst), fault_count(&figures, "unavailable")), (3, 2));
}

#[test]
fn a_device_that_opens_well_and_never_answers_is_left_alone_for_longer_each_time() {
    let (opening, openings) = sync_channel(99);
    let (engine, ..) = council(EngineChoice::Gpu, move |file, _| {
        opening.send(Instant::now()).unwrap();
        shim(file, 0, Then::IsLost)
    });
    let mut before = openings.recv().unwrap();
    for pauses in [1, 2, 4, 8] {
        let next = loop {
            check(&engine);
            if let Ok(next) = openings.recv_timeout(Duration::from_millis(5)) {
                break next;
            }
            assert!(before.elapsed() < SOON, "no device came back");
        };
        let pause = next.duration_since(before);
        assert!(treatment().alone * pauses <= pause, "{pauses} {pause:?}");
        before = next;
    }
}

#[test]
fn a_device_that_is_no_faster_than_the_processor_is_left_in_peace_by_auto() {
    let slow = |file: &Arc<CouncilFile>, _: usize| shim(file, 0, Then::IsSlow);
    let (engine, figures, _) = council(EngineChoice::Auto, slow);
    check_returns(&engine);
    check(&engine);
    let by = |engine| figures.votes(engine);
    assert!(by(EngineKind::Gpu) == 0 && 0 < by(EngineKind::Cpu));
    assert_eq!(figures.adapter(), Some(card()));
}

#[test]
fn partitions_that_ask_at_once_are_all_answered() {
    let (engine, figures, _) = council(EngineChoice::Gpu, |file, _| shim(file, 999, Then::Honest));
    let asking: Vec<_> = (0..12)
        .map(|_| {
            let engine = Arc::clone(&engine);
            thread::spawn(move || check(&engine))
        })
        .collect();
    asking.into_iter().for_each(|asking| asking.join().unwrap());
    assert_eq!(figures.breaker(), Some(BreakerState::Closed), "a full queue is no fault");
    assert!(engine.has_device());
}

#[test]
fn a_real_device_that_is_lost_in_the_middle_of_a_ballot_is_replaced_and_opened_again() {
    let Some(adapter) = adapters(Software::Allowed).unwrap().into_iter().next() else {
        let is_needed = std::env::var("CONCLAVE_NEED_GPU").is_ok_and(|needed| needed == "1");
        assert!(!is_needed, "no adapter, and one is needed");
        let line = "SKIPPED a lost device: no adapter here (mesa-vulkan-drivers is one)\n";
        return std::io::stderr().write_all(line.as_bytes()).unwrap();
    };
    let (engine, figures, opened) = council(EngineChoice::Gpu, move |file, opened| match opened {
        0 => doomed(file, &adapter),
        _ => GpuCouncil::start(Arc::clone(file), &adapter),
    });
    assert!(engine.has_device());
    check(&engine);
    assert!(0 < figures.votes(EngineKind::Gpu));
    check(&engine);
    assert_eq!(fault_count(&figures, "unavailable"), 1);
    assert!(0 < figures.votes(EngineKind::Cpu));
    check_returns(&engine);
    assert_eq!(opened.load(Ordering::SeqCst), 2);
    let votes = figures.votes(EngineKind::Gpu);
    check(&engine);
    assert!(votes < figures.votes(EngineKind::Gpu), "the new one votes");
}
