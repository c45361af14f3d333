//! The process of a broker, which never outlives the test that started it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Starts the broker, says its process id and waits for one word. The end of its input is the end
/// of the test binary, however that came: then nobody else cleans up.
const KEEPER: &str = r#"
trap : HUP INT TERM
log=$1 directory=$2
shift 2
"$@" </dev/null >>"$log" 2>&1 &
echo $!
read -r word || word=gone
case $word in
stop) kill -TERM $! && kill -CONT $! ;;
*) kill -KILL $! ;;
esac
wait $!
[ "$word" != gone ] || rm -rf "$directory"
"#;

/// Starts twice as fast with these, at a third of the throughput that the tests do not need.
const JAVA: &[&str] = &[
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.apache.logging.log4j.level=WARN",
];

/// A broker's process, and the shell that ends it.
#[derive(Debug)]
pub(super) struct Keeper {
    shell: Child,
    process: String,
}

impl Keeper {
    /// Runs Java with Kafka's jars; what it says goes to `log`.
    pub(super) fn start(jars: &Path, arguments: &[String], log: &Path, directory: &Path) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .args([log, directory])
            .arg(java().expect("asked before"))
            .args(JAVA)
            .args(class_path(jars))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh is everywhere");
        let mut process = String::new();
        let said = shell.stdout.as_mut().expect("piped");
        BufReader::new(said).read_line(&mut process).expect("the shell says one line");
        Self { shell, process: process.trim().to_owned() }
    }

    /// Ends the broker by `stop` (SIGTERM) or `kill` (SIGKILL), and waits until it is gone.
    pub(super) fn end(mut self, word: &str, wait_max: Duration) {
        let mut input = self.shell.stdin.take().expect("piped");
        writeln!(input, "{word}").expect("the shell still reads");
        let began = Instant::now();
        while self.shell.try_wait().expect("it is our child").is_none() {
            if began.elapsed() > wait_max {
                self.signal("KILL");
                panic!("the broker did not {word} within {wait_max:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal to the broker.
    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(&self.process).status();
        assert!(sent.expect("kill is everywhere").success(), "SIG{name} was not sent");
    }

    /// Whether the broker ended by itself. Its shell has not asked for it yet: it is a zombie.
    pub(super) fn has_ended(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process));
        stat.is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")))
    }
}

/// The Java to run, or what to do about it.
pub(super) fn java() -> Result<PathBuf, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let find = || {
        let home = std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
        let java = home.filter(|java| java.exists()).unwrap_or_else(|| PathBuf::from("java"));
        let asked = Command::new(&java).arg("-version").output();
        let is_there = asked.is_ok_and(|answer| answer.status.success());
        is_there.then_some(java).ok_or_else(|| "no Java: install version 17 or later".to_owned())
    };
    FOUND.get_or_init(find).clone()
}

/// Runs one of Kafka's tools on a file, to its end.
#[track_caller]
pub(super) fn run_java(jars: &Path, arguments: &[&str], file: &Path) {
    let mut tool = Command::new(java().expect("asked before"));
    tool.args(JAVA).args(class_path(jars)).args(arguments).arg(file);
    let done = tool.output().expect("asked before");
    let said = [done.stdout, done.stderr].concat();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
}

fn class_path(jars: &Path) -> [String; 2] {
    ["-cp".to_owned(), format!("{}/*", jars.display())]
}

/// A port that nobody listens on, below those that the kernel gives to outgoing connections: a
/// client that keeps calling a dead broker's port there would in the end be connected to itself.
pub(super) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    let own = u16::try_from(std::process::id() % u32::from(COUNT)).expect("below COUNT");
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        // Neighbouring processes start far apart.
        let port = FIRST + (own.wrapping_mul(37) % COUNT + step) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} on");
}
