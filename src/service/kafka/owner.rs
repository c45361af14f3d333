//! Deciding one partition for as long as it is ours.

mod unregistered;

use super::super::{Figures, NewCommand, Notices, Pending, Service, Standing, now, turned};
use super::group::{Group, Owner};
use super::lag::Looks;
use super::routes::Assignment;
use super::starved::Starved;
use super::tenure::Tenure;
use crate::council::CouncilSeat;
use crate::engine::{Engine, Warm};
use crate::error::{Error, ErrorKind, Result};
use crate::log::kafka::crash::{self, CrashPoint};
use crate::log::kafka::{Feed, KafkaLog, KafkaLogOptions};
use crate::log::own::own_command;
use crate::log::{LogReader, StoredCommand};
use crate::registry::Registry;
use crate::verify::check_last_command;
use conclave_core::command::{Payload, TimeSource};
use conclave_core::units::Offset;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use unregistered::Unregistered;

/// Longest sleep when nothing comes in: timers and the end of the tenure are looked at this often.
const NAP_MAX: Duration = Duration::from_millis(100);
/// Between two ticks that a timer asks for: the brokers' clock may be behind ours.
const TICK_PAUSE: Duration = Duration::from_millis(200);
/// Pauses after rounds aborted one after the other: the second, and the longest. The first
/// is cut anew at once.
const ABORT_PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(320));
/// How often somebody who waits for the group's word looks.
const WORD_NAP: Duration = Duration::from_millis(10);
/// Pauses between attempts to take a partition over: the first, and the longest.
const AGAIN_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Pauses while a command waits for its schema or its council: the first, and the longest.
const INPUT_PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));
/// How often figures are copied for whoever asks.
const FIGURES_EVERY: Duration = Duration::from_millis(250);

type Deciding = Engine<KafkaLog, CouncilSeat>;

/// What deciding a partition needs besides the assignment.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) group: Arc<Group>,
    pub(super) log: KafkaLogOptions,
    pub(super) service: Arc<Service>,
    pub(super) notices: Notices,
    pub(super) snapshot_every: i64,
    /// How far deciding is behind, as the topics say.
    pub(super) looks: Arc<Looks>,
    /// Who knows the schemas of writers; without one the local table does.
    pub(super) registry: Option<Arc<Registry>>,
}

impl Post {
    /// The texts of writers' schemas that the registry told; none without one.
    fn kept_schemas(&self) -> Result<Option<Vec<String>>> {
        self.registry.as_ref().map(|registry| registry.texts()).transpose()
    }
}

/// Takes a partition over and decides it until it is taken away, or cannot go on.
pub(super) fn decide(post: &Post, assignment: Assignment) {
    let Assignment { partition, tenure, commands } = assignment;
    decide_while_wanted(post, partition, &tenure, commands);
    // Whoever has it now says itself what it waits for.
    post.notices.set_awaited(None);
    tenure.finish();
    tracing::info!(partition, "a partition is decided elsewhere from now on");
}

fn decide_while_wanted(
    post: &Post,
    partition: i32,
    tenure: &Arc<Tenure>,
    commands: Receiver<StoredCommand>,
) {
    let (mut commands, mut pause) = (Some(commands), AGAIN_AFTER.0);
    while tenure.is_wanted() {
        let arriving = commands.take().or_else(|| post.group.again(partition, tenure));
        let Some(arriving) = arriving else { return };
        let (mut has_decided, began) = (false, Instant::now());
        let ended = take_over(post, partition, tenure, arriving).and_then(|mut work| {
            tracing::info!(partition, elapsed_ms = elapsed_ms(began), "a partition is taken over");
            post.notices.set_standing(Standing::Deciding);
            (has_decided, pause) = (true, AGAIN_AFTER.0);
            let ran = work.run();
            if !tenure.is_wanted() {
                // Closing its clients takes a moment more, in which it writes nothing.
                tenure.finish();
            }
            ran
        });
        match ended {
            Ok(()) => {}
            Err(_) if !tenure.is_wanted() => {}
            Err(error) if error.kind == ErrorKind::Unavailable && has_decided => {
                tracing::warn!(partition, %error, "deciding is interrupted: the group is asked");
                await_word(&post.group, tenure, Instant::now());
            }
            Err(error) if error.kind == ErrorKind::Unavailable => {
                tracing::warn!(partition, %error, "a partition is taken over again");
                std::thread::sleep(pause);
                pause = AGAIN_AFTER.1.min(pause * 2);
            }
            Err(error) => {
                tracing::error!(partition, %error, "deciding has stopped");
                post.notices.set_standing(Standing::Stopped(error.to_string()));
                return;
            }
        }
    }
}

