//! Five verdicts, one answer: the table of section 14 of `docs/council-spec.md`.

mod networks;

use conclave_core::council::factor::Factor;
use conclave_core::council::quorum::{Ground, Tally, Voice, Weights};
use conclave_core::council::{CouncilParts, PerMille, QuorumNumbers, quorum};
use conclave_core::decision::Verdict::{self, Approve, Defer, Deny};
use proptest::prelude::*;

/// Five members of equal weight that veto from 900 per mille on.
fn parts() -> CouncilParts {
    let mut parts = networks::council().parts().clone();
    let confidence_min = PerMille(700);
    parts.quorum = QuorumNumbers { approve_bp: 7_500, deny_bp: 5_000, confidence_min };
    for member in &mut parts.members {
        (member.weight_bp, member.veto) = (2_000, PerMille(900));
    }
    parts
}

/// `a`pprove, `d`eny, de`f`er or missing (`-`), all 800 per mille sure.
fn voices(said: &str) -> Vec<Option<Voice>> {
    let voice = |said| {
        let verdict = match said {
            'a' => Approve,
            'd' => Deny,
            'f' => Defer,
            _ => return None,
        };
        Some(Voice { verdict, confidence: PerMille(800) })
    };
    said.chars().map(voice).collect()
}

/// What `voices` come to while every member counts what its file says.
fn tally(parts: &CouncilParts, voices: &[Option<Voice>]) -> Option<Tally> {
    quorum::tally(parts, &Weights::default(), voices)
}

#[track_caller]
fn check(said: &str, expected: Option<(Verdict, Ground)>) {
    let answer = tally(&parts(), &voices(said)).map(|tally| (tally.verdict, tally.ground));
    assert_eq!(answer, expected, "{said}");
}

#[test]
fn four_of_five_approve_three_deny_and_everything_else_puts_off() {
    use Ground::{Agreed, NoQuorum};
    for (said, verdict, ground) in [
        ("aaaaa", Approve, Agreed),
        ("aaaad", Approve, Agreed),
        ("aaaff", Defer, NoQuorum),
        ("aaadd", Defer, NoQuorum),
        ("ddfff", Defer, NoQuorum),
        ("dddaa", Deny, Agreed),
        ("fffff", Defer, NoQuorum),
        // One is missing.
        ("aaa-f", Approve, Agreed),
        ("aa-ff", Defer, NoQuorum),
        ("ddd-a", Deny, Agreed),
        // Two are: all three have to agree.
        ("aaa--", Approve, Agreed),
        ("aad--", Defer, NoQuorum),
        ("ddd--", Deny, Agreed),
    ] {
        check(said, Some((verdict, ground)));
    }
}

/// Failing open is the mistake of those who came before: nobody approves in the stead of others.
#[test]
fn two_members_or_fewer_decide_nothing() {
    for said in ["aa---", "dd---", "a----", "-----"] {
        check(said, None);
    }
}

#[test]
fn a_veto_and_a_doubt_put_off_and_never_deny() {
    let mut against = voices("aaaad");
    against[4] = Some(Voice { verdict: Deny, confidence: PerMille(900) });
    let answer = tally(&parts(), &against).expect("all are present");
    assert_eq!((answer.verdict, answer.ground), (Defer, Ground::Vetoed));
    for said in ["aaaaa", "ddddd"] {
        let mut unsure = voices(said);
        unsure.iter_mut().flatten().for_each(|voice| voice.confidence = PerMille(699));
        let answer = tally(&parts(), &unsure).expect("all are present");
        assert_eq!((answer.verdict, answer.ground), (Defer, Ground::Unsure), "{said}");
        assert_eq!(answer.confidence, PerMille(699));
    }
}

