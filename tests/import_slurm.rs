//! What is made of Slurm's accounting: who is sent, who is left out and why, and what each damage
//! is told as. The real excerpt is read where it lies, if it is there.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[allow(dead_code, reason = "each test file uses its part")]
mod import_common;
#[path = "import_common/slurm.rs"]
mod slurm;

use conclave::demo::{Arrival, FeedEnd};
use conclave::error::Result;
use conclave::fold::fold;
use conclave::import::{Import, Settings, SlurmFiles, SlurmFleet, SlurmForm, Trace, read, run};
use conclave::log::rocks::{OpenOptions, RocksReader};
use conclave_core::command::{CouncilMode, PlacementPolicy, WorkOutcome};
use conclave_core::units::{DurationMs, GpuModel};
use import_common::write;
use slurm::{ACCOUNTS, SACCT, SLURMDBD};
use std::io::Write as _;
use std::path::{Path, PathBuf};

const STRICT: Settings = Settings {
    time_permille: 1_000,
    placement: PlacementPolicy::Fgd,
    council: CouncilMode::Off,
    until: FeedEnd::LastLease,
    skip_damaged: false,
};
const MINUTE: i64 = 60_000;

fn fleet() -> SlurmFleet {
    SlurmFleet { nodes: None, gpus_per_node: None, gpu_model: GpuModel::from("GPU") }
}

fn trace(jobs: PathBuf, form: SlurmForm, accounts: Option<PathBuf>) -> Trace {
    Trace::Slurm { files: SlurmFiles { jobs, form, accounts }, fleet: fleet() }
}

fn sacct(folder: &Path, jobs: &str, accounts: Option<&str>) -> Trace {
    let accounts = accounts.map(|text| write(folder, "assoc.txt", text));
    trace(write(folder, "jobs.txt", jobs), SlurmForm::Sacct, accounts)
}

fn slurmdbd(folder: &Path, rows: &str, gres: &[(i64, &str)]) -> Trace {
    let names = gres.iter().map(|(number, name)| (*number, (*name).to_owned())).collect();
    let jobs = write(folder, "jobs.csv", format!("{SLURMDBD}{rows}"));
    trace(jobs, SlurmForm::Slurmdbd(names), None)
}

fn told(trace: &Trace) -> (Vec<String>, Result<Import>) {
    let mut told = Vec::new();
    let result = read(trace, &STRICT, &mut |damage| told.push(damage.to_string()));
    (told, result)
}

#[track_caller]
fn imported(trace: &Trace) -> Import {
    let (told, result) = told(trace);
    result.unwrap_or_else(|error| panic!("{error}\n{told:#?}"))
}

fn job<'a>(import: &'a Import, name: &str) -> &'a Arrival {
    let found = import.workload.arrivals.iter().find(|one| &*one.ask.request.0 == name);
    found.unwrap_or_else(|| panic!("no job {name}"))
}

