//! Devices that lie, hang, panic or are lost: a fault within a second, and never a wrong word.

use crate::found::{found, say};
use crate::golden_file;
use crate::shims::{Misdeed, golden_batch, shimmed};
use crate::words::{check, reference};
use conclave_core::council::{HiddenState, Run};
use conclave_gpu::{BATCH_STEPS_MAX, GpuCouncil, GpuFault, PATIENCE_MAX};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// A second, and what a busy machine needs to notice that it is over.
const ABOUT_A_SECOND: Duration = Duration::from_millis(2_000);

#[test]
fn a_machine_that_lies_is_refused_before_its_first_batch() {
    for then in [Misdeed::State, Misdeed::MiddleState, Misdeed::Logit, Misdeed::Short] {
        let fault = shimmed(0, then).unwrap_err();
        assert!(matches!(fault, GpuFault::Corrupt { .. }), "{then:?}: {fault}");
    }
    let said = shimmed(0, Misdeed::State).unwrap_err().to_string();
    assert!(said.contains("sequence 0"), "{said}");
    let fault = shimmed(0, Misdeed::Panic).unwrap_err();
    assert!(matches!(fault, GpuFault::Unavailable { .. }), "{fault}");
}

#[test]
fn a_machine_that_begins_to_lie_is_noticed_and_never_asked_again() {
    let file = golden_file("narrow");
    for then in
        [Misdeed::State, Misdeed::MiddleState, Misdeed::Logit, Misdeed::Short, Misdeed::Panic]
    {
        let gpu = shimmed(3, then).unwrap();
        for _ in 0..2 {
            let batch = golden_batch(&file, 2);
            let found = gpu.compute(batch.clone(), PATIENCE_MAX).unwrap();
            check(file.council(), &batch, &found, "an honest shim");
        }
        let fault = gpu.compute(golden_batch(&file, 2), PATIENCE_MAX).unwrap_err();
        assert_eq!(matches!(fault, GpuFault::Corrupt { .. }), then != Misdeed::Panic, "{fault}");
        assert_eq!(gpu.compute(vec![], PATIENCE_MAX).unwrap_err(), fault);
        assert_eq!(gpu.fault(), Some(fault));
    }
}

#[test]
fn a_machine_that_hangs_is_given_up_within_a_second() {
    let file = golden_file("narrow");
    let gpu = Arc::new(shimmed(1, Misdeed::Hang).unwrap());
    let begun = Instant::now();
    let ask = |gpu: Arc<GpuCouncil>| {
        let batch = golden_batch(&file, 1);
        thread::spawn(move || gpu.compute(batch, Duration::from_secs(60)))
    };
    let asked: Vec<_> = (0..12).map(|_| ask(gpu.clone())).collect();
    for asked in asked {
        let fault = asked.join().unwrap().unwrap_err();
        assert!(matches!(fault, GpuFault::Unavailable { .. }), "{fault}");
    }
    assert!(begun.elapsed() < ABOUT_A_SECOND, "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert!(gpu.compute(vec![], PATIENCE_MAX).is_err());
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
}

#[test]
fn a_batch_of_another_council_or_a_too_large_one_is_refused_and_harms_nothing() {
    let gpu = shimmed(99, Misdeed::Panic).unwrap();
    let (file, other) = (golden_file("narrow"), golden_file("wide"));
    let strange = vec![Run { state: HiddenState::new(other.council()), steps: vec![] }];
    let mut large = golden_batch(&file, 1);
    large.truncate(1);
    large[0].steps = vec![large[0].steps[0]; BATCH_STEPS_MAX + 1];
    for batch in [strange, large] {
        let fault = gpu.compute(batch, PATIENCE_MAX).unwrap_err();
        assert!(matches!(fault, GpuFault::Invalid { .. }), "{fault}");
    }
    assert_eq!(gpu.compute(vec![], PATIENCE_MAX), Ok(vec![]));
}

#[test]
fn a_device_that_is_lost_in_the_middle_gives_a_fault_and_a_new_one_works() {
    let file = golden_file("five");
    for adapter in found("lost devices") {
        let gpu = Arc::new(GpuCouncil::start(file.clone(), &adapter).unwrap());
        let (asked, batch) = (gpu.clone(), golden_batch(&file, 40));
        let asking = thread::spawn(move || {
            loop {
                if let Err(fault) = asked.compute(batch.clone(), Duration::from_secs(60)) {
                    return (fault, Instant::now());
                }
            }
        });
        thread::sleep(Duration::from_millis(700));
        let stopped = Instant::now();
        gpu.stop();
        let (fault, noticed) = asking.join().unwrap();
        assert!(matches!(fault, GpuFault::Unavailable { .. }), "{fault}");
        let took = noticed.saturating_duration_since(stopped);
        assert!(took < ABOUT_A_SECOND, "noticed after {took:?}");
        say(&format!("a lost device was noticed after {took:?}: {fault}"));
        assert_eq!(gpu.compute(vec![], PATIENCE_MAX), Err(fault));

        let again = GpuCouncil::start(file.clone(), &adapter).unwrap();
        let batch = golden_batch(&file, 2);
        let found = again.compute(batch.clone(), Duration::from_secs(60)).unwrap();
        check(file.council(), &batch, &found, "a new device");
        assert_eq!(found[0], reference(file.council(), &batch[0]));
    }
}

#[test]
fn a_device_that_is_lost_while_nothing_is_asked_gives_a_fault_at_once() {
    let file = golden_file("narrow");
    for adapter in found("idle devices") {
        let gpu = GpuCouncil::start(file.clone(), &adapter).unwrap();
        gpu.stop();
        let begun = Instant::now();
        let fault = gpu.compute(golden_batch(&file, 1), PATIENCE_MAX).unwrap_err();
        assert!(matches!(fault, GpuFault::Unavailable { .. }), "{fault}");
        assert!(begun.elapsed() < ABOUT_A_SECOND, "{:?}", begun.elapsed());
    }
}

#[test]
fn a_batch_that_takes_longer_than_anybody_waits_ends_the_device_and_a_new_one_works() {
    let file = golden_file("five");
    for adapter in found("late devices") {
        let gpu = GpuCouncil::start(file.clone(), &adapter).unwrap();
        let begun = Instant::now();
        let batch = golden_batch(&file, 3_000);
        // On a busy machine the thread may not have begun within a millisecond: that is no fault
        // of the device.
        let fault = loop {
            let fault = gpu.compute(batch.clone(), Duration::from_millis(1)).unwrap_err();
            assert!(matches!(fault, GpuFault::Unavailable { .. }), "{fault}");
            if gpu.fault().is_some() {
                break fault;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "it never begins: {fault}");
        };
        say(&format!("a late device, after {:?}: {fault}", begun.elapsed()));
        let fault = gpu.compute(vec![], PATIENCE_MAX).unwrap_err();
        assert_eq!(gpu.fault(), Some(fault));

        let again = GpuCouncil::start(file.clone(), &adapter).unwrap();
        let batch = golden_batch(&file, 1);
        let found = again.compute(batch.clone(), Duration::from_secs(60)).unwrap();
        check(file.council(), &batch, &found, "a new device");
    }
}
