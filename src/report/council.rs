//! What happens in the council of networks, in a sentence each.

use crate::report::sentence::{council_mode, verdict};
use conclave_core::council::ModelId;
use conclave_core::council::factor::Factor;
use conclave_core::council::health::Cause;
use conclave_core::council::quorum::Ground;
use conclave_core::decision::{
    CouncilVoted, CouncilWeighed, Event, MemberQuarantined, MemberReturned, MemberVote, Verdict,
};

/// What happened; none of an event that is not the council's.
pub(super) fn event(event: &Event) -> Option<String> {
    Some(match event {
        Event::CouncilActivated(activated) => match activated.model {
            Some(ModelId(model)) => format!("the council {model} sits in the seat"),
            None => "the rules sit in the seat again".to_owned(),
        },
        Event::CouncilVoted(voted) => vote(voted),
        Event::CouncilRemembered(remembered) => {
            let (tenant, heard) = (&remembered.tenant, remembered.heard);
            format!("{tenant}: the council has heard of {heard} ended lease(s)")
        }
        Event::MemberQuarantined(gone) => quarantine(gone),
        Event::MemberReturned(MemberReturned { member, calm_votes, votes: _ }) => format!(
            "member {member} of the council is listened to again: it behaved for {calm_votes} votes"
        ),
        Event::CouncilWeighed(weighed) => weights(weighed),
        _ => return None,
    })
}

/// Why networks say what they say, in a word.
#[must_use]
pub fn ground(ground: Ground) -> &'static str {
    match ground {
        Ground::Agreed => "agreed",
        Ground::NoQuorum => "no_quorum",
        Ground::Unsure => "unsure",
        Ground::Vetoed => "vetoed",
        Ground::Fallback => "fallback",
    }
}

/// What a member is in quarantine for, in a word.
#[must_use]
pub fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Stuck => "stuck",
        Cause::Saturated => "saturated",
        Cause::Drifting => "drifting",
    }
}

/// `1.02`: what a member's weight in its file is multiplied with.
#[must_use]
pub fn times(Factor(factor): Factor) -> String {
    // To the nearest hundredth.
    let hundredths = (factor * 100 + Factor::ONE.0 / 2) / Factor::ONE.0;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Who said what, and what came of it.
fn vote(voted: &CouncilVoted) -> String {
    let heard = || voted.members.iter().filter(|member| member.counted);
    let count = |verdict| heard().filter(|member: &&MemberVote| member.verdict == verdict).count();
    let (approve, deny) = (count(Verdict::Approve), count(Verdict::Deny));
    let ground = match voted.ground {
        Ground::Agreed => format!("{} per mille sure", voted.confidence_per_mille),
        Ground::NoQuorum => "too few for either".to_owned(),
        Ground::Unsure => format!("only {} per mille sure", voted.confidence_per_mille),
        Ground::Vetoed => "one is too sure of the opposite".to_owned(),
        Ground::Fallback => "too few are listened to, so the rule score decides".to_owned(),
    };
    let apart = match voted.members.len() - heard().count() {
        0 => String::new(),
        apart => format!(", {apart} in quarantine"),
    };
    let CouncilVoted { request, attempt, mode, .. } = voted;
    let defer = count(Verdict::Defer);
    let (verdict, mode) = (verdict(voted.verdict), council_mode(*mode));
    format!(
        "{request} vote {attempt}: {verdict} by the council ({mode}; {approve} approve, {deny} \
         deny, {defer} defer{apart}; {ground})"
    )
}

fn quarantine(gone: &MemberQuarantined) -> String {
    let MemberQuarantined { member, found, bound, .. } = gone;
    let why = match gone.cause {
        Cause::Stuck => format!("it said the same {found} times in a row, whatever it was told"),
        Cause::Saturated => format!(
            "{found} basis points of its hidden states are at the rails, {bound} are too many"
        ),
        Cause::Drifting => format!(
            "it approved {} requests more than by how it voted at first, {} are too many",
            found / 256,
            bound / 256
        ),
    };
    format!("nobody listens to member {member} of the council for a while: {why}")
}

fn weights(weighed: &CouncilWeighed) -> String {
    let CouncilWeighed { request, seq, ended_well, members, pool: _ } = weighed;
    let how = if *ended_well { "went well" } else { "failed" };
    let factors: Vec<String> = members.iter().map(|member| times(Factor(member.factor))).collect();
    format!("{request} {how}, so the members count {} (change {seq})", factors.join(", "))
}
