//! Which commands the next round takes: read ahead, cut where the log alone says.

use super::Engine;
use crate::error::Result;
use crate::log::block::Record as _;
use crate::log::{EventLog, StoredCommand};
use crate::telemetry::Step;
use conclave_core::command::TimeSource;
use conclave_core::limits::{ROUND_COMMANDS_DEFAULT, ROUND_SPAN_MS_MAX};
use conclave_core::round::{Round, fixed_round_length};
use conclave_core::seat::Seat;
use conclave_core::units::{Offset, TimeMs};
use std::time::Instant;

/// Bytes of commands in one round; a longer command is a round of its own.
const ROUND_BYTES_MAX: usize = 4 * 1024 * 1024;

impl<L: EventLog, S: Seat> Engine<L, S> {
    /// The commands of the next round; none when all are decided.
    pub(super) fn cut(&mut self) -> Result<Option<(Vec<StoredCommand>, Round)>> {
        let commands_max = self.folded.state.log.as_ref().map(|log| log.round_commands);
        let commands_max = commands_max.unwrap_or(ROUND_COMMANDS_DEFAULT);
        let commands_max = usize::try_from(commands_max).expect("OpenLog was validated");
        // The cut may depend on the log alone, never on where reading began.
        while self.leading(commands_max) == self.read_ahead.len() && self.read_on_or_wait()? {}
        let room = self.before_skip(self.leading(commands_max));
        let next = self.read_ahead.iter().map(|(_, input)| input);
        let length = fixed_round_length(next, room);
        if length == 0 {
            return Ok(None);
        }
        let (stored, inputs) = self.read_ahead.drain(..length).unzip();
        Ok(Some((stored, Round { inputs })))
    }

    /// How many of the commands read ahead one round has room for, control commands or not. A live
    /// service's round spans a second of log time at the most.
    fn leading(&self, commands_max: usize) -> usize {
        let is_live = self.is_live();
        let began_at = self.read_ahead.front().map_or(TimeMs(0), |(first, _)| first.record.time_ms);
        let mut bytes = 0;
        let fits = self.read_ahead.iter().take(commands_max).take_while(|(stored, _)| {
            bytes += stored.weight();
            let spans_ms = stored.record.time_ms.0.saturating_sub(began_at.0);
            bytes <= ROUND_BYTES_MAX && (!is_live || spans_ms < ROUND_SPAN_MS_MAX.0)
        });
        fits.count().max(1).min(self.read_ahead.len())
    }

    fn is_live(&self) -> bool {
        let log = self.folded.state.log.as_ref();
        log.is_some_and(|log| log.time_source == TimeSource::LogAppend)
    }

    /// How many of the next `count` commands come before one that is skipped; one that is, alone.
    fn before_skip(&self, count: usize) -> usize {
        let next = self.read_ahead.front().map_or(Offset(0), |(stored, _)| stored.offset);
        let Some(skip) = self.skips.iter().find(|skip| skip.offset >= next) else { return count };
        let commands = self.read_ahead.iter().take(count);
        let before = commands.take_while(|(stored, _)| stored.offset < skip.offset).count();
        count.min(before.max(1))
    }

    /// Reads further ahead. A live service decides what comes before a command that waits.
    fn read_on_or_wait(&mut self) -> Result<bool> {
        match self.read_on() {
            Err(_)
                if self.reader.waiting().is_some()
                    && self.is_live()
                    && !self.read_ahead.is_empty() =>
            {
                Ok(false)
            }
            read => read,
        }
    }

    /// Reads further ahead; false at the end of the log.
    fn read_on(&mut self) -> Result<bool> {
        let started = Instant::now();
        let from = match self.read_ahead.back() {
            Some((last, _)) => Offset(last.offset.0 + 1),
            None => self.folded.next(),
        };
        let commands = self.log.commands(from, self.log.bytes_per_read())?;
        let version = self.folded.state.decide_version;
        let is_end = commands.is_empty();
        for stored in commands {
            let partition = self.log.partition();
            let is_skipped = self.skips.iter().any(|skip| skip.offset == stored.offset);
            let input = if is_skipped {
                self.reader.read_unasked(partition, &stored, version)
            } else {
                self.reader.read(partition, &stored, version)?
            };
            self.read_ahead.push_back((stored, input));
        }
        self.latencies.record(Step::Ingest, started.elapsed());
        Ok(!is_end)
    }

    /// Reads the commands read ahead once more, as the rules read them that decide from here on.
    pub(super) fn read_again(&mut self) {
        let (partition, version) = (self.log.partition(), self.folded.state.decide_version);
        for (stored, input) in &mut self.read_ahead {
            *input = self.reader.read_unasked(partition, stored, version);
        }
    }
}
