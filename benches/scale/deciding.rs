//! The deciding core alone: no log, no encoding.

use crate::site::{POOL, Site, Size};
use conclave_core::command::Command;
use conclave_core::decide::decide;
use conclave_core::decision::{Decision, Remembered};
use conclave_core::input::{Content, Input};
use conclave_core::round::{Round, open_round};
use conclave_core::seat::{RuleSeat, Seat};
use conclave_core::state::{Pool, State};
use conclave_core::units::{Hash16, Hash32, Offset, PoolId, TimeMs};
use std::time::{Duration, Instant};

/// A partition and what it decided so far.
#[derive(Debug)]
pub(crate) struct Deciding {
    pub(crate) state: State,
    pub(crate) site: Site,
    next: i64,
    pub(crate) now_ms: i64,
}

impl Deciding {
    /// A full pool before which `waiting` requests wait.
    pub(crate) fn full(size: Size) -> Self {
        let (state, site) = (State::new(0), Site::new(size));
        let mut it = Self { state, site, next: 0, now_ms: 0 };
        for command in it.site.opening() {
            it.decide(vec![command]);
        }
        it.now_ms = 1;
        it.fill();
        while it.pool().queue.len() < count(size.waiting) {
            let command = it.site.waiter();
            // They come over an hour.
            it.now_ms = 1 + it.pool().queue.len() * 3_600_000 / count(size.waiting).max(1);
            it.decide(vec![command]);
        }
        it
    }

    /// Until hardly anything that comes finds a place.
    fn fill(&mut self) {
        let total = self.pool().fleet.gpus().total_milli.0;
        while self.pool().fleet.gpus().used_milli.0 < total / 1_000 * 999 {
            let command = self.site.filler();
            let decision = self.decide(vec![command]).pop().expect("one command, one decision");
            let waits = self.pool().request(&decision.request);
            if waits.is_some_and(|request| request.lease().is_none()) {
                let command = self.site.cancel(&decision.request);
                self.decide(vec![command]);
            }
        }
    }

    pub(crate) fn pool(&self) -> &Pool {
        self.state.pool(&PoolId::from(POOL))
    }

    pub(crate) fn groups(&self) -> usize {
        self.pool().queue.groups().len()
    }

    /// Decides commands as one round.
    pub(crate) fn decide(&mut self, commands: Vec<Command>) -> Vec<Decision> {
        let inputs = commands.into_iter().map(|command| self.input(command)).collect();
        self.answer(&Round { inputs })
    }

    /// The same for one command, and how long it took.
    pub(crate) fn timed(&mut self, command: Command) -> (Duration, Decision) {
        let round = Round { inputs: vec![self.input(command)] };
        let started = Instant::now();
        let mut decisions = self.answer(&round);
        (started.elapsed(), decisions.pop().expect("one command, one decision"))
    }

    fn answer(&mut self, round: &Round) -> Vec<Decision> {
        let votes = RuleSeat.vote(&open_round(&self.state, &round.inputs));
        let decisions = decide(&mut self.state, round, &votes.expect("the rules are here"));
        decisions.iter().for_each(|decision| self.site.see(decision));
        decisions
    }

    fn input(&mut self, command: Command) -> Input {
        let offset = Offset(self.next);
        self.next += 1;
        let digest = |salt: u8| {
            let mut bytes = [salt; 16];
            bytes[..8].copy_from_slice(&offset.0.wrapping_mul(0x09e3_779b_97f4_a7c1).to_le_bytes());
            Hash16(bytes)
        };
        Input {
            offset,
            time_ms: TimeMs(self.now_ms),
            key: command.pool.0.as_bytes().to_vec(),
            input_hash: Hash32::default(),
            content: Content::Readable {
                command: Box::new(command),
                digests: Remembered { id_hash: digest(1), payload_hash: digest(2) },
            },
        }
    }
}

pub(crate) fn count(number: usize) -> i64 {
    i64::try_from(number).expect("a count in memory")
}
