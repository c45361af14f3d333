//! Who may sit in the council's seat while a scenario runs: nobody, the rule score, or a council of
//! networks with the quorum of the design. The edge that will seat a council for good brings its
//! own; this one is here so that a council can be tried before it is released.

use crate::since::elapsed;
use crate::world::Step;
use conclave_core::command::CouncilMode;
use conclave_core::council::{Council, Evaluator, HiddenState, Logits, Member, PerMille};
use conclave_core::decision::Verdict;
use conclave_core::round::Question;
use conclave_core::seat::score;
use conclave_core::units::TimeMs;

/// Whoever votes.
pub trait Panel {
    /// What its verdicts do.
    fn mode(&self) -> CouncilMode;
    /// Is told that a lease ended.
    fn hear(&mut self, step: &Step);
    /// Votes on a request.
    fn vote(&mut self, step: &Step, question: &Question) -> Verdict;
}

/// Nobody votes: what happens then is what is learnt from.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

/// The rule score.
#[derive(Clone, Copy, Debug)]
pub struct Rules;

/// How verdicts become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// Approvals that are needed.
    pub approvals: usize,
    /// Denials that are needed.
    pub denials: usize,
    /// Less sure than this is no verdict.
    pub confidence_min: PerMille,
    /// Whether a sure denial keeps others from approving.
    pub has_veto: bool,
}

/// The quorum of the design for five members, with the numbers of the file.
pub const STRICT: Quorum =
    Quorum { approvals: 4, denials: 3, confidence_min: PerMille(700), has_veto: true };
/// The same of members that are however sure.
pub const UNSURE: Quorum = Quorum { confidence_min: PerMille(0), ..STRICT };
/// Three of five, however sure, and no vetoes.
pub const MAJORITY: Quorum =
    Quorum { approvals: 3, denials: 3, confidence_min: PerMille(0), has_veto: false };

/// A council of networks.
#[derive(Debug)]
pub struct Networks<'a> {
    council: &'a Council,
    quorum: Quorum,
    tenants: Vec<(HiddenState, Option<TimeMs>)>,
}

impl Panel for Nobody {
    fn mode(&self) -> CouncilMode {
        CouncilMode::Off
    }

    fn hear(&mut self, _: &Step) {}

    fn vote(&mut self, _: &Step, _: &Question) -> Verdict {
        Verdict::Approve
    }
}

impl Panel for Rules {
    fn mode(&self) -> CouncilMode {
        CouncilMode::Enforce
    }

    fn hear(&mut self, _: &Step) {}

    fn vote(&mut self, _: &Step, question: &Question) -> Verdict {
        score(question).verdict
    }
}

impl<'a> Networks<'a> {
    /// `council` before it was told anything of `tenants` tenants.
    #[must_use]
    pub fn new(council: &'a Council, quorum: Quorum, tenants: usize) -> Self {
        Self { council, quorum, tenants: vec![(HiddenState::new(council), None); tenants] }
    }

    fn step(&mut self, step: &Step) -> Verdict {
        let (state, last) = &mut self.tenants[step.tenant];
        let now = TimeMs(step.at_ms);
        let code = self.council.parts().time.code(elapsed(last.replace(now), now));
        let logits = self.council.step(state, &step.features, code);
        self.quorum.verdict(&self.council.parts().members, logits.members())
    }
}

impl Panel for Networks<'_> {
    fn mode(&self) -> CouncilMode {
        CouncilMode::Enforce
    }

    fn hear(&mut self, step: &Step) {
        let _verdict = self.step(step);
    }

    fn vote(&mut self, step: &Step, _: &Question) -> Verdict {
        self.step(step)
    }
}

impl Quorum {
    /// One verdict of many: section 4.2 of the design. Whoever is not sure defers, and so does a
    /// council without the approvals or denials that it needs.
    #[must_use]
    pub fn verdict(&self, members: &[Member], logits: &[Logits]) -> Verdict {
        let (mut approvals, mut denials, mut is_vetoed) = (0, 0, false);
        for (member, logits) in members.iter().zip(logits) {
            let confidence = member.calibration.confidence(logits.margin());
            if confidence < self.confidence_min {
                continue;
            }
            match logits.verdict() {
                Verdict::Approve => approvals += 1,
                Verdict::Deny => {
                    denials += 1;
                    is_vetoed |= self.has_veto && member.veto < confidence;
                }
                Verdict::Defer => {}
            }
        }
        match () {
            () if self.denials <= denials => Verdict::Deny,
            () if self.approvals <= approvals && !is_vetoed => Verdict::Approve,
            () => Verdict::Defer,
        }
    }
}
