//! What somebody was told is accepted has to be decided, once: the list comes from outside.

use super::findings::Findings;
use super::rule::Rule;
use crate::error::{Error, Result};
use conclave_core::decision::{Decision, Outcome};
use conclave_core::units::{CommandId, Offset};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One command whose acceptance was acknowledged, as one line of JSON says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Acknowledged {
    /// Where it stands.
    At {
        /// In this partition.
        partition: i64,
        /// At this offset.
        offset: Offset,
    },
    /// What its sender called it.
    Id {
        /// Its id. In one partition it is meant once.
        command_id: CommandId,
    },
}

impl Acknowledged {
    /// Reads a list, one JSON object per line.
    ///
    /// # Errors
    /// `Invalid`, naming the line.
    pub fn read(text: &str) -> Result<Vec<Self>> {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let read = lines.map(|(number, line): (usize, _)| {
            serde_json::from_str(line).map_err(|error| {
                Error::invalid(format!(
                    "line {number} is neither {{\"partition\":0,\"offset\":7}} nor \
                     {{\"command_id\":\"c7\"}}"
                ))
                .caused_by(error)
            })
        });
        read.collect()
    }
}

/// The decision about an id.
#[derive(Clone, Copy, Debug)]
struct Answer {
    offset: Offset,
    /// Whether the rules looked at the command. One that was turned away before may be sent again.
    is_final: bool,
}

/// How far a list is answered in one partition.
#[derive(Debug, Default)]
pub(super) struct Owed {
    offsets: BTreeSet<Offset>,
    /// Ids, and what answered each.
    ids: BTreeMap<CommandId, Option<Answer>>,
}

impl Owed {
    /// What of `list` concerns `partition`: an id may be answered anywhere.
    pub(super) fn of(list: &[Acknowledged], partition: i64) -> Self {
        let mut owed = Self::default();
        for acknowledged in list {
            match acknowledged {
                Acknowledged::At { partition: at, offset } if *at == partition => {
                    owed.offsets.insert(*offset);
                }
                Acknowledged::At { .. } => {}
                Acknowledged::Id { command_id } => {
                    owed.ids.insert(command_id.clone(), None);
                }
            }
        }
        owed
    }

    pub(super) fn check(&mut self, decision: &Decision, findings: &mut Findings) {
        self.offsets.remove(&decision.offset);
        let is_final = match &decision.outcome {
            Outcome::Duplicate(_) => return,
            Outcome::Accepted => true,
            Outcome::Rejected(_) | Outcome::Failed(_) => decision.remembered.is_some(),
        };
        let Some(answer) = self.ids.get_mut(&decision.command_id) else { return };
        match *answer {
            Some(Answer { offset: first, is_final: true }) if is_final => {
                let id = &decision.command_id;
                let sentence = format!("'{id}' is decided again: decision {first} answered it");
                findings.add(Rule::Acknowledged, sentence);
            }
            Some(Answer { is_final: true, .. }) => {}
            _ => *answer = Some(Answer { offset: decision.offset, is_final }),
        }
    }

    /// Ids without an answer in this partition; offsets without one are findings.
    /// Nothing is missed of a log that was not read to its end.
    pub(super) fn finish(self, is_whole: bool, findings: &mut Findings) -> Vec<CommandId> {
        if !is_whole {
            return vec![];
        }
        for offset in self.offsets {
            let sentence = "it was acknowledged and has no decision";
            findings.add_at(offset, Rule::Acknowledged, sentence);
        }
        let open = self.ids.into_iter().filter(|(_, answer)| answer.is_none());
        open.map(|(id, _)| id).collect()
    }
}
