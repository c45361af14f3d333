//! What the service takes over HTTP: `cargo bench --bench http [-- --quick] [--only post,ask]`.
//!
//! The service runs in this process as `conclave serve` runs it, and its clients are one thread
//! beside it. They share this machine's cores with it, so the figures are those of a machine that
//! does both; the core time of each side is printed as well.

#[allow(dead_code, reason = "the bench `numbers` writes its commands with the rest")]
#[path = "../numbers/commands.rs"]
mod commands;
#[allow(dead_code, reason = "only the bench `numbers` keeps a baseline")]
#[path = "../numbers/figures.rs"]
mod figures;
#[allow(dead_code, reason = "the bench `numbers` measures memory as well")]
#[path = "../numbers/machine.rs"]
mod machine;

mod client;
mod crowd;
mod load;
mod questions;
mod sent;
mod serving;

use clap::Parser;
use conclave::log::rocks::Durability;
use conclave_core::units::DurationMs;
use crowd::Crowd;
use figures::{Figures, Goal};
use load::{CONNECTIONS, Load, Workshop};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::Runtime;

#[derive(Debug, Parser)]
#[command(about = "Measures the service over HTTP")]
struct Arguments {
    /// A tenth of everything: figures that say whether the bench works.
    #[arg(long)]
    quick: bool,
    /// Parts to run: post, ask.
    #[arg(long, value_delimiter = ',', default_value = "post,ask")]
    only: Vec<String>,
    /// Where logs are written; by default the system's directory for temporary files.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How long requests wait before they are protected, in the part in which they are.
const SHORT_BOUND: DurationMs = DurationMs(1_000);

fn main() {
    conclave::wire::init();
    let arguments = Arguments::parse();
    let parent = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    let part = if arguments.quick { 10 } else { 1 };
    let clients = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let clients = clients.expect("this thread can wait");
    let mut figures = Figures::default();
    println!("{}", machine::describe());
    figures.print_head();
    let wants = |part: &str| arguments.only.iter().any(|only| only == part);
    if wants("post") {
        post(&parent, &clients, part, &mut figures);
    }
    if wants("ask") {
        ask(&parent, &clients, part, &mut figures);
    }
}

/// Commands one by one, and what one could do instead.
fn post(parent: &Path, clients: &Runtime, part: usize, figures: &mut Figures) {
    let mut workshop = Workshop::open(parent, clients, Durability::Os);
    workshop.over_http(CONNECTIONS, 200 / part);
    let os = workshop.over_http(CONNECTIONS, 2_000 / part);
    let os = report("POST, 64 connections", &os, true, figures);
    let one = workshop.over_http(1, 5_000 / part);
    let one = report("POST, 1 connection", &one, false, figures);
    let direct = workshop.direct(CONNECTIONS, 2_000 / part);
    let direct = report("the same without HTTP, 64 at once", &direct, false, figures);
    let idle = workshop.idle("/healthz", 2_000 / part);
    let idle = report("GET /healthz, 64 connections", &idle, false, figures);
    workshop.serving.end();
    let mut workshop = Workshop::open(parent, clients, Durability::Fsync);
    let fsync = workshop.over_http(CONNECTIONS, 200 / part);
    let fsync = report("POST, 64 connections, fsync", &fsync, false, figures);
    workshop.serving.end();
    for (name, other) in
        [("1 connection", one), ("without HTTP", direct), ("GET /healthz", idle), ("fsync", fsync)]
    {
        let row = format!("POST, 64 connections / {name}: per second");
        figures.add(&row, os / other, "times");
    }
}

/// Adds what a load took; returns how many there were in a second.
fn report(name: &str, load: &Load, has_goals: bool, figures: &mut Figures) -> f64 {
    let count = load.count as f64;
    let rate = count / load.wall.as_secs_f64();
    let p99_ms = questions::at(&load.each, 0.99);
    let (row, p99_row) = (format!("{name}: per second"), format!("{name}: p99"));
    if has_goals {
        figures.add_with_goal(&row, rate, "1/s", Goal::AtLeast(5_000.0));
        figures.add_with_goal(&p99_row, p99_ms, "ms", Goal::AtMost(20.0));
    } else {
        figures.add(&row, rate, "1/s");
        figures.add(&p99_row, p99_ms, "ms");
    }
    for (quantile, share) in [("p50", 0.5), ("longest", 1.0)] {
        figures.add(&format!("{name}: {quantile}"), questions::at(&load.each, share), "ms");
    }
    let each_us = |core: Duration| core.as_secs_f64() * 1e6 / count;
    figures.add(&format!("{name}: the service's core"), each_us(load.service), "µs each");
    figures.add(&format!("{name}: the clients' core"), each_us(load.clients), "µs each");
    rate
}

/// Questions while 10,000 requests wait.
fn ask(parent: &Path, clients: &Runtime, part: usize, figures: &mut Figures) {
    let times = 200 / part;
    let mut crowd = Crowd::gather(parent, clients, 40);
    questions::measure(&mut crowd, clients, ("40 shapes", 40, times), figures);
    crowd.serving.end();
    let mut crowd = Crowd::gather(parent, clients, 10_000);
    questions::measure(&mut crowd, clients, ("10,000 shapes", 10_000, times), figures);
    questions::measure_beside(&mut crowd, clients, (10_000, 5_000 / part), figures);
    let rules = [crowd.writer.operator(crowd::rules(SHORT_BOUND))];
    clients.block_on(crowd.serving.tell(&rules));
    std::thread::sleep(Duration::from_millis(SHORT_BOUND.0.unsigned_abs() + 200));
    questions::measure(&mut crowd, clients, ("... after W", 10_000, times), figures);
    crowd.serving.end();
}
