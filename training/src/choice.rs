//! How far each member leans, how sure one has to be to veto, and the numbers of the quorum: chosen
//! by what the council is then worth in the seat, on fleets and times that nothing is judged by.

use crate::error::Result;
use crate::export::{self, QUORUM};
use crate::lean::{Candidate, Lean};
use crate::member::{ROLES, Role};
use crate::network::exact::council;
use crate::panel::{Networks, Nobody};
use crate::trial::{Range, Trial};
use crate::worth::Worth;
use conclave_core::council::{Council, PerMille, QuorumNumbers};

/// What was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// By member.
    pub leans: Vec<Lean>,
    /// The least veto level, by member.
    pub vetoes: Vec<PerMille>,
    /// For the quorum.
    pub quorum: QuorumNumbers,
    /// What the council is then worth, on what it was chosen by.
    pub worth: Worth,
    /// How many others were tried.
    pub tried: usize,
}

/// How sure the council may have to be.
const CONFIDENCES: [u16; 4] = [0, 500, 600, 700];
/// How much weight approvals and denials may have to have. What members learn on the job moves
/// weights by half at most, so at the edges these do decide.
const APPROVE_BP: [u16; 3] = [6_000, 6_750, 7_500];
const DENY_BP: [u16; 3] = [4_000, 5_000, 6_000];
/// The least veto levels that are tried: a veto puts off, however few of them are false.
const VETOES: [u16; 4] = [500, 700, 900, 1_000];
/// Changes of a lean that are tried, round by round.
const STEPS: [f64; 2] = [0.5, 0.25];
/// A place to begin at, by member what it leans to deny and to defer and its least veto level:
/// where a longer search ended that began at the leans of the council before. From places where
/// all members lean alike, the climb ends where hardly anything is kept out.
const KNOWN: [(f64, f64, u16); ROLES.len()] = [
    (-2.5, -1.0, 700),
    (-1.0, -0.5, 1_000),
    (-1.25, -1.5, 700),
    (-1.25, -2.25, 700),
    (-1.25, 1.0, 700),
];
/// How sure the council has to be there.
const KNOWN_CONFIDENCE: PerMille = PerMille(500);
/// What is lost anywhere counts as so many times as much as what is gained.
pub const STRICT: f64 = 5.0;

impl Choice {
    /// A line for whoever watches.
    fn line(&self, what: &str) -> String {
        let Self { leans, vetoes, quorum, worth, .. } = self;
        let leans = leans.iter().zip(vetoes);
        let leans: Vec<_> = leans
            .map(|(lean, veto)| format!("{:+.2}/{:+.2}/{}", lean.deny, lean.defer, veto.0))
            .collect();
        let sources: Vec<_> = worth
            .sources
            .iter()
            .map(|of| {
                format!("{} {:+.4} loss {:.4} good {:.3}", of.name, of.gain, of.loss, of.good)
            })
            .collect();
        let QuorumNumbers { approve_bp, deny_bp, confidence_min } = quorum;
        format!(
            "{what}: worth {:.4}, {}; {}, approve {approve_bp} deny {deny_bp} least {}",
            worth.utility,
            sources.join(", "),
            leans.join(" "),
            confidence_min.0
        )
    }
}

/// The council of `candidates` that lean so.
///
/// # Errors
/// [`crate::Error::Bug`] only.
pub fn seated(candidates: &[Candidate], choice: &Choice) -> Result<Council> {
    let leaning = candidates.iter().zip(&choice.leans).zip(&choice.vetoes);
    let of = |((candidate, lean), veto): ((&Candidate, &Lean), &PerMille)| {
        candidate.member(*lean, *veto)
    };
    let members = leaning.map(of).collect::<Result<_>>()?;
    council(members, choice.quorum, export::schema())
}

/// What to choose on `ranges`: the largest utility under which enough good work is started and no
/// source loses. Every step is taken that makes the council better, first of all members together,
/// then of each.
///
/// # Errors
/// [`crate::Error::Bug`] only.
pub fn choose(
    candidates: &[Candidate],
    ranges: &[Range],
    tell: &mut dyn FnMut(&str),
) -> Result<Choice> {
    let open = ranges.iter().map(|range| range.trial(&mut Nobody)).collect();
    let mut search = Search { candidates, ranges, open, tried: 0 };
    let mut best = search.measured(known())?;
    for leans in first_leans() {
        let vetoes = vec![PerMille(VETOES[3]); leans.len()];
        let quorum = QuorumNumbers { confidence_min: PerMille(0), ..QUORUM };
        let first = Choice { leans, vetoes, quorum, worth: Worth::default(), tried: 0 };
        search.is_better(&mut best, first)?;
    }
    tell(&best.line("together"));
    let best = search.climbed(best, tell)?;
    Ok(Choice { tried: search.tried, ..best })
}

