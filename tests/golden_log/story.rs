//! The commands of the golden logs. Changing them needs new golden files, and no new
//! `decide_version`.

#[path = "version_3.rs"]
mod version_3;

use crate::system_common::*;
use conclave::log::CommandRecord;
use conclave::wire::encode_command;
use conclave_core::command::*;
use conclave_core::council::ModelId;
use conclave_core::partition::home_partition;
use conclave_core::units::*;

/// Two partitions, so that a pool can live elsewhere.
const PARTITION_COUNT: i64 = 2;

/// A log written down as it goes: commands are named by their number, leases by the offset of the
/// command that last changed them.
struct Scroll {
    batches: Vec<Vec<CommandRecord>>,
    pool: PoolId,
    now: i64,
    next: i64,
}

impl Scroll {
    fn new() -> Self {
        Self { batches: vec![], pool: pool_here("gold"), now: 1_000_000, next: 0 }
    }

    fn command(&self, payload: impl Into<Payload>) -> Command {
        let mut command = command(&format!("c{}", self.next), payload.into());
        if !command.payload.is_log_command() {
            command.pool = self.pool.clone();
        }
        command
    }

    /// Sends a command in a batch of its own and returns its offset.
    fn send(&mut self, payload: impl Into<Payload>) -> i64 {
        self.send_command(&self.command(payload))
    }

    fn send_command(&mut self, command: &Command) -> i64 {
        self.send_record(record(self.now, command))
    }

    fn send_record(&mut self, record: CommandRecord) -> i64 {
        self.send_records(vec![record])
    }

    fn send_records(&mut self, records: Vec<CommandRecord>) -> i64 {
        let first = self.next;
        self.next += i64::try_from(records.len()).unwrap();
        self.batches.push(records);
        first
    }

    fn open(&mut self) {
        let Payload::OpenLog(open) = open_log() else { unreachable!() };
        let partition_count = PARTITION_COUNT;
        self.send(Payload::OpenLog(OpenLog { partition_count, round_commands: 8, ..open }));
    }
}

/// A pool of the first partition.
pub(crate) fn pool_here(name: &str) -> PoolId {
    let names = (0..).map(|index| PoolId::from(format!("{name}-{index}")));
    names.into_iter().find(|pool| home_partition(pool, PARTITION_COUNT) == 0).unwrap()
}

/// A little of everything.
pub(crate) fn batches() -> Vec<Vec<CommandRecord>> {
    let mut scroll = Scroll::new();
    scroll.send(Payload::Tick);
    scroll.open();
    scroll.open();
    set_up(&mut scroll);
    work(&mut scroll);
    council(&mut scroll);
    refusals(&mut scroll);
    unreadable(&mut scroll);
    people(&mut scroll);
    networks(&mut scroll);
    version_3::fairness(&mut scroll);
    version_3::preemption(&mut scroll);
    version_3::topology(&mut scroll);
    version_3::budgets(&mut scroll);
    version_3::tariffs(&mut scroll);
    version_3::trees(&mut scroll);
    version_3::reservations(&mut scroll);
    scroll.batches
}

fn set_up(scroll: &mut Scroll) {
    scroll.send(Payload::ActivateDecider(ActivateDecider { version: 1 }));
    // No release knows it for a long time to come.
    scroll.send(Payload::ActivateDecider(ActivateDecider { version: 60_000 }));
    scroll.send(node("early", 8, "A100"));
    let shape = |gpu_count, gpu_milli, count| TargetShape {
        cpu_milli: CpuMilli(4_000),
        gpu_count,
        gpu_milli: GpuMilli(gpu_milli),
        gpu_models: vec![],
        count,
    };
    let target_workload = vec![shape(1, 1_000, 5), shape(1, 500, 3), shape(4, 1_000, 1)];
    let placement = PlacementPolicy::Fgd;
    scroll.send(set(SetPoolPolicy { target_workload, placement, queue_max: 3, ..policy() }));
    scroll.send(ask("nobody", "t"));
    for payload in [
        node("a", 8, "A100"),
        node("b", 8, "A100"),
        node("h", 4, "H100"),
        node("cpu", 0, ""),
        quota("t", 4, 12),
        quota("u", 2, 20),
    ] {
        scroll.send(payload);
    }
    scroll.send(node("a", 8, "A100"));
}

