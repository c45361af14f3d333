//! What is told of the tree of tenants, while guarantees are lent.

use super::story::pool_here;
use super::{committed_batches, decide};
use conclave::report::fairness::FairnessReport;
use conclave::report::quotas::QuotasReport;
use conclave::report::viewer::Viewer;
use conclave::wire::decode_decision;
use conclave_core::decision::{Event, LeaseGranted};
use conclave_core::evolve::evolve;
use conclave_core::state::State;
use conclave_core::units::TenantId;

/// The state once `guest-3` has borrowed.
fn while_it_is_lent() -> State {
    let (disk, mut state) = (decide(&committed_batches()), State::new(0));
    for record in disk.all_decisions() {
        let decision = decode_decision(&record.body).unwrap();
        evolve(&mut state, &decision);
        let is_it = |granted: &LeaseGranted| granted.request == "guest-3".into();
        let is_lent = |event: &Event| matches!(event, Event::LeaseGranted(one) if is_it(one));
        if decision.events.iter().any(is_lent) {
            return state;
        }
    }
    panic!("nothing is lent")
}

#[test]
fn quotas_show_who_stands_below_whom_and_who_lends_and_borrows() {
    let (state, pool) = (while_it_is_lent(), pool_here("tree"));
    let report = QuotasReport::of(&state, &pool, &Viewer::Everything).unwrap();
    let of = |tenant: &str| report.quotas.iter().find(|one| one.tenant == tenant).unwrap();
    assert_eq!(of("cv").parent.as_deref(), Some("lab"));
    assert_eq!(of("lab").parent, None);
    let lent = ["lab", "cv", "guest"].map(|name| of(name).lent_gpu_milli);
    assert_eq!(lent, [2_000, 1_000, 0]);
    assert_eq!((of("guest").borrowed_gpu_milli, of("guest").used_gpu_milli), (3_000, 4_000));
    assert_eq!((of("lab").promised_gpu_milli, of("cv").promised_gpu_milli), (7_000, 2_000));
    let text = report.text();
    assert!(text.contains("\n  cv "), "{text}");
    assert!(text.contains("\n  nlp ") && text.contains("\n    level-1 "), "{text}");
    assert!(text.contains("PROMISED  LENT  LENDS  BORROWED  BORROWS"), "{text}");
    // A tenant learns of no name above it, and of no guarantee twice.
    let own = Viewer::Tenant(TenantId::from("cv"));
    let report = QuotasReport::of(&state, &pool, &own).unwrap();
    assert_eq!(report.quotas[0].parent.as_deref(), Some("another tenant"));
    let others = report.others.unwrap();
    assert_eq!((others.guarantee_gpu_milli, others.used_gpu_milli), (7_000, 4_000));
}

#[test]
fn fairness_compares_siblings_and_counts_all_below() {
    let (state, pool) = (while_it_is_lent(), pool_here("tree"));
    let report = FairnessReport::of(&state, &pool, &Viewer::Everything).unwrap();
    let of = |tenant: &str| report.tenants.iter().find(|one| one.tenant == tenant).unwrap();
    assert_eq!(of("nlp").parent.as_deref(), Some("lab"));
    assert_eq!((of("guest").uses_bp, of("guest").stands.as_str()), (10_000, "at"));
    assert_eq!((of("lab").turn < of("guest").turn, of("guest").held_gpu_milli), (true, 4_000));
    let text = report.text();
    assert!(text.lines().any(|line| line.contains("    cv ")), "{text}");
}
