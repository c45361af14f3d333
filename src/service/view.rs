//! A fold of what is committed, kept by a thread of its own, for whoever asks.

use super::standing::{Shared, Standing};
use crate::error::Result;
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
    next: watch::Sender<Offset>,
    began_at: OnceLock<TimeMs>,
}

impl View {
    pub(super) fn new(folded: Folded) -> Self {
        let next = watch::Sender::new(folded.next());
        Self { folded: RwLock::new(folded), next, began_at: OnceLock::new() }
    }

    /// Asks the state as it stands. While `ask` runs the view does not move, and deciding goes on.
    pub fn read<T>(&self, ask: impl FnOnce(&Folded) -> T) -> T {
        ask(&self.folded.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn watch(&self) -> watch::Receiver<Offset> {
        self.next.subscribe()
    }

    pub(super) fn began_at(&self) -> TimeMs {
        self.began_at.get().copied().unwrap_or_default()
    }

    pub(super) fn replace(&self, folded: Folded) {
        let next = folded.next();
        *self.folded.write().unwrap_or_else(PoisonError::into_inner) = folded;
        self.next.send_replace(next);
    }

    /// Folds what was committed since.
    fn catch_up(&self, log: &impl LogReader) -> Result<()> {
        if self.began_at.get().is_none()
            && let Some(first) = log.decisions(Offset(0), 0)?.first()
        {
            let _is_known_now = self.began_at.set(decode_decision(&first.body)?.time_ms);
        }
        loop {
            let next = *self.next.borrow();
            let records = log.decisions(next, FOLD_BYTES_MAX)?;
            if records.is_empty() {
                return Ok(());
            }
            let mut folded = self.folded.write().unwrap_or_else(PoisonError::into_inner);
            // It may have been replaced meanwhile, and one that failed stands where it failed.
            let added = if folded.next() == next { folded.add(&records) } else { Ok(()) };
            let next = folded.next();
            drop(folded);
            self.next.send_replace(next);
            added?;
        }
    }
}

/// Keeps the view up to date until its notices end.
pub(super) fn follow(shared: &Shared, notices: &Receiver<()>) {
    loop {
        if let Err(error) = shared.view.catch_up(&shared.reader()) {
            // At the end the log is closed first, and that is no trouble.
            if shared.standing() != Standing::Closing {
                tracing::error!(%error, "the view cannot follow the log: answers grow old");
            }
            std::thread::sleep(NAP);
        }
        match notices.recv_timeout(NAP) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