fn work(scroll: &mut Scroll) {
    let asks: Vec<Ask> = vec![
        ask("whole", "t").gpus(2),
        ask("slice", "t").slice(300),
        ask("slice-2", "u").slice(700).on(&["H100", "A100"]),
        ask("cpu", "u").cpu_only(9_000),
        ask("gang", "t").gpus(2).replicas(3).on(&["A100"]),
        ask("big", "u").gpus(8).priority(9),
        ask("soon", "u").gpus(8).deadline(scroll.now + 5_000),
        ask("small", "u").slice(100).priority(1).preemptible(),
    ];
    let first = scroll.next;
    let records = (0..).zip(asks).map(|(index, ask)| {
        let command = Command {
            command_id: CommandId::from(format!("batch-{index}")),
            ..scroll.command(ask)
        };
        record(scroll.now + index, &command)
    });
    let records = records.collect();
    scroll.send_records(records);
    let (whole, gang) = (first, first + 4);
    scroll.now += 10_000;
    scroll.send(Payload::Tick);
    let gang = scroll.send(renew("gang", gang, 2 * HOUR));
    scroll.send(renew("gang", gang, 49 * HOUR));
    scroll.send(shrink("gang", gang, 3));
    let gang = scroll.send(shrink("gang", gang, 1));
    scroll.send(cancel("small"));
    scroll.send(cancel("gang"));
    scroll.send(release("whole", whole + 1));
    scroll.send(release("whole", whole));
    scroll.send(release("whole", whole));
    scroll.send(drain("b"));
    scroll.send(remove("b"));
    scroll.send(drain("nowhere"));
    scroll.send(remove("cpu"));
    scroll.now += HOUR + MINUTE;
    scroll.send(Payload::Tick);
    scroll.send(release("gang", gang));
    scroll.now += 48 * HOUR;
    scroll.send(Payload::Tick);
}

fn council(scroll: &mut Scroll) {
    for council in [CouncilMode::Enforce, CouncilMode::Advise, CouncilMode::Off] {
        scroll.send(set(SetPoolPolicy { council, queue_max: 4, ..policy() }));
        let name = |text: &str| format!("{text}-{council:?}");
        scroll.send(ask(&name("good"), "t").priority(10).slice(10));
        scroll.send(ask(&name("fair"), "t").slice(10).hours(25));
        scroll.send(ask(&name("poor"), "u").gpus(4).hours(25).preemptible());
        scroll.send(ask(&name("bad"), "u").gpus(1).replicas(9).priority(1).hours(25));
        for _ in 0..4 {
            scroll.now += 30 * MINUTE;
            scroll.send(Payload::Tick);
            scroll.send(Payload::Tick);
        }
        scroll.now += 48 * HOUR;
        scroll.send(Payload::Tick);
    }
}

fn refusals(scroll: &mut Scroll) {
    scroll.send(ask("holder", "u").gpus(8).on(&["A100"]).hours(9));
    for index in 0..5 {
        scroll.send(ask(&format!("waits-{index}"), "u").gpus(8).on(&["A100"]));
    }
    scroll.send(renew("waits-0", 0, HOUR));
    scroll.send(ask("holder", "u"));
    scroll.send(ask("late", "u").deadline(0));
    scroll.send(ask("over", "t").gpus(13));
    scroll.send(ask("huge", "u").gpus(1).replicas(19));
    scroll.send(ask("stranger", "x"));
    let Ask(mut later) = ask("later", "t");
    later.topology = Topology::SameNode;
    scroll.send(Payload::RequestAllocation(later));
    scroll.send(ask("broken", "t").replicas(0));
    let mut theft = scroll.command(cancel("waits-0"));
    (theft.actor.role, theft.actor.tenant) = (Role::Tenant, "t".into());
    scroll.send_command(&theft);
    let twice = scroll.command(cancel("waits-1"));
    scroll.send_command(&twice);
    scroll.send_command(&twice);
    scroll.send_command(&Command { payload: cancel("waits-2"), ..twice });
    scroll.send(Payload::SetQuota(SetQuota { rate_per_minute: 1, ..share("t", 4, 12) }));
    scroll.send(ask("first", "t").slice(1));
    scroll.send(ask("second", "t").slice(1));
}

