//! Who may sit in the council's seat while a scenario runs: nobody, the rule score, or a council of
//! networks. They answer the core's own ballots, so hidden states, deferrals, the quorum and who
//! answers last attempts are those of a live log.

use conclave_core::command::CouncilMode;
use conclave_core::council::hearing::{Heard, Sitting};
use conclave_core::council::{Council, FastCouncil, HiddenState, ModelId};
use conclave_core::decision::CouncilRemembered;
use conclave_core::round::{Ballot, Votes};
use conclave_core::seat::{Absent, RuleSeat, Seat};
use conclave_core::units::{Hash8, Hash32};

/// Somebody who can sit in the seat.
pub trait Panel: Seat {
    /// What its verdicts do.
    fn mode(&self) -> CouncilMode;
    /// Which council the log names; none for the rules.
    fn model(&self) -> Option<ModelId>;
}

/// Nobody decides: everything is let in, and the log notes what a council would be told. That is
/// what is learnt from.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

/// The rule score.
#[derive(Clone, Copy, Debug)]
pub struct Rules;

/// A council of networks.
#[derive(Debug)]
pub struct Networks<'c> {
    council: &'c Council,
    fast: FastCouncil,
}

/// What a log of the trainer's calls its council: a file's digest is not known before it is made.
const MODEL: ModelId = ModelId(Hash32([7; 32]));

impl Panel for Nobody {
    fn mode(&self) -> CouncilMode {
        CouncilMode::Advise
    }

    fn model(&self) -> Option<ModelId> {
        Some(MODEL)
    }
}

impl Seat for Nobody {
    fn vote(&mut self, ballot: &Ballot) -> Result<Votes, Absent> {
        let mut votes = Votes::by_rules(ballot);
        let heard = ballot.hearing.iter().flat_map(|hearing| &hearing.tenants);
        let heard: Vec<_> = heard.map(remembered).collect();
        if !heard.is_empty() {
            votes.memories.insert(ballot.round, heard);
        }
        Ok(votes)
    }
}

/// What somebody remembers who heard of everything and learnt nothing from it.
fn remembered(heard: &Heard) -> CouncilRemembered {
    let ended = heard.memory.outcomes().map(|ended| ended.at_ms);
    let last = ended.chain(heard.cases.iter().map(|case| case.at_ms)).max();
    CouncilRemembered {
        pool: heard.pool.clone(),
        tenant: heard.tenant.clone(),
        stepped_at_ms: last.expect("a tenant is heard for a case"),
        heard: heard.memory.ended(),
        words: vec![],
    }
}

impl Panel for Rules {
    fn mode(&self) -> CouncilMode {
        CouncilMode::Enforce
    }

    fn model(&self) -> Option<ModelId> {
        None
    }
}

impl Seat for Rules {
    fn vote(&mut self, ballot: &Ballot) -> Result<Votes, Absent> {
        RuleSeat.vote(ballot)
    }
}

impl<'c> Networks<'c> {
    /// `council`, before it was told anything.
    #[must_use]
    pub fn new(council: &'c Council) -> Self {
        Self { council, fast: FastCouncil::new(council) }
    }
}

impl Panel for Networks<'_> {
    fn mode(&self) -> CouncilMode {
        CouncilMode::Enforce
    }

    fn model(&self) -> Option<ModelId> {
        Some(MODEL)
    }
}

impl Seat for Networks<'_> {
    fn vote(&mut self, ballot: &Ballot) -> Result<Votes, Absent> {
        let sitting = Sitting { runner: &self.fast, council: self.council, digest };
        Ok(sitting.answer(ballot))
    }
}

/// First 8 bytes of the digest of a hidden state, as `docs/council-spec.md` writes its words.
fn digest(state: &HiddenState) -> Hash8 {
    let bytes: Vec<u8> = state.words().iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..8]);
    Hash8(first)
}
