//! A headless Chromium that is spoken to through a pipe, without a library: messages of the
//! `DevTools` protocol are JSON with a zero byte behind each.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// However busy the machine is, an answer comes sooner.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the browser is called in distributions.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    /// Errors that the page or the browser wrote to its console.
    pub(crate) complaints: Vec<String>,
    /// Addresses that were asked for.
    pub(crate) asked_for: Vec<String>,
    _profile: TempDir,
}

/// The browser of this machine, or a line that says that there is none.
pub(crate) fn browser(test: &str) -> Option<Browser> {
    let works = |name: &&&str| {
        let probe = Command::new(name).arg("--version").stdin(Stdio::null()).output();
        probe.is_ok_and(|probe| probe.status.success())
    };
    match NAMES.iter().find(works) {
        Some(name) => Some(Browser::start(name)),
        None => {
            let mut stderr = std::io::stderr();
            writeln!(stderr, "SKIPPED page::{test}: no Chromium (apt-get install chromium)")
                .unwrap();
            None
        }
    }
}

impl Browser {
    fn start(name: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let flags = "--headless=new --no-sandbox --disable-gpu --no-first-run \
                     --disable-background-networking --remote-debugging-pipe";
        // The pipe is at descriptors 3 and 4. No sandbox: it opens our own page only, and root and
        // containers have none.
        let line = format!(
            "exec {name} {flags} --user-data-dir=\"$1\" about:blank 3<&0 4>&1 </dev/null \
             >/dev/null 2>&1"
        );
        let mut child = Command::new("sh")
            .args(["-c", &line, "sh"])
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, mut out) = (child.stdin.take().unwrap(), child.stdout.take().map(BufReader::new));
        let (tell, from) = channel();
        std::thread::spawn(move || {
            let mut message = vec![];
            while out.as_mut().unwrap().read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                let value = serde_json::from_slice(&message).unwrap();
                if tell.send(value).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let (complaints, asked_for) = (vec![], vec![]);
        let (session, last_id, _profile) = (None, 0, profile);
        let mut browser =
            Self { child, to, from, session, last_id, complaints, asked_for, _profile };
        browser.open_tab();
        browser
    }

    fn open_tab(&mut self) {
        let tab = self.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": tab["targetId"], "flatten": true });
        let session = self.call("Target.attachToTarget", attach);
        self.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
        let screen =
            json!({ "width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", screen);
    }

    /// Calls a method of the protocol and waits for its answer.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(message.to_string().as_bytes()).unwrap();
        self.to.write_all(&[0]).unwrap();
        self.to.flush().unwrap();
        loop {
            let answer = self.from.recv_timeout(PATIENCE).expect(method);
            if answer["id"] == self.last_id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.note(&answer);
        }
    }

    fn note(&mut self, event: &Value) {
        let params = &event["params"];
        let said = || params.to_string();
        match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.complaints.push(said()),
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                self.complaints.push(said());
            }
            Some("Runtime.consoleAPICalled") if params["type"] == "error" => {
                self.complaints.push(said());
            }
            Some("Network.requestWillBeSent") => {
                self.asked_for.push(params["request"]["url"].as_str().unwrap().to_owned());
            }
            _ => {}
        }
    }

    /// Opens an address and waits until its page stands.
    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
        self.wait_for("document.readyState === 'complete' && typeof Conclave === 'object'");
    }

    pub(crate) fn open_file(&mut self, file: &Path) {
        self.open(&format!("file://{}", file.display()));
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub(crate) fn ask(&mut self, expression: &str) -> Value {
        let params =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression holds.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, expression: &str) {
        let began = Instant::now();
        while self.ask(expression) != true {
            assert!(began.elapsed() < PATIENCE, "it never held: {expression}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses a key; a single letter is typed, too.
    pub(crate) fn press(&mut self, key: &str) {
        let text = match key {
            "Enter" => "\r",
            key if key.len() == 1 => key,
            _ => "",
        };
        let down = json!({ "type": "keyDown", "key": key, "text": text });
        self.call("Input.dispatchKeyEvent", down);
        self.call("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": key }));
        self.settle();
    }

    pub(crate) fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
        self.settle();
    }

    /// Waits until what changed is drawn.
    pub(crate) fn settle(&mut self) {
        self.ask(
            "new Promise(done => \
             requestAnimationFrame(() => requestAnimationFrame(() => done(1))))",
        );
    }

    /// The page as a person with this colour scheme sees it: the bytes of a picture, in base 64.
    pub(crate) fn picture(&mut self, scheme: &str) -> String {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
        self.settle();
        let picture = self.call("Page.captureScreenshot", json!({}));
        picture["data"].as_str().unwrap().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may be gone already; there is nobody to tell.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
