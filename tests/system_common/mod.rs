//! A whole partition in memory: bytes go in, decisions and dead letters come out.
#![allow(dead_code, reason = "every test binary uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "../../core/tests/story/send.rs"]
mod send;

pub(crate) mod council;

pub(crate) use send::*;

use conclave::engine::Engine;
use conclave::error::Result;
use conclave::log::memory::MemoryLog;
use conclave::log::{
    CommandRecord, CommitError, DeadLetterRecord, DecisionRecord, EventLog, Headers, LogEnds,
    LogReader, RoundRecord, StoredCommand,
};
use conclave::verify::{Report, verify};
use conclave::wire::encode_command;
use conclave_core::command::{Actor, Command, Payload, Role};
use conclave_core::decision::Decision;
use conclave_core::seat::RuleSeat;
use conclave_core::units::{CommandId, Offset, PoolId, TenantId, TimeMs, UserId};
use std::cell::{Ref, RefCell, RefMut};
use std::rc::Rc;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const POOL: &str = "p";

/// More decisions than any test makes: no snapshot.
pub(crate) const NO_SNAPSHOT: i64 = i64::MAX;

/// A log in memory that outlives the engine that writes it, as a disk outlives a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Rc<RefCell<MemoryLog>>);

impl Disk {
    pub(crate) fn new(log: MemoryLog) -> Self {
        Self(Rc::new(RefCell::new(log)))
    }

    pub(crate) fn log(&self) -> Ref<'_, MemoryLog> {
        self.0.borrow()
    }

    pub(crate) fn log_mut(&self) -> RefMut<'_, MemoryLog> {
        self.0.borrow_mut()
    }

    pub(crate) fn all_commands(&self) -> Vec<StoredCommand> {
        self.commands(Offset(0), usize::MAX).unwrap()
    }

    pub(crate) fn all_decisions(&self) -> Vec<DecisionRecord> {
        self.decisions(Offset(0), usize::MAX).unwrap()
    }

    pub(crate) fn all_dead_letters(&self) -> Vec<DeadLetterRecord> {
        self.dead_letters(Offset(0), usize::MAX).unwrap()
    }

    pub(crate) fn verify(&self) -> Report {
        verify(self, 0, &mut RuleSeat).unwrap()
    }
}

impl LogReader for Disk {
    fn ends(&self) -> Result<LogEnds> {
        self.log().ends()
    }

    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        self.log().commands(from, bytes_max)
    }

    fn decisions(&self, from: Offset, bytes_max: usize) -> Result<Vec<DecisionRecord>> {
        self.log().decisions(from, bytes_max)
    }

    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.log().dead_letters(from, bytes_max)
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.log().snapshots()
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.log().snapshot(offset)
    }
}

impl EventLog for Disk {
    fn accept(&mut self, commands: &[CommandRecord]) -> Result<Offset> {
        self.log_mut().accept(commands)
    }

    fn commit(&mut self, round: &RoundRecord) -> std::result::Result<(), CommitError> {
        self.log_mut().commit(round)
    }

    fn keep_snapshot(&mut self, offset: Offset, bytes: &[u8]) -> Result<()> {
        self.log_mut().keep_snapshot(offset, bytes)
    }

    fn sync(&mut self) -> Result<()> {
        self.log_mut().sync()
    }
}

/// A partition at work.
pub(crate) struct Partition {
    pub(crate) disk: Disk,
    pub(crate) engine: Engine<Disk, RuleSeat>,
}

impl Partition {
    /// A log in which nothing was sent yet.
    pub(crate) fn empty() -> Self {
        let disk = Disk::default();
        let (engine, _) = Engine::open(disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap();
        Self { disk, engine }
    }

    /// Pool `p` with a node of 8 GPUs and tenants `t` and `u`, each of which may have all of them.
    pub(crate) fn with_a_pool() -> Self {
        let mut partition = Self::empty();
        let nodes = [node("a", 8, "A100"), quota("t", 0, 99), quota("u", 0, 99)];
        for payload in [open_log(), set(policy())].into_iter().chain(nodes) {
            partition.send(0, payload);
        }
        partition
    }

    /// Sends one record and returns the one decision about it.
    pub(crate) fn record(&mut self, record: CommandRecord) -> Decision {
        let mut decisions = self.records(&[record]);
        assert_eq!(decisions.len(), 1, "one command, one decision");
        decisions.remove(0)
    }

    /// Sends records in one batch and returns the decisions about them.
    pub(crate) fn records(&mut self, records: &[CommandRecord]) -> Vec<Decision> {
        let first = self.engine.accept(records).unwrap();
        let mut decisions = vec![];
        self.engine.run_to_end(|round| decisions.extend_from_slice(round)).unwrap();
        let offsets = (first.0..).map(Offset).take(records.len());
        assert!(decisions.iter().map(|decision| decision.offset).eq(offsets), "{decisions:?}");
        decisions
    }

    /// Sends a command as whoever usually sends it.
    pub(crate) fn send(&mut self, time_ms: i64, payload: Payload) -> Decision {
        let record = record(time_ms, &self.command(payload));
        self.record(record)
    }

    /// The command that usually carries `payload`.
    pub(crate) fn command(&self, payload: Payload) -> Command {
        command(&format!("c{}", self.engine.folded().next()), payload)
    }

    /// The current fencing number of a lease.
    pub(crate) fn fencing(&self, name: &str) -> i64 {
        let request = &self.engine.folded().state.pools[POOL].requests[name];
        request.lease().unwrap().fencing.0
    }
}

/// The command that usually carries `payload`: a tenant's own request, or an operator's order.
pub(crate) fn command(id: &str, payload: Payload) -> Command {
    let (role, tenant) = match &payload {
        Payload::RequestAllocation(ask) => (Role::Tenant, ask.tenant.clone()),
        _ => (Role::Administrator, TenantId::default()),
    };
    Command {
        command_id: CommandId::from(id),
        pool: if payload.is_log_command() { PoolId::default() } else { PoolId::from(POOL) },
        actor: Actor { tenant, user: UserId::from("somebody"), role },
        submitted_at_ms: TimeMs(0),
        payload,
    }
}

/// A command as its producer appends it.
pub(crate) fn record(time_ms: i64, command: &Command) -> CommandRecord {
    bytes(time_ms, command.pool.0.as_bytes(), encode_command(command))
}

/// Any bytes under any key.
pub(crate) fn bytes(time_ms: i64, key: &[u8], value: Vec<u8>) -> CommandRecord {
    let headers = Headers::from([("correlation_id", b"who-asked")]);
    CommandRecord { time_ms: TimeMs(time_ms), key: key.to_vec(), value, headers }
}
