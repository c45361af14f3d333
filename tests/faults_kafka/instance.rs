//! A real `conclave serve`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::site::PATIENCE;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A process. Dropped, it is killed.
pub(crate) struct Instance {
    child: Child,
    log: PathBuf,
    /// Where what this process says begins in its log.
    from: usize,
}

impl Instance {
    /// Runs `conclave serve --config FILE`; what it says is appended to `log`.
    pub(crate) fn launch(config: &Path, log: &Path, crash_at: Option<&str>) -> Self {
        let from = fs::read(log).map_or(0, |text| text.len());
        let said = File::options().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
        command.args(["serve", "--config"]).arg(config).stdin(Stdio::null());
        command.current_dir(config.parent().unwrap());
        command.env("CONCLAVE_LOG", "info,conclave::service::kafka=debug");
        command.stdout(said.try_clone().unwrap()).stderr(said);
        if let Some(point) = crash_at {
            command.env("CONCLAVE_CRASH_AT", point);
        }
        Self { child: command.spawn().unwrap(), log: log.to_owned(), from }
    }

    /// What it has said since it was started.
    pub(crate) fn said(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text[self.from.min(text.len())..]).into_owned()
    }

    /// Waits until it has said `words`.
    #[track_caller]
    pub(crate) fn wait_for(&self, words: &str) {
        let began = Instant::now();
        while !self.said().contains(words) {
            assert!(began.elapsed() < PATIENCE, "it did not say '{words}':\n{}", self.said());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    #[track_caller]
    pub(crate) fn wait_until_it_serves(&self) {
        self.wait_for("on http://");
        self.wait_for("\n");
    }

    /// How many partitions it decides, as it says itself.
    pub(crate) fn owned(&self) -> usize {
        let mut owned = BTreeSet::new();
        for line in self.said().lines() {
            let Some((_, rest)) = line.split_once(" partition=") else { continue };
            let partition = rest.split(' ').next().map(str::to_owned);
            if line.contains("a partition is taken over partition=") {
                owned.insert(partition);
            } else if line.contains("a partition is decided elsewhere from now on") {
                // It may have been taken away before it was taken over.
                owned.remove(&partition);
            }
        }
        owned.len()
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        let said = self.said();
        let (_, rest) = said.split_once("on http://").expect("it serves");
        format!("http://{}", rest.lines().next().unwrap().trim())
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").arg(format!("-{name}")).arg(id).status().unwrap();
        assert!(sent.success(), "SIG{name} was not sent");
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub(crate) fn wait_until_it_ends(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it did not end:\n{}", self.said());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// What it answers somebody who asks, or asks by half and waits.
    #[track_caller]
    pub(crate) fn connect(&self) -> std::net::TcpStream {
        std::net::TcpStream::connect(self.url().trim_start_matches("http://")).unwrap()
    }

    /// SIGTERM, and how long it took to end.
    #[track_caller]
    pub(crate) fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.signal("TERM");
        let status = self.wait_until_it_ends();
        assert!(status.success(), "{status}:\n{}", self.said());
        began.elapsed()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // One that has ended already is what was wanted.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}
