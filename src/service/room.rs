//! The waiting room of a partition that is decided elsewhere: whoever sent a command waits here, by
//! the offset that it came to stand at, until the view folds the decision there.

use super::intake::{Answer, Position, Reply, SubmitError};
use super::standing::Shared;
use crate::error::{Error, Result};
use crate::log::LogReader;
use crate::wire::decode_decision;
use conclave_core::decision::Outcome;
use conclave_core::units::Offset;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Whoever waits for a decision, and the place that it takes.
#[derive(Debug)]
pub(super) struct Waiter {
    to: oneshot::Sender<std::result::Result<Answer, SubmitError>>,
    /// Whether the command may stand in the log twice, because it was sent again.
    is_sent_again: bool,
    _place: OwnedSemaphorePermit,
}

/// Who waits for the decision at which offset.
#[derive(Debug)]
pub(super) struct Room {
    /// From the submission on, so that what is under way is bounded, too.
    places: Arc<Semaphore>,
    door: Mutex<Door>,
}

#[derive(Debug, Default)]
struct Door {
    waiting: BTreeMap<Offset, Waiter>,
    /// Why nobody is let in any more.
    closed: Option<SubmitError>,
}

impl Room {
    /// A room for `places_max` commands.
    pub(super) fn new(places_max: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places_max)), door: Mutex::default() }
    }

    /// A place for a command that is about to be sent.
    ///
    /// # Errors
    /// `Busy` when there is none, or why the room is closed.
    pub(super) fn place(&self) -> std::result::Result<OwnedSemaphorePermit, SubmitError> {
        let take = || Arc::clone(&self.places).try_acquire_owned().ok();
        if let Some(place) = take() {
            return self.open(|_| place);
        }
        // Those who went away without waiting make room.
        self.open(|door| door.waiting.retain(|_, waiter| !waiter.to.is_closed()))?;
        take().ok_or(SubmitError::Busy)
    }

    fn open<T>(&self, enter: impl FnOnce(&mut Door) -> T) -> std::result::Result<T, SubmitError> {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        match &door.closed {
            Some(error) => Err(error.clone()),
            None => Ok(enter(&mut door)),
        }
    }

    /// Waits for the decision at `offset`.
    fn wait(&self, offset: Offset, waiter: Waiter) {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        match door.closed.clone() {
            None => drop(door.waiting.insert(offset, waiter)),
            Some(error) => waiter.tell(Err(error)),
        }
    }

    /// Whether anybody waits for a decision.
    pub(super) fn is_waited_in(&self) -> bool {
        !self.door.lock().unwrap_or_else(PoisonError::into_inner).waiting.is_empty()
    }

    /// Tells those who wait for them that decisions were folded.
    pub(super) fn answer(&self, log: &impl LogReader, answers: Vec<Answer>) {
        for answer in answers {
            let offset = answer.decision.offset;
            let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
            let waiter = door.waiting.remove(&offset);
            drop(door);
            if let Some(waiter) = waiter {
                waiter.answer(log, answer);
            }
        }
    }

    /// Answers those who came after the decision had been folded, from the log.
    pub(super) fn answer_late(&self, log: &impl LogReader, folded_next: Offset) {
        let late = {
            let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
            let early = door.waiting.split_off(&folded_next);
            std::mem::replace(&mut door.waiting, early)
        };
        for (offset, waiter) in late {
            let answer = committed(log, offset);
            match answer {
                Ok(answer) => waiter.answer(log, answer),
                Err(error) => waiter.tell(Err(SubmitError::Away(error.to_string()))),
            }
        }
    }

    /// Refuses those who wait, and whoever comes from now on.
    pub(super) fn close(&self, error: &SubmitError) {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        door.closed = Some(error.clone());
        let waiting = std::mem::take(&mut door.waiting);
        drop(door);
        waiting.into_values().for_each(|waiter| waiter.tell(Err(error.clone())));
    }
}

impl Waiter {
    /// Tells the decision. Whoever sent a command once is told its first decision, although the
    /// outbox may have sent it twice.
    fn answer(self, log: &impl LogReader, answer: Answer) {
        let first = match &answer.decision.outcome {
            Outcome::Duplicate(duplicate) if self.is_sent_again => {
                committed(log, duplicate.first_offset).ok()
            }
            _ => None,
        };
        self.tell(Ok(first.unwrap_or(answer)));
    }

    fn tell(self, answer: std::result::Result<Answer, SubmitError>) {
        // Whoever does not wait any more is not told.
        drop(self.to.send(answer));
    }
}

/// The decision at an offset, as the log holds it.
///
/// # Errors
/// As the log's; `Corrupt` when there is none at `offset`.
pub(super) fn committed(log: &impl LogReader, offset: Offset) -> Result<Answer> {
    let records = log.decisions(offset, 0)?;
    let record = records.first().filter(|record| record.offset == offset);
    let record = record.ok_or_else(|| Error::corrupt(format!("decision {offset} is not there")))?;
    Ok(Answer { decision: decode_decision(&record.body)?, hash: record.hash })
}

/// What whoever sends a command to a log says of it, once: where it came to stand, or why it could
/// not be sent. Dropped without a word, the sender is told that the service is going down.
pub struct Receipt {
    pub(super) reply: Reply,
    pub(super) kept: Option<oneshot::Sender<Position>>,
    pub(super) is_sent_again: bool,
    pub(super) place: OwnedSemaphorePermit,
    pub(super) shared: Arc<Shared>,
}

impl Receipt {
    pub(super) fn new(
        reply: Reply,
        place: OwnedSemaphorePermit,
        shared: Arc<Shared>,
    ) -> (Self, oneshot::Receiver<Position>) {
        let (kept, position) = oneshot::channel();
        (Self { reply, kept: Some(kept), is_sent_again: false, place, shared }, position)
    }

    /// An outbox keeps the command, as durably as it was told to: it will be sent, and decided,
    /// whatever happens.
    pub fn kept(&mut self, position: Position) {
        if let Some(kept) = self.kept.take() {
            // Whoever does not wait any more is not told.
            let _ignored = kept.send(position);
        }
    }

    /// The command is sent again, because nobody knows whether the log holds it already.
    pub fn sent_again(&mut self) {
        self.is_sent_again = true;
    }

    /// Whether nobody waits any more.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.reply.is_abandoned()
    }

    /// The log holds the command at `offset`: from here on it will be decided, whatever happens.
    /// Never blocks.
    pub fn accepted(self, offset: Offset) {
        let Self { reply, kept: _, is_sent_again, place, shared } = self;
        match reply {
            Reply::Accepted(to) => drop(to.send(Ok(offset))),
            Reply::Decided(to) => {
                shared.room.wait(offset, Waiter { to, is_sent_again, _place: place });
                if shared.view.next() > offset {
                    shared.wake_view();
                }
            }
        }
    }

    /// It could not be sent, or nobody knows whether it was.
    pub fn refused(self, error: SubmitError) {
        self.reply.refuse(error);
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("reply", &self.reply).finish_non_exhaustive()
    }
}
