//! How the members of the council in a partition's seat stand.

use crate::report::council::{cause, times};
use conclave_core::council::factor::Factor;
use conclave_core::state::{Standing, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The council in a partition's seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CouncilStatus {
    /// Whose seat.
    pub partition: i64,
    /// Which council, by the digest of its file.
    pub model: String,
    /// Votes since it was activated.
    pub votes: i64,
    /// How often outcomes changed its members' weights since then.
    pub weights_seq: i64,
    /// In the order of its file.
    pub members: Vec<MemberStatus>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberStatus {
    /// Its number, 1 for the first of the file.
    pub member: i64,
    /// What its file calls it, where the file is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What its weight in the file is multiplied with, in 1/65536.
    pub factor: i64,
    /// Why nobody listens to it, while nobody does: `stuck`, `saturated` or `drifting`.
    pub quarantined: Option<String>,
    /// Votes in a row in which it behaved, up to as many as it takes to return.
    pub calm_votes: i64,
}

impl CouncilStatus {
    /// How the members stand; none while the rules sit in the seat.
    #[must_use]
    pub fn of(state: &State) -> Option<Self> {
        let (model, bench) = (state.council?, &state.bench);
        let member = |(member, standing): (i64, &Standing)| MemberStatus {
            member,
            label: None,
            factor: standing.factor.0,
            quarantined: standing.quarantined.map(|why| cause(why).to_owned()),
            calm_votes: standing.health.calm_votes(),
        };
        Some(Self {
            partition: state.partition,
            model: model.0.to_string(),
            votes: bench.votes,
            weights_seq: bench.seq,
            members: (1..).zip(&bench.members).map(member).collect(),
        })
    }

    /// Calls the members by `labels`, which are those of the council's file in their order.
    pub fn name_members(&mut self, labels: &[String]) {
        for (member, label) in self.members.iter_mut().zip(labels) {
            member.label = Some(label.clone());
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { partition, model, votes, weights_seq, members } = self;
        let members: String = members.iter().map(MemberStatus::line).collect();
        format!(
            "council {model:.16} in the seat of partition {partition}: {votes} vote(s), weights \
             changed {weights_seq} time(s)\n{members}"
        )
    }
}

impl MemberStatus {
    fn line(&self) -> String {
        let Self { member, label, factor, quarantined, calm_votes } = self;
        let name = label.clone().unwrap_or_else(|| format!("member {member}"));
        let stands = match quarantined {
            None => "listened to".to_owned(),
            Some(why) => format!("in quarantine: {why}; behaved for {calm_votes} vote(s)"),
        };
        format!("  {name:<16} counts {}, {stands}\n", times(Factor(*factor)))
    }
}
