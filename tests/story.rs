//! The story in `examples/story`, as it is told: its transcript is what the programs print today.
//! `UPDATE_GOLDEN=1` writes it anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// A transcript without what is different each time. This is the one place that knows: the
/// directory, the port, digests, log ids, moments, spans of time, and the size of the page.
fn normalised(transcript: &str, directory: &str) -> String {
    let text = transcript.replace(directory, "DIR");
    let lines = text.lines().map(|line| {
        // What was typed stays as it was typed, but for the port.
        let is_typed = line.starts_with("$ ");
        let mut shown = String::new();
        let mut rest = line;
        while !rest.is_empty() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || "+-.:/".contains(c);
            let end = match rest.find(is_word) {
                Some(0) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                Some(start) => start,
                None => rest.len(),
            };
            let found = rest[..end].trim_end_matches([':', '.']);
            let end = if found.is_empty() { end } else { found.len() };
            let (word, after) = rest.split_at(end);
            match stands_for(word, is_typed) {
                None => shown.push_str(word),
                Some(name) => put(&mut shown, word, name),
            }
            rest = after;
        }
        shown.trim_end().to_owned() + "\n"
    });
    lines.collect()
}

/// The name of what a word stands for, if it is different each time.
fn stands_for(word: &str, is_typed: bool) -> Option<&'static str> {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if word.starts_with("http://127.0.0.1:") {
        return Some("http://127.0.0.1:PORT");
    }
    match word.strip_prefix("log-") {
        _ if is_typed => None,
        Some(id) if id.len() == 16 && is_hex(id) => Some("LOG-ID"),
        _ if word.len() == 64 && is_hex(word) => Some("DIGEST"),
        _ if word.len() == 13 && word.bytes().all(|byte| byte.is_ascii_digit()) => Some("MOMENT"),
        _ if is_date(word) => Some("DATE"),
        _ if word.ends_with('Z') && is_clock(word) => Some("TIME"),
        _ if is_span(word) => Some("SPAN"),
        _ => None,
    }
}

/// `2026-11-24`.
fn is_date(word: &str) -> bool {
    let parts: Vec<_> = word.split('-').map(|part| part.parse::<u32>().is_ok()).collect();
    word.len() == 10 && parts == [true, true, true]
}

/// `09:06:29Z`.
fn is_clock(word: &str) -> bool {
    word.len() == 9
        && word.split([':', 'Z']).filter(|part| part.parse::<u32>().is_ok()).count() == 3
}

/// `0s`, `34m59s`, `1d02h`, `4h05m00.000s`, `+0.125s`.
fn is_span(word: &str) -> bool {
    let word = word.trim_start_matches(['+', '-']);
    let parts: Vec<_> = word.split_inclusive(['d', 'h', 'm', 's']).collect();
    let is_part = |part: &&str| {
        let number = part.trim_end_matches(['d', 'h', 'm', 's']);
        number.len() + 1 == part.len() && number.parse::<f64>().is_ok()
    };
    !parts.is_empty() && parts.iter().all(is_part)
}

/// Puts a name in a word's place. In a column that is aligned to the right, and that is every one
/// with such words, the name ends where the word ended.
fn put(line: &mut String, word: &str, name: &str) {
    for _ in word.len()..name.len() {
        if line.ends_with("  ") {
            line.pop();
        }
    }
    let is_column = line.ends_with("  ");
    for _ in name.len()..word.len() {
        if is_column {
            line.push(' ');
        }
    }
    line.push_str(name);
}

/// The page grows with its script; how large it is today is no part of the story.
fn without_size(line: &str) -> String {
    match line.strip_suffix(" KiB").and_then(|line| line.rsplit_once(' ')) {
        Some((before, _)) => format!("{before} SIZE KiB\n"),
        None => format!("{line}\n"),
    }
}

#[test]
fn the_story_is_told_as_it_was() {
    let programs = Path::new(env!("CARGO_BIN_EXE_conclave")).parent().unwrap();
    // Cargo builds `replay` with the workspace's tests, not with this file alone.
    if !programs.join("replay").exists() {
        let mut stderr = std::io::stderr();
        writeln!(stderr, "SKIPPED the_story: it needs replay (cargo build --workspace)").unwrap();
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/story");
    let directory = tempfile::tempdir().unwrap();
    let mut story = Command::new(root.join("story"));
    story.arg(directory.path()).stdin(Stdio::null()).env("CONCLAVE_BIN", programs);
    for name in ["COLUMNS", "CONCLAVE_SERVER", "CONCLAVE_TOKEN", "CONCLAVE_LOG"] {
        story.env_remove(name);
    }
    let output = story.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);

    let told = String::from_utf8(output.stdout).unwrap();
    let told = normalised(&told, directory.path().to_str().unwrap());
    let told: String = told.lines().map(without_size).collect();
    let golden = root.join("transcript.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &told).unwrap();
        return;
    }
    let wanted = fs::read_to_string(&golden).unwrap();
    let differing = wanted.lines().zip(told.lines()).find(|(wanted, told)| wanted != told);
    assert_eq!(differing, None, "(in the golden transcript, and as told now)");
    assert_eq!(told.lines().count(), wanted.lines().count(), "one is longer");
}

#[track_caller]
fn check(line: &str, wanted: &str) {
    assert_eq!(normalised(line, "there").trim_end(), wanted);
}

#[test]
fn only_what_is_different_each_time_is_replaced() {
    check("after decision 14, 2026-11-24 10:29:11Z", "after decision 14, DATE TIME");
    check("at 2026-11-24 10:29:11Z: accepted", "at DATE TIME: accepted");
    check(
        "ends at 1795530850904 ms (in 4h05m00.000s), fencing 8",
        "ends at MOMENT ms (in SPAN), fencing 8",
    );
    check("8     0s  2 x 8 GPU", "8   SPAN  2 x 8 GPU");
    check("8    10s  2 x 8 GPU", "8   SPAN  2 x 8 GPU");
    check("      0.284s  from decision 12", "        SPAN  from decision 12");
    check("     12.284s  from decision 12", "        SPAN  from decision 12");
    check("$ conclave renew train --for 6h", "$ conclave renew train --for 6h");
    check("$ export A=http://127.0.0.1:7", "$ export A=http://127.0.0.1:PORT");
    check("9.5 GPUs of at most 12, gpu-a[0,1] 96", "9.5 GPUs of at most 12, gpu-a[0,1] 96");
    check(&"a".repeat(64), "DIGEST");
}
