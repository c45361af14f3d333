//! One session: topics, runs in turns, and the table.

use crate::bare::Way;
use crate::broker::{Broker, Stock};
use crate::contender::{Contender, Task};
use crate::feed::{self, DecisionSize, Feed, Mix};
use crate::figures::{Figures, Goal};
use crate::latency::{self, Answered};
use crate::race::{self, Outcome};
use crate::streams;
use hdrhistogram::Histogram;
use std::io;
use tempfile::TempDir;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Commands of each partition.
    pub(crate) records: usize,
    pub(crate) partitions: i32,
    /// Commands of a round, records of a transaction.
    pub(crate) batch: usize,
    /// Threads of Kafka Streams.
    pub(crate) threads: usize,
    pub(crate) times: usize,
    /// Commands a second of that, instead of half of what was reached.
    pub(crate) pace: Option<f64>,
    /// How the bare copy goes about a transaction.
    pub(crate) way: Way,
    /// How long commands are sent at a fixed pace.
    pub(crate) seconds: usize,
}

/// Topics of one session, and what is written to them.
pub(crate) struct Session {
    broker: Broker,
    sizes: Sizes,
    mix: Mix,
    size: DecisionSize,
    prefix: String,
}

/// Share of the highest pace at which latency is measured.
const LATENCY_PACE: f64 = 0.5;
/// Commands per partition before latency is measured: the fleet, the leases, and some of the mix.
const LATENCY_BEFORE: usize = 12_000;
/// Commands a second while the instances' time on the cores is taken, all together: so few that
/// none of them is behind.
const INSTANCES_PACE: f64 = 20_000.0;
/// How many instances share the partitions.
const INSTANCES: [i32; 3] = [1, 2, 4];

impl Session {
    pub(crate) fn new(broker: Broker, mix: Mix, sizes: Sizes) -> Self {
        // The fleet of mix B is one pool.
        let partitions = if mix == Mix::B { 1 } else { sizes.partitions };
        let size = feed::decision_size(mix, sizes.batch);
        let prefix = format!("bench-{}-{mix:?}", std::process::id());
        Self { broker, sizes: Sizes { partitions, ..sizes }, mix, size, prefix }
    }

    /// Lets all contenders answer what was filled in beforehand, in turns. Returns each one's rate.
    pub(crate) fn race(
        &self,
        contenders: &[Contender],
        figures: &mut Figures,
    ) -> io::Result<Vec<f64>> {
        if contenders.contains(&Contender::Streams) {
            streams::build();
        }
        let input = format!("{}.commands", self.prefix);
        self.create_input(&input);
        let mut feeds = self.feeds(self.sizes.records);
        let before = feed::fill(&self.broker, &input, &mut feeds, self.sizes.records);
        let stock = self.broker.count(&input, self.sizes.partitions);
        println!("{} partitions, {stock}; answers: {:?}", self.sizes.partitions, self.size);
        let mut outcomes = vec![vec![]; contenders.len()];
        for turn in 0..self.sizes.times {
            for (contender, outcomes) in contenders.iter().zip(&mut outcomes) {
                let scratch = tempfile::tempdir()?;
                let task = self.task(*contender, &input, turn, self.sizes.records, &scratch);
                let outcome = race::run(&self.broker, &task, before);
                println!("{}, run {turn}: {outcome}", contender.name());
                outcomes.push(outcome);
                self.forget(&task);
            }
        }
        self.broker.delete(&input);
        report(self.mix, contenders, &outcomes, stock, figures);
        Ok(outcomes.iter().map(|outcomes| median(outcomes, |outcome| outcome.rate)).collect())
    }

    /// Clocks commands that come at half of the pace that was `reached`.
    pub(crate) fn report_latency(
        &self,
        contender: Contender,
        reached: f64,
        figures: &mut Figures,
    ) -> io::Result<()> {
        let pace = self.sizes.pace.unwrap_or(reached * LATENCY_PACE);
        let histogram = self.open_loop(contender, pace, 1)?.latency;
        let name = contender.name();
        figures.add(&format!("{name}: pace of the open loop"), pace, "1/s");
        let goal = (contender == Contender::Conclave).then_some(Goal::AtMost(25.0));
        report_percentiles(name, &histogram, goal, figures);
        Ok(())
    }

