//! What a partition waits for before it can decide on: a council whose file is not here, one that
//! fails its test on this machine, a schema that nobody tells.

use crate::council::CouncilSeat;
use crate::error::Result;
use crate::fold::Folded;
use crate::log::LogReader;
use crate::wire::CommandReader;
use conclave_core::command::Payload;
use conclave_core::council::ModelId;
use conclave_core::input::Content;
use conclave_core::seat::Absent;
use conclave_core::units::Hash32;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What keeps a partition from deciding on. Nothing is lost meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Awaiting {
    /// Its number.
    pub partition: i64,
    /// Commands that are accepted and wait with it, as far as is known: where offsets have holes,
    /// those are counted, too.
    pub commands: i64,
    /// What is missing, and what to do.
    pub why: String,
}

impl Awaiting {
    /// What the log that was folded as far as it goes will wait for, or does, when `seat` is who
    /// votes in it: the council in the seat, or the one that its next command puts there.
    ///
    /// # Errors
    /// As the log's.
    pub fn of_log(
        log: &impl LogReader,
        folded: &Folded,
        seat: &CouncilSeat,
    ) -> Result<Option<Self>> {
        let next = folded.next();
        let commands = log.ends()?.commands_next.0 - next.0;
        let stored = if commands > 0 { log.commands(next, 0)? } else { vec![] };
        let first = stored.into_iter().next().and_then(|stored| {
            let version = folded.state.decide_version;
            let input = CommandReader::new().read(log.partition(), &stored, version);
            match input.content {
                Content::Readable { command, .. } => Some(command.payload),
                Content::Unreadable(_) => None,
            }
        });
        // Whoever is put into the seat takes the votes that are due.
        let model = match first {
            Some(Payload::ActivateCouncil(activate)) => {
                Hash32::from_hex(&activate.model).map(ModelId)
            }
            _ => folded.state.council,
        };
        let Some(model) = model else { return Ok(None) };
        let partition = log.partition();
        let absent = seat.has(model).err().map(|why| Absent { model, why });
        Ok(absent.map(|absent| Self { partition, commands, why: absent.to_string() }))
    }

    /// In a sentence that says what to do.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { partition, commands, why } = self;
        let held = match commands {
            0 => "cannot take another vote".to_owned(),
            1 => "waits with 1 command".to_owned(),
            _ => format!("waits with {commands} commands"),
        };
        let runbook = if why.contains("the council ") { "council-missing" } else { "not-ready" };
        format!("partition {partition} {held}: {why} (docs/runbooks/{runbook}.md)")
    }
}

#[cfg(test)]
mod tests {
    use super::Awaiting;

    #[test]
    fn a_sentence_says_how_much_waits_and_for_what() {
        for (commands, held) in
            [(0, "cannot take another vote"), (1, "with 1 command:"), (7, "with 7 commands:")]
        {
            let why = "the council X cannot be asked: no file".to_owned();
            let sentence = Awaiting { partition: 2, commands, why: why.clone() }.sentence();
            assert!(sentence.starts_with("partition 2 ") && sentence.contains(held), "{sentence}");
            assert!(sentence.ends_with(&format!(": {why} (docs/runbooks/council-missing.md)")));
        }
    }
}
