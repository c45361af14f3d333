//! Commands that this process has just sent, so that whoever sends and decides reads nothing back.
//!
//! Only a stretch of offsets without a gap is kept: what somebody else wrote in between is not
//! here, and has to be read from the brokers. Nor is what the brokers gave a time of theirs: only
//! they know what others read there.

use super::submit::Delivered;
use crate::log::block::Record as _;
use crate::log::{CommandRecord, StoredCommand};
use conclave_core::units::Offset;
use std::collections::VecDeque;

/// Bytes above which what was sent is let go of, and read from the brokers when it is asked for.
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Undecided commands, of offsets that follow each other.
#[derive(Debug, Default)]
pub(super) struct Sent {
    held: VecDeque<StoredCommand>,
    bytes: usize,
}

impl Sent {
    /// Takes note of what was sent and where each is stored.
    pub(super) fn add(&mut self, commands: &[CommandRecord], delivered: &[Delivered]) {
        if delivered.iter().any(|one| one.is_stamped) {
            self.forget();
            return;
        }
        for (record, Delivered { offset, .. }) in commands.iter().zip(delivered) {
            if self.held.back().is_some_and(|last| offset.0 != last.offset.0 + 1) {
                self.forget();
            }
            let command = StoredCommand { offset: *offset, record: record.clone() };
            self.bytes += command.weight();
            self.held.push_back(command);
        }
        if self.bytes > HELD_BYTES_MAX {
            self.forget();
        }
    }

    /// Commands from `from` on, stopping once `bytes_max` is passed; none when it is not known what
    /// stands there.
    pub(super) fn read(&self, from: Offset, bytes_max: usize) -> Option<Vec<StoredCommand>> {
        let skipped = usize::try_from(from.0 - self.held.front()?.offset.0).ok()?;
        if skipped >= self.held.len() {
            return None;
        }
        let mut bytes = 0;
        let is_wanted = |command: &&StoredCommand| {
            let has_room = bytes <= bytes_max;
            bytes += command.weight();
            has_room
        };
        Some(self.held.iter().skip(skipped).take_while(is_wanted).cloned().collect())
    }

    /// Lets go of what is decided: everything before `next`.
    pub(super) fn decided(&mut self, next: Offset) {
        while let Some(first) = self.held.pop_front_if(|first| first.offset < next) {
            self.bytes -= first.weight();
        }
    }

    fn forget(&mut self) {
        self.held.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Headers;
    use conclave_core::units::TimeMs;

    fn record(bytes: usize) -> CommandRecord {
        let (key, value, headers) = (vec![], vec![0; bytes], Headers::new());
        CommandRecord { time_ms: TimeMs(5), key, value, headers }
    }

    fn add(sent: &mut Sent, offsets: &[i64], bytes: usize) {
        let records = vec![record(bytes); offsets.len()];
        let delivered = |offset: &i64| Delivered { offset: Offset(*offset), is_stamped: false };
        sent.add(&records, &offsets.iter().map(delivered).collect::<Vec<_>>());
    }

    #[track_caller]
    fn check(sent: &Sent, from: i64, bytes_max: usize, expected: Option<&[i64]>) {
        let read = sent.read(Offset(from), bytes_max);
        let offsets = read.map(|all| all.iter().map(|one| one.offset.0).collect::<Vec<_>>());
        assert_eq!(offsets.as_deref(), expected);
    }

    #[test]
    fn what_was_sent_is_here_until_it_is_decided() {
        let mut sent = Sent::default();
        check(&sent, 0, usize::MAX, None);
        add(&mut sent, &[3, 4], 100);
        add(&mut sent, &[5], 100);
        check(&sent, 3, usize::MAX, Some(&[3, 4, 5]));
        check(&sent, 4, 1, Some(&[4]));
        check(&sent, 2, usize::MAX, None);
        check(&sent, 6, usize::MAX, None);
        sent.decided(Offset(5));
        check(&sent, 4, usize::MAX, None);
        check(&sent, 5, usize::MAX, Some(&[5]));
        sent.decided(Offset(6));
        assert_eq!((sent.held.len(), sent.bytes), (0, 0));
    }

    #[test]
    fn what_others_wrote_in_between_is_not_passed_over() {
        let mut sent = Sent::default();
        add(&mut sent, &[3, 4, 6], 100);
        check(&sent, 3, usize::MAX, None);
        check(&sent, 5, usize::MAX, None);
        check(&sent, 6, usize::MAX, Some(&[6]));
        add(&mut sent, &[9], 100);
        check(&sent, 6, usize::MAX, None);
        check(&sent, 9, usize::MAX, Some(&[9]));
    }

    #[test]
    fn no_more_is_held_than_is_said() {
        let mut sent = Sent::default();
        add(&mut sent, &[0, 1, 2, 3], HELD_BYTES_MAX / 3);
        assert_eq!((sent.held.len(), sent.bytes), (0, 0));
        check(&sent, 0, usize::MAX, None);
    }

    #[test]
    fn what_brokers_gave_a_time_of_theirs_is_read_from_them() {
        let mut sent = Sent::default();
        add(&mut sent, &[0], 1);
        sent.add(&[record(1)], &[Delivered { offset: Offset(1), is_stamped: true }]);
        check(&sent, 0, usize::MAX, None);
        check(&sent, 1, usize::MAX, None);
        add(&mut sent, &[2], 1);
        check(&sent, 2, usize::MAX, Some(&[2]));
    }
}
