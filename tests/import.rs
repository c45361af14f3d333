//! What an import reads, what it reports as damaged and what it makes of the rest.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[allow(dead_code, reason = "each test file uses its part")]
mod import_common;

use conclave::demo::FeedEnd;
use conclave::error::{ErrorKind, Result};
use conclave::import::{Fleet, Import, Settings, Trace, read, run};
use conclave::log::rocks::OpenOptions;
use conclave::trace::table::{DAMAGES_LISTED_MAX, LINE_BYTES_MAX};
use conclave_core::command::{CouncilMode, PlacementPolicy};
use conclave_core::units::GpuModel;
use import_common::{JOBS, NODES, PODS, philly_jobs, write};
use proptest::prelude::*;
use std::path::Path;

const NODE: &str = "n1,64000,262144,8,T4\n";
const POD: &str = "p1,4000,8192,1,460,T4,LS,Running,10,70,\n";
const JOB: &str = "2020-02-03 04:05:06,60.0,2,120.0,blue\n";

const STRICT: Settings = Settings {
    time_permille: 1_000,
    placement: PlacementPolicy::Fgd,
    council: CouncilMode::Advise,
    until: FeedEnd::LastArrival,
    skip_damaged: false,
};
const SKIPPING: Settings = Settings { skip_damaged: true, ..STRICT };

fn openb(folder: &Path, nodes: impl AsRef<[u8]>, pods: impl AsRef<[u8]>) -> Trace {
    let (nodes, pods) = (write(folder, "nodes.csv", nodes), write(folder, "pods.csv", pods));
    Trace::Openb { nodes, pods, nodes_permille: 1_000 }
}

fn philly(folder: &Path, jobs: impl AsRef<[u8]>) -> Trace {
    let fleet = Fleet { nodes: None, gpus_per_node: 8, gpu_model: GpuModel::from("GPU") };
    Trace::Philly { jobs: write(folder, "jobs.csv", jobs), fleet }
}

/// What was told, with the folder left out, and what came of it.
fn told(trace: &Trace, settings: &Settings) -> (Vec<String>, Result<Import>) {
    let mut told = Vec::new();
    let result = read(trace, settings, &mut |damage| {
        let text = damage.to_string();
        let (_, name) = text.split_once(".csv:").unwrap();
        told.push(name.to_owned());
    });
    (told, result)
}

/// A row below a sound one is damaged in the ways that `wanted` names, in this order; without
/// `--skip-damaged` nothing is imported, and with it the sound row is.
#[track_caller]
fn check_damage(trace: &Trace, wanted: &[&str], row: &str) {
    let (found, result) = told(trace, &STRICT);
    assert_eq!(found.len(), wanted.len(), "{row}: {found:#?}");
    for (found, wanted) in found.iter().zip(wanted) {
        assert!(found.starts_with(&format!("3: {wanted}")), "{row}: {found}, not {wanted}");
    }
    let error = result.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("--skip-damaged"), "{error}");
    let import = told(trace, &SKIPPING).1.unwrap_or_else(|error| panic!("{row}: {error}"));
    let file = import.files.last().unwrap();
    assert_eq!((file.rows, file.damaged_rows), (2, 1), "{row}");
    assert_eq!(import.workload.arrivals.len(), 1, "{row}");
}

