//! What was measured, for the table.

use std::io::Write as _;
use std::time::Duration;

/// Says a figure, and appends it to the file that `CONCLAVE_FAULTS_FIGURES` names.
pub(crate) fn note(name: &str, took: Duration) {
    println!("{name}: {} ms", took.as_millis());
    let Some(path) = std::env::var_os("CONCLAVE_FAULTS_FIGURES") else { return };
    let file = std::fs::File::options().create(true).append(true).open(path);
    let mut file = file.expect("the file of figures can be written");
    writeln!(file, "{name}\t{}", took.as_millis()).expect("the file of figures can be written");
}

/// A number that differs from run to run: moments of kills are not chosen by the test.
pub(crate) fn any_ms(below: u64) -> Duration {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = u64::from(now.map_or(0, |now| now.subsec_nanos()));
    Duration::from_millis(nanos / 1_000 % below)
}