fn unreadable(scroll: &mut Scroll) {
    let sound = encode_command(&scroll.command(cancel("waits-3")));
    let key = scroll.pool.0.as_bytes().to_vec();
    let mut other_schema = sound.clone();
    other_schema[4] = 99;
    let mut other_magic = sound.clone();
    other_magic[0] = 7;
    let cut = sound[..sound.len() - 1].to_vec();
    let longer = [&sound[..], &[0]].concat();
    let now = scroll.now;
    let values = [vec![], other_schema, other_magic, cut, longer];
    let records: Vec<_> = values.into_iter().map(|value| bytes(now, &key, value)).collect();
    scroll.send_records(records);
    scroll.send_record(bytes(now, b"elsewhere", sound.clone()));
    let foreign = |name: &String| home_partition(&PoolId::from(name.clone()), PARTITION_COUNT) == 1;
    let foreign = (0..).map(|index| format!("far-{index}")).find(foreign).unwrap();
    let far = Command { pool: PoolId::from(foreign), ..scroll.command(set(policy())) };
    scroll.send_command(&far);
    let near = (1..).map(|index| format!("gold-{index}")).find(|name| {
        scroll.pool.0 != name.as_str()
            && home_partition(&PoolId::from(name.clone()), PARTITION_COUNT) == 0
    });
    let near = Command { pool: PoolId::from(near.unwrap()), ..scroll.command(cancel("r")) };
    scroll.send_command(&near);
    scroll.send_record(bytes(i64::MIN, &key, sound));
}

/// What came with the second schema of commands.
fn people(scroll: &mut Scroll) {
    let council = CouncilMode::Enforce;
    scroll.send(set(SetPoolPolicy { council, queue_max: 9, ..policy() }));
    for payload in [breaks("h"), breaks("h"), works("h"), breaks("nowhere")] {
        scroll.send(payload);
    }
    let fair = |name: &str| ask(name, "u").cpu_only(1).hours(25);
    let bad = |name: &str| ask(name, "u").gpus(1).replicas(9).priority(1).hours(25);
    for name in ["put-off", "appeals", "ends"] {
        scroll.send(fair(name));
    }
    scroll.send(bad("denied"));
    for payload in [
        appeal("appeals", None),
        appeal("appeals", None),
        Payload::Tick,
        approve("put-off", None),
        approve("put-off", None),
        end("put-off"),
        end("ends"),
        appeal("denied", None),
        appeal("denied", Some(bad("denied"))),
        appeal("denied", Some(bad("denied"))),
        approve("denied", Some(bad("denied"))),
        end("denied"),
    ] {
        scroll.send(payload);
    }
}

/// From `decide_version` 2 on: five networks in the council seat.
fn networks(scroll: &mut Scroll) {
    let ModelId(model) = council::untrained_id();
    let seat = |model: &str| Payload::ActivateCouncil(ActivateCouncil { model: model.to_owned() });
    // To version 1 an unknown branch.
    scroll.send(seat(&model.to_string()));
    scroll.send(Payload::ActivateDecider(ActivateDecider { version: 2 }));
    scroll.send(seat("none"));
    scroll.send(seat(&model.to_string()));
    scroll.send(seat(&model.to_string()));
    let council = CouncilMode::Advise;
    scroll.send(set(SetPoolPolicy { council, queue_max: 9, ..policy() }));
    let small = |name: &str, tenant: &str| ask(name, tenant).cpu_only(1);
    let first = scroll.send(small("net-1", "u"));
    scroll.now += MINUTE;
    scroll.send(release("net-1", first));
    scroll.now += MINUTE;
    let round = [("net-2", "u"), ("net-3", "t"), ("net-4", "u")];
    let of = |(at, (name, tenant))| {
        let command = Command {
            command_id: CommandId::from(format!("round-{at}")),
            ..scroll.command(small(name, tenant))
        };
        record(scroll.now, &command)
    };
    let records = (0..).zip(round).map(of).collect();
    scroll.send_records(records);
    let council = CouncilMode::Enforce;
    scroll.send(set(SetPoolPolicy { council, queue_max: 9, ..policy() }));
    for (priority, hours) in [(1, 40), (5, 9), (9, 2), (10, 30)] {
        let name = format!("net-{priority}-{hours}");
        scroll.send(small(&name, "t").priority(priority).hours(hours));
    }
    for _ in 0..4 {
        scroll.now += HOUR;
        scroll.send(Payload::Tick);
        scroll.send(Payload::Tick);
    }
    scroll.send(seat(""));
    scroll.send(small("net-last", "t"));
}

/// 600 leases that end at once, and 900 requests that wait for them.
pub(crate) fn carried_over() -> Vec<Vec<CommandRecord>> {
    let mut scroll = Scroll::new();
    scroll.open();
    scroll.send(set(policy()));
    scroll.send(node("a", 6, "A100"));
    scroll.send(quota("t", 0, 99));
    for index in 0..600 {
        scroll.send(ask(&format!("runs-{index}"), "t").slice(10).no_cpu());
    }
    for index in 0..900 {
        scroll.send(ask(&format!("waits-{index}"), "t").slice(6).no_cpu().hours(9));
    }
    scroll.now += HOUR + MINUTE;
    for _ in 0..10 {
        scroll.send(Payload::Tick);
    }
    scroll.batches
}
