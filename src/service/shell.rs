//! The shell loop: takes what came in, accepts it in one piece, decides it, answers. One thread,
//! one visible order; nothing is answered before it is committed.

use super::intake::{Answer, NewCommand, Reply, Submission, SubmitError};
use super::room::committed;
use super::standing::{Figures, Shared, Standing};
use super::{Deciding, ServiceOptions, now, open, reader_of, turned};
use crate::error::{Error, ErrorKind, Result};
use crate::log::own::{open_live, own_command};
use crate::log::{LogEnds, LogReader};
use conclave_core::command::Payload;
use conclave_core::decision::Decision;
use conclave_core::units::{Hash32, Offset, TimeMs};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Commands accepted in one piece.
const BATCH_MAX: usize = 1_000;
/// Bytes of them.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest sleep when nothing comes in: timers are looked at this often.
const NAP_MAX: Duration = Duration::from_millis(500);
/// How often figures are copied for whoever asks.
const FIGURES_EVERY: Duration = Duration::from_millis(250);
/// Pauses between attempts to open a log again: the first, and the longest.
const REOPEN_AFTER: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Whoever waits for a decision, by the offset of the command.
type Waiting = BTreeMap<Offset, oneshot::Sender<std::result::Result<Answer, SubmitError>>>;

/// What came of a pass that failed.
#[derive(Debug)]
enum Failed {
    /// The log could be opened again.
    Reopened(Box<Deciding>),
    /// The loop ends.
    Ended(Result<()>),
}

pub(super) struct Shell {
    options: ServiceOptions,
    intake: Receiver<Submission>,
    shared: Arc<Shared>,
    waiting: Waiting,
    stamped_ms: TimeMs,
    ticks: u64,
    is_closing: bool,
    /// Whether a command waits for its schema or its council.
    is_stuck: bool,
    figures_at: Option<Instant>,
}

