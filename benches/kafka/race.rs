//! One contender at work, seen from outside: what is visible when, and what its process takes.

use crate::broker::{Broker, Stock};
use crate::contender::Task;
use crate::process::Usage;
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// How long nothing may become visible: a start takes part of it.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Share of the answers before the rate is taken: starts and first compilations are not in it.
const WARM_UP: f64 = 0.2;
/// Share that is left out at the beginning of the mix: what is visible is known by offsets, of
/// which marks of transactions take some.
const MARGIN: f64 = 0.05;

/// What a run took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Records per second once warm.
    pub(crate) rate: f64,
    /// From the start of the process to the last record visible.
    pub(crate) whole: Duration,
    pub(crate) usage: Usage,
    pub(crate) output: Stock,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, whole, usage, output } = self;
        let (whole, cpu) = (whole.as_secs_f64(), usage.cpu.as_secs_f64());
        let resident = usage.resident_mb;
        write!(f, "{rate:.0}/s, {whole:.1} s in all, {cpu:.1} s CPU, {resident:.0} MB, {output}")
    }
}

/// Starts a contender, watches it to its end, and counts what it committed. The rate is that of the
/// commands behind the first `before` of each partition.
pub(crate) fn run(broker: &Broker, task: &Task, before: usize) -> Outcome {
    let watcher = broker.watcher();
    let started = Instant::now();
    let mut child = task.start();
    let (mut seen, mut usage) = (vec![(Duration::ZERO, 0)], Usage::default());
    let status = loop {
        usage.look_at(child.id());
        // Asked first: what it wrote before its end is then seen below.
        let ended = child.try_wait().expect("it is our child");
        let visible = broker.ends(&watcher, &task.output, task.partitions).iter().sum::<i64>();
        let now = started.elapsed();
        let (since, before) = *seen.last().expect("it starts with one");
        if visible > before {
            seen.push((now, visible));
        }
        if let Some(status) = ended {
            break status;
        }
        if now - since > SILENCE_MAX {
            child.kill().expect("it is our child");
            panic!("{} wrote nothing for {SILENCE_MAX:?}", task.contender.name());
        }
        thread::sleep(LOOK);
    };
    assert!(status.success(), "{} failed: see above", task.contender.name());
    let output = broker.count(&task.output, task.partitions);
    let expected = task.end * i64::from(task.partitions);
    let counted = i64::try_from(output.records).expect("a count");
    assert_eq!(counted, expected, "{}: one decision per command", task.contender.name());
    let whole = seen.last().expect("it starts with one").0;
    let warm = (before as f64 / task.end as f64 + MARGIN).max(WARM_UP);
    Outcome { rate: warm_rate(&seen, expected, warm), whole, usage, output }
}

/// Records per second from the moment when a share `warm` of them was visible.
fn warm_rate(seen: &[(Duration, i64)], records: i64, warm: f64) -> f64 {
    let (end, offsets) = *seen.last().expect("it starts with one");
    let share = |visible: i64| visible as f64 / offsets as f64;
    let warm = seen.iter().find(|(_, visible)| share(*visible) >= warm);
    let (start, visible) = *warm.expect("the last has a share of 1");
    (1.0 - share(visible)) * records as f64 / (end - start).as_secs_f64()
}