    /// What a decision costs when one, two and four instances share the partitions, at one pace.
    pub(crate) fn report_instances(&self, figures: &mut Figures) -> io::Result<()> {
        let mut alone = None;
        for instances in INSTANCES {
            let spent = self.open_loop(Contender::Conclave, INSTANCES_PACE, instances)?;
            let each = spent.cpu.as_secs_f64() * 1e6 / self.ahead(INSTANCES_PACE) as f64;
            let each = each / f64::from(self.sizes.partitions);
            let name = format!("Conclave, {instances} at {INSTANCES_PACE}/s: time on the cores");
            figures.add(&format!("{name} each"), each, "µs");
            let alone = *alone.get_or_insert(each);
            if instances == 1 {
                // What a user of an unhurried partition sees, beside what deciding nothing shows.
                let at_pace = |name: &str| format!("{name}, 1 at {INSTANCES_PACE}/s");
                report_percentiles(&at_pace("Conclave"), &spent.latency, None, figures);
                let bare = self.open_loop(Contender::Bare, INSTANCES_PACE, 1)?.latency;
                report_percentiles(&at_pace(Contender::Bare.name()), &bare, None, figures);
            } else {
                let goal = Goal::AtMost(1.1);
                figures.add_with_goal(&format!("{name} / alone"), each / alone, "times", goal);
            }
        }
        Ok(())
    }

    /// Commands of a partition that are sent at `pace`.
    fn ahead(&self, pace: f64) -> usize {
        let partitions = f64::from(self.sizes.partitions);
        whole(pace * self.sizes.seconds as f64 / partitions).min(feed::RECORDS_MAX)
    }

    fn open_loop(&self, contender: Contender, pace: f64, instances: i32) -> io::Result<Answered> {
        let input = format!("{}.{contender:?}-{instances}.timed", self.prefix);
        self.create_input(&input);
        let ahead = self.ahead(pace);
        let before = LATENCY_BEFORE + ahead / 10;
        let mut feeds = self.feeds(ahead);
        feed::fill(&self.broker, &input, &mut feeds, before);
        let scratch = tempfile::tempdir()?;
        let task = self.task(contender, &input, 0, before + ahead, &scratch);
        let share = |index| Task { share: (index, instances), ..task.clone() };
        let tasks: Vec<_> = (0..instances).map(share).collect();
        let answered = latency::run(&self.broker, &tasks, &mut feeds, ahead, pace);
        self.forget(&task);
        self.broker.delete(&input);
        Ok(answered)
    }

    fn feeds(&self, records: usize) -> Vec<Feed> {
        let Sizes { partitions, batch, .. } = self.sizes;
        let feed = |one| match self.mix {
            Mix::A => Feed::mix_a(&self.prefix, (one, partitions), batch, records),
            Mix::B => Feed::mix_b(batch, records),
        };
        (0..partitions).map(feed).collect()
    }

    /// Stamped by the broker, as live topics are.
    fn create_input(&self, topic: &str) {
        let stamped = [("message.timestamp.type", "LogAppendTime")];
        self.broker.create(topic, self.sizes.partitions, &stamped);
    }

    /// A task with topics of its own.
    fn task(
        &self,
        contender: Contender,
        input: &str,
        turn: usize,
        records: usize,
        scratch: &TempDir,
    ) -> Task {
        let id = format!("{input}.{contender:?}-{turn}");
        let task = Task {
            contender,
            brokers: self.broker.address.clone(),
            input: input.to_owned(),
            output: format!("{id}.decisions"),
            id,
            partitions: self.sizes.partitions,
            share: (0, 1),
            end: i64::try_from(records).expect("a number of records"),
            batch: self.sizes.batch,
            value_bytes: self.size.value,
            header_bytes: self.size.headers,
            threads: self.sizes.threads,
            way: self.sizes.way,
            scratch: scratch.path().to_owned(),
        };
        for topic in [&task.output, &task.dead_letters()] {
            self.broker.create(topic, self.sizes.partitions, &[]);
        }
        task
    }

    fn forget(&self, task: &Task) {
        self.broker.delete(&task.output);
        self.broker.delete(&task.dead_letters());
        if task.contender == Contender::Streams {
            self.broker.delete(&format!("{}-counts-changelog", task.id));
        }
    }
}

