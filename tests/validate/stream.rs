//! Random commands, decided by the real engine.

use crate::system_common::*;
use conclave::log::CommandRecord;
use conclave_core::command::{Command, CouncilMode, Payload};
use conclave_core::state::Stage;

/// `SplitMix64` (public domain).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, count: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        i64::try_from(mixed % count.unsigned_abs()).unwrap()
    }
}

/// A partition that has answered about `count` random commands.
pub(crate) fn random_partition(seed: u64, count: usize) -> Partition {
    let mut partition = Partition::with_a_pool();
    let mut stream = Stream { random: Random(seed), now: 0, sent: vec![], asked: 0 };
    let mut rules = policy();
    rules.council =
        [CouncilMode::Off, CouncilMode::Advise, CouncilMode::Enforce][seed as usize % 3];
    for payload in [set(rules), node("b", 4, "V100"), node("c", 2, "A100"), quota("u", 2, 6)] {
        partition.send(0, payload);
    }
    while stream.sent.len() < count {
        let length = 1 + stream.random.below(12);
        let batch: Vec<_> = (0..length).map(|_| stream.next(&partition)).collect();
        partition.records(&batch);
    }
    partition
}

struct Stream {
    random: Random,
    now: i64,
    sent: Vec<Command>,
    asked: i64,
}

impl Stream {
    fn next(&mut self, partition: &Partition) -> CommandRecord {
        self.now += self.random.below(4) * self.random.below(5) * MINUTE;
        match self.random.below(30) {
            0 => return bytes(self.now, b"p", vec![9, 9, 9]),
            1 => return bytes(self.now, b"p", vec![0, 0, 0, 1, 0, 7]),
            2..4 if !self.sent.is_empty() => {
                let newest = i64::try_from(self.sent.len()).unwrap().min(6);
                let back = usize::try_from(self.random.below(newest)).unwrap();
                let again = self.sent[self.sent.len() - 1 - back].clone();
                return record(self.now, &again);
            }
            4 if !self.sent.is_empty() => {
                let mut other = self.sent.last().unwrap().clone();
                other.payload = cancel("nobody");
                return record(self.now, &other);
            }
            _ => {}
        }
        let payload = self.payload(partition);
        let mut sent = command(&format!("id-{}", self.sent.len()), payload);
        if self.random.below(40) == 0 {
            sent.actor.tenant = "nobody".into();
        }
        self.sent.push(sent.clone());
        record(self.now, &sent)
    }

    fn payload(&mut self, partition: &Partition) -> Payload {
        let node_name = ["a", "b", "c"][self.random.below(3) as usize];
        let name = format!("r{}", self.random.below(self.asked.max(1)));
        let fencing = self.fencing(partition, &name);
        match self.random.below(24) {
            0 => breaks(node_name),
            1..3 => works(node_name),
            3 => drain(node_name),
            4 => remove(node_name),
            5 => node(node_name, 1 + self.random.below(8), "A100"),
            6 => quota("t", self.random.below(3), 3 + self.random.below(9)),
            7 => cancel(&name),
            8 => renew(&name, fencing, HOUR),
            9 => shrink(&name, fencing, 1),
            10..13 => release(&name, fencing),
            13 => approve(&name, None),
            14 => end(&name),
            15 => appeal(&name, None),
            16 => Payload::Tick,
            _ => self.ask().into(),
        }
    }

    /// The current number of a lease, and now and then another one.
    fn fencing(&mut self, partition: &Partition, name: &str) -> i64 {
        let state = &partition.engine.folded().state;
        let found = state.pools[POOL].requests.get(name);
        let current = found.map_or(0, |request| match &request.stage {
            Stage::Running(lease) => lease.fencing.0,
            _ => 0,
        });
        current - i64::from(self.random.below(3) == 0)
    }

    fn ask(&mut self) -> Ask {
        self.asked += 1;
        let tenant = ["t", "u"][self.random.below(2) as usize];
        let asked = ask(&format!("r{}", self.asked), tenant).priority(1 + self.random.below(10));
        let asked = match self.random.below(6) {
            0 => asked.slice(1 + self.random.below(900)),
            1 => asked.cpu_only(2_000),
            2 => asked.replicas(1 + self.random.below(4)),
            3 => asked.gpus(1 + self.random.below(4)).on(&["A100"]),
            4 => asked.hours(1 + self.random.below(40)),
            _ => asked.preemptible(),
        };
        match self.random.below(8) {
            0 => asked.deadline(self.now + self.random.below(3) * HOUR),
            _ => asked,
        }
    }
}