#[test]
fn a_sacct_list_becomes_jobs_tenants_and_a_fleet() {
    let folder = tempfile::tempdir().unwrap();
    let import = imported(&sacct(folder.path(), SACCT, Some(ACCOUNTS)));
    let names: Vec<&str> = import.workload.arrivals.iter().map(|one| &*one.ask.request.0).collect();
    assert_eq!(names, ["10", "11_1", "11_2", "13+0", "14", "15", "14~2", "14~3"]);
    assert_eq!(
        import.left_out.words(),
        "jobs that had not ended (2), jobs that never started (1), jobs without GPUs (2), limits \
         of users and of single jobs (2), steps of jobs (1)"
    );

    let first = job(&import, "10");
    let (ask, tenant) = (&first.ask, &first.ask.tenant);
    assert_eq!((ask.user.to_string(), tenant.to_string()), ("ada".into(), "vision".into()));
    assert_eq!((ask.replicas, ask.gpu_count, ask.gpu_models.len()), (1, 4, 1));
    assert_eq!(ask.gpu_models[0], GpuModel::from("a100"));
    assert_eq!(first.duration_ms, DurationMs(60 * MINUTE));
    assert_eq!(ask.expected_duration_ms, DurationMs(120 * MINUTE), "its time limit");
    let labels: Vec<_> = ask.labels.iter().map(|one| (&*one.name, &*one.value)).collect();
    assert_eq!(labels, [("partition", "gpu"), ("qos", "normal"), ("state", "COMPLETED")]);

    let element = job(&import, "11_1");
    assert_eq!(element.at_ms.0 - first.at_ms.0, 6 * MINUTE, "when it was eligible");
    let gang = job(&import, "13+0");
    assert_eq!((gang.ask.replicas, gang.ask.gpu_count), (2, 4), "four on each of two nodes");
    assert_eq!(gang.ask.expected_duration_ms, DurationMs(31 * MINUTE), "it ran longer than that");
    let mixed = job(&import, "15");
    assert_eq!((mixed.ask.gpu_count, mixed.ask.gpu_models.len()), (2, 2));
    assert_eq!(mixed.duration_ms, DurationMs(1_000), "a second at least");
    assert_eq!(job(&import, "14~3").ask.expected_duration_ms, DurationMs(30 * MINUTE));

    let outcome = |name: &str| job(&import, name).outcome;
    let outcomes = ["10", "11_1", "11_2", "13+0", "14", "14~2", "15"].map(outcome);
    use WorkOutcome::{Failed, Stopped, Succeeded};
    assert_eq!(outcomes, [Succeeded, Failed, Stopped, Stopped, Failed, Stopped, Failed]);
}

#[test]
fn accounts_have_their_limits_and_stand_below_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let import = imported(&sacct(folder.path(), SACCT, Some(ACCOUNTS)));
    let quotas = import.workload.quotas.iter();
    let quotas: Vec<_> =
        quotas.map(|one| (one.tenant.to_string(), one.limit_gpu_milli.0 / 1_000)).collect();
    let nodes = import.workload.nodes.iter();
    let nodes: Vec<_> =
        nodes.map(|one| format!("{} {} {}", one.node, one.gpu_count, one.gpu_model)).collect();
    assert_eq!(nodes, ["gpu01 8 a100", "gpu02 4 GPU", "gpu03 4 GPU", "gpu04 4 GPU"]);
    // The lab may hold 24, and there are 20; nobody of `other` has a job.
    let wanted = [("lab", 20), ("speech", 20), ("vision", 8)];
    assert_eq!(quotas, wanted.map(|(name, gpus)| (name.to_owned(), gpus)));
    let parents: Vec<_> = import
        .workload
        .parents
        .iter()
        .map(|one| format!("{} < {}", one.tenant, one.parent))
        .collect();
    assert_eq!(parents, ["speech < lab", "vision < lab"]);
    let without = imported(&sacct(folder.path(), SACCT, None));
    assert_eq!((without.workload.quotas.len(), without.workload.parents.len()), (2, 0));

    let looped = "Account|ParentName\na|b\nb|c\nc|a\n";
    let error = told(&sacct(folder.path(), SACCT, Some(looped))).1.unwrap_err();
    assert!(error.to_string().contains("account 'a' is above itself"), "{error}");
}

#[test]
fn an_import_of_it_is_decided_and_says_how_each_ended() {
    let folder = tempfile::tempdir().unwrap();
    let import = imported(&sacct(folder.path(), SACCT, Some(ACCOUNTS)));
    let data = folder.path().join("log");
    let (summary, _) = run(&import.workload, &data, &OpenOptions::default(), |_, _| {}).unwrap();
    assert_eq!((summary.granted, summary.refused, summary.cancelled), (8, 0, 0), "{summary:?}");
    assert_eq!(summary.dead_letters, 0);
    let (folded, _) = fold(&RocksReader::open(&data).unwrap(), 0, None).unwrap();
    let tenants = &folded.state.pools["import"].tenants;
    let parent = |name: &str| tenants[name].branch.parent.as_ref().map(ToString::to_string);
    assert_eq!(["vision", "lab"].map(parent), [Some("lab".to_owned()), None]);
    assert_eq!(import.workload.log_id.0.split('-').take(2).last(), Some("slurm"));
}

