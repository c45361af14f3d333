//! Commands on their way from the group's consumer to the partition that decides them.
//!
//! What was handed out stays until it is decided: after an abort the same commands are cut anew
//! without asking the brokers again.

use crate::log::StoredCommand;
use crate::log::block::Record as _;
use conclave_core::units::Offset;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// Undecided commands, in order. It takes in what somebody reads, and no more: the rest waits in the
/// channel, and beyond that with the brokers.
#[derive(Debug)]
pub struct Feed {
    arriving: Receiver<StoredCommand>,
    held: VecDeque<StoredCommand>,
}

impl Feed {
    /// Takes what arrives, in order.
    #[must_use]
    pub fn new(arriving: Receiver<StoredCommand>) -> Self {
        Self { arriving, held: VecDeque::new() }
    }

    /// Waits until a command behind `from` is here; false when none comes in time.
    pub fn wait(&mut self, from: Offset, timeout: Duration) -> bool {
        if self.held.back().is_some_and(|last| last.offset >= from) {
            return true;
        }
        match self.arriving.recv_timeout(timeout) {
            Ok(command) => {
                self.held.push_back(command);
                true
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => false,
        }
    }

    /// Commands from `from` on that are here, stopping once `bytes_max` is passed.
    pub(super) fn read(&mut self, from: Offset, bytes_max: usize) -> Vec<StoredCommand> {
        let start = self.held.partition_point(|command| command.offset < from);
        let (mut commands, mut bytes) = (Vec::new(), 0);
        for at in start.. {
            if at == self.held.len() {
                let Ok(command) = self.arriving.try_recv() else { break };
                self.held.push_back(command);
            }
            let command = &self.held[at];
            // What arrives may still lie before `from`, after a take-over.
            if command.offset >= from {
                bytes += command.weight();
                commands.push(command.clone());
            }
            if bytes > bytes_max {
                break;
            }
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
}
