//! What the shell loop tells everybody else: how it stands, where the log ends, what it counted.

use super::contact::{Contact, OutboxLevel};
use super::followed::ROOM_MAX;
use super::intake::SubmitError;
use super::reader::Reader;
use super::room::Room;
use super::view::View;
use crate::engine::Engine;
use crate::fold::Folded;
use crate::log::{EventLog, LogEnds};
use crate::telemetry::{Counters, Latencies};
use conclave_core::seat::Seat;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Instant;
use tokio::sync::watch;

/// How the service stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It accepts and decides.
    Deciding,
    /// The log cannot be written; it is opened again and again until it can.
    Away(String),
    /// It cannot go on without a person.
    Stopped(String),
    /// It finishes what it accepted.
    Closing,
}

impl Standing {
    /// The same where an outbox keeps what the log cannot take now.
    pub(super) fn check_kept(&self) -> Result<(), SubmitError> {
        match self {
            Self::Away(_) => Ok(()),
            Self::Deciding | Self::Stopped(_) | Self::Closing => self.check(),
        }
    }

    /// # Errors
    /// Why nothing is accepted now.
    pub(super) fn check(&self) -> Result<(), SubmitError> {
        match self {
            Self::Deciding => Ok(()),
            Self::Away(why) => Err(SubmitError::Away(why.clone())),
            Self::Stopped(why) => Err(SubmitError::Stopped(why.clone())),
            Self::Closing => Err(SubmitError::Closing),
        }
    }
}

/// What the shell loop counted.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// What happened how often.
    pub counters: Counters,
    /// How long each step took.
    pub latencies: Latencies,
}

impl Figures {
    /// Those of an engine, as they stand.
    pub(super) fn of<L: EventLog, S: Seat>(engine: &Engine<L, S>) -> Self {
        Self { counters: engine.counters().clone(), latencies: engine.latencies().clone() }
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) view: View,
    pub(super) published: watch::Sender<LogEnds>,
    /// Who waits for decisions that are made elsewhere.
    pub(super) room: Room,
    reader: RwLock<Reader>,
    standing: Mutex<Standing>,
    figures: Mutex<Figures>,
    owing_since: Mutex<Option<Instant>>,
    awaited: Mutex<Option<String>>,
    contact: Mutex<Contact>,
    /// Of a log that is kept elsewhere, if commands for it are kept here.
    pub(super) outbox: OnceLock<Arc<OutboxLevel>>,
    /// Whether nobody is left who would decide it.
    pub(super) deserted: watch::Sender<bool>,
    /// Wakes the view; none once it has to end.
    notice: Mutex<Option<SyncSender<()>>>,
}

impl Shared {
    /// Of a log that ends at `ends`, of which `folded` is a fold of some beginning.
    pub(super) fn new(
        reader: Reader,
        folded: Folded,
        ends: LogEnds,
        notice: SyncSender<()>,
    ) -> Self {
        let published = watch::Sender::new(ends);
        Self {
            view: View::new(folded),
            published,
            room: Room::new(ROOM_MAX),
            reader: RwLock::new(reader),
            standing: Mutex::new(Standing::Deciding),
            figures: Mutex::default(),
            owing_since: Mutex::default(),
            awaited: Mutex::default(),
            contact: Mutex::default(),
            outbox: OnceLock::new(),
            deserted: watch::Sender::new(false),
            notice: Mutex::new(Some(notice)),
        }
    }

    pub(super) fn contact(&self) -> Contact {
        *self.contact.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_contact(&self, contact: Contact) {
        *self.contact.lock().unwrap_or_else(PoisonError::into_inner) = contact;
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A service that is going down stays so.
    pub(super) fn set_standing(&self, standing: Standing) {
        let mut stands = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if *stands != Standing::Closing {
            *stands = standing;
        }
    }

    /// Takes note that commands wait for their decisions, or that the last ones moved on.
    pub(super) fn set_owing(&self, owes: bool) {
        let since = owes.then(Instant::now);
        *self.owing_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// Since when commands wait without any of them being decided; none when none waits.
    pub(super) fn owing_since(&self) -> Option<Instant> {
        *self.owing_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what the next command waits for; nothing any more.
    pub(super) fn set_awaited(&self, why: Option<String>) {
        *self.awaited.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    pub(super) fn awaited(&self) -> Option<String> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn figures(&self) -> Figures {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_figures(&self, figures: Figures) {
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner) = figures;
    }

    pub(super) fn reader(&self) -> Reader {
        self.reader.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The log was opened again: what was committed may end elsewhere than anybody believed.
    pub(super) fn reopened(&self, reader: Reader, folded: Folded, ends: LogEnds) {
        *self.reader.write().unwrap_or_else(PoisonError::into_inner) = reader;
        self.view.replace(folded);
        self.publish(ends);
    }

    /// Learns of waits what the view has not learnt yet. Where the log cannot be read it stays at
    /// what it knows: estimates are beside the point then.
    pub(super) fn learn(&self) {
        if !self.contact().is_away()
            && let Err(error) = self.view.learn(&self.reader())
            && self.standing() != Standing::Closing
        {
            tracing::warn!(%error, "no estimates of waits: the log cannot be read");
        }
    }

    /// Tells where the log ends now.
    pub(super) fn publish(&self, ends: LogEnds) {
        self.published.send_replace(ends);
        self.wake_view();
    }

    /// Lets the view look for what there is to do.
    pub(super) fn wake_view(&self) {
        let notice = self.notice.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notice) = &*notice {
            // One notice that waits already says as much.
            let _ignored = notice.try_send(());
        }
    }

    /// Lets the view's thread end.
    pub(super) fn close_view(&self) {
        *self.notice.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