#[test]
fn each_damage_is_named_by_line_and_column() {
    let good = SACCT.lines().take(2).collect::<Vec<_>>().join("\n");
    let row = |cells: &[(usize, &str)]| {
        let line = SACCT.lines().nth(1).unwrap();
        let mut all: Vec<&str> = line.split('|').collect();
        cells.iter().for_each(|(at, cell)| all[*at] = cell);
        all.join("|")
    };
    let table: &[(String, &[&str])] = &[
        (row(&[(0, "")]), &["JobID is empty"]),
        (row(&[(1, "")]), &["User is empty"]),
        (row(&[(5, "DREAMING")]), &["State 'DREAMING' is not a state of a job"]),
        (row(&[(6, "yesterday")]), &["Submit 'yesterday' is not a time"]),
        (row(&[(6, "Unknown")]), &["Submit 'Unknown' is not a time"]),
        (row(&[(8, "2024-02-30T00:00:00")]), &["Start '2024-02-30T00:00:00' is not a time"]),
        (row(&[(10, "soon")]), &["Timelimit 'soon' is not a time limit"]),
        (row(&[(11, "many")]), &["NNodes 'many' is not a whole number"]),
        (row(&[(12, "gpu[3-1]")]), &["NodeList 'gpu[3-1]' is not a list of nodes"]),
        (row(&[(13, "gres/gpu=x")]), &["ReqTRES 'gres/gpu=x' is not a list of resources"]),
        (row(&[(13, "gres/gpu=5000")]), &["ReqTRES 'gres/gpu=5000' is not a list of resources"]),
        (row(&[(5, "X"), (9, "Y")]), &["State 'X'", "End 'Y'"]),
        ("1|2|3".to_owned(), &["has 3 cells and the header 15: give each column one cell: no"]),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (row, wanted) in table {
        let text = format!("{good}\n{row}\n");
        let (found, result) = told(&sacct(folder.path(), &text, None));
        assert_eq!(found.len(), wanted.len(), "{row}: {found:#?}");
        for (found, wanted) in found.iter().zip(*wanted) {
            assert!(found.contains(&format!("jobs.txt:3: {wanted}")), "{row}: {found}");
        }
        let error = result.unwrap_err().to_string();
        assert!(error.contains("--skip-damaged"), "{error}");
    }
    let error = told(&sacct(folder.path(), "JobID|User\n1|2\n", None)).1.unwrap_err().to_string();
    assert!(error.contains("what `sacct -P` prints begins with JobID|User|State"), "{error}");
    let none = "JobID|User|State|Submit|Start|End|ReqTRES\n1|a|COMPLETED|5|6|7|cpu=1\n";
    let error = told(&sacct(folder.path(), none, None)).1.unwrap_err().to_string();
    assert!(error.contains("left out were jobs without GPUs (1)"), "{error}");
}

#[test]
fn a_job_table_of_slurmdbd_is_read_by_numbers() {
    let rows = "\
7,1001,3,60,1700000000,1700000000,1700000100,1700000700,\"1=8,1002=2\",\"1=8,1002=2\",1,n1,gpu\n\
8,1002,1030,4294967295,1700000050,0,1700000800,1700001400,\"1=8,1001=4\",1001=4,2,n[1-2],gpu\n\
9.5e3,1003,6,525600,1700000060,1700000060,1700000900,1700001000,1002=1,1002=1,1,['n3'],gpu\n\
10,1001,3,60,1700000000,1700000000,1700000100,1700000700,1=8,1=8,1,n1,gpu\n";
    let folder = tempfile::tempdir().unwrap();
    let import = imported(&slurmdbd(folder.path(), rows, &[(1_001, "gpu"), (1_002, "volta")]));
    let shown = import.workload.arrivals.iter().map(|one| {
        let ask = &one.ask;
        let models: Vec<_> = ask.gpu_models.iter().map(ToString::to_string).collect();
        format!(
            "{} {} {}x{} {}",
            ask.request,
            ask.tenant,
            ask.replicas,
            ask.gpu_count,
            models.join("|")
        )
    });
    let wanted = ["7 1001 1x2 volta", "8 1002 2x2 ", "line-000004 1003 1x1 volta"];
    assert_eq!(shown.collect::<Vec<_>>(), wanted);
    assert_eq!(import.left_out.words(), "jobs without GPUs (1)");
    let outcomes: Vec<_> = import.workload.arrivals.iter().map(|one| one.outcome).collect();
    assert_eq!(outcomes, [WorkOutcome::Succeeded, WorkOutcome::Stopped, WorkOutcome::Stopped]);
    let volta = imported(&slurmdbd(folder.path(), rows, &[(1_002, "volta")]));
    assert_eq!(volta.workload.arrivals.len(), 2, "1001 is something else then");
    let all = imported(&slurmdbd(folder.path(), rows, &[]));
    assert_eq!(all.workload.arrivals[1].ask.gpu_models, [GpuModel::from("gres-1001")]);
}

#[test]
fn a_fleet_can_be_said_and_is_derived_without_names() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "7,1,3,60,1700000000,0,1700000100,1700000700,1002=4,,1,,gpu\n";
    let derived = imported(&slurmdbd(folder.path(), rows, &[]));
    let nodes = &derived.workload.nodes;
    assert_eq!((nodes.len(), nodes[0].gpu_count), (1, 8));
    assert_eq!(nodes[0].gpu_model, GpuModel::from("gres-1002"));
    let Trace::Slurm { files, fleet } = sacct(folder.path(), SACCT, None) else { unreachable!() };
    let said = SlurmFleet { nodes: Some(3), gpus_per_node: Some(16), ..fleet };
    let import = imported(&Trace::Slurm { files, fleet: said });
    let gpus: Vec<_> = import.workload.nodes.iter().map(|one| one.gpu_count).collect();
    assert_eq!(gpus, [16, 16, 16]);
}