#[test]
fn each_damage_of_a_philly_row_is_named_by_line_and_column() {
    let long = format!("2020-02-03 04:05:06,60.0,2,120.0,{}", "b".repeat(200));
    let longer = format!("2020-02-03 04:05:06,60.0,2,120.0,{}", "b".repeat(10_000_000));
    let table: &[(&str, &[&str])] = &[
        (
            "2020-02-30 04:05:06,60.0,2,120.0,blue",
            &["timestamp '2020-02-30 04:05:06' is not a time"],
        ),
        ("2020-02-03T04:05:06Z,60.0,2,120.0,blue", &["timestamp "]),
        ("2020-2-3 4:5:6,60.0,2,120.0,blue", &["timestamp "]),
        ("9999-12-31 23:59:59,60.0,2,120.0,blue", &["timestamp "]),
        (",60.0,2,120.0,blue", &["timestamp is empty: write local wall time"]),
        ("2020-02-03 04:05:06,NaN,2,120.0,blue", &["duration 'NaN' is not a number of seconds"]),
        ("2020-02-03 04:05:06,-60.0,2,120.0,blue", &["duration '-60.0'"]),
        ("2020-02-03 04:05:06,0.0,2,0.0,blue", &["duration '0.0'"]),
        ("2020-02-03 04:05:06,-0.5,2,1.0,blue", &["duration '-0.5'"]),
        ("2020-02-03 04:05:06,inf,2,120.0,blue", &["duration "]),
        ("2020-02-03 04:05:06,6e1,2,120.0,blue", &["duration "]),
        ("2020-02-03 04:05:06,9999999999999999999,2,120.0,blue", &["duration "]),
        ("2020-02-03 04:05:06,400000000,2,800000000,blue", &["duration "]),
        ("2020-02-03 04:05:06,60.0,0,0.0,blue", &["num_gpus '0' is not within bounds"]),
        ("2020-02-03 04:05:06,60.0,-2,120.0,blue", &["num_gpus '-2'"]),
        ("2020-02-03 04:05:06,60.0,2.5,120.0,blue", &["num_gpus '2.5' is not a whole number"]),
        ("2020-02-03 04:05:06,60.0,1000000,60000000,blue", &["num_gpus "]),
        ("2020-02-03 04:05:06,60.0,+2,120.0,blue", &["num_gpus "]),
        ("2020-02-03 04:05:06,60.0,2,121.0,blue", &["gpu_time '121.0' is not duration x num_gpus"]),
        ("2020-02-03 04:05:06,60.0,2,lots,blue", &["gpu_time 'lots' is not a number"]),
        ("2020-02-03 04:05:06,60.0,2,120.0,", &["cluster is empty"]),
        ("2020-02-03 04:05:06,60.0,2,120.0,bl\u{1b}[31mue", &["cluster 'bl\\u{1b}[31mue'"]),
        ("yesterday,long,many,,", &["timestamp ", "duration ", "num_gpus ", "cluster "]),
        ("2020-02-03 04:05:06,60.0,2,120.0", &["has 4 cells and the header 5: give each"]),
        ("2020-02-03 04:05:06,60.0,2,120.0,blue,", &["has 6 cells and the header 5"]),
        ("2020-02-03 04:05:06,60.0,2,120.0,\"blue", &["has a quote too few or too many"]),
        (&long, &["cluster 'bbbb"]),
        (&longer, &["has 10000033 bytes, more than 65536: is a line break missing?"]),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (row, wanted) in table {
        let row_shown = &row[..row.len().min(60)];
        check_damage(&philly(folder.path(), format!("{JOBS}{JOB}{row}\n")), wanted, row_shown);
    }
    let mut bytes = format!("{JOBS}{JOB}").into_bytes();
    bytes.extend(b"\xFF\xFE\x00\x00,\x80\n");
    check_damage(&philly(folder.path(), bytes), &["is no text: write it in UTF-8"], "bytes");
}

#[test]
fn each_damage_of_an_openb_row_is_named_by_line_and_column() {
    let table: &[(&str, &[&str])] = &[
        ("p1,1,1,1,1000,,LS,Running,0,5,0", &["name 'p1' stands on line 2 already"]),
        ("p2,-1,1,1,1000,,LS,Running,0,5,0", &["cpu_milli '-1' is not within bounds"]),
        ("p2,1,99999999999,1,1000,,LS,Running,0,5,0", &["memory_mib "]),
        ("p2,1,1,17,1000,,LS,Running,0,5,0", &["num_gpu '17'"]),
        ("p2,1,1,2,500,,LS,Running,0,5,0", &["gpu_milli 500 of each of 2 GPUs is no request"]),
        ("p2,1,1,0,500,,LS,Running,0,5,0", &["gpu_milli "]),
        ("p2,1,1,1,1001,,LS,Running,0,5,0", &["gpu_milli '1001'"]),
        ("p2,1,1,1,1000,,XX,Running,0,5,0", &["qos 'XX'"]),
        ("p2,1,1,1,1000,,LS,Dreaming,0,5,0", &["pod_phase 'Dreaming'"]),
        ("p2,1,1,1,1000,,LS,Running,9,5,0", &["deletion_time 5 is before the creation_time 9"]),
        ("p2,1,1,1,1000,,LS,Running,,5,0", &["creation_time is empty"]),
        ("p2,1,1,1,1000,,LS,Running,0,,0", &["deletion_time is empty"]),
        ("p2,x,y,1,1000,,LS,Running,0,5,z", &["cpu_milli ", "memory_mib ", "scheduled_time "]),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (row, wanted) in table {
        let trace = openb(folder.path(), format!("{NODES}{NODE}"), format!("{PODS}{POD}{row}\n"));
        check_damage(&trace, wanted, row);
    }
    let nodes = format!("{NODES}{NODE}n1,1,1,1,T4\nn2,1,1,1,\nn3,1,1,17,T4\nn4,1,1,0,\n");
    let (found, _) = told(&openb(folder.path(), nodes, format!("{PODS}{POD}")), &STRICT);
    let starts = ["3: sn 'n1' stands", "4: model is empty", "5: gpu '17'"];
    assert_eq!(found.len(), starts.len(), "{found:?}");
    for (found, start) in found.iter().zip(starts) {
        assert!(found.starts_with(start), "{found}");
    }
}

#[test]
fn a_file_that_is_no_such_table_is_refused_whatever_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let sound = format!("{JOBS}{JOB}");
    let many = format!("{JOBS}{}", JOB.repeat(1_000_001));
    let utf16: Vec<u8> = sound.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let table: &[(&[u8], &str)] = &[
        (b"", "lacks the columns timestamp, duration, num_gpus, cluster; it has ''"),
        (b"\n\n\n", "lacks the columns"),
        (JOBS.as_bytes(), "holds no rows"),
        (
            b"timestamp,duration,cluster\n1,2,3\n",
            "lacks the column num_gpus; it has 'timestamp,dur",
        ),
        (NODES.as_bytes(), "a philly job list begins with timestamp,duration,num_gpus,cluster"),
        (b"timestamp,duration,num_gpus,cluster,cluster\n", "names the column cluster twice"),
        (b"\x1F\x8B\x08\x00garbage", "is compressed: unpack it first"),
        (b"\x00\x01\x02\xFF\xFE", "is no text"),
        (&utf16, "lacks the columns"),
        (&vec![b'x'; LINE_BYTES_MAX + 1], "has 65537 bytes, more than 65536"),
        (&vec![b'\n'; 64 * 1024 * 1024 + 1], "has more than 67108864 bytes"),
        (many.as_bytes(), "has more than 1000000 rows"),
        (b"timestamp,duration,num_gpus,cluster\na,b,c,d\n", "has no sound row"),
    ];
    for (bytes, wanted) in table {
        let error = told(&philly(folder.path(), bytes), &SKIPPING).1.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{wanted}");
        assert!(error.message.contains("jobs.csv"), "{error}");
        let advice = format!("{error}");
        assert!(advice.contains(wanted), "{advice}, not {wanted}");
    }
    let missing = Trace::Openb {
        nodes: folder.path().join("nowhere.csv"),
        pods: folder.path().to_path_buf(),
        nodes_permille: 1_000,
    };
    assert_eq!(told(&missing, &STRICT).1.unwrap_err().kind, ErrorKind::Unavailable);
}

#[test]
fn spelling_that_means_the_same_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let plain = told(&philly(folder.path(), format!("{JOBS}{JOB}{JOB}")), &STRICT).1.unwrap();
    let crlf = format!("{JOBS}{JOB}{JOB}").replace('\n', "\r\n");
    let quoted = format!("{JOBS}\"2020-02-03 04:05:06\",60.0,\"2\",120.0,blue\n{JOB}");
    let other_order = "cluster,num_gpus,note,duration,timestamp\n\
        blue,2,\"a, b\",60,2020-02-03 04:05:06\nblue,2,,60.000,2020-02-03 04:05:06\n";
    for (what, text) in [
        ("BOM", format!("\u{feff}{JOBS}{JOB}{JOB}")),
        ("CRLF", crlf),
        ("quotes", quoted),
        ("columns in another order", other_order.to_owned()),
        ("no line end at the end", format!("{JOBS}{JOB}{}", JOB.trim_end())),
    ] {
        let (found, import) = told(&philly(folder.path(), text), &STRICT);
        assert!(found.is_empty(), "{what}: {found:?}");
        assert_eq!(import.unwrap().workload.arrivals, plain.workload.arrivals, "{what}");
    }
}

