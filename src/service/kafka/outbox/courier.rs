//! The one thread that keeps commands and sends them.

use super::Submitted;
use super::deliveries::{Deliveries, Sent, Session};
use crate::error::Result;
use crate::log::CommandRecord;
use crate::log::rocks::{KeptCommand, OutboxStore};
use crate::resilience::{DelaySettings, Delays};
use crate::service::{Position, SubmitError};
use conclave_core::units::TimeMs;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Commands that are kept by one write.
const GROUP_MAX: usize = 1_024;
/// Bytes of commands that wait in memory, too, so that they need not be read again to be sent.
const FRESH_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Bytes of commands that are read at once.
const READ_BYTES_MAX: usize = 1024 * 1024;
/// How soon it looks whether more can be sent, or whether a producer failed.
const NAP_BACKLOG: Duration = Duration::from_millis(5);
const NAP: Duration = Duration::from_millis(100);
/// How often it lets go of those who do not wait any more.
const CLEAN_EVERY: Duration = Duration::from_millis(200);
/// How long the end waits for the brokers.
const END_PATIENCE: Duration = Duration::from_secs(1);
/// Pauses between two producers.
const AGAIN: DelaySettings = DelaySettings {
    first: Duration::from_millis(100),
    longest: Duration::from_secs(5),
    retries_max: usize::MAX,
};

type Open = Box<dyn Fn(&Arc<Deliveries>) -> Result<Session> + Send>;
type Reopen = Box<dyn Fn() -> Result<OutboxStore> + Send>;

/// Keeps and sends.
pub(super) struct Courier {
    /// None after a write that failed, until it could be opened again.
    store: Option<OutboxStore>,
    reopen: Reopen,
    /// None between two producers.
    session: Option<Session>,
    open: Open,
    deliveries: Arc<Deliveries>,
    /// What is sent next.
    cursor: i64,
    /// What stands in the store from there on, in order, as far as it is in memory.
    fresh: VecDeque<KeptCommand>,
    fresh_bytes: u64,
    delays: Delays,
    /// When the next producer, or the next look at the store, is due.
    again_at: Option<Instant>,
    cleaned_at: Instant,
}

impl Courier {
    pub(super) fn new(
        store: OutboxStore,
        session: Session,
        deliveries: Arc<Deliveries>,
        open: Open,
        reopen: Reopen,
    ) -> Self {
        Self {
            store: Some(store),
            reopen,
            session: Some(session),
            open,
            deliveries,
            cursor: 0,
            fresh: VecDeque::new(),
            fresh_bytes: 0,
            delays: Delays::new(&AGAIN, u64::from(std::process::id())),
            again_at: None,
            cleaned_at: Instant::now(),
        }
    }

