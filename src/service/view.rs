//! A fold of what is committed, kept by a thread of its own, for whoever asks.

use super::Service;
use super::intake::Answer;
use super::room::Room;
use super::standing::{Shared, Standing};
use crate::error::Result;
use crate::estimate::Estimates;
use crate::fold::{FOLD_BYTES_MAX, Folded};
use crate::log::LogReader;
use crate::wire::decode_decision;
use conclave_core::units::{Offset, TimeMs};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;

/// How long the view sleeps when nobody wakes it: a lost notice costs this much.
const NAP: Duration = Duration::from_millis(250);

/// The fold.
#[derive(Debug)]
pub struct View {
    folded: RwLock<Folded>,
    /// Of the same decisions, or of fewer: see [`View::learn`].
    estimates: RwLock<Estimates>,
    next: watch::Sender<Offset>,
    began_at: OnceLock<TimeMs>,
}

impl View {
    pub(super) fn new(folded: Folded) -> Self {
        let next = watch::Sender::new(folded.next());
        let (folded, estimates) = (RwLock::new(folded), RwLock::default());
        Self { folded, estimates, next, began_at: OnceLock::new() }
    }

    /// Asks the state as it stands. While `ask` runs the view does not move, and deciding goes on.
    pub fn read<T>(&self, ask: impl FnOnce(&Folded) -> T) -> T {
        ask(&self.folded.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same with what is known of waits.
    pub fn read_with_estimates<T>(&self, ask: impl FnOnce(&Folded, &Estimates) -> T) -> T {
        self.read(|folded| {
            ask(folded, &self.estimates.read().unwrap_or_else(PoisonError::into_inner))
        })
    }

    /// Learns what is missing before the end of the fold: once, and after the log was opened again;
    /// what comes after that is learnt as it is folded.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(super) fn learn(&self, log: &impl LogReader) -> Result<()> {
        let last = Offset(self.next().0 - 1);
        if self.estimates.read().unwrap_or_else(PoisonError::into_inner).reach(last) {
            return Ok(());
        }
        self.estimates.write().unwrap_or_else(PoisonError::into_inner).catch_up(log, last)
    }

    pub(super) fn watch(&self) -> watch::Receiver<Offset> {
        self.next.subscribe()
    }

    /// Where the fold ends.
    pub(super) fn next(&self) -> Offset {
        *self.next.borrow()
    }

    /// When the log's first command came in: whoever decided it knows before the view has read it.
    pub(super) fn begin(&self, at: TimeMs) {
        let _is_known_now = self.began_at.set(at);
    }

    pub(super) fn began_at(&self) -> TimeMs {
        self.began_at.get().copied().unwrap_or_default()
    }

    pub(super) fn replace(&self, folded: Folded) {
        let next = folded.next();
        *self.estimates.write().unwrap_or_else(PoisonError::into_inner) = Estimates::default();
        *self.folded.write().unwrap_or_else(PoisonError::into_inner) = folded;
        self.next.send_replace(next);
    }

    /// Folds what was committed since, up to `end`, and answers those in `room` who wait for it.
    fn catch_up(&self, log: &impl LogReader, end: Offset, room: &Room) -> Result<()> {
        if self.began_at.get().is_none()
            && end > Offset(0)
            && let Some(first) = log.decisions(Offset(0), 0)?.first()
        {
            let _is_known_now = self.began_at.set(decode_decision(&first.body)?.time_ms);
        }
        while self.next() < end {
            let next = self.next();
            let records = log.decisions(next, FOLD_BYTES_MAX)?;
            if records.is_empty() {
                break;
            }
            let (is_asked, mut answers) = (room.is_waited_in(), Vec::new());
            let mut folded = self.folded.write().unwrap_or_else(PoisonError::into_inner);
            // It may have been replaced meanwhile, and one that failed stands where it failed.
            let to_add = if folded.next() == next { records.as_slice() } else { &[] };
            let mut estimates = self.estimates.write().unwrap_or_else(PoisonError::into_inner);
            let added: Result<()> = to_add.iter().try_for_each(|record| {
                let decision = folded.add_one(record)?;
                if estimates.is_before(&decision) {
                    estimates.see(&decision);
                }
                if is_asked {
                    answers.push(Answer { decision, hash: record.hash });
                }
                Ok(())
            });
            let next = folded.next();
            drop((folded, estimates));
            self.next.send_replace(next);
            room.answer(log, answers);
            added?;
        }
        room.answer_late(log, self.next());
        Ok(())
    }
}

impl Service {
    /// Asks the fold as far as it has come, with what is known of waits. It may read the log: call
    /// it where blocking is allowed.
    pub fn read_with_estimates<T>(&self, ask: impl FnOnce(&Folded, &Estimates) -> T) -> T {
        self.shared.learn();
        self.shared.view.read_with_estimates(ask)
    }
}

/// Keeps the view up to date until its notices end.
pub(super) fn follow(shared: &Shared, notices: &Receiver<()>) {
    loop {
        let end = shared.published.borrow().decisions_next;
        // A log that does not answer would only be waited for.
        let is_away = shared.contact().is_away();
        if !is_away && let Err(error) = shared.view.catch_up(&shared.reader(), end, &shared.room) {
            // At the end the log is closed first, and that is no trouble.
            if shared.standing() != Standing::Closing {
                tracing::error!(%error, "the view cannot follow the log: answers grow old");
            }
            std::thread::sleep(NAP);
        }
        shared.learn();
        match notices.recv_timeout(NAP) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
