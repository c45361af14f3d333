//! Order within the line: time, and rounds that are contiguous and complete.

use super::findings::Findings;
use super::rule::Rule;
use conclave_core::decision::Decision;
use conclave_core::input::{Content, Input};
use conclave_core::limits::{ROUND_COMMANDS_MAX, TIME_MS_MAX};
use conclave_core::units::{Offset, TimeMs};
use serde::{Deserialize, Serialize};

/// The round that is open, and how late it is.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Rounds {
    time_ms: TimeMs,
    open: Option<Open>,
}

/// A round whose last decision has not come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    first: Offset,
    next_index: i64,
}

impl Rounds {
    /// Checks the decision that comes next. `is_after_gap` when the one before it is missing: where
    /// its round began is not known then.
    pub(super) fn check(
        &mut self,
        decision: &Decision,
        input: Option<&Input>,
        is_after_gap: bool,
        findings: &mut Findings,
    ) {
        self.check_time(decision, input, is_after_gap, findings);
        self.check_round(decision, is_after_gap, findings);
        let is_alone = decision.round_index == 0 && decision.round_count == Some(1);
        if !is_alone && input.is_some_and(is_control) {
            let kind = &decision.kind;
            findings.add(Rule::Order, format!("{kind} has to be alone in its round, and is not"));
        }
    }

    fn check_time(
        &mut self,
        decision: &Decision,
        input: Option<&Input>,
        is_after_gap: bool,
        findings: &mut Findings,
    ) {
        let (before, now) = (self.time_ms, decision.time_ms);
        if now < before {
            findings.add(Rule::Order, format!("time goes back from {before} to {now}"));
        } else if let Some(input) = input {
            let own = input.time_ms.min(TIME_MS_MAX);
            let due = before.max(own);
            // What is missing may have been later.
            let is_due = now == due || (is_after_gap && now >= due);
            if !is_due {
                let sentence = format!("its time is {now}, and its command's {own} after {before}");
                findings.add(Rule::Order, sentence);
            }
        }
        self.time_ms = before.max(now);
    }

    fn check_round(&mut self, decision: &Decision, is_after_gap: bool, findings: &mut Findings) {
        let Decision { offset, round, round_index: index, round_count, .. } = *decision;
        let due = match self.open {
            _ if is_after_gap => Open { first: round, next_index: index },
            Some(open) => open,
            None => Open { first: offset, next_index: 0 },
        };
        let is = Open { first: round, next_index: index };
        if is != due {
            let Open { first, next_index } = due;
            findings.add(
                Rule::Order,
                format!(
                    "it calls itself place {index} of round {round}, where place {next_index} of \
                     round {first} is due"
                ),
            );
        }
        if !(0..ROUND_COMMANDS_MAX).contains(&index) || round > offset {
            let sentence = format!("there is no place {index} in a round that begins at {round}");
            findings.add(Rule::Order, sentence);
        }
        let next_index = index.saturating_add(1);
        if let Some(count) = round_count.filter(|count| *count != next_index) {
            let sentence = format!("it ends a round of {count} with place {index}");
            findings.add(Rule::Order, sentence);
        }
        self.open = round_count.is_none().then_some(Open { first: round, next_index });
    }

    /// At the end of a log every round is complete: it was committed in one piece.
    pub(super) fn finish(&self, findings: &mut Findings) {
        if let Some(Open { first, next_index }) = self.open {
            let sentence = format!("the round ends after {next_index} decisions without saying so");
            findings.add_at(first, Rule::Order, sentence);
        }
    }
}

fn is_control(input: &Input) -> bool {
    match &input.content {
        Content::Readable { command, .. } => command.payload.is_control(),
        Content::Unreadable(_) => false,
    }
}
