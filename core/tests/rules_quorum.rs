//! Five verdicts, one answer: the table of section 14 of `docs/council-spec.md`.

mod networks;

use conclave_core::council::quorum::{Ground, Voice, tally};
use conclave_core::council::{CouncilParts, PerMille, QuorumNumbers};
use conclave_core::decision::Verdict::{self, Approve, Defer, Deny};

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