#[test]
fn all_damages_are_counted_and_the_first_ones_listed() {
    let folder = tempfile::tempdir().unwrap();
    let bad = "2020-02-03 04:05:06,60.0,0,0.0,\n";
    let trace = philly(folder.path(), format!("{JOBS}{JOB}{}", bad.repeat(500)));
    let (found, result) = told(&trace, &STRICT);
    assert_eq!(found.len(), DAMAGES_LISTED_MAX);
    let error = result.unwrap_err();
    assert!(error.message.starts_with("1000 damages in 500 rows, 20 of them listed"), "{error}");
    assert_eq!(told(&trace, &SKIPPING).1.unwrap().files[0].damaged_rows, 500);
}

#[test]
fn jobs_ten_years_apart_are_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let trace = philly(folder.path(), format!("{JOBS}{JOB}{}", JOB.replace("2020", "2055")));
    let error = told(&trace, &STRICT).1.unwrap_err();
    assert!(error.message.contains("'line-000003' comes more than ten years after 'line-000002'"));
}

#[test]
fn a_philly_list_becomes_gangs_in_the_order_of_time_on_a_derived_fleet() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "{JOBS}2020-02-03 04:05:06,60.0,2,120.0,blue\n2020-02-03 04:05:01,7200.0,24,172800.0,red\n\
         2020-02-03 04:05:06,1.5,12,18.0,blue\n"
    );
    let workload = told(&philly(folder.path(), text), &STRICT).1.unwrap().workload;
    let asks = workload.arrivals.iter().map(|arrival| {
        let ask = &arrival.ask;
        (
            ask.request.0.to_string(),
            arrival.at_ms.0,
            arrival.duration_ms.0,
            ask.replicas,
            ask.gpu_count,
        )
    });
    let asks: Vec<_> = asks.collect();
    assert_eq!(
        asks,
        [
            ("line-000003".to_owned(), 1_580_702_701_000, 7_200_000, 3, 8),
            ("line-000002".to_owned(), 1_580_702_706_000, 60_000, 1, 2),
            ("line-000004".to_owned(), 1_580_702_706_000, 1_500, 2, 6),
        ]
    );
    assert_eq!(workload.starts_at_ms, workload.arrivals[0].at_ms);
    // 24 GPUs were held during all of the time until the last submission.
    assert_eq!(workload.nodes.len(), 3);
    let limits: Vec<_> = workload
        .quotas
        .iter()
        .map(|quota| {
            (quota.tenant.0.to_string(), quota.guarantee_gpu_milli.0, quota.limit_gpu_milli.0)
        })
        .collect();
    assert_eq!(limits, [("blue".to_owned(), 0, 24_000), ("red".to_owned(), 0, 24_000)]);
}