/// From the intended send to a visible answer; `goal` is for the p99.
fn report_percentiles(
    name: &str,
    latency: &Histogram<u64>,
    goal: Option<Goal>,
    figures: &mut Figures,
) {
    for (share, label) in [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9"), (1.0, "longest")] {
        let row = format!("{name}: intended send to visible, {label}");
        let ms = latency.value_at_quantile(share) as f64 / 1e3;
        match goal {
            Some(goal) if label == "p99" => figures.add_with_goal(&row, ms, "ms", goal),
            Some(_) | None => figures.add(&row, ms, "ms"),
        }
    }
}

fn report(
    mix: Mix,
    contenders: &[Contender],
    outcomes: &[Vec<Outcome>],
    input: Stock,
    figures: &mut Figures,
) {
    figures.add(&row_of(mix, "commands: records"), input.records as f64, "");
    figures.add(&row_of(mix, "commands: key, value and headers"), input.bytes_each(), "B each");
    let mut of = |contender: Contender| {
        let place = contenders.iter().position(|one| *one == contender)?;
        report_one(mix, contender, &outcomes[place], figures);
        let rate = median(&outcomes[place], |outcome| outcome.rate);
        Some((rate, median(&outcomes[place], |outcome| outcome.usage.resident_mb)))
    };
    let (streams, bare) = (of(Contender::Streams), of(Contender::Bare));
    let Some((rate, resident)) = of(Contender::Conclave) else { return };
    // Mix B has no goal: its placements are work that nobody else does.
    let mut compare = |what: &str, value: f64, goal: Goal| match mix {
        Mix::A => figures.add_with_goal(&row_of(mix, what), value, "times", goal),
        Mix::B => figures.add(&row_of(mix, what), value, "times"),
    };
    if let Some((streams_rate, streams_resident)) = streams {
        let what = "Conclave / Kafka Streams: records per second";
        compare(what, rate / streams_rate, Goal::AtLeast(1.0));
        let what = "Conclave / Kafka Streams: resident memory";
        compare(what, resident / streams_resident, Goal::AtMost(1.0 / 3.0));
    }
    if let Some((bare_rate, _)) = bare {
        let what = "Conclave / bare copy: records per second";
        compare(what, rate / bare_rate, Goal::AtLeast(0.7));
    }
}

/// Rows of mix A bear no mark: it is the usual one.
fn row_of(mix: Mix, what: &str) -> String {
    match mix {
        Mix::A => what.to_owned(),
        Mix::B => format!("mix B, {what}"),
    }
}

fn report_one(mix: Mix, contender: Contender, outcomes: &[Outcome], figures: &mut Figures) {
    let name = contender.name();
    let mut add = |row: &str, value: f64, unit: &str| {
        figures.add(&row_of(mix, &format!("{name}: {row}")), value, unit);
    };
    let mut rates: Vec<_> = outcomes.iter().map(|outcome| outcome.rate).collect();
    rates.sort_by(f64::total_cmp);
    add("records, median of the runs", median(outcomes, |one| one.rate), "1/s");
    add("records, slowest run", rates[0], "1/s");
    add("records, fastest run", rates[rates.len() - 1], "1/s");
    add("from its start to the last record", median(outcomes, |one| one.whole.as_secs_f64()), "s");
    add("time on the cores", median(outcomes, |one| one.usage.cpu.as_secs_f64()), "s");
    let each = |one: &Outcome| one.usage.cpu.as_secs_f64() * 1e6 / one.output.records as f64;
    add("time on the cores per record", median(outcomes, each), "µs");
    add("resident memory at its highest", median(outcomes, |one| one.usage.resident_mb), "MB");
    add("records committed", median(outcomes, |one| one.output.records as f64), "");
    add(
        "answers: key, value and headers",
        median(outcomes, |one| one.output.bytes_each()),
        "B each",
    );
}

fn median(outcomes: &[Outcome], of: impl Fn(&Outcome) -> f64) -> f64 {
    let mut values: Vec<_> = outcomes.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    f64::midpoint(low, high)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count, not negative"
)]
fn whole(count: f64) -> usize {
    count as usize
}
