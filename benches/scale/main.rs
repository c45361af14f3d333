//! A pool of 10,000 nodes and 80,000 GPUs with 1,000 tenants before which up to 100,000 requests
//! wait: `cargo bench --bench scale`. Prints the tables of `docs/allocation.md`: what a command
//! costs by groups and by waiters, how late answers are at 2,000 commands per second, and how long
//! people wait for a plan or an explanation.
//!
//! `-- core`, `-- pace` and `-- asked` make one of the tables each, `-- plain` and `-- rules` one
//! of the two pools; `--nodes`, `--tenants`, `--groups` and `--waiting` with a number make a
//! smaller one.

mod deciding;
mod draw;
mod pace;
mod served;
mod site;
mod tables;

use served::{QUESTIONS, Served};
use site::Size;
use std::env::args;
use std::process::ExitCode;
use tables::{AT_A_PACE, ONE_BY_ONE, core_at_a_pace, one_by_one};

/// Commands of one line of the first table.
const COMMANDS: usize = 4_000;
/// Seconds that commands come.
const SECONDS: usize = 10;

fn main() -> ExitCode {
    match asked() {
        Ok((size, which)) => {
            run(size, &which);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// The pool, and which tables.
fn asked() -> Result<(Size, Vec<String>), String> {
    let mut size =
        Size { nodes: 10_000, tenants: 1_000, groups: 400, waiting: 100_000, has_rules: false };
    let (mut which, mut words) = (vec![], args().skip(1).filter(|word| word != "--bench"));
    while let Some(word) = words.next() {
        let field = match word.as_str() {
            "core" | "pace" | "asked" | "plain" | "rules" => {
                which.push(word);
                continue;
            }
            "--nodes" => &mut size.nodes,
            "--tenants" => &mut size.tenants,
            "--groups" => &mut size.groups,
            "--waiting" => &mut size.waiting,
            _ => {
                return Err(format!(
                    "`{word}` is none of core, pace, asked, plain, rules, --nodes N, …"
                ));
            }
        };
        let number = words.next().and_then(|number| number.parse().ok());
        *field = number.ok_or_else(|| format!("{word} wants a number"))?;
    }
    for all in [["core", "pace", "asked"].as_slice(), &["plain", "rules"]] {
        if !which.iter().any(|word| all.contains(&word.as_str())) {
            which.extend(all.iter().map(|word| (*word).to_owned()));
        }
    }
    Ok((size, which))
}

fn run(size: Size, which: &[String]) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load of the machine before: {}\n", load.trim());
    let wants = |name: &str| which.iter().any(|word| word == name);
    let pools: Vec<bool> = [("plain", false), ("rules", true)]
        .iter()
        .filter(|(name, _)| wants(name))
        .map(|(_, has_rules)| *has_rules)
        .collect();
    let print = |rows: Vec<String>| rows.iter().for_each(|row| println!("{row}"));
    if wants("core") {
        println!("{ONE_BY_ONE}");
        for &has_rules in &pools {
            let size = Size { has_rules, ..size };
            // Fewer who wait in as many groups, then as many who wait in more groups.
            print(one_by_one(Size { waiting: size.waiting / 10, ..size }, COMMANDS));
            print(one_by_one(size, COMMANDS));
            print(one_by_one(Size { groups: size.groups * 5, ..size }, COMMANDS));
        }
        println!();
    }
    if wants("pace") {
        println!("{AT_A_PACE}");
        for &has_rules in &pools {
            print(core_at_a_pace(Size { has_rules, ..size }, SECONDS));
        }
    }
    if wants("pace") || wants("asked") {
        let questions: Vec<String> = pools
            .iter()
            .flat_map(|&has_rules| {
                let directory = tempfile::tempdir().expect("there is room for a directory");
                let mut served = Served::full(Size { has_rules, ..size }, directory.path());
                if wants("pace") {
                    println!("{}", served.at_a_pace(SECONDS));
                }
                if wants("asked") { served.questions() } else { vec![] }
            })
            .collect();
        if wants("asked") {
            println!("\n{QUESTIONS}");
            print(questions);
        }
    }
}
