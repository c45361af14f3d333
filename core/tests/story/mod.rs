//! A pool told command by command: what was sent when, and in a few words what it led to.
#![allow(dead_code, reason = "each test file uses its own part of the vocabulary")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod send;
mod tell;

pub(crate) use send::*;
pub(crate) use tell::tell;

use conclave_core::blocker::{Blocker, Blockers};
use conclave_core::command::{Actor, Command, Payload, Role};
use conclave_core::decide::decide;
use conclave_core::decision::{Decision, Remembered};
use conclave_core::input::{Content, Input};
use conclave_core::invariants::check as check_invariants;
use conclave_core::limits::DECISION_EVENTS_MAX;
use conclave_core::round::{Round, open_round};
use conclave_core::seat::{RuleSeat, Seat};
use conclave_core::state::{Request, State};
use conclave_core::units::{CommandId, Hash16, Hash32, Offset, PoolId, TenantId, TimeMs, UserId};

pub(crate) const POOL: &str = "p";
pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// One partition with one pool.
pub(crate) struct Story {
    pub(crate) state: State,
    /// Who sits in the council seat.
    pub(crate) seat: Box<dyn Seat>,
    next: i64,
}

impl Story {
    /// A log that was opened, and nothing else.
    pub(crate) fn of_a_log() -> Self {
        let mut story = Self::of_nothing();
        story.check(0, open_log(), &["the log is open"]);
        story
    }

    /// A partition before its first command.
    pub(crate) fn of_nothing() -> Self {
        Self { state: State::new(0), seat: Box::new(RuleSeat), next: 0 }
    }

    /// A pool without a council that places by best fit, W an hour, and what `given` adds to it at
    /// time 0.
    pub(crate) fn given(given: impl IntoIterator<Item = Payload>) -> Self {
        let mut story = Self::of_a_log();
        story.send(0, set(policy()));
        for payload in given {
            let told = story.send(0, payload);
            let is_refused = told.iter().any(|line| line.starts_with("refused"));
            assert!(!is_refused, "the story cannot begin: {told:?}");
        }
        story
    }

    /// Sends `payload` at `at_ms` as whoever usually sends it, alone in its round, and compares
    /// what follows.
    #[track_caller]
    pub(crate) fn check(&mut self, at_ms: i64, payload: impl Into<Payload>, expected: &[&str]) {
        let payload = payload.into();
        let sent = format!("{payload:?} at {at_ms}");
        assert_eq!(self.send(at_ms, payload), expected, "{sent}");
    }

    /// The same for a command whose every part matters.
    #[track_caller]
    pub(crate) fn check_command(&mut self, at_ms: i64, command: &Command, expected: &[&str]) {
        let told = tell(&self.decide(at_ms, vec![command.clone()])[0]);
        assert_eq!(told, expected, "{command:?} at {at_ms}");
    }

    /// Sends `payload` and tells what followed.
    pub(crate) fn send(&mut self, at_ms: i64, payload: Payload) -> Vec<String> {
        let command = self.command(payload);
        tell(&self.decide(at_ms, vec![command])[0])
    }

    /// Sends payloads as one round and tells what followed each.
    pub(crate) fn send_round(&mut self, at_ms: i64, payloads: Vec<Payload>) -> Vec<Vec<String>> {
        let next = self.next;
        let commands = (next..).zip(payloads).map(|(at, payload)| self.command_at(at, payload));
        let commands = commands.collect();
        self.decide(at_ms, commands).iter().map(tell).collect()
    }

    /// Decides a round of commands, and checks every invariant of what it leaves.
    pub(crate) fn decide(&mut self, at_ms: i64, commands: Vec<Command>) -> Vec<Decision> {
        let decisions = self.decide_unchecked(at_ms, commands);
        check_invariants(&self.state);
        decisions
    }

    /// The same without the invariants, where they would take too long.
    pub(crate) fn decide_unchecked(&mut self, at_ms: i64, commands: Vec<Command>) -> Vec<Decision> {
        let inputs = commands.into_iter().map(|command| self.input(at_ms, command)).collect();
        let round = Round { inputs };
        let ballot = open_round(&self.state, &round.inputs);
        let votes = self.seat.vote(&ballot).expect("whoever is asked sits here");
        let decisions = decide(&mut self.state, &round, &votes);
        let is_bounded = |decision: &Decision| decision.events.len() <= DECISION_EVENTS_MAX;
        assert!(decisions.iter().all(is_bounded), "a decision is over its bound");
        decisions
    }

    /// The command that usually carries `payload`: a tenant's own request, or an operator's order.
    pub(crate) fn command(&self, payload: Payload) -> Command {
        self.command_at(self.next, payload)
    }

    /// The command of somebody else.
    pub(crate) fn command_of(&self, role: Role, tenant: &str, payload: Payload) -> Command {
        let actor = Actor { tenant: tenant.into(), user: UserId::from("somebody"), role };
        Command { actor, ..self.command(payload) }
    }

    fn command_at(&self, at: i64, payload: Payload) -> Command {
        let (role, tenant) = match &payload {
            Payload::RequestAllocation(ask) => (Role::Tenant, ask.tenant.clone()),
            _ => (Role::Administrator, TenantId::default()),
        };
        Command {
            command_id: CommandId::from(format!("c{at}")),
            pool: if payload.is_log_command() { PoolId::default() } else { PoolId::from(POOL) },
            actor: Actor { tenant, user: UserId::from("somebody"), role },
            submitted_at_ms: TimeMs(0),
            payload,
        }
    }

    /// The command as the log has it next.
    pub(crate) fn input(&mut self, at_ms: i64, command: Command) -> Input {
        let offset = Offset(self.next);
        self.next += 1;
        let asked = (&command.pool, &command.actor, &command.payload);
        let digests = Remembered {
            id_hash: digest(&command.command_id.0),
            payload_hash: digest(&format!("{asked:?}")),
        };
        let key = command.pool.0.as_bytes().to_vec();
        let content = Content::Readable { command: Box::new(command), digests };
        Input { offset, time_ms: TimeMs(at_ms), key, input_hash: Hash32::default(), content }
    }

    /// Offset of the next command.
    pub(crate) fn next(&self) -> i64 {
        self.next
    }

    /// A live request.
    pub(crate) fn request(&self, name: &str) -> &Request {
        &self.state.pools[POOL].requests[name]
    }

    /// What keeps a live request from running.
    pub(crate) fn blocker(&self, name: &str) -> Option<Blocker> {
        Blockers::of(&self.state, &PoolId::from(POOL)).blocker(self.request(name))
    }

    /// The current fencing number of a lease.
    pub(crate) fn fencing(&self, name: &str) -> i64 {
        self.request(name).lease().unwrap_or_else(|| panic!("{name} runs")).fencing.0
    }

    /// Gives a lease back with the right fencing number.
    pub(crate) fn release(&self, name: &str) -> Payload {
        release(name, self.fencing(name))
    }
}

fn digest(text: &str) -> Hash16 {
    let spread = |seed: u64| {
        text.bytes().fold(seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
        })
    };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&spread(0xcbf2_9ce4_8422_2325).to_le_bytes());
    bytes[8..].copy_from_slice(&spread(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    Hash16(bytes)
}
