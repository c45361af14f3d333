//! Deciding one partition for as long as it is ours.

use super::super::{Figures, NewCommand, Notices, Service, Standing, now, turned};
use super::group::{Assignment, Group, Owner};
use super::tenure::Tenure;
use crate::engine::{Engine, Warm};
use crate::error::{Error, ErrorKind, Result};
use crate::log::kafka::crash::{self, CrashPoint};
use crate::log::kafka::{Feed, KafkaLog, KafkaLogOptions};
use crate::log::own::own_command;
use crate::log::{CommandRecord, LogReader};
use crate::registry::Registry;
use crate::verify::check_last_command;
use crate::wire::reframe;
use conclave_core::command::{Payload, TimeSource};
use conclave_core::seat::RuleSeat;
use conclave_core::units::Offset;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// Longest sleep when nothing comes in: timers and the end of the tenure are looked at this often.
const NAP_MAX: Duration = Duration::from_millis(100);
/// Between two ticks that a timer asks for: the brokers' clock may be behind ours.
const TICK_PAUSE: Duration = Duration::from_millis(200);
/// Pauses between attempts to take a partition over: the first, and the longest.
const AGAIN_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Bytes of commands that are held undecided.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How often figures are copied for whoever asks.
const FIGURES_EVERY: Duration = Duration::from_millis(250);

type Deciding = Engine<KafkaLog, RuleSeat>;

/// What deciding a partition needs besides the assignment.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) group: Arc<Group>,
    pub(super) log: KafkaLogOptions,
    pub(super) service: Arc<Service>,
    pub(super) notices: Notices,
    pub(super) snapshot_every: i64,
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
    let began = Instant::now();
    let (mut commands, mut pause) = (Some(commands), AGAIN_AFTER.0);
    while tenure.is_ours() {
        let arriving = commands.take().or_else(|| post.group.again(partition, &tenure));
        let Some(arriving) = arriving else { return };
        let ended = take_over(post, partition, &tenure, arriving).and_then(|mut work| {
            tracing::info!(partition, elapsed_ms = elapsed_ms(began), "a partition is taken over");
            post.notices.set_standing(Standing::Deciding);
            pause = AGAIN_AFTER.0;
            work.run()
        });
        match ended {
            Ok(()) => {}
            Err(_) if !tenure.is_ours() => {}
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
    tracing::info!(partition, "a partition is decided elsewhere from now on");
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A partition at work.
struct Work<'p> {
    post: &'p Post,
    tenure: &'p Arc<Tenure>,
    engine: Deciding,
    /// When the last tick was sent, and the offset behind which it stands.
    ticked: Option<(Instant, Offset)>,
    ticks: u64,
    figures_at: Option<Instant>,
}

fn take_over<'p>(
    post: &'p Post,
    partition: i32,
    tenure: &'p Arc<Tenure>,
    arriving: Receiver<crate::log::StoredCommand>,
) -> Result<Work<'p>> {
    let member = Owner { group: Arc::clone(&post.group), tenure: Arc::clone(tenure) };
    let feed = Feed::new(arriving, HELD_BYTES_MAX);
    let log = KafkaLog::open(post.log.clone(), Arc::new(member), Some(feed))?;
    // What the view has folded already: a standby that takes over begins there.
    let service = Arc::clone(&post.service);
    let warm = Warm::new(move || service.view_now().read(Clone::clone));
    let (mut engine, _) = Engine::open_warm(log, RuleSeat, post.snapshot_every, Some(warm))?;
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
    Ok(Work { post, tenure, engine, ticked: None, ticks: 0, figures_at: None })
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

impl Work<'_> {
    fn run(&mut self) -> Result<()> {
        while self.tenure.is_ours() {
            let has_come = self.engine.log().wait(self.nap());
            if has_come {
                self.decide_all()?;
            }
            self.tick_if_due()?;
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
        loop {
            let decisions = turned(&mut self.engine)?;
            let ends = self.engine.log().ends()?;
            if decisions.is_empty() {
                if ends.commands_next <= self.engine.folded().next() || !self.tenure.is_ours() {
                    return Ok(());
                }
                continue; // A round was aborted and is cut anew.
            }
            crash::pass(CrashPoint::BeforePublish);
            self.post.notices.publish(ends);
        }
    }

    /// Sends a tick when a timer is due and everything before it is decided. It carries no time of
    /// its own, so one too many does no harm.
    fn tick_if_due(&mut self) -> Result<()> {
        let (state, next) = (&self.engine.folded().state, self.engine.folded().next());
        let is_due = state.next_timer_ms().is_some_and(|at| at <= now());
        let is_opened = state.log.is_some();
        if !is_opened || !(is_due || state.needs_a_tick()) {
            return Ok(());
        }
        let is_under_way = self.ticked.is_some_and(|(at, offset)| {
            offset >= next || (!state.needs_a_tick() && at.elapsed() < TICK_PAUSE)
        });
        if is_under_way || self.engine.log().ends()?.commands_next > next {
            return Ok(());
        }
        self.ticks += 1;
        let now = now();
        let tick = own_command(format!("tick-{now}-{}", self.ticks), now, Payload::Tick);
        let mut tick = NewCommand::own(&tick);
        reframe(&mut tick.value, self.post.log.settings.schema_ids.commands);
        let record: CommandRecord = tick.stamped(now);
        let offset = self.engine.accept(std::slice::from_ref(&record))?;
        self.ticked = Some((Instant::now(), offset));
        Ok(())
    }

    fn note_figures(&mut self) {
        if self.figures_at.is_some_and(|at| at.elapsed() < FIGURES_EVERY) {
            return;
        }
        self.figures_at = Some(Instant::now());
        self.post.notices.set_figures(Figures::of(&self.engine));
    }
}