    /// Works until the outbox is closed.
    pub(super) fn run(mut self, submitted: &Receiver<Submitted>) {
        loop {
            match submitted.recv_timeout(self.nap()) {
                Ok(first) => self.keep(first, submitted),
                Err(RecvTimeoutError::Timeout) if self.deliveries.level().is_closed() => break,
                // What was delivered is otherwise forgotten with the next write.
                Err(RecvTimeoutError::Timeout) if self.deliveries.has_delivered() => self.forget(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.clean();
            self.begin_again();
            self.send();
        }
        self.end();
    }

    /// How long nothing needs to be done unless something comes.
    fn nap(&self) -> Duration {
        let is_due = self.again_at.is_none_or(|at| at <= Instant::now());
        let next = self.store.as_ref().map_or(0, OutboxStore::next);
        if is_due && self.cursor < next { NAP_BACKLOG } else { NAP }
    }

    /// Keeps what was submitted, as much as is there, in one write, and tells the positions.
    fn keep(&mut self, first: Submitted, submitted: &Receiver<Submitted>) {
        let (mut records, mut receipts, mut sizes) = (vec![], vec![], vec![]);
        let more = submitted.try_iter().take(GROUP_MAX - 1);
        for submitted in std::iter::once(first).chain(more) {
            records.push((submitted.partition, submitted.command.stamped(TimeMs(0))));
            receipts.push(submitted.receipt);
            sizes.push(submitted.bytes);
        }
        let first = match self.write(&records) {
            Ok(first) => first,
            Err(error) => {
                tracing::error!(%error, "commands are not accepted");
                sizes.into_iter().for_each(|bytes| self.deliveries.level().leave(bytes));
                let why = SubmitError::Away(error.to_string());
                receipts.into_iter().for_each(|receipt| receipt.refused(why.clone()));
                return;
            }
        };
        receipts.iter_mut().zip(first..).for_each(|(receipt, at)| receipt.kept(Position(at)));
        self.deliveries.expect((first..).zip(receipts));
        let end = self.fresh.back().map_or(self.cursor, |last| last.position + 1);
        if end == first && self.fresh_bytes < FRESH_BYTES_MAX {
            let kept =
                |(position, (partition, record))| KeptCommand { position, partition, record };
            self.hold((first..).zip(records).map(kept));
        }
    }

    fn hold(&mut self, kept: impl IntoIterator<Item = KeptCommand>) {
        for kept in kept {
            self.fresh_bytes += kept.weight();
            self.fresh.push_back(kept);
        }
    }

    fn write(&mut self, records: &[(i32, CommandRecord)]) -> Result<i64> {
        let mut store = self.take_store()?;
        let records: Vec<_> = records.iter().map(|(to, record)| (*to, record)).collect();
        let delivered = self.deliveries.take_delivered();
        // A write that failed leaves no store: it is opened again for the next one.
        let first = store.keep(&records, &delivered)?;
        self.store = Some(store);
        Ok(first)
    }

    fn take_store(&mut self) -> Result<OutboxStore> {
        self.store.take().map_or_else(|| (self.reopen)(), Ok)
    }

    /// Lets go of those who went away: they take places that others need.
    fn clean(&mut self) {
        if self.cleaned_at.elapsed() >= CLEAN_EVERY {
            self.cleaned_at = Instant::now();
            self.deliveries.forget_abandoned();
        }
    }

    fn forget(&mut self) {
        let delivered = self.deliveries.take_delivered();
        let forgotten = self.store.as_ref().map(|store| store.forget(&delivered));
        if let Some(Err(error)) = forgotten {
            tracing::warn!(%error, "delivered commands stay in the outbox: they are sent again");
        }
    }

    /// Replaces a producer that cannot go on, after a pause that grows.
    fn begin_again(&mut self) {
        if let (Some(_), Some((why, has_delivered))) = (&self.session, self.deliveries.failure()) {
            tracing::warn!(why, "commands could not be sent: they are sent again");
            if let Some(session) = self.session.take() {
                session.give_up();
            }
            self.forget();
            if let Some(first) = self.deliveries.end_session() {
                self.cursor = self.cursor.min(first);
            }
            self.fresh.clear();
            self.fresh_bytes = 0;
            if has_delivered {
                self.delays = Delays::new(&AGAIN, u64::from(std::process::id()));
            }
            self.pause();
        }
        if self.session.is_some() || self.again_at.is_some_and(|at| at > Instant::now()) {
            return;
        }
        match (self.open)(&self.deliveries) {
            Ok(session) => (self.session, self.again_at) = (Some(session), None),
            Err(error) => {
                tracing::error!(%error, "no producer can be made: it is tried again");
                self.pause();
            }
        }
    }

    fn pause(&mut self) {
        let pause = self.delays.next().unwrap_or(AGAIN.longest);
        self.again_at = Some(Instant::now() + pause);
    }

    /// Sends what there is, as far as the brokers keep up.
    fn send(&mut self) {
        loop {
            if self.fresh.is_empty() && !self.read() {
                return;
            }
            let Some(session) = &self.session else { return };
            while let Some(next) = self.fresh.front() {
                if session.send(next) == Sent::Later {
                    return;
                }
                self.cursor = next.position + 1;
                self.fresh_bytes -= next.weight();
                self.fresh.pop_front();
            }
        }
    }

    /// Takes up what is only in the store; false when that is nothing, or cannot be read.
    fn read(&mut self) -> bool {
        if self.again_at.is_some_and(|at| at > Instant::now()) {
            return false;
        }
        match self.read_on() {
            Ok(read) => self.hold(read),
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be delivered: see kafka-away.md");
                self.pause();
            }
        }
        !self.fresh.is_empty()
    }

    fn read_on(&mut self) -> Result<Vec<KeptCommand>> {
        let store = self.take_store()?;
        let store = self.store.insert(store);
        if self.cursor >= store.next() {
            return Ok(vec![]);
        }
        let read = store.read(self.cursor, READ_BYTES_MAX)?;
        if read.is_empty() {
            self.cursor = store.next();
        }
        Ok(read)
    }

    fn end(mut self) {
        if let Some(session) = self.session.take() {
            if !session.flush(END_PATIENCE) {
                tracing::warn!("some commands are sent after the next start");
            }
            session.give_up();
        }
        self.forget();
    }
}
