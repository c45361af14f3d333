//! A real `conclave serve` on a free port, in a directory of its own.

use crate::wire::{Answer, Wire};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const POOL: &str = "main";

/// A running service; it is killed when this goes.
pub(crate) struct Served {
    pub(crate) address: String,
    pub(crate) token: Option<String>,
    directory: TempDir,
    child: Child,
}

impl Served {
    /// A service as it is without a configuration.
    pub(crate) fn plain() -> Self {
        Self::with("")
    }

    /// A service with settings, and with a pool in which `vision` and `speech` may have 8 GPUs.
    pub(crate) fn with(settings: &str) -> Self {
        let served = Self::bare(tempfile::tempdir().unwrap(), settings, &[]);
        served.furnish();
        served
    }

    /// A service with nothing in it, or with what the directory holds already; `files` lie beside
    /// its configuration, readable by their owner alone.
    pub(crate) fn bare(directory: TempDir, settings: &str, files: &[(&str, &str)]) -> Self {
        for (name, text) in files {
            write_private(&directory.path().join(name), text);
        }
        let (child, address) = start(directory.path(), settings);
        Self { address, token: None, directory, child }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for the end of the process; whether it ended well.
    pub(crate) fn ended(&mut self) -> bool {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(since.elapsed() < Duration::from_secs(20), "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The same service once more, after it ended.
    pub(crate) fn start_again(&mut self) {
        (self.child, self.address) = start(self.directory.path(), "");
    }

    pub(crate) fn wire(&self) -> Wire {
        Wire::open(&self.address)
    }

    /// Asks on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let mut headers = headers.to_owned();
        if let Some(token) = &self.token {
            headers.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        self.wire().ask(method, path, &headers, body)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", b"")
    }

    #[track_caller]
    pub(crate) fn get_json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// Posts a command and returns its decision.
    #[track_caller]
    pub(crate) fn decide(&self, command: &Value) -> Value {
        let answer = self.post("application/json", &command.to_string());
        assert_eq!(answer.status, 200, "{command}: {answer:?}");
        answer.json()
    }

    #[track_caller]
    pub(crate) fn post(&self, kind: &str, body: &str) -> Answer {
        let header = format!("content-type: {kind}\r\n");
        self.ask("POST", "/v1/commands", &header, body.as_bytes())
    }

    /// The pool, a node and two quotas.
    #[track_caller]
    pub(crate) fn furnish(&self) {
        self.furnish_pool(POOL);
    }

    #[track_caller]
    pub(crate) fn furnish_pool(&self, pool: &str) {
        let policy = json!({"council": "off", "lease_max": "48h", "lease_grace": "0ms",
            "wait_bound": "1h", "defer_retry": "30m", "queue_max": 5000});
        let node = json!({"node": "gpu-01", "gpu_model": "A100", "gpu_count": 8,
            "cpu_milli": 96000, "memory_mib": 1_048_576});
        for (number, payload) in [
            json!({"SetPoolPolicy": policy}),
            json!({"RegisterNode": node}),
            quota("vision"),
            quota("speech"),
        ]
        .into_iter()
        .enumerate()
        {
            let mut sent = command(&format!("setup-{number}"), &payload);
            sent["pool"] = json!(pool);
            let decision = self.decide(&sent);
            assert_eq!(decision["outcome"], "accepted", "{decision}");
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _ignored = self.child.kill();
        let _ignored = self.child.wait();
    }
}

pub(crate) fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The command that starts a service with the configuration in `directory`.
pub(crate) fn serve(directory: &Path, settings: &str) -> Command {
    let config = directory.join("conclave.toml");
    if !settings.is_empty() || !config.exists() {
        let text = format!("data = 'data'\nlisten = '127.0.0.1:0'\n{settings}");
        std::fs::write(&config, text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    command.arg("serve").arg("--config").arg(config).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn start(directory: &Path, settings: &str) -> (Child, String) {
    let mut child = serve(directory, settings).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let (mut all, mut line) = (String::new(), String::new());
    let address = loop {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it ended: {all}");
        if let Some(rest) = line.split("on http://").nth(1) {
            break rest.split_whitespace().next().unwrap().to_owned();
        }
        all.push_str(&line);
    };
    // Whatever it says later is read, so that it never waits for a reader.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    (child, address)
}

/// An administrator's command.
pub(crate) fn command(id: &str, payload: &Value) -> Value {
    json!({"command_id": id, "pool": POOL, "payload": payload})
}

pub(crate) fn quota(tenant: &str) -> Value {
    json!({"SetQuota": {"tenant": tenant, "guarantee_gpus": 4, "limit_gpus": 8}})
}

/// A tenant's request for whole GPUs.
pub(crate) fn request(id: &str, tenant: &str, gpus: i64, duration: &str) -> Value {
    let ask = json!({"request": id, "gpu_count": gpus, "expected_duration": duration});
    json!({"command_id": format!("ask-{id}"), "pool": POOL, "payload": {"RequestAllocation": ask},
        "actor": {"tenant": tenant, "user": format!("{tenant}-user"), "role": "tenant"}})
}