#[test]
fn the_same_import_has_the_same_head_and_a_longer_one_begins_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let trace = philly(folder.path(), philly_jobs(300));
    let head = |settings: &Settings, directory: &Path| {
        let import = told(&trace, settings).1.unwrap();
        let (summary, waits) =
            run(&import.workload, directory, &OpenOptions::default(), |_, _| {}).unwrap();
        assert_eq!(waits.at_once + waits.later, summary.granted);
        assert!(waits.later > 0, "{summary:?}");
        summary
    };
    let [first, second, third] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let short = head(&STRICT, first.path());
    assert_eq!(head(&STRICT, second.path()).chain_head, short.chain_head);
    assert_eq!((short.refused, short.cancelled), (0, 0));
    let to_end = Settings { until: FeedEnd::LastLease, ..STRICT };
    let long = head(&to_end, third.path());
    assert_eq!((long.granted, long.queued), (300, 0));
    assert!(long.commands > short.commands);
    assert_eq!(head(&to_end, first.path()).chain_head, long.chain_head, "the short one goes on");
    assert_eq!(head(&STRICT, first.path()).chain_head, long.chain_head, "and stays what it is");
}

#[test]
fn only_what_was_asked_for_is_scaled() {
    let folder = tempfile::tempdir().unwrap();
    let trace = philly(folder.path(), philly_jobs(40));
    let plain = told(&trace, &STRICT).1.unwrap().workload;
    let halved = Settings { time_permille: 2_000, ..STRICT };
    let halved = told(&trace, &halved).1.unwrap().workload;
    let start = plain.starts_at_ms.0;
    for (plain, halved) in plain.arrivals.iter().zip(&halved.arrivals) {
        assert_eq!((plain.at_ms.0 - start) / 2, halved.at_ms.0 - start);
        assert_eq!(plain.duration_ms, halved.duration_ms);
    }
    assert_ne!(plain.log_id, halved.log_id);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever stands in a file is either sound, or damaged, or no such file; and what is left
    /// after skipping is what the core takes.
    #[test]
    fn no_bytes_are_beyond_reading(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        at in 0_usize..2_000,
        is_appended in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut file = philly_jobs(20).into_bytes();
        let at = at.min(file.len());
        let until = if is_appended { at } else { (at + bytes.len()).min(file.len()) };
        file.splice(at..until, bytes);
        match told(&philly(folder.path(), file), &SKIPPING).1 {
            Ok(import) => {
                let [file] = import.files.as_slice() else { panic!("one file") };
                prop_assert_eq!(file.rows - file.damaged_rows, import.workload.arrivals.len());
            }
            Err(error) => prop_assert_eq!(error.kind, ErrorKind::Invalid),
        }
    }
}
