//! Which adapters are offered.

use crate::golden_file;
use conclave_gpu::{AdapterKind, GpuCouncil, GpuFault, Software, adapters};

#[test]
fn adapters_are_listed_best_first_and_software_only_when_allowed() {
    let all = adapters(Software::Allowed).unwrap();
    assert!(all.is_sorted_by_key(|adapter| adapter.card().kind));
    let hardware = adapters(Software::Refused).unwrap();
    assert!(hardware.iter().all(|adapter| adapter.card().kind != AdapterKind::Software));
    let is_hardware = |kind: AdapterKind| kind != AdapterKind::Software;
    let kinds = all.iter().filter(|adapter| is_hardware(adapter.card().kind));
    assert_eq!(kinds.count(), hardware.len());
    for adapter in &all {
        let name = adapter.card().name.to_lowercase();
        let is_software = name.contains("llvmpipe") || name.contains("swiftshader");
        assert!(!is_software || adapter.card().kind == AdapterKind::Software, "{name}");
    }
}

#[test]
fn kinds_rank_from_discrete_to_software() {
    use AdapterKind::{Discrete, Integrated, Software, Unknown, Virtual};
    assert!([Discrete, Integrated, Virtual, Unknown, Software].is_sorted());
}

#[test]
fn the_best_adapter_that_passes_is_started_and_without_any_there_is_a_reason() {
    let file = golden_file("narrow");
    for software in [Software::Allowed, Software::Refused] {
        let listed = adapters(software).unwrap();
        let mut refused = 0;
        let started = GpuCouncil::start_best(&file, software, &[], |_, _| refused += 1);
        match listed.get(refused) {
            Some(adapter) => assert_eq!(started.unwrap().card(), adapter.card()),
            None => assert!(matches!(started, Err(GpuFault::Unavailable { .. })), "{started:?}"),
        }
        let banned: Vec<_> = listed.iter().map(|adapter| adapter.card().clone()).collect();
        let started = GpuCouncil::start_best(&file, software, &banned, |_, _| ());
        assert!(matches!(started, Err(GpuFault::Unavailable { .. })), "{started:?}");
    }
}
