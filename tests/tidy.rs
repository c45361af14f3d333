//! What no compiler checks: that the core stays pure, files stay readable and documents stay true.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Columns of a line of Rust.
const COLUMNS_MAX: usize = 100;
/// Lines of a file of Rust, its tests included.
const LINES_MAX: usize = 450;
/// Lines of the README.
const README_LINES_MAX: usize = 150;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository and its text.
struct Source {
    path: String,
    text: String,
}

/// Every file that git does not ignore, without asking git: a clone may lack it.
fn sources() -> Vec<Source> {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    let ignored: BTreeSet<_> = ignored.lines().map(|line| line.trim_matches('/')).collect();
    let (mut sources, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            let name = path.to_str().unwrap().to_owned();
            if name == ".git" || ignored.contains(name.as_str()) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(entry.path()) {
                sources.push(Source { path: name, text });
            }
        }
    }
    assert!(sources.len() > 50, "only {} files found", sources.len());
    sources
}

fn rust_sources(folders: &[&str]) -> Vec<Source> {
    let is_ours = |source: &Source| {
        let is_there = folders.is_empty() || folders.iter().any(|at| source.path.starts_with(at));
        source.path.ends_with(".rs") && is_there
    };
    let found: Vec<_> = sources().into_iter().filter(is_ours).collect();
    assert!(!found.is_empty(), "no Rust in {folders:?}");
    found
}

/// Asserts that nothing was found, and otherwise shows all of it.
fn nothing(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}\n  {}", found.join("\n  "));
}

/// Where `words` stand in code, as `path:line: word`. Comments may name them.
fn mentions(source: &Source, text: &str, words: &[&str]) -> Vec<String> {
    let numbered = text.lines().zip(1..).filter(|(line, _)| !line.trim_start().starts_with("//"));
    let found = numbered.flat_map(|(line, number)| {
        let here = words.iter().filter(move |word| has_word(line, word));
        here.map(move |word| format!("{}:{number}: {word}", source.path))
    });
    found.collect()
}

/// `word` with nothing before or after it that would make it another word.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[test]
fn the_core_depends_on_serde_and_its_derive_alone() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = Command::new(cargo)
        .args(["tree", "--package", "conclave-core", "--edges", "normal,build"])
        .args(["--prefix", "none", "--format", "{lib}", "--offline", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tree.stderr).into_owned();
    assert!(tree.status.success(), "cargo tree: {said}");
    let text = String::from_utf8(tree.stdout).unwrap();
    // A crate's second mention bears a mark.
    let found: BTreeSet<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    let allowed = [
        "conclave_core",
        "proc_macro2",
        "quote",
        "serde",
        "serde_core",
        "serde_derive",
        "syn",
        "unicode_ident",
    ];
    assert_eq!(found, BTreeSet::from(allowed), "the core may depend on nothing that does I/O");
}

#[test]
fn the_core_names_nothing_impure() {
    const WORDS: &[&str] = &[
        "async",
        "await",
        "f32",
        "f64",
        "HashMap",
        "HashSet",
        "RandomState",
        "Instant",
        "SystemTime",
        "rand",
        "unsafe",
        "static mut",
        "thread_local",
        "std::env",
        "std::fs",
        "std::io",
        "std::net",
        "std::process",
        "std::thread",
        "std::sync",
        "println",
        "eprintln",
    ];
    // The duplicate window's index is looked up and never walked; its hasher has no seed.
    let mut found = Vec::new();
    for source in rust_sources(&["core/src/"]) {
        // A test may compare integers with the float formula that they stand for.
        let code = source.text.split("#[cfg(test)]").next().unwrap();
        // Sharing what nobody changes is pure; locks, channels and atomics are not.
        let code = code.replace("std::sync::Arc", "Arc");
        found.extend(mentions(&source, &code, WORDS));
    }
    nothing(&found, "a decision has no other input than its arguments:");
}

#[test]
fn the_core_denies_impurity_by_lint_and_nobody_allows_it_again() {
    let lib = fs::read_to_string(root().join("core/src/lib.rs")).unwrap();
    let lints =
        ["clippy::disallowed_types", "clippy::disallowed_methods", "clippy::float_arithmetic"];
    for lint in lints {
        assert!(lib.contains(lint), "core/src/lib.rs no longer denies {lint}");
    }
    let mut allowed = Vec::new();
    for source in rust_sources(&["core/src/"]) {
        let code = source.text.split("#[cfg(test)]").next().unwrap();
        let lines = code.lines().filter(|line| lints.iter().any(|lint| line.contains(lint)));
        allowed.extend(lines.map(|line| format!("{}: {}", source.path, line.trim())));
    }
    allowed.retain(|line| !line.starts_with("core/src/lib.rs"));
    allowed.retain(|line| !line.starts_with("core/src/state/duplicates.rs"));
    nothing(&allowed, "purity lints are allowed in one place, and not here:");
}