/// Waits until the group has said that this instance still is a member, or the tenure has ended.
fn await_word(group: &Group, tenure: &Tenure, since: Instant) {
    while tenure.is_wanted() && !group.has_confirmed_since(since) {
        std::thread::sleep(WORD_NAP);
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A partition at work.
struct Work<'p> {
    post: &'p Post,
    tenure: &'p Arc<Tenure>,
    engine: Deciding,
    ticked: Ticked,
    ticks: u64,
    figures_at: Option<Instant>,
    /// How long it was waited last for a schema that nobody can tell, or a council that is not
    /// here; none when nothing waits.
    input_pause: Option<Duration>,
    starved: Starved,
    unregistered: Unregistered,
}

/// The last tick that was sent.
struct Ticked {
    sent: Instant,
    /// Until the brokers have stored it.
    under_way: Option<Pending<Offset>>,
    /// Where it stands; none before, and when it was refused.
    at: Option<Offset>,
}

impl Ticked {
    /// Takes note of what became of it.
    fn hear(&mut self) {
        if let Some(heard) = self.under_way.as_mut().and_then(Pending::heard) {
            self.under_way = None;
            self.at = heard.ok();
        }
    }
}

fn take_over<'p>(
    post: &'p Post,
    partition: i32,
    tenure: &'p Arc<Tenure>,
    arriving: Receiver<StoredCommand>,
) -> Result<Work<'p>> {
    let member = Owner { group: Arc::clone(&post.group), tenure: Arc::clone(tenure) };
    let feed = Feed::new(arriving);
    let log = KafkaLog::open(post.log.clone(), Arc::new(member), Some(feed))?;
    // What the view has folded already: a standby that takes over begins there.
    let service = Arc::clone(&post.service);
    let warm = Warm::new(move || service.view_now().read(Clone::clone));
    let seat = post.service.seat();
    let (mut engine, _) = Engine::open_warm(log, seat, post.snapshot_every, Some(warm))?;
    if let Some(registry) = &post.registry {
        engine.ask_for_schemas(registry.source());
    }
    check_live(&engine)?;
    check_last_command(engine.log().reader(), post.kept_schemas()?.as_deref())?;
    let ends = engine.log().ends()?;
    post.notices.publish(ends);
    if !post.group.start(partition, tenure, ends.decisions_next) {
        return Err(Error::unavailable("the partition was taken away while it was taken over"));
    }
    // As if one had been sent just now: what stands in the topic has to come first.
    let ticked = Ticked { sent: Instant::now(), under_way: None, at: None };
    let unregistered = Unregistered::new(post.registry.is_some());
    let (ticks, figures_at, input_pause, starved) = (0, None, None, Starved::default());
    Ok(Work { post, tenure, engine, ticked, ticks, figures_at, input_pause, starved, unregistered })
}

/// That the log has the brokers' times: a demo's or an import's are its own.
fn check_live(engine: &Deciding) -> Result<()> {
    match &engine.folded().state.log {
        Some(log) if log.time_source == TimeSource::Carried => Err(Error::invalid(
            "these topics hold the log of a demo or an import, whose times are its own: a service \
             needs topics of its own (kafka.prefix)",
        )),
        _ => Ok(()),
    }
}

/// Whether `error` says that a command waits for its schema or its council. The engine is sound
/// then, unlike after a round that was not committed.
fn waits(engine: &Deciding, error: &Error) -> bool {
    engine.waiting().is_some_and(|why| why == error.message)
}

