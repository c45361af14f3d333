//! Conclave on a real Kafka beside Kafka Streams and beside a bare transactional copy, on the same
//! broker, in one run: `cargo bench --bench kafka [-- --quick] [--times 3] [--compare] [--save]`.
//!
//! The commands topic is filled beforehand with mix A. Each contender is a process of its own that
//! answers all of it; what a consumer of committed records finds afterwards is counted. Then
//! commands come at half of the pace that was reached, and each is clocked until its decision can
//! be read.
//! `--only tune` tries settings of the bare copy instead.

mod bare;
mod broker;
#[allow(dead_code, reason = "the bench `numbers` writes its commands with the rest")]
#[path = "../numbers/commands.rs"]
mod commands;
mod conclave_itself;
mod contender;
mod feed;
#[allow(dead_code, reason = "the bench `numbers` looks its figures up")]
#[path = "../numbers/figures.rs"]
mod figures;
mod latency;
#[allow(dead_code, reason = "the bench `numbers` measures itself as well")]
#[path = "../numbers/machine.rs"]
mod machine;
#[allow(dead_code, reason = "the bench `numbers` gives back what was released")]
#[path = "../numbers/mix_a.rs"]
mod mix_a;
#[allow(dead_code, reason = "the bench `numbers` places it again")]
#[path = "../numbers/mix_b.rs"]
mod mix_b;
mod page;
mod process;
mod race;
mod session;
mod streams;
mod tune;
mod turns;

use bare::Way;
use broker::Broker;
use clap::Parser;
use contender::{Contender, Task};
use feed::Mix;
use figures::Figures;
use session::{Session, Sizes};
use std::fs;
use std::io;

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/baseline/kafka.jsonl");
const LAST_RUN: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/kafka.jsonl");

#[derive(Debug, Parser)]
#[command(about = "Measures Conclave on a real Kafka beside its peers")]
struct Arguments {
    /// Where the broker is. By default what the variable `CONCLAVE_TEST_BROKERS` says, and
    /// otherwise where `dev/services up` starts one.
    #[arg(long)]
    brokers: Option<String>,
    /// The same on few records: figures that say whether the bench works.
    #[arg(long)]
    quick: bool,
    /// How often each contender runs, in turns; the table shows the medians.
    #[arg(long, default_value_t = 3)]
    times: usize,
    /// Commands of each partition.
    #[arg(long)]
    records: Option<usize>,
    /// Partitions of each topic.
    #[arg(long, default_value_t = 4)]
    partitions: i32,
    /// Commands of a round, and records of a transaction of the bare copy.
    #[arg(long, default_value_t = 1_000)]
    batch: usize,
    /// Threads of Kafka Streams.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// The bare copy pauses after each commit, for the broker to write its marks.
    #[arg(long, default_value_t = 0)]
    pause_ms: u64,
    /// The bare copy has two producers per partition, in turns.
    #[arg(long)]
    turns: bool,
    /// The bare copy sends the offsets of a transaction after its records: slower.
    #[arg(long)]
    late: bool,
    /// Commands a second while latency is measured, instead of half of what was reached.
    #[arg(long)]
    pace: Option<f64>,
    /// Parts to run: streams, bare, conclave (who races), latency, instances, mix-b; or tune alone.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "streams,bare,conclave,latency,instances,mix-b"
    )]
    only: Vec<String>,
    /// Print the change against the stored baseline.
    #[arg(long)]
    compare: bool,
    /// Make this run the stored baseline.
    #[arg(long)]
    save: bool,
    /// A contender's own process: what it has to do.
    #[arg(long, hide = true)]
    compete: Option<String>,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    fn wants(&self, part: &str) -> bool {
        self.only.iter().any(|only| only == part)
    }

    fn contenders(&self) -> Vec<Contender> {
        let all = [
            (Contender::Streams, "streams"),
            (Contender::Bare, "bare"),
            (Contender::Conclave, "conclave"),
        ];
        all.into_iter().filter(|(_, part)| self.wants(part)).map(|(one, _)| one).collect()
    }

    fn sizes(&self) -> Sizes {
        let (records, seconds) = if self.quick { (60_000, 5) } else { (250_000, 20) };
        Sizes {
            records: self.records.unwrap_or(records),
            partitions: self.partitions,
            batch: self.batch,
            threads: self.threads,
            times: if self.quick { 1 } else { self.times },
            seconds,
            pace: self.pace,
            way: Way {
                pause_ms: self.pause_ms,
                alternate: self.turns,
                offsets_early: !self.late,
                ..Way::default()
            },
        }
    }
}

fn main() -> io::Result<()> {
    conclave::wire::init();
    let arguments = Arguments::parse();
    if let Some(task) = &arguments.compete {
        serde_json::from_str::<Task>(task)?.compete();
        return Ok(());
    }
    let address = arguments.brokers.clone().or_else(|| std::env::var("CONCLAVE_TEST_BROKERS").ok());
    let broker = Broker { address: address.unwrap_or_else(|| "127.0.0.1:9092".to_owned()) };
    let sizes = arguments.sizes();
    if arguments.wants("tune") {
        tune::run(&broker, &sizes);
        return Ok(());
    }
    let baseline = if arguments.compare { fs::read_to_string(BASELINE)? } else { String::new() };
    let mut figures = Figures::against(&baseline);
    let machine = machine::describe();
    println!("{machine}");
    figures.print_head();
    measure(&arguments, &broker, sizes, &mut figures)?;
    let lines = figures.to_json_lines(&machine);
    fs::write(LAST_RUN, &lines)?;
    if arguments.save {
        fs::write(BASELINE, &lines)?;
        page::write(&figures, &machine, &sizes)?;
    }
    Ok(())
}

fn measure(
    arguments: &Arguments,
    broker: &Broker,
    sizes: Sizes,
    figures: &mut Figures,
) -> io::Result<()> {
    let contenders = arguments.contenders();
    let session = Session::new(broker.clone(), Mix::A, sizes);
    let reached = session.race(&contenders, figures)?;
    if arguments.wants("latency") {
        for (contender, reached) in contenders.iter().zip(reached) {
            session.report_latency(*contender, reached, figures)?;
        }
    }
    if arguments.wants("instances") {
        session.report_instances(figures)?;
    }
    if arguments.wants("mix-b") {
        Session::new(broker.clone(), Mix::B, sizes).race(&contenders, figures)?;
    }
    Ok(())
}
