//! The service on one machine: a shell loop that accepts and decides in a thread of its own, and a
//! fold of the log beside it that answers questions, so that nobody who asks delays a decision.
//!
//! ```text
//!  submit ─▶ intake (bounded) ─▶ shell: accept ─▶ turn … ─▶ answers
//!                                   │ log
//!                                   └──▶ view: folds what is committed ─▶ questions
//! ```
//!
//! The log is the only thing that both threads share. Whoever asks waits until the view has folded
//! what was committed when the question came: an answer never misses one's own last command.
//!
//! A service answers for one partition. One that is decided elsewhere has no shell loop
//! ([`Service::follow`]): commands are sent to its log, and whoever sent them waits in a room
//! beside the view until it has folded their decisions.

mod awaiting;
mod contact;
mod followed;
mod intake;
pub mod kafka;
mod past;
mod reader;
mod room;
mod shell;
mod standing;
mod view;

pub use crate::log::own::now;
pub use contact::{Contact, OutboxLevel};
pub use followed::Notices;
pub use intake::{Answer, NewCommand, Position, Submit, SubmitError};
pub use reader::Reader;
pub use room::Receipt;
pub use standing::{Figures, Standing};
pub use view::View;

use crate::council::{CouncilSeat, Engines, Models};
use crate::engine::{Engine, SNAPSHOT_EVERY_DEFAULT};
use crate::error::{Error, Result};
use crate::fold::Folded;
use crate::log::rocks::{OpenOptions, RocksLog};
use crate::log::{EventLog, LogEnds, LogReader};
use conclave_core::command::TimeSource;
use conclave_core::decision::Decision;
use conclave_core::units::{Offset, TimeMs};
use intake::{Intake, Reply, Submission};
use past::Past;
use shell::Shell;
use standing::Shared;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// Commands that may wait for the shell loop; whoever comes then is asked to come back.
const INTAKE_MAX: usize = 16_384;
/// How long a question waits for the view to see what is committed already.
const VIEW_PATIENCE: Duration = Duration::from_secs(5);

/// How a service is run.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// Directory of the log; made when it is missing.
    pub data: PathBuf,
    /// How the log is opened.
    pub open: OpenOptions,
    /// Decisions between two snapshots.
    pub snapshot_every: i64,
    /// The councils that may sit in the seat.
    pub models: Models,
}

impl ServiceOptions {
    /// The usual options for the log in `data`.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        let data = data.into();
        Self {
            models: Models::beside(&data),
            data,
            open: OpenOptions::default(),
            snapshot_every: SNAPSHOT_EVERY_DEFAULT,
        }
    }
}

/// An answer that is on its way.
#[derive(Debug)]
pub struct Pending<T> {
    answer: oneshot::Receiver<std::result::Result<T, SubmitError>>,
    /// Of a command that goes through an outbox.
    kept: Option<oneshot::Receiver<Position>>,
}

impl<T> Pending<T> {
    /// Waits for it.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn wait(self) -> std::result::Result<T, SubmitError> {
        self.answer.await.unwrap_or(Err(SubmitError::Closing))
    }

    /// What has come of it by now; none when nothing has yet.
    pub(crate) fn heard(&mut self) -> Option<std::result::Result<T, SubmitError>> {
        match self.answer.try_recv() {
            Ok(answer) => Some(answer),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(SubmitError::Closing)),
        }
    }

    /// Waits until an outbox keeps the command: from then on it will be decided, whatever happens.
    /// None when its log takes it directly, or when it was not accepted: then the answer says so.
    pub async fn kept(&mut self) -> Option<Position> {
        self.kept.take()?.await.ok()
    }
}

type Deciding = Engine<RocksLog, CouncilSeat>;

/// A running service.
#[derive(Debug)]
pub struct Service {
    intake: Intake,
    shared: Arc<Shared>,
    past: Past,
    threads: Mutex<Option<Threads>>,
    models: Models,
}

#[derive(Debug)]
struct Threads {
    /// None of a partition that is decided elsewhere.
    shell: Option<JoinHandle<Result<()>>>,
    view: JoinHandle<()>,
}

impl Service {
    /// Takes up the log where it ends, and starts to decide.
    ///
    /// # Errors
    /// As the log's; `Invalid` when it is a demo's or an import's, whose times are its own.
    pub fn start(options: ServiceOptions) -> Result<Self> {
        let (engine, models) = (open(&options)?, options.models.clone());
        let (notice, noticed) = sync_channel(1);
        let folded = engine.folded().clone();
        let ends = engine.log().ends()?;
        let shared = Arc::new(Shared::new(reader_of(&engine), folded, ends, notice));
        let (intake, taken) = sync_channel(INTAKE_MAX);
        let shell = Shell::new(options, taken, Arc::clone(&shared));
        let followed = Arc::clone(&shared);
        let threads = Threads {
            shell: Some(spawn("shell", move || shell.run(engine))?),
            view: spawn("view", move || view::follow(&followed, &noticed))?,
        };
        let threads = Mutex::new(Some(threads));
        let intake = Intake::Shell(intake);
        Ok(Self { intake, shared, past: Past::default(), threads, models })
    }

