//! Commands on their way from the group's consumer to the partition that decides them.
//!
//! What was handed out stays until it is decided: after an abort the same commands are cut anew
//! without asking the brokers again.

use crate::log::StoredCommand;
use crate::log::block::Record as _;
use conclave_core::units::Offset;
use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// Undecided commands, in order. It takes in what somebody reads, and no more: the rest waits in
/// the channel, and beyond that with the brokers.
#[derive(Debug)]
pub struct Feed {
    arriving: Receiver<StoredCommand>,
    held: VecDeque<StoredCommand>,
    /// The last one that came. What is fetched again may come twice, and counts once.
    last: Option<Offset>,
}

impl Feed {
    /// Takes what arrives, in order.
    #[must_use]
    pub fn new(arriving: Receiver<StoredCommand>) -> Self {
        Self { arriving, held: VecDeque::new(), last: None }
    }

    /// Waits until a command behind `from` is here; false when none comes in time.
    pub fn wait(&mut self, from: Offset, timeout: Duration) -> bool {
        if self.held.back().is_some_and(|last| last.offset >= from) {
            return true;
        }
        self.arriving.recv_timeout(timeout).is_ok_and(|command| self.hold(command))
    }

    /// Commands from `from` on that are here, stopping once `bytes_max` is passed.
    pub(super) fn read(&mut self, from: Offset, bytes_max: usize) -> Vec<StoredCommand> {
        let mut at = self.held.partition_point(|command| command.offset < from);
        let (mut commands, mut bytes) = (Vec::new(), 0);
        while bytes <= bytes_max && (at < self.held.len() || self.take_in()) {
            let command = &self.held[at];
            // What arrives may still lie before `from`.
            if command.offset >= from {
                bytes += command.weight();
                commands.push(command.clone());
            }
            at += 1;
        }
        commands
    }

    /// Offset after the last command that is here.
    pub(super) fn next(&self) -> Option<Offset> {
        self.held.back().map(|last| Offset(last.offset.0 + 1))
    }

    /// Lets go of what is decided: everything before `next`.
    pub(super) fn decided(&mut self, next: Offset) {
        while self.held.pop_front_if(|first| first.offset < next).is_some() {}
    }

    /// Takes one more in; false when none is here.
    fn take_in(&mut self) -> bool {
        while let Ok(command) = self.arriving.try_recv() {
            if self.hold(command) {
                return true;
            }
        }
        false
    }

    /// False for one that has come before.
    fn hold(&mut self, command: StoredCommand) -> bool {
        let is_new = self.last.is_none_or(|last| command.offset > last);
        if is_new {
            self.last = Some(command.offset);
            self.held.push_back(command);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{CommandRecord, Headers};
    use conclave_core::units::TimeMs;
    use std::sync::mpsc::{Sender, channel};

    fn command(offset: i64) -> StoredCommand {
        let (key, value, headers) = (vec![], vec![0; 100], Headers::new());
        let record = CommandRecord { time_ms: TimeMs(0), key, value, headers };
        StoredCommand { offset: Offset(offset), record }
    }

    fn fed(offsets: &[i64]) -> (Sender<StoredCommand>, Feed) {
        // A feed does not care how much its channel holds.
        let (to, arriving) = channel();
        offsets.iter().for_each(|offset| to.send(command(*offset)).expect("it is taken"));
        (to, Feed::new(arriving))
    }

    #[track_caller]
    fn check(feed: &mut Feed, from: i64, bytes_max: usize, expected: &[i64]) {
        let read = feed.read(Offset(from), bytes_max);
        assert_eq!(read.iter().map(|one| one.offset.0).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_read_stays_until_it_is_decided() {
        let (_to, mut feed) = fed(&[3, 4, 6, 9]);
        check(&mut feed, 4, usize::MAX, &[4, 6, 9]);
        check(&mut feed, 3, usize::MAX, &[3, 4, 6, 9]);
        feed.decided(Offset(6));
        check(&mut feed, 0, usize::MAX, &[6, 9]);
        assert_eq!(feed.next(), Some(Offset(10)));
        assert!(feed.wait(Offset(9), Duration::ZERO) && !feed.wait(Offset(10), Duration::ZERO));
    }

    #[test]
    fn no_more_is_taken_in_than_is_read() {
        let (to, mut feed) = fed(&[1, 2, 3]);
        check(&mut feed, 0, 1, &[1]);
        assert_eq!(feed.next(), Some(Offset(2)));
        drop(to);
        check(&mut feed, 2, usize::MAX, &[2, 3]);
    }

    #[test]
    fn what_comes_again_counts_once() {
        let (_to, mut feed) = fed(&[1, 2, 3, 2, 3, 4]);
        check(&mut feed, 0, usize::MAX, &[1, 2, 3, 4]);
        feed.decided(Offset(5));
        assert_eq!(feed.next(), None);
        let (to, mut feed) = fed(&[7, 7]);
        assert!(feed.wait(Offset(0), Duration::ZERO));
        feed.decided(Offset(8));
        assert!(!feed.wait(Offset(8), Duration::ZERO), "it is decided");
        to.send(command(8)).expect("it is taken");
        assert!(feed.wait(Offset(8), Duration::ZERO));
    }
}
