//! `conclave council`, and a demo that networks vote in.

use crate::system_common::council::write;
use crate::tale::conclave;
use conclave::council::{RELEASED, feature_schema, file_name, model_id};
use conclave_gpu::{GpuAdapter, Software};
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

fn drawn() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/council/five.council")
}

fn json(arguments: &str) -> Value {
    let answer = conclave(arguments, None);
    serde_json::from_str(&answer.out).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

#[test]
fn a_file_says_what_it_holds_and_whether_it_may_sit() {
    let dir = tempfile::tempdir().unwrap();
    let (drawn, seatable) = (drawn(), write(dir.path()));
    let info = json(&format!("council info {} --output json", seatable.display()));
    assert_eq!(info["members"].as_array().unwrap().len(), 5);
    assert_eq!(info["hidden_units"], 32);
    assert_eq!(info["state_bytes"], 320);
    assert_eq!(info["feature_schema"], feature_schema().0.to_string());
    let verified = json(&format!("council verify {} --output json", seatable.display()));
    assert_eq!(verified["model"], info["model"]);
    assert_eq!(verified["cannot_sit"], Value::Null);
    let ways = verified["ways"].as_array().unwrap();
    assert!(ways.iter().all(|way| way["differs"].is_null()), "{verified}");

    // Made for other features: sound, and not for this seat.
    let answer = conclave(&format!("council verify {}", drawn.display()), None);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.out.contains("OTHERS than this release computes"), "{answer:?}");
    let seat = answer.out.lines().find(|line| line.starts_with("seat ")).unwrap();
    assert!(seat.contains("CANNOT sit here"), "{answer:?}");
    assert!(seat.contains("take one that was made for this release"), "{answer:?}");
    assert!(!answer.out.contains("it can sit here"), "{answer:?}");
    let told = json(&format!("council verify {} --output json", drawn.display()));
    assert!(told["cannot_sit"].as_str().is_some_and(|why| seat.ends_with(why)), "{told}");
}

#[test]
fn a_damaged_file_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = fs::read(drawn()).unwrap();
    let path = dir.path().join("cut.council");
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    for what in ["info", "verify", "bench"] {
        let answer = conclave(&format!("council {what} {}", path.display()), None);
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{answer:?}");
        assert!(answer.err.contains("this council is refused"), "{answer:?}");
    }
}

#[test]
fn every_way_is_measured() {
    let figures = json(&format!("council bench {} --output json", drawn().display()));
    let ways = figures["ways"].as_array().unwrap();
    for way in ["reference", "portable", "all cores"] {
        let measured = ways.iter().find(|one| one["way"] == way).unwrap();
        let figures = measured["figures"].as_array().unwrap();
        let sizes: Vec<_> = figures.iter().map(|one| one["batch"].as_u64().unwrap()).collect();
        assert_eq!(sizes, [1, 16, 64, 256, 1_024, 4_096]);
        let is_measured = |one: &Value| one["microseconds_per_decision"].as_f64().unwrap() > 0.0;
        assert!(figures.iter().all(is_measured), "{figures:?}");
    }
    // Drivers in software are measured when somebody asks for it.
    assert!(ways.iter().all(|way| way["is_software"] == false), "{figures}");
}

fn adapters(software: Software) -> Vec<GpuAdapter> {
    let found = conclave_gpu::adapters(software).unwrap();
    if found.is_empty() && software == Software::Allowed {
        let is_needed = std::env::var("CONCLAVE_NEED_GPU").is_ok_and(|needed| needed == "1");
        assert!(!is_needed, "no adapter, and one is needed");
        let line = "SKIPPED a demo on a GPU: no adapter here (mesa-vulkan-drivers is one)\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    found
}

#[test]
fn a_demo_on_a_gpu_ends_at_the_chain_head_of_one_on_the_processor() {
    if adapters(Software::Allowed).is_empty() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path());
    let demo = |council: &str| {
        json(&format!(
            "demo --headless --requests 150 --council-file {} --data {} --output json \
             --software-gpu --council {council}",
            file.display(),
            dir.path().join(council).display()
        ))
    };
    let (cpu, gpu, auto) = (demo("cpu"), demo("gpu"), demo("auto"));
    assert_eq!(cpu["chain_head"], gpu["chain_head"]);
    assert_eq!(cpu["chain_head"], auto["chain_head"]);
    let votes = |told: &Value, by: &str| told["votes"][by].as_u64().unwrap();
    assert!(votes(&cpu, "cpu") >= 150 && votes(&cpu, "gpu") == 0, "{cpu}");
    assert_eq!(votes(&gpu, "cpu") + votes(&gpu, "gpu"), votes(&cpu, "cpu"), "{gpu}");
    assert!(votes(&gpu, "gpu") > 0, "{gpu}");
    assert!(gpu["votes"]["adapter"].is_string(), "{gpu}");
}