    /// Submits a command and returns at once with what will be its decision. Commands are decided
    /// in the order in which they are submitted.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub fn decide(&self, command: NewCommand) -> std::result::Result<Pending<Answer>, SubmitError> {
        let (reply, answer) = oneshot::channel();
        let kept = self.submit(command, Reply::Decided(reply))?;
        Ok(Pending { answer, kept })
    }

    /// Submits a command and returns at once with what will be its offset: from its acceptance on
    /// it will be decided, whatever happens.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub fn accept(&self, command: NewCommand) -> std::result::Result<Pending<Offset>, SubmitError> {
        let (reply, answer) = oneshot::channel();
        let kept = self.submit(command, Reply::Accepted(reply))?;
        Ok(Pending { answer, kept })
    }

    fn submit(
        &self,
        command: NewCommand,
        reply: Reply,
    ) -> std::result::Result<Option<oneshot::Receiver<Position>>, SubmitError> {
        match &self.intake {
            Intake::Shell(shell) => {
                self.shared.standing().check()?;
                let sent = shell.try_send(Submission::Command(command, reply));
                sent.map_err(|error| match error {
                    TrySendError::Full(_) => SubmitError::Busy,
                    TrySendError::Disconnected(_) => SubmitError::Closing,
                })?;
                Ok(None)
            }
            Intake::Outbox(submit) => {
                self.shared.standing().check_kept()?;
                let (place, shared) = (self.shared.room.place()?, Arc::clone(&self.shared));
                let (receipt, kept) = Receipt::new(reply, place, shared);
                submit(command, receipt)?;
                Ok(Some(kept))
            }
        }
    }

    /// Who would vote on a command that is only planned.
    #[must_use]
    pub fn seat(&self) -> CouncilSeat {
        CouncilSeat::new(self.models.clone())
    }

    /// What votes are computed by, and what was counted of it.
    #[must_use]
    pub fn engines(&self) -> &Engines {
        self.models.engines()
    }

    /// How the service stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.shared.standing()
    }

    /// How long commands have been waiting without any of them being decided; none when none waits.
    #[must_use]
    pub fn owing(&self) -> Option<Duration> {
        self.shared.owing_since().map(|since| since.elapsed())
    }

    /// What happened how often, as of a moment ago.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.shared.figures()
    }

    /// How those who keep the log are reached.
    #[must_use]
    pub fn contact(&self) -> Contact {
        self.shared.contact()
    }

    /// How full the outbox is through which commands go; none when there is none.
    #[must_use]
    pub fn outbox(&self) -> Option<&OutboxLevel> {
        self.shared.outbox.get().map(|level| &**level)
    }

    /// Nobody is left who would decide this partition soon: whoever waits for a decision about a
    /// command that is kept need not wait any longer.
    pub(super) fn desert(&self) {
        self.shared.deserted.send_replace(true);
    }

    /// Resolves once that is so.
    pub async fn deserted(&self) {
        let mut deserted = self.shared.deserted.subscribe();
        if deserted.wait_for(|is_so| *is_so).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Where the log ends. Of one that is kept elsewhere: as far as is known here.
    ///
    /// # Errors
    /// As the log's.
    pub fn ends(&self) -> Result<LogEnds> {
        match &self.intake {
            Intake::Shell(_) => self.log().ends(),
            Intake::Outbox(_) => Ok(*self.shared.published.borrow()),
        }
    }

    /// Number of the partition.
    #[must_use]
    pub fn partition(&self) -> i64 {
        self.shared.reader().partition()
    }

    /// The log, for reading.
    #[must_use]
    pub fn log(&self) -> Reader {
        self.shared.reader()
    }

    /// Where the log ends, now and whenever it grows.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<LogEnds> {
        self.shared.published.subscribe()
    }

    /// Log time of the first decision: what durations are counted from.
    #[must_use]
    pub fn began_at(&self) -> TimeMs {
        self.shared.view.began_at()
    }

    /// Commands that are accepted and not decided; where offsets have holes, those are counted,
    /// too. Of a partition that is decided elsewhere as last heard: whoever watches a service is
    /// answered while brokers are away.
    #[must_use]
    pub fn lag(&self) -> i64 {
        let ends = self.ends().unwrap_or_default();
        (ends.commands_next.0 - ends.decisions_next.0).max(0)
    }

    /// Waits until the view has folded what is committed now; while those who keep the log are away
    /// it is as it was when they were last heard of.
    ///
    /// # Errors
    /// `Unavailable` when the view does not catch up, or nothing is known of the log yet.
    pub async fn view(&self) -> Result<()> {
        match self.contact() {
            Contact::Never if self.shared.view.next() == Offset(0) => {
                return Err(Error::unavailable(
                    "nothing is known of the log yet: the brokers have not answered since the \
                     start (docs/runbooks/kafka-away.md)",
                ));
            }
            contact if contact.is_away() => return Ok(()),
            _ => {}
        }
        let wanted = self.shared.published.borrow().decisions_next;
        let mut seen = self.shared.view.watch();
        let caught_up = seen.wait_for(|next| *next >= wanted);
        match tokio::time::timeout(VIEW_PATIENCE, caught_up).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Error::unavailable(
                "the view lags behind the log: ask again, and look at /readyz if this goes on",
            )),
        }
    }

    /// The fold as far as it has come.
    #[must_use]
    pub fn view_now(&self) -> &View {
        &self.shared.view
    }

    /// The state right after the decision at `offset`. Reads the log: call it where blocking is
    /// allowed.
    ///
    /// # Errors
    /// `Unavailable` when there is no such decision yet; otherwise as the log's.
    pub fn state_at(&self, offset: Offset) -> Result<Arc<Folded>> {
        self.past.state_at(&self.shared.reader(), offset)
    }

    /// How many decisions the view has not folded yet.
    #[must_use]
    pub fn view_lag(&self) -> i64 {
        // What is committed is in the log before anybody is told.
        (self.shared.published.borrow().decisions_next.0 - self.shared.view.next().0).max(0)
    }

    /// Decides what is accepted, makes it durable and ends both threads; of a partition that is
    /// decided elsewhere only those who wait are refused and the view ends. Later submissions are
    /// refused. Blocks until all is done.
    ///
    /// # Errors
    /// When the log could not be closed cleanly: what was acknowledged is there all the same, as
    /// far as the durability promises.
    pub fn close(&self) -> Result<()> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Threads { shell, view }) = threads else { return Ok(()) };
        self.shared.set_standing(Standing::Closing);
        if let Intake::Shell(shell) = &self.intake {
            // The shell's own end closes the channel; then there is nobody to tell.
            let _ignored = shell.send(Submission::Close);
        }
        let closed = shell.map_or(Ok(Ok(())), JoinHandle::join);
        let closed = closed.map_err(|_| Error::bug("the shell loop panicked"));
        self.shared.room.close(&SubmitError::Closing);
        self.shared.close_view();
        let followed = view.join().map_err(|_| Error::bug("the view panicked"));
        closed.and_then(|closed| closed).and(followed)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the service did not close cleanly");
        }
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(run).map_err(|error| {
        Error::unavailable(format!("cannot start the {name} thread")).caused_by(error)
    })
}