#[test]
fn lines_and_files_fit_a_screen_and_a_mind() {
    let mut found = Vec::new();
    for source in rust_sources(&[]) {
        for (line, number) in source.text.lines().zip(1..) {
            let columns = line.chars().count();
            if columns > COLUMNS_MAX {
                found.push(format!("{}:{number}: {columns} columns", source.path));
            }
        }
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            found.push(format!("{}: {lines} lines, more than one subject?", source.path));
        }
    }
    nothing(&found, "shorten:");
}

/// Where something outside the driver sleeps, and why that is no retry of a dependency.
const SLEEPS: [(&str, &str); 17] = [
    ("src/resilience/call.rs", "the driver: it alone pauses between attempts"),
    ("src/cli/council/shadow.rs", "looks at a log again that it follows"),
    ("src/cli/tail.rs", "looks at a file again, and at a service for a person who watches"),
    ("src/cli/validate/mod.rs", "looks at a log again that it follows"),
    ("src/client.rs", "pauses for as long as the service says (Retry-After), a few times"),
    ("src/http/server.rs", "no descriptor is left: accepting again at once would spin"),
    ("src/http/stall.rs", "a timer within a stream, no pause of anybody"),
    ("src/log/kafka/mod.rs", "marks of transactions become visible within milliseconds"),
    ("src/log/kafka/member.rs", "the group's coordinator is just being loaded: a few looks"),
    ("src/log/kafka/queue.rs", "the client library is served; its own waiting spins"),
    ("src/log/kafka/topics/cluster.rs", "new topics get their leaders: looked at a few times"),
    ("src/service/kafka/mod.rs", "a thread that ends is waited for, and not for ever"),
    ("src/service/kafka/owner.rs", "one pause before a partition is taken over again"),
    ("src/service/kafka/watch.rs", "one pause before a reader that failed is made anew"),
    (
        "src/log/rocks/reader.rs",
        "a writer beside it changes the files: it looks again, a few times",
    ),
    ("src/log/rocks/wal.rs", "one second look, so that a write under way is no damage"),
    ("src/service/view.rs", "one nap after a fold that failed; the log itself wakes it"),
];

#[test]
fn nobody_sleeps_in_a_loop_of_his_own() {
    let (mut found, mut unused) = (Vec::new(), BTreeSet::from(SLEEPS.map(|(path, _)| path)));
    for source in rust_sources(&["src/", "replay/src/", "core/src/", "gpu/src/"]) {
        let code = source.text.split("#[cfg(test)]").next().unwrap();
        let sleeps = mentions(&source, code, &["sleep", "sleep_until", "park_timeout"]);
        if !sleeps.is_empty() && !unused.remove(source.path.as_str()) {
            found.extend(sleeps);
        }
    }
    nothing(&found, "retry through src/resilience/call.rs, or say in SLEEPS why not:");
    let unused: Vec<_> = unused.into_iter().map(str::to_owned).collect();
    nothing(&unused, "nothing sleeps there any more, take it off the list:");
}

#[test]
fn resilience_is_told_the_time_and_has_no_clock() {
    let mut found = Vec::new();
    for source in rust_sources(&["src/resilience/"]) {
        if source.path != "src/resilience/call.rs" {
            let words = ["Instant", "SystemTime", "RandomState", "spawn", "async"];
            found.extend(mentions(&source, &source.text, &words));
        }
    }
    nothing(&found, "state machines take the time as an argument:");
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["todo!", "unimplemented!", "dbg!", "FIXME", "XXX"];
    let own = ["tests/tidy.rs"];
    let ours = rust_sources(&[]).into_iter().filter(|source| !own.contains(&source.path.as_str()));
    let found: Vec<_> = ours.flat_map(|source| mentions(&source, &source.text, &words)).collect();
    nothing(&found, "finish it or leave it out:");
}

#[test]
fn no_file_knows_the_machine_that_it_was_written_on() {
    let places = [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"]].map(|parts| parts.concat());
    let mut found = Vec::new();
    for Source { path, text } in sources() {
        for (line, number) in text.lines().zip(1..) {
            let is_address = line.contains("://");
            if !is_address && places.iter().any(|place| line.contains(place.as_str())) {
                found.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    nothing(&found, "write paths relative to the repository, or with $HOME:");
}

#[test]
fn the_readme_is_short_and_its_links_lead_somewhere() {
    let Ok(readme) = fs::read_to_string(root().join("README.md")) else { return };
    let lines = readme.lines().count();
    assert!(lines < README_LINES_MAX, "README.md has {lines} lines");
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let inside = links.filter(|link| !link.contains("://") && !link.starts_with('#'));
    let files = inside.map(|link| link.split('#').next().unwrap());
    let dead: Vec<_> =
        files.filter(|file| !root().join(file).exists()).map(str::to_owned).collect();
    nothing(&dead, "README.md links to what is not there:");
}
