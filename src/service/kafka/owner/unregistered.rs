//! Commands of producers who ask a registry of which this service was not told. Their rejection
//! cannot say so: what is decided must not depend on the configuration.

use conclave_core::decision::{Decision, Outcome};
use conclave_core::rejection::RejectionCode;
use conclave_core::units::Offset;

/// Notices them, and tells of the first.
#[derive(Debug)]
pub(super) struct Unregistered {
    is_silent: bool,
}

impl Unregistered {
    /// With a registry there is nothing to tell: its answer is what was decided by.
    pub(super) fn new(has_registry: bool) -> Self {
        Self { is_silent: has_registry }
    }

    /// Looks at what was just decided.
    pub(super) fn look(&mut self, partition: i32, decisions: &[Decision]) {
        let outcomes = decisions.iter().map(|decision| (decision.offset, &decision.outcome));
        if let Some(offset) = self.first_of(outcomes) {
            tracing::warn!(partition, %offset, "{TOLD}");
        }
    }

    /// The first of them, unless one was told of before.
    fn first_of<'d>(
        &mut self,
        mut outcomes: impl Iterator<Item = (Offset, &'d Outcome)>,
    ) -> Option<Offset> {
        if self.is_silent {
            return None;
        }
        let (first, _) = outcomes.find(|(_, outcome)| is_unknown(outcome))?;
        self.is_silent = true;
        Some(first)
    }
}

const TOLD: &str = "a command names a schema that the local table does not know, and no registry \
                    is set: if its producer asks one, set url in [kafka.registry] and start again \
                    (docs/registry.md)";

fn is_unknown(outcome: &Outcome) -> bool {
    let Outcome::Rejected(rejected) = outcome else { return false };
    rejected.code == RejectionCode::UnknownSchema
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_core::rejection::refuse;

    #[test]
    fn the_first_command_that_a_registry_would_know_is_told_of_once() {
        let rejected = |code| Outcome::Rejected(refuse(code, "so it is".to_owned()));
        let other = rejected(RejectionCode::Unreadable);
        let unknown = rejected(RejectionCode::UnknownSchema);
        let outcomes = [&Outcome::Accepted, &other, &unknown, &unknown];
        let decided = || (7..).map(Offset).zip(outcomes);
        let mut without = Unregistered::new(false);
        assert_eq!(without.first_of(decided().take(2)), None);
        assert_eq!(without.first_of(decided()), Some(Offset(9)));
        assert_eq!(without.first_of(decided()), None);
        assert_eq!(Unregistered::new(true).first_of(decided()), None, "its answer was the reason");
    }
}
