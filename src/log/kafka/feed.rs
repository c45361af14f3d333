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

/// Undecided commands, in order.
#[derive(Debug)]
pub struct Feed {
    arriving: Receiver<StoredCommand>,
    held: VecDeque<StoredCommand>,
    held_bytes: usize,
    bytes_max: usize,
}

impl Feed {
    /// Takes what arrives, and holds `bytes_max` of it at the most: the rest waits in the channel.
    #[must_use]
    pub fn new(arriving: Receiver<StoredCommand>, bytes_max: usize) -> Self {
        Self { arriving, held: VecDeque::new(), held_bytes: 0, bytes_max }
    }

    /// Waits until a command behind `from` is here; false when none comes in time.
    pub fn wait(&mut self, from: Offset, timeout: Duration) -> bool {
        self.take_in();
        if self.held.back().is_some_and(|last| last.offset >= from) {
            return true;
        }
        match self.arriving.recv_timeout(timeout) {
            Ok(command) => {
                self.hold(command);
                true
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => false,
        }
    }

    /// Commands from `from` on that are here, stopping once `bytes_max` is passed.
    pub(super) fn read(&mut self, from: Offset, bytes_max: usize) -> Vec<StoredCommand> {
        self.take_in();
        let start = self.held.partition_point(|command| command.offset < from);
        let (mut commands, mut bytes) = (Vec::new(), 0);
        for command in self.held.range(start..) {
            bytes += command.weight();
            commands.push(command.clone());
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
        while let Some(first) = self.held.pop_front_if(|first| first.offset < next) {
            self.held_bytes -= first.weight();
        }
    }

    fn take_in(&mut self) {
        while self.held_bytes < self.bytes_max {
            let Ok(command) = self.arriving.try_recv() else { return };
            self.hold(command);
        }
    }

    fn hold(&mut self, command: StoredCommand) {
        self.held_bytes += command.weight();
        self.held.push_back(command);
    }
}