fn known() -> Choice {
    Choice {
        leans: KNOWN.map(|(deny, defer, _)| Lean { deny, defer }).into(),
        vetoes: KNOWN.map(|(_, _, veto)| PerMille(veto)).into(),
        quorum: QuorumNumbers { confidence_min: KNOWN_CONFIDENCE, ..QUORUM },
        worth: Worth::default(),
        tried: 0,
    }
}

/// Leans that are tried first. Three denials deny, so it takes the three that look at the work
/// itself (efficiency, cost, risk) together; the two that look at who waits are tried as one.
fn first_leans() -> Vec<Vec<Lean>> {
    let mut all = Vec::new();
    for defer in [-1.0, -2.0] {
        for work in [-1.5, -1.0, -0.5, 0.0] {
            for waits in [-1.5, -0.75, 0.0] {
                let of = |role: &Role| {
                    let looks_at_waits = matches!(role.label, "fairness" | "service_level");
                    Lean { deny: if looks_at_waits { waits } else { work }, defer }
                };
                all.push(ROLES.iter().map(of).collect());
            }
        }
    }
    all
}

struct Search<'a> {
    candidates: &'a [Candidate],
    ranges: &'a [Range],
    /// With nobody in the seat, by range.
    open: Vec<Trial>,
    tried: usize,
}

impl Search<'_> {
    /// `choice` with what it is worth.
    fn measured(&mut self, mut choice: Choice) -> Result<Choice> {
        self.tried += 1;
        let council = seated(self.candidates, &choice)?;
        let try_on = |range: &Range| range.trial(&mut Networks::new(&council));
        let trials: Vec<_> = self.ranges.iter().map(try_on).collect();
        choice.worth = Worth::of(self.ranges, &trials, &self.open);
        Ok(choice)
    }

    /// `choice` made better, round by round.
    fn climbed(&mut self, mut choice: Choice, tell: &mut dyn FnMut(&str)) -> Result<Choice> {
        for step in STEPS {
            for member in 0..self.candidates.len() {
                for (deny, defer) in [(step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step)] {
                    while self.is_moved(&mut choice, member, deny, defer)? {}
                }
                self.see_vetoes(&mut choice, member)?;
            }
            self.see_numbers(&mut choice)?;
            tell(&choice.line("one by one"));
        }
        Ok(choice)
    }

    /// Replaces `best` by `other` if that is better, and says whether it is.
    fn is_better(&mut self, best: &mut Choice, other: Choice) -> Result<bool> {
        let other = self.measured(other)?;
        let is_better = best.worth.rank(STRICT) < other.worth.rank(STRICT);
        if is_better {
            *best = other;
        }
        Ok(is_better)
    }

    /// The same with the lean of one member moved.
    fn is_moved(
        &mut self,
        best: &mut Choice,
        member: usize,
        deny: f64,
        defer: f64,
    ) -> Result<bool> {
        let mut other = best.clone();
        other.leans[member] = best.leans[member].moved(deny, defer);
        Ok(other.leans != best.leans && self.is_better(best, other)?)
    }

    /// The same with other veto levels of one member.
    fn see_vetoes(&mut self, best: &mut Choice, member: usize) -> Result<()> {
        for veto in VETOES.map(PerMille) {
            let mut other = best.clone();
            other.vetoes[member] = veto;
            if other.vetoes != best.vetoes {
                self.is_better(best, other)?;
            }
        }
        Ok(())
    }

    /// The same with other numbers of the quorum, one by one.
    fn see_numbers(&mut self, best: &mut Choice) -> Result<()> {
        for confidence_min in CONFIDENCES.map(PerMille) {
            let quorum = QuorumNumbers { confidence_min, ..best.quorum };
            self.see_quorum(best, quorum)?;
        }
        for approve_bp in APPROVE_BP {
            let quorum = QuorumNumbers { approve_bp, ..best.quorum };
            self.see_quorum(best, quorum)?;
        }
        for deny_bp in DENY_BP {
            let quorum = QuorumNumbers { deny_bp, ..best.quorum };
            self.see_quorum(best, quorum)?;
        }
        Ok(())
    }

    fn see_quorum(&mut self, best: &mut Choice, quorum: QuorumNumbers) -> Result<()> {
        if quorum != best.quorum {
            self.is_better(best, Choice { quorum, ..best.clone() })?;
        }
        Ok(())
    }
}
