//! Kafka Streams: built with Maven, run with Java.

use crate::contender::Task;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/streams");
const MAIN: &str = "conclave.peers.Counting";

/// Where Maven puts what it builds: beside Cargo's own.
fn out() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers").join("streams")
}

/// Builds the program, unless what is there is newer than its source.
pub(crate) fn build() {
    let built = out().join("streams-1.jar");
    let time = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    let newest = ["pom.xml", "src/main/java/conclave/peers/Counting.java"]
        .map(|file| time(&Path::new(SOURCE).join(file)))
        .into_iter()
        .max()
        .flatten();
    if time(&built) > newest {
        return;
    }
    let status = Command::new("mvn")
        .args(["--quiet", "--file", SOURCE, "package"])
        .arg(format!("-Dout={}", out().display()))
        .status()
        .expect("mvn is installed: the package maven, with a JDK of at least 17");
    assert!(status.success(), "Maven could not build {SOURCE}: see above");
}

/// Command line of the program for `task`.
pub(crate) fn command(task: &Task) -> Command {
    let mut command = Command::new("java");
    let (jar, libraries) = (out().join("streams-1.jar"), out().join("lib/*"));
    command
        .arg("-Xmx512m")
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
        .arg("-cp")
        .arg(format!("{}:{}", jar.display(), libraries.display()))
        .arg(MAIN)
        .arg(format!("brokers={}", task.brokers))
        .arg(format!("input={}", task.input))
        .arg(format!("output={}", task.output))
        .arg(format!("application={}", task.id))
        .arg(format!("records={}", task.end * i64::from(task.partitions)))
        .arg(format!("threads={}", task.threads))
        .arg(format!("valueBytes={}", task.value_bytes))
        .arg(format!("headerBytes={}", task.header_bytes))
        .arg("producer.compression.type=lz4")
        .arg(format!("state={}", task.scratch.display()));
    command
}
