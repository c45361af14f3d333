//! A partition that somebody else decides: commands are sent to its log, and the view follows what
//! is committed there. Kafka's partitions are served like this, whichever instance decides them.

use super::contact::{Contact, OutboxLevel};
use super::intake::{Intake, Submit};
use super::past::Past;
use super::reader::Reader;
use super::standing::{Figures, Shared, Standing};
use super::{Service, Threads, spawn, view};
use crate::council::Models;
use crate::error::Result;
use crate::fold::Folded;
use crate::log::{LogEnds, LogReader as _};
use conclave_core::units::Offset;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Commands that may be under way to the log or wait for their decisions.
pub(super) const ROOM_MAX: usize = 16_384;

/// What whoever follows the log of a partition, or decides it, tells its service.
#[derive(Clone, Debug)]
pub struct Notices(Arc<Shared>);

impl Notices {
    /// The log's decisions end at `ends` now, the offset after the last one's (and never behind a
    /// hole: questions wait until the view has come so far). The view reads them and answers those
    /// who wait for them. Never blocks.
    pub fn publish(&self, ends: LogEnds) {
        let owes = ends.commands_next > ends.decisions_next;
        let has_moved = ends.decisions_next > self.0.published.borrow().decisions_next;
        // Said again without a decision in between, it still is the same wait.
        if !owes || has_moved || self.0.owing_since().is_none() {
            self.0.set_owing(owes);
        }
        self.0.publish(ends);
    }

    /// The same from somebody who may be behind: what was published before is not taken back.
    pub fn advance(&self, ends: LogEnds) {
        let before = *self.0.published.borrow();
        let is_behind = ends.decisions_next < before.decisions_next;
        let commands_next = ends.commands_next.max(before.commands_next);
        let latest = if is_behind { before } else { ends };
        self.publish(LogEnds { commands_next, ..latest });
    }

    /// Decisions can be read up to `next`, as somebody sees who reads nothing else.
    pub fn decided(&self, next: Offset) {
        let before = *self.0.published.borrow();
        if next > before.decisions_next {
            let commands_next = before.commands_next.max(next);
            self.publish(LogEnds { commands_next, decisions_next: next, ..before });
        }
    }

    /// Those who keep the log have just answered.
    pub fn heard(&self) {
        self.0.set_contact(Contact::At(Instant::now()));
        self.0.wake_view();
    }

    /// When those who keep the log were last heard of.
    pub fn set_contact(&self, contact: Contact) {
        self.0.set_contact(contact);
    }

    /// How full the outbox is through which commands for this partition go. Said once.
    pub fn set_outbox(&self, level: Arc<OutboxLevel>) {
        let _is_known_already = self.0.outbox.set(level);
    }

    /// How the partition stands: when it is `Stopped` or `Closing`, commands are refused with the
    /// reason.
    pub fn set_standing(&self, standing: Standing) {
        self.0.set_standing(standing);
    }

    /// What the next command waits for before it can be decided here; nothing any more.
    pub fn set_awaited(&self, why: Option<String>) {
        self.0.set_awaited(why);
    }

    /// What was counted so far by whoever decides it here.
    pub fn set_figures(&self, figures: Figures) {
        self.0.set_figures(figures);
    }

    /// The log is read through another reader from now on, and starts again from `folded`.
    pub fn replace(&self, reader: Reader, folded: Folded, ends: LogEnds) {
        self.0.reopened(reader, folded, ends);
    }
}

impl Service {
    /// Serves a partition that is decided elsewhere, from `folded`, which is a fold of some
    /// beginning of the log that `reader` reads, to whatever is [published](Notices::publish).
    ///
    /// `submit` sends a command to the log. It says of each, through the [`Receipt`], at which
    /// offset it came to stand or why it did not: at any later time, from any thread, in the order
    /// in which they were submitted. It is called by threads that answer HTTP, so it never blocks:
    /// when it can take no more it returns `Busy`, and drops the receipt. A command's time is the
    /// log's affair.
    ///
    /// Whoever waits for a decision gets it when the view has folded it. Closing refuses those who
    /// still wait; their commands are decided all the same.
    ///
    /// [`Receipt`]: super::Receipt
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn follow(reader: Reader, folded: Folded, submit: Submit) -> Result<(Self, Notices)> {
        let ends = reader.ends()?;
        Self::follow_from(reader, folded, ends, submit)
    }

    /// The same of a log that cannot be reached now: as far as anybody here knows, it ends at
    /// `ends`.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn follow_from(
        reader: Reader,
        folded: Folded,
        ends: LogEnds,
        submit: Submit,
    ) -> Result<(Self, Notices)> {
        let (notice, noticed) = sync_channel(1);
        let shared = Arc::new(Shared::new(reader, folded, ends, notice));
        let followed = Arc::clone(&shared);
        let view = spawn("view", move || view::follow(&followed, &noticed))?;
        let threads = Mutex::new(Some(Threads { shell: None, view }));
        let intake = Intake::Outbox(submit);
        let notices = Notices(Arc::clone(&shared));
        let (past, models) = (Past::default(), Models::in_dirs([]));
        Ok((Self { intake, shared, past, threads, models }, notices))
    }

    /// The same with councils that are asked when something is planned.
    #[must_use]
    pub fn with_models(mut self, models: Models) -> Self {
        self.models = models;
        self
    }
}