/// A real job table, which is read where it lies: nothing of it is kept here, no figure either.
#[test]
fn a_real_job_table_is_read_whole() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    let folder = std::env::var_os("CONCLAVE_TRACES").map_or_else(beside, PathBuf::from);
    let path = folder.join("by-nc-nd/supercloud_slurm_before_2021-03-10.csv");
    if !path.exists() {
        let mut stderr = std::io::stderr();
        writeln!(stderr, "SKIPPED the_real_table: name its folder in CONCLAVE_TRACES").unwrap();
        return;
    }
    let names = [(1_001, "tesla".to_owned()), (1_002, "volta".to_owned())].into();
    let import = imported(&trace(path, SlurmForm::Slurmdbd(names), None));
    let (jobs, left_out) = (import.workload.arrivals.len(), import.left_out.words());
    println!("{jobs} jobs; left out: {left_out}\n{}", import.assumed.join("\n"));
    let rows = import.files[0].rows;
    assert_eq!(import.files[0].damaged_rows, 0);
    assert_eq!(left_out, format!("jobs without GPUs ({})", rows - jobs), "each row, or why not");
    assert!(jobs > 1_000 && import.workload.quotas.len() > 50);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("log");
    let (summary, waits) =
        run(&import.workload, &data, &OpenOptions::default(), |_, _| {}).unwrap();
    println!("{summary:?}, {} later", waits.later);
    assert_eq!((summary.refused, summary.dead_letters), (0, 0));
    assert_eq!(summary.granted + summary.cancelled, u64::try_from(jobs).unwrap());
}