#[test]
fn weight_counts_beside_heads() {
    let mut parts = parts();
    let weights = [1_500, 1_500, 1_500, 1_500, 4_000];
    parts.members.iter_mut().zip(weights).for_each(|(member, weight)| member.weight_bp = weight);
    let of = |said: &str| tally(&parts, &voices(said)).expect("all are present").verdict;
    assert_eq!(
        (of("aaaaf"), of("aaafa")),
        (Defer, Approve),
        "a heavy one puts four light ones off"
    );
    assert_eq!((of("dddff"), of("ddffd")), (Defer, Deny), "three light ones cannot deny alone");
}

/// A member in quarantine is as good as missing, and its weight does not stand in anybody's way.
#[test]
fn nobody_listens_to_a_member_in_quarantine() {
    let mut weights = Weights::default();
    weights.members[4] = None;
    let of = |weights: &Weights, said: &str| {
        let answer = quorum::tally(&parts(), weights, &voices(said));
        answer.map(|tally| (tally.verdict, tally.ground))
    };
    assert_eq!(of(&weights, "aaafd"), Some((Approve, Ground::Agreed)));
    assert_eq!(of(&weights, "ddaad"), Some((Defer, Ground::NoQuorum)));
    let mut surely = voices("aaaad");
    surely[4] = Some(Voice { verdict: Deny, confidence: PerMille(1_000) });
    let answer = quorum::tally(&parts(), &weights, &surely).expect("four are present");
    assert_eq!(answer.verdict, Approve, "its veto neither");
    weights.members[3] = None;
    assert_eq!(of(&weights, "aaaff"), Some((Approve, Ground::Agreed)));
    assert_eq!(of(&weights, "aafaa"), Some((Defer, Ground::NoQuorum)));
    weights.members[2] = None;
    assert_eq!(of(&weights, "aaaaa"), None);
}

/// What a member earned counts: a dissenter that was right for long defers an approval alone.
#[test]
fn what_members_earned_counts_as_their_weight() {
    let of = |factors: [Factor; 5], said: &str| {
        let weights = Weights { seq: 9, members: factors.map(Some) };
        quorum::tally(&parts(), &weights, &voices(said)).expect("all are present").verdict
    };
    let right = [57_344, 57_344, 57_344, 57_344, 98_304].map(Factor);
    assert_eq!((of(right, "aaaaf"), of(right, "faaaa")), (Defer, Approve));
    // Nobody earns so much that it carries a decision.
    let most = [98_304, 98_304, 65_536, 32_768, 32_768].map(Factor);
    for said in ["aafff", "aaaff", "ddfff", "ddaaa"] {
        assert_eq!(of(most, said), Defer, "{said}");
    }
}

fn any_voice() -> impl Strategy<Value = Option<Voice>> {
    let verdict = prop_oneof![Just(Approve), Just(Deny), Just(Defer)];
    (verdict, 0..=1_000_u16)
        .prop_map(|(verdict, sure)| Some(Voice { verdict, confidence: PerMille(sure) }))
}

proptest! {
    /// Garbage is in range and wrong. Whatever one member says, and whatever all of them earned, an
    /// approval has three others behind it, and so has one when that member is in quarantine.
    #[test]
    fn one_member_approves_nothing_with_two_others(
        voices in prop::array::uniform5(any_voice()),
        factors in prop::array::uniform5(Factor::MIN.0..=Factor::MAX.0),
        bad in 0..5_usize,
        is_apart: bool,
    ) {
        let mut weights = Weights { seq: 0, members: factors.map(|one| Some(Factor(one))) };
        if is_apart {
            weights.members[bad] = None;
        }
        let answer = quorum::tally(&parts(), &weights, &voices).expect("four are left");
        let says = |said, at: usize| voices[at].is_some_and(|voice| voice.verdict == said);
        let others = |said| (0..5).filter(|at| *at != bad && says(said, *at)).count();
        match answer.verdict {
            Approve => prop_assert!(others(Approve) >= 3, "{:?}", voices),
            Deny => prop_assert!(others(Deny) >= if is_apart { 3 } else { 2 }, "{:?}", voices),
            Defer => {}
        }
    }
}