impl Work<'_> {
    fn run(&mut self) -> Result<()> {
        while self.tenure.is_wanted() {
            let has_come = self.engine.log().wait(self.nap());
            if has_come {
                self.decide_all()?;
                self.starved.fed();
            } else {
                self.fetch_again_if_starved();
            }
            self.tick_if_due();
            self.note_figures();
        }
        Ok(())
    }

    /// Until the next timer is due.
    fn nap(&self) -> Duration {
        let due = self.engine.folded().state.next_timer_ms();
        let left = due.map(|at| at.0.saturating_sub(now().0).max(1).unsigned_abs());
        left.map_or(NAP_MAX, |ms| Duration::from_millis(ms).min(NAP_MAX))
    }

    /// Decides what is here, and tells of it round by round.
    fn decide_all(&mut self) -> Result<()> {
        let mut pause = Duration::ZERO;
        loop {
            let decisions = match turned(&mut self.engine) {
                Err(error) if waits(&self.engine, &error) => {
                    self.await_input(&error);
                    return Ok(());
                }
                turned => turned?,
            };
            let ends = self.engine.log().ends()?;
            if decisions.is_empty() {
                if !self.engine.log().wait(Duration::ZERO) || !self.tenure.is_wanted() {
                    return Ok(());
                }
                // A round was aborted and is cut anew. Each one makes the producer anew, which
                // fences whoever has the partition if it is not ours any more.
                std::thread::sleep(pause);
                pause = (2 * pause).clamp(ABORT_PAUSES.0, ABORT_PAUSES.1);
                continue;
            }
            pause = Duration::ZERO;
            if self.input_pause.take().is_some() {
                self.post.notices.set_awaited(None);
            }
            self.unregistered.look(self.post.log.partition, &decisions);
            crash::pass(CrashPoint::BeforePublish);
            self.post.notices.publish(ends);
            if !self.tenure.is_wanted() {
                return Ok(());
            }
        }
    }

    /// A registry that is away, or a council that is not here, says nothing against the tenure: it
    /// is kept, and what is missing is asked for again after a while.
    fn await_input(&mut self, why: &Error) {
        let pause = match self.input_pause {
            None => {
                let partition = self.post.log.partition;
                tracing::warn!(partition, %why, "a command waits: it is tried again and again");
                INPUT_PAUSES.0
            }
            Some(last) => (2 * last).min(INPUT_PAUSES.1),
        };
        self.input_pause = Some(pause);
        self.post.notices.set_awaited(Some(why.to_string()));
        let asks_again = Instant::now() + pause;
        while self.tenure.is_wanted() && Instant::now() < asks_again {
            std::thread::sleep(WORD_NAP);
        }
    }

    /// Has commands fetched again that stand in the topic and do not arrive, whatever the client
    /// library was doing meanwhile: brokers that came back have left it waiting before.
    fn fetch_again_if_starved(&mut self) {
        let (partition, next) = (self.post.log.partition, self.engine.folded().next());
        let number = usize::try_from(partition).expect("partitions count from 0");
        let Some(first) = self.post.looks.first_undecided(number) else { return };
        let first = first.filter(|first| *first >= next);
        if self.starved.is_to_fetch(first, Instant::now()) {
            tracing::warn!(partition, %next, "commands do not arrive: they are fetched again");
            self.post.group.fetch_again(partition, self.tenure, next);
        }
    }

    /// Sends a tick when a timer is due and everything before it is decided. It carries no time of
    /// its own, so one too many does no harm. It goes the way of everybody's commands, which waits
    /// for brokers that are away in this one's stead.
    fn tick_if_due(&mut self) {
        let (state, next) = (&self.engine.folded().state, self.engine.folded().next());
        let (needs_one, is_opened) = (state.needs_a_tick(), state.log.is_some());
        let is_due = state.next_timer_ms().is_some_and(|at| at <= now());
        if !is_opened || !(is_due || needs_one) {
            return;
        }
        let ticked = &mut self.ticked;
        ticked.hear();
        let is_undecided = ticked.under_way.is_some() || ticked.at.is_some_and(|at| at >= next);
        let may_follow = needs_one && ticked.at.is_some();
        if is_undecided || (!may_follow && ticked.sent.elapsed() < TICK_PAUSE) {
            return;
        }
        // What the topic's end holds may be marks alone: what has come says whether it was read.
        if self.engine.log().wait(Duration::ZERO) {
            return;
        }
        self.ticks += 1;
        let now = now();
        let tick = own_command(format!("tick-{now}-{}", self.ticks), now, Payload::Tick);
        let sent = self.post.service.accept(NewCommand::own(&tick));
        if let Err(error) = &sent {
            tracing::warn!(%error, "a tick was not sent; it is tried again");
        }
        self.ticked = Ticked { sent: Instant::now(), under_way: sent.ok(), at: None };
    }

    fn note_figures(&mut self) {
        if self.figures_at.is_some_and(|at| at.elapsed() < FIGURES_EVERY) {
            return;
        }
        self.figures_at = Some(Instant::now());
        self.post.notices.set_figures(Figures::of(&self.engine));
    }
}