#[test]
fn a_gpu_that_is_not_here_is_refused_and_auto_says_that_the_processor_votes() {
    if !adapters(Software::Refused).is_empty() {
        let line = "SKIPPED a GPU that is not here: this machine has one\n";
        return std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let demo = |council: &str| {
        let data = dir.path().join(council);
        let demo = format!("demo --headless --requests 5 --data {}", data.display());
        conclave(&format!("{demo} --council {council}"), None)
    };
    let gpu = demo("gpu");
    assert_eq!(gpu.code, 3, "{gpu:?}");
    assert!(gpu.err.contains("install the GPU's driver"), "{gpu:?}");
    let auto = demo("auto");
    assert_eq!(auto.code, 0, "{auto:?}");
    assert_eq!(auto.err.matches("the processor computes all votes").count(), 1, "{auto:?}");
}

#[test]
fn a_gpu_that_the_configuration_wants_is_looked_for() {
    let is_here = !adapters(Software::Refused).is_empty();
    let dir = tempfile::tempdir().unwrap();
    let check = |engine: &str| {
        let config = dir.path().join("conclave.toml");
        let text = format!("listen = '127.0.0.1:0'\n[council]\nengine = '{engine}'\n");
        fs::write(&config, text).unwrap();
        let answer = conclave(&format!("check --config {} --output json", config.display()), None);
        let findings: Value = serde_json::from_str(&answer.out).unwrap();
        let findings = findings["findings"].as_array().unwrap().iter();
        let found = findings.filter(|one| one["part"] == "engine").collect::<Vec<_>>();
        let [found] = found.as_slice() else { panic!("{answer:?}") };
        (answer.code, Value::clone(found))
    };
    let (code, cpu) = check("cpu");
    assert_eq!((code, &cpu["ok"], &cpu["warning"]), (0, &true.into(), &false.into()), "{cpu}");
    let (code, gpu) = check("gpu");
    assert_eq!((code == 0, &gpu["ok"]), (is_here, &is_here.into()), "{gpu}");
    let (code, auto) = check("auto");
    assert_eq!((code, &auto["warning"]), (0, &(!is_here).into()), "{auto}");
    if is_here {
        let name = adapters(Software::Refused)[0].card().to_string();
        assert!(gpu["detail"].as_str().unwrap().contains(&name), "{gpu}");
        assert!(auto["detail"].as_str().unwrap().contains(&name), "{auto}");
    } else {
        assert!(gpu["detail"].as_str().unwrap().contains("install the GPU's driver"), "{gpu}");
        assert!(auto["detail"].as_str().unwrap().contains("no GPU is here"), "{auto}");
    }
}

#[test]
fn a_demo_under_networks_repeats_and_keeps_their_file_beside_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path());
    let demo = |data: &str| {
        json(&format!(
            "demo --headless --requests 400 --council-file {} --data {} --output json",
            file.display(),
            dir.path().join(data).display()
        ))
    };
    let (first, second) = (demo("one"), demo("two"));
    assert_eq!(first["chain_head"], second["chain_head"]);
    // It goes on where its log ends; what is there is of the same council.
    assert_eq!(demo("one")["chain_head"], first["chain_head"]);
    assert_eq!(fs::read_dir(dir.path().join("one/models")).unwrap().count(), 1);
    let data = dir.path().join("one");
    let demo = format!("demo --headless --requests 400 --data {}", data.display());
    for other in ["", " --rules"] {
        let answer = conclave(&format!("{demo}{other}"), None);
        assert_eq!(answer.code, 2, "another log: {answer:?}");
    }
}

#[test]
fn a_demo_votes_with_the_released_council_unless_the_rules_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let demo = |name: &str, more: &str| {
        let data = dir.path().join(name);
        let demo = format!("demo --headless --requests 100 --data {}", data.display());
        json(&format!("{demo} --output json{more}"))
    };
    let (networks, rules) = (demo("networks", ""), demo("rules", " --rules"));
    assert!(networks["votes"]["cpu"].as_u64().unwrap() >= 100, "{networks}");
    assert_eq!(rules["votes"], Value::Null, "{rules}");
    let kept = dir.path().join("networks/models").join(file_name(model_id(RELEASED)));
    assert_eq!(fs::read(kept).unwrap(), RELEASED);
    assert!(!dir.path().join("rules/models").exists());
    // What the release brings along may sit.
    let released = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/council-1.council");
    let verified = json(&format!("council verify {} --output json", released.display()));
    assert_eq!(verified["cannot_sit"], Value::Null, "{verified}");
}

#[test]
fn a_council_votes_beside_the_seat_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (own, data) = (write(dir.path()), dir.path().join("data"));
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/council-1.council");
    let demo = format!("demo --headless --requests 400 --data {}", data.display());
    let told = conclave(&format!("{demo} --council-file {}", own.display()), None);
    assert_eq!(told.code, 0, "{told:?}");
    let shadow = |file: &Path, more: &str| {
        let (file, data) = (file.display(), data.display());
        conclave(&format!("council shadow --council-file {file} --data {data} {more}"), None)
    };
    let json = |file: &Path| -> Value {
        let answer = shadow(file, "--output json");
        assert_eq!(answer.code, 0, "{answer:?}");
        serde_json::from_str(&answer.out).unwrap()
    };
    let same = json(&own);
    assert_eq!(same["same_words"], same["votes"], "{same}");
    assert_eq!(
        (&same["agreed_per_mille"], &same["latest"]),
        (&1_000.into(), &Value::from([(); 0]))
    );
    let differs = json(&other);
    assert_eq!(differs["by_other_council"], same["votes"], "{differs}");
    assert!(differs["agreed"].as_u64() < same["votes"].as_u64(), "{differs}");
    let latest = differs["latest"].as_array().unwrap();
    assert_eq!(latest.len(), 10);
    let text = shadow(&other, "--latest 2");
    let last = latest.last().unwrap();
    let named = format!("differs     0:{} request {}", last["offset"], last["request"]);
    let named = named.replace('"', "'");
    assert!(text.out.lines().last().unwrap().starts_with(&named), "{text:?}");
    assert!(text.err.contains("votes beside the seat in"), "{text:?}");

    // No council at all.
    let refused = shadow(&data.join("VERSION"), "");
    assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{refused:?}");
}
