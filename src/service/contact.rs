//! How a log that is kept elsewhere is reached, and how much waits for it here.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// After so long without a sign from those who keep the log they count as away.
const AWAY_AFTER: Duration = Duration::from_secs(3);
/// Bytes of the commands that an outbox holds.
const OUTBOX_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// When those who keep the log were heard of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contact {
    /// The log is this machine's own, or nobody takes note.
    #[default]
    Own,
    /// Not since the start.
    Never,
    /// The last time then.
    At(Instant),
}

impl Contact {
    /// Whether they count as away.
    #[must_use]
    pub fn is_away(self) -> bool {
        match self {
            Self::Own => false,
            Self::Never => true,
            Self::At(heard) => heard.elapsed() > AWAY_AFTER,
        }
    }

    /// The last sign in words: a part of a sentence.
    #[must_use]
    pub fn in_words(self) -> String {
        match self {
            Self::Own => "the log is this machine's own".to_owned(),
            Self::Never => "the brokers have not answered since the start".to_owned(),
            Self::At(heard) => {
                format!("the brokers were last heard of {} s ago", heard.elapsed().as_secs())
            }
        }
    }
}

/// How much an outbox holds: shared by who fills it, who empties it and who asks.
#[derive(Debug)]
pub struct OutboxLevel {
    commands: AtomicU64,
    bytes: AtomicU64,
    commands_max: u64,
    is_closed: AtomicBool,
}

impl OutboxLevel {
    /// An outbox that holds `commands` of `bytes`, of at most `commands_max`.
    #[must_use]
    pub fn new(commands: u64, bytes: u64, commands_max: u64) -> Self {
        Self {
            commands: AtomicU64::new(commands),
            bytes: AtomicU64::new(bytes),
            commands_max,
            is_closed: AtomicBool::new(false),
        }
    }

    /// Commands in it.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands.load(Ordering::Relaxed)
    }

    /// How many there may be.
    #[must_use]
    pub fn commands_max(&self) -> u64 {
        self.commands_max
    }

    /// Whether it takes no more now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.commands() >= self.commands_max
            || self.bytes.load(Ordering::Relaxed) >= OUTBOX_BYTES_MAX
    }

    /// Takes a place for a command of so many bytes; false when there is none.
    pub(super) fn enter(&self, bytes: u64) -> bool {
        let has_room = |held: u64, most: u64| (held < most).then_some(held + 1);
        let order = Ordering::Relaxed;
        let is_in = self.bytes.load(order) < OUTBOX_BYTES_MAX
            && self
                .commands
                .fetch_update(order, order, |held| has_room(held, self.commands_max))
                .is_ok();
        if is_in {
            self.bytes.fetch_add(bytes, order);
        }
        is_in
    }

    /// Gives the place of a command back.
    pub(super) fn leave(&self, bytes: u64) {
        // After a write of which nobody knows whether it was stored there may be more than counted.
        let order = Ordering::Relaxed;
        for (of, less) in [(&self.commands, 1), (&self.bytes, bytes)] {
            let _always_ok = of.fetch_update(order, order, |held| Some(held.saturating_sub(less)));
        }
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_takes_as_much_as_it_may_and_more_when_something_left() {
        let level = OutboxLevel::new(1, 10, 3);
        assert!(level.enter(5) && level.enter(5));
        assert!(!level.enter(5) && level.is_full(), "three are in it");
        level.leave(5);
        assert_eq!(level.commands(), 2);
        assert!(level.enter(OUTBOX_BYTES_MAX), "one that is large is taken as long as it is small");
        level.leave(1);
        assert!(!level.enter(1) && level.is_full(), "it has room for commands, not for bytes");
    }

    #[test]
    fn silence_is_being_away() {
        assert!(!Contact::Own.is_away() && Contact::Never.is_away());
        assert!(!Contact::At(Instant::now()).is_away());
        let long_ago = Instant::now().checked_sub(AWAY_AFTER * 2);
        assert!(long_ago.is_none_or(|then| Contact::At(then).is_away()));
    }
}