impl Shell {
    pub(super) fn new(
        options: ServiceOptions,
        intake: Receiver<Submission>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            options,
            intake,
            shared,
            waiting: Waiting::new(),
            stamped_ms: TimeMs(0),
            ticks: 0,
            is_closing: false,
            is_stuck: false,
            figures_at: None,
        }
    }

    /// Decides until it is told to end, or nobody is left who could send.
    pub(super) fn run(mut self, mut engine: Deciding) -> Result<()> {
        loop {
            match self.pass(&mut engine) {
                Ok(()) if self.is_closing => {
                    self.refuse_all(&SubmitError::Closing);
                    return engine.close().map(drop);
                }
                Ok(()) => {}
                Err(error) => match self.fail(engine, error) {
                    Failed::Reopened(opened) => engine = *opened,
                    Failed::Ended(ended) => return ended,
                },
            }
        }
    }

    /// Goes on after a pass that failed, or not. Whoever was told to end is not told again.
    fn fail(&mut self, engine: Deciding, error: Error) -> Failed {
        if self.is_closing {
            self.refuse_all(&SubmitError::Closing);
            return Failed::Ended(Err(error));
        }
        if error.kind != ErrorKind::Unavailable {
            // The log stays open meanwhile: it can still be asked.
            let stopped = self.stop(&error);
            drop(engine);
            return Failed::Ended(stopped);
        }
        // Closed first: the directory has one writer.
        drop(engine);
        match self.reopen(&error) {
            Some(opened) => Failed::Reopened(Box::new(opened)),
            None => Failed::Ended(Err(error)),
        }
    }

    /// Takes what there is, accepts it, decides it, answers.
    fn pass(&mut self, engine: &mut Deciding) -> Result<()> {
        if engine.folded().state.log.is_none() && engine.log().ends()?.commands_next.0 == 0 {
            self.open_log(engine)?;
        }
        let batch = self.receive(engine);
        self.accept(engine, batch)?;
        self.decide_all(engine)?;
        self.note_figures(engine);
        Ok(())
    }

    /// Waits for the first command until a timer is due, and takes along whatever else is there.
    fn receive(&mut self, engine: &Deciding) -> Vec<(NewCommand, Reply)> {
        let state = &engine.folded().state;
        let owes_work =
            engine.log().ends().is_ok_and(|ends| ends.commands_next > engine.folded().next());
        let until_timer = state.next_timer_ms().map(|at| at.0.saturating_sub(now().0).max(0));
        let until_timer = until_timer.map(|ms| Duration::from_millis(ms.unsigned_abs()));
        let nap = until_timer.unwrap_or(NAP_MAX).min(NAP_MAX);
        let nap = match self.is_stuck {
            true => NAP_MAX,
            false if owes_work || state.needs_a_tick() => Duration::ZERO,
            false => nap,
        };
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let mut next = match self.intake.recv_timeout(nap) {
            Ok(submission) => Some(submission),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Submission::Close),
        };
        while let Some(submission) = next {
            let Submission::Command(command, reply) = submission else {
                self.is_closing = true;
                break;
            };
            bytes += command.value.len();
            batch.push((command, reply));
            let is_full = batch.len() == BATCH_MAX || bytes >= BATCH_BYTES_MAX;
            next = if is_full { None } else { self.intake.try_recv().ok() };
        }
        batch
    }

    /// Accepts a batch, with a tick behind it when one is due, and tells those who wait for that.
    fn accept(&mut self, engine: &mut Deciding, batch: Vec<(NewCommand, Reply)>) -> Result<()> {
        let time_ms = self.stamp(engine);
        let (commands, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let mut records: Vec<_> =
            commands.into_iter().map(|command| command.stamped(time_ms)).collect();
        let state = &engine.folded().state;
        let is_due = state.next_timer_ms().is_some_and(|at| at <= time_ms);
        // Behind a command that waits, a tick would wait with all that were sent before it.
        if !self.is_stuck && (is_due || state.needs_a_tick()) {
            records.push(self.tick(time_ms).stamped(time_ms));
        }
        if records.is_empty() {
            return Ok(());
        }
        let first = match engine.accept(&records) {
            Ok(first) => first,
            Err(error) => {
                let why = SubmitError::Away(error.to_string());
                replies.into_iter().for_each(|reply| reply.refuse(why.clone()));
                return Err(error);
            }
        };
        if self.shared.owing_since().is_none() {
            // Without a decision in between it still is the same wait.
            self.shared.set_owing(true);
        }
        for (reply, offset) in replies.into_iter().zip(first.0..) {
            match reply {
                Reply::Accepted(to) => drop(to.send(Ok(Offset(offset)))),
                Reply::Decided(to) => drop(self.waiting.insert(Offset(offset), to)),
            }
        }
        Ok(())
    }

    /// Decides what is accepted, and answers round by round.
    fn decide_all(&mut self, engine: &mut Deciding) -> Result<()> {
        loop {
            let decisions = match turned(engine) {
                Err(error) if engine.waiting().is_some_and(|why| why == error.message) => {
                    self.await_input(&error);
                    return Ok(());
                }
                turned => turned?,
            };
            self.go_on();
            let ends = engine.log().ends()?;
            if decisions.is_empty() {
                if ends.commands_next == engine.folded().next() {
                    return Ok(());
                }
                continue; // A round was aborted and is cut anew.
            }
            self.shared.set_owing(ends.commands_next > ends.decisions_next);
            self.shared.publish(ends);
            self.answer(decisions, engine.folded().head);
        }
    }

    /// A command waits for its schema or its council, and so does all that comes behind it: it is
    /// accepted meanwhile.
    fn await_input(&mut self, why: &Error) {
        if !self.is_stuck {
            tracing::warn!(%why, "a command waits: it is tried again and again");
        }
        self.is_stuck = true;
        self.shared.set_awaited(Some(why.to_string()));
    }

    /// What a command waited for has come.
    fn go_on(&mut self) {
        if std::mem::take(&mut self.is_stuck) {
            tracing::info!("no command waits any more");
            self.shared.set_awaited(None);
        }
    }

    fn answer(&mut self, decisions: Vec<Decision>, head: Hash32) {
        if let Some(first) = decisions.first().filter(|first| first.covered_before < Offset(0)) {
            self.shared.view.begin(first.time_ms);
        }
        // Each decision names the digest of the one before it, and the head is the last one's.
        let next_hashes = decisions.iter().skip(1).map(|next| next.prev_hash);
        let hashes: Vec<_> = next_hashes.chain([head]).collect();
        for (decision, hash) in decisions.into_iter().zip(hashes) {
            if let Some(to) = self.waiting.remove(&decision.offset) {
                drop(to.send(Ok(Answer { decision, hash })));
            }
        }
    }

    /// The time of the commands that are accepted now: this machine's clock, which never goes back
    /// in a log.
    fn stamp(&mut self, engine: &Deciding) -> TimeMs {
        self.stamped_ms = self.stamped_ms.max(engine.folded().state.time_ms).max(now());
        self.stamped_ms
    }

    fn tick(&mut self, now: TimeMs) -> NewCommand {
        self.ticks += 1;
        NewCommand::own(&own_command(format!("tick-{now}-{}", self.ticks), now, Payload::Tick))
    }

    /// The first command of a new log.
    fn open_log(&mut self, engine: &mut Deciding) -> Result<()> {
        let time_ms = self.stamp(engine);
        let open = Payload::OpenLog(open_live(1, time_ms));
        let command = NewCommand::own(&own_command(format!("open-{time_ms}"), time_ms, open));
        engine.accept(&[command.stamped(time_ms)])?;
        Ok(())
    }

    fn note_figures(&mut self, engine: &Deciding) {
        if self.figures_at.is_some_and(|at| at.elapsed() < FIGURES_EVERY) {
            return;
        }
        self.figures_at = Some(Instant::now());
        self.shared.set_figures(Figures::of(engine));
    }

    /// Opens the log again until it can be written or the service ends. What was accepted is in it;
    /// whoever waits for a decision waits on.
    fn reopen(&mut self, error: &Error) -> Option<Deciding> {
        let (mut pause, longest) = REOPEN_AFTER;
        let mut why = error.to_string();
        loop {
            tracing::error!(error = %why, "the log cannot be written: it is opened again");
            self.shared.set_standing(Standing::Away(why.clone()));
            if self.refuse_for(pause, &SubmitError::Away(why)) {
                self.refuse_all(&SubmitError::Closing);
                return None;
            }
            match open(&self.options).and_then(|engine| Ok((engine.log().ends()?, engine))) {
                Ok((ends, engine)) => {
                    self.settle(&engine, ends);
                    let folded = engine.folded().clone();
                    self.shared.reopened(reader_of(&engine), folded, ends);
                    self.shared.set_standing(Standing::Deciding);
                    return Some(engine);
                }
                Err(error) => why = error.to_string(),
            }
            pause = longest.min(pause * 2);
        }
    }

    /// Tells those who wait what became of their commands when the log was opened again: what was
    /// committed unseen is answered from the log; what the log does not hold was never accepted,
    /// and its offset will be another command's.
    fn settle(&mut self, engine: &Deciding, ends: LogEnds) {
        for (_, to) in self.waiting.split_off(&ends.commands_next) {
            let lost = "the log was opened again and does not hold it".to_owned();
            drop(to.send(Err(SubmitError::Away(lost))));
        }
        let undecided = self.waiting.split_off(&engine.folded().next());
        for (offset, to) in std::mem::replace(&mut self.waiting, undecided) {
            let answer = committed(engine.log(), offset);
            drop(to.send(answer.map_err(|error| SubmitError::Away(error.to_string()))));
        }
    }

    /// Stops deciding for good, and says so to whoever comes until the service ends.
    fn stop(&mut self, error: &Error) -> Result<()> {
        let why = error.to_string();
        tracing::error!(error = %why, "deciding has stopped");
        self.shared.set_standing(Standing::Stopped(why.clone()));
        self.refuse_all(&SubmitError::Stopped(why.clone()));
        while !self.refuse_for(NAP_MAX, &SubmitError::Stopped(why.clone())) {}
        Err(Error { kind: error.kind, message: why, source: None })
    }

    /// Refuses whatever comes in the meantime; true when the service is to end.
    fn refuse_for(&mut self, pause: Duration, error: &SubmitError) -> bool {
        let until = Instant::now() + pause;
        loop {
            match self.intake.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Submission::Command(_, reply)) => reply.refuse(error.clone()),
                Ok(Submission::Close) | Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    /// Refuses those who wait, and whatever has come in.
    fn refuse_all(&mut self, error: &SubmitError) {
        for (_, to) in std::mem::take(&mut self.waiting) {
            drop(to.send(Err(error.clone())));
        }
        while let Ok(submission) = self.intake.try_recv() {
            if let Submission::Command(_, reply) = submission {
                reply.refuse(error.clone());
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    /// A shell that has opened its log, and the sender that keeps it from ending.
    fn opened(
        data: &std::path::Path,
    ) -> (Shell, Deciding, std::sync::mpsc::SyncSender<Submission>) {
        let options = ServiceOptions::new(data);
        let mut engine = open(&options).unwrap();
        let (notice, _noticed) = sync_channel(1);
        let folded = engine.folded().clone();
        let ends = engine.log().ends().unwrap();
        let shared = Shared::new(reader_of(&engine), folded, ends, notice);
        let (sender, intake) = sync_channel(4);
        let mut shell = Shell::new(options, intake, Arc::new(shared));
        shell.pass(&mut engine).unwrap();
        (shell, engine, sender)
    }

    #[test]
    fn a_log_is_opened_again_whoever_still_holds_a_reader_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let (shell, engine, _sender) = opened(directory.path());
        let reader = engine.log().reader();
        assert_eq!(reader.decisions(Offset(0), 0).unwrap().len(), 1);
        drop(engine);
        let again = open(&shell.options).unwrap();
        assert!(reader.decisions(Offset(0), 0).is_err(), "it reads no store that is gone");
        assert_eq!(again.log().reader().decisions(Offset(0), 0).unwrap().len(), 1);
    }

    #[test]
    fn a_service_that_is_told_to_end_ends_although_its_log_fails() {
        let directory = tempfile::tempdir().unwrap();
        let (mut shell, engine, sender) = opened(directory.path());
        shell.is_closing = true;
        shell.shared.set_standing(Standing::Closing);
        let (reply, mut refused) = oneshot::channel();
        shell.waiting.insert(Offset(9), reply);
        let ended = shell.fail(engine, Error::unavailable("the disk is full"));
        assert!(matches!(ended, Failed::Ended(Err(_))));
        assert_eq!(refused.try_recv().unwrap(), Err(SubmitError::Closing));
        drop(sender);
    }

    #[test]
    fn who_waits_while_the_log_is_opened_again_is_told_what_became_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let (mut shell, engine, _sender) = opened(directory.path());
        let ends = engine.log().ends().unwrap();
        assert_eq!(ends.decisions_next, Offset(1), "the log is opened");
        let (committed, mut answered) = oneshot::channel();
        let (lost, mut refused) = oneshot::channel();
        shell.waiting.insert(Offset(0), committed);
        shell.waiting.insert(Offset(1), lost);
        shell.settle(&engine, ends);
        let answer = answered.try_recv().unwrap().unwrap();
        assert_eq!((answer.decision.kind.as_str(), answer.hash), ("OpenLog", engine.folded().head));
        assert!(matches!(refused.try_recv().unwrap(), Err(SubmitError::Away(_))));
        assert!(shell.waiting.is_empty());
    }
}