/// The log of a partition that is decided here, for reading.
fn reader_of(engine: &Deciding) -> Reader {
    Reader::new(engine.log().reader())
}

/// Opens the log and folds it.
fn open(options: &ServiceOptions) -> Result<Deciding> {
    let log = RocksLog::open(&options.data, &options.open)?;
    let (engine, _) =
        Engine::open(log, CouncilSeat::new(options.models.clone()), options.snapshot_every)?;
    let opened = engine.folded().state.log.as_ref();
    if opened.is_some_and(|log| log.time_source == TimeSource::Carried) {
        let data = options.data.display();
        return Err(Error::invalid(format!(
            "{data} is the log of a demo or an import, whose times are its own: a service needs a \
             directory of its own (read this one with `conclave status --data {data}` or `replay`)"
        )));
    }
    if opened.is_none() && engine.log().ends()?.commands_next > Offset(0) {
        return Err(Error::invalid(format!(
            "{} holds commands and no OpenLog: it is not a service's log",
            options.data.display()
        )));
    }
    Ok(engine)
}

/// One turn of a partition; a panic in it stops the partition only.
///
/// # Errors
/// As [`Engine::turn`]; `Bug` when it broke an invariant.
fn turned<L: EventLog>(engine: &mut Engine<L, CouncilSeat>) -> Result<Vec<Decision>> {
    let at = engine.folded().next();
    let turned = catch_unwind(AssertUnwindSafe(|| engine.turn()));
    turned.map_err(|_| {
        Error::bug(format!(
            "deciding the round at offset {at} broke an invariant: report it with the log; \
             `conclave skip` leaves one command undecided"
        ))
    })?
}
