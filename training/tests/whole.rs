//! From a tiny made-up fleet to a file: the same seed gives the same bytes, nothing is learnt from
//! what is measured on, and nothing but the log reaches a feature.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use conclave_core::council::{CouncilFile, FastCouncil, PerMille, self_test};
use conclave_training::dataset::{Lesson, Source};
use conclave_training::export::{QUORUM, model_id, schema};
use conclave_training::member::ROLES;
use conclave_training::network::train::Plan;
use conclave_training::run::{Made, Settings, make};
use conclave_training::simulate::{Extent, scenario};
use conclave_training::split::Part;
use std::collections::BTreeMap;

const TINY: Extent = Extent { tenants: 12, days: 5, requests: 400 };

fn source(seed: u64) -> Source {
    Source::new(scenario(seed, TINY), seed)
}

fn made(seed: u64) -> Made {
    let plan = Plan { seed, units: 16, epochs: 2, draws: 2 };
    let settings = Settings { name: "tiny".to_owned(), plan, extent: TINY };
    make(&[source(seed)], &settings, &mut |_| {}).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_file_and_card() {
    let (first, again, other) = (made(5), made(5), made(6));
    assert!(first.file == again.file && first.card == again.card, "something else was drawn");
    assert_ne!(first.file, other.file);
    let read = CouncilFile::read(&first.file, model_id).unwrap();
    let parts = read.council().parts();
    assert_eq!(parts.schema, schema());
    assert!(parts.quorum.approve_bp <= QUORUM.approve_bp, "{:?}", parts.quorum);
    let fast = FastCouncil::new(read.council());
    self_test(&fast, read.council(), read.golden()).unwrap();
    let labels = parts.members.iter().map(|member| member.label.as_str());
    assert!(labels.eq(ROLES.iter().map(|role| role.label)));
    for member in &parts.members {
        assert!(member.weight_bp == 2_000 && member.calibration.entries().is_sorted());
        assert!(member.veto <= PerMille(1_000));
    }
    let id = format!("{}", read.id().0);
    assert!(first.card.contains(&id), "the card names another file");
}

#[test]
fn parts_share_neither_tenants_nor_time() {
    let source = source(7);
    for role in &ROLES {
        let lesson = Lesson::new(role, std::slice::from_ref(&source));
        let (source, targets) = &lesson.sources[0];
        let mut times: BTreeMap<Part, Vec<i64>> = BTreeMap::new();
        for (step, target) in source.story.steps.iter().zip(targets) {
            let Some(target) = target else { continue };
            times.entry(target.part).or_default().push(step.at_ms);
            let is_held_out = source.split.is_held_out[step.tenant];
            assert!(step.job.is_some() && step.at_ms <= target.known_ms);
            match target.part {
                Part::Train => {
                    assert!(!is_held_out && target.known_ms < source.split.learnt_until_ms)
                }
                Part::Calibrate => {
                    assert!(!is_held_out && target.known_ms < source.split.fitted_until_ms);
                }
                Part::Later => assert!(!is_held_out),
                Part::Unseen => assert!(is_held_out),
                Part::Unused => {}
            }
        }
        let span = |part| {
            let times = &times[&part];
            (times.iter().min().unwrap(), times.iter().max().unwrap())
        };
        assert!(span(Part::Train).1 < span(Part::Calibrate).0, "{}", role.label);
        assert!(span(Part::Calibrate).1 < span(Part::Later).0, "{}", role.label);
        assert!(span(Part::Calibrate).1 < span(Part::Unseen).0, "{}", role.label);
        for sequence in lesson.sequences() {
            for (at, class) in sequence.steps.iter().zip(&sequence.classes) {
                let target = targets[*at].filter(|target| target.part == Part::Train);
                assert_eq!(class.is_some(), target.is_some());
                assert!(source.story.steps[*at].at_ms < source.split.learnt_until_ms);
            }
        }
    }
}

#[test]
fn a_story_is_the_same_each_time_and_holds_both_kinds_of_step() {
    let (story, again) = (source(8).story, source(8).story);
    assert_eq!((&story.steps, &story.fates), (&again.steps, &again.fates));
    for steps in story.by_tenant() {
        assert!(steps.iter().is_sorted_by_key(|at| story.steps[*at].at_ms));
    }
    let outcomes = story.steps.iter().filter(|step| step.job.is_none()).count();
    assert!(100 < outcomes && 300 < story.requests(), "{outcomes}");
    for step in &story.steps {
        assert_eq!(step.features.values()[31] == 0, step.job.is_some());
    }
}

/// The origin's network was told the wall clock and a salted hash.
#[test]
fn nothing_here_knows_a_clock_or_the_order_of_hashes() {
    const WORDS: [&str; 7] =
        ["Instant", "SystemTime", "HashMap", "HashSet", "RandomState", "DefaultHasher", "thread::"];
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            let found = WORDS.iter().find(|word| text.contains(*word));
            assert!(found.is_none(), "{} mentions {found:?}", path.display());
        }
    }
    assert!(20 < files, "{files}");
}
