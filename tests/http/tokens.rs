//! Tokens: nobody acts in another's name, and a tenant sees nothing of the others.

use crate::decisions::Events;
use crate::served::{POOL, Served, request, serve, write_private};
use serde_json::json;
use std::process::Output;

const TOKENS: [(&str, &str); 5] = [
    ("vision", "role = 'tenant'\ntenant = 'vision'\nuser = 'vision-user'"),
    ("speech", "role = 'tenant'\ntenant = 'speech'\nuser = 'speech-user'"),
    ("admin", "role = 'administrator'"),
    ("operator", "role = 'operator'"),
    ("reader", "role = 'reader'"),
];

/// The file of tokens: each token is its name and a secret.
fn tokens() -> String {
    let entry = |(name, fields): (&str, &str)| {
        let digest = blake3::hash(secret(name).as_bytes()).to_hex();
        format!("[[token]]\nname = '{name}'\nblake3 = '{digest}'\n{fields}\n")
    };
    TOKENS.into_iter().map(entry).collect()
}

fn secret(name: &str) -> String {
    format!("{name}-secret")
}

/// A service with tokens and a furnished pool; whoever asks is named each time.
pub(crate) fn guarded() -> Served {
    let settings = "[tokens]\nfile = 'tokens.toml'";
    let files = [("tokens.toml", tokens())];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let mut served = Served::bare(tempfile::tempdir().unwrap(), settings, &files);
    let as_admin = acting(&mut served, "admin");
    as_admin.furnish();
    served
}

/// The service as the bearer of a token sees it.
pub(crate) fn acting<'a>(served: &'a mut Served, name: &str) -> &'a mut Served {
    served.token = Some(secret(name));
    served
}

#[test]
fn nobody_gets_in_without_a_known_token() {
    let served = guarded();
    for header in [
        "",
        "authorization: Bearer wrong\r\n",
        "authorization: Bearer \r\n",
        "authorization: Basic admin-secret\r\n",
        "authorization: admin-secret\r\n",
        "authorization: Bearer \u{e9}\r\n",
    ] {
        for path in ["/v1/status", "/v1/decisions", "/metrics", "/v1/decisions/stream", "/v1/no"] {
            let answer = served.wire().ask("GET", path, header, b"");
            answer.problem(401);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
        let header = format!("{header}content-type: application/json\r\n");
        served.wire().ask("POST", "/v1/commands", &header, b"{}").problem(401);
    }
    // Probes, and the page with what it loads, have none.
    for path in ["/healthz", "/readyz", "/", "/page.css", "/page.js", "/openapi.json"] {
        let answer = served.wire().ask("GET", path, "", b"");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
}

#[test]
fn a_token_sends_in_its_own_name_only() {
    let mut served = guarded();
    let others = request("r-1", "speech", 1, "1h").to_string();
    let refused = acting(&mut served, "vision").post("application/json", &others);
    assert!(refused.problem(403).contains("actor"));
    let body = others.replace("\"role\":\"tenant\"", "\"role\":\"administrator\"");
    let body = body.replace("speech", "vision");
    served.post("application/json", &body).problem(403);
    served.ask("POST", "/v1/plan", "", others.as_bytes()).problem(403);
    let lines = served.post("application/x-ndjson", &format!("{others}\n{others}"));
    assert_eq!(lines.body.matches("\"status\":403").count(), 2, "{lines:?}");

    let mut for_others = request("r-1", "speech", 1, "1h");
    for_others.as_object_mut().unwrap().remove("actor");
    for_others["payload"]["RequestAllocation"]["tenant"] = "speech".into();
    let refused = served.post("application/json", &for_others.to_string());
    assert!(refused.problem(403).contains("'speech'"), "it would stand in the other's history");

    let mut own = request("r-1", "vision", 1, "1h");
    own.as_object_mut().unwrap().remove("actor");
    assert_eq!(served.decide(&own)["tenant"], "vision");
    acting(&mut served, "reader").post("application/json", &own.to_string()).problem(403);

    // What a role may not do is a rule of the core: refused, and recorded.
    let drain = json!({"command_id": "d", "pool": POOL,
        "payload": {"DrainNode": {"node": "gpu-01", "reason": "mine"}}});
    let refused = acting(&mut served, "vision").decide(&drain);
    assert_eq!(
        (&refused["outcome"], &refused["code"]),
        (&"rejected".into(), &"not_permitted".into())
    );
    let offset = &refused["offset"];
    let recorded = acting(&mut served, "admin").get_json(&format!("/v1/decisions/{offset}"));
    assert_eq!(recorded["code"], "not_permitted");
    assert_eq!(
        acting(&mut served, "operator").decide(&json!({"command_id": "o", "pool": POOL,
        "payload": {"DrainNode": {"node": "gpu-01", "reason": "disks"}}}))["outcome"],
        "accepted"
    );
}

/// Everything that names `speech`, which `vision` must not see.
const HIDDEN: [&str; 4] = ["speech", "secret-project", "hidden-team", "hush"];

fn check_hides(path: &str, body: &str) {
    for word in HIDDEN {
        let lower = body.to_lowercase();
        let at = lower.find(word).map(|at| &body[at.saturating_sub(120)..body.len().min(at + 60)]);
        assert_eq!(at, None, "{path} shows {word}");
    }
}

/// `speech` runs one request and waits with others; so does `vision`, behind and before it.
fn tell_a_story(served: &mut Served) {
    let ask = |id: &str, gpus: i64| {
        json!({"command_id": format!("ask-{id}"), "pool": POOL, "payload": {"RequestAllocation":
            {"request": id, "gpu_count": gpus, "expected_duration": "1h",
             "labels": {"team": if id.starts_with("own") { "seen" } else { "hidden-team" }}}}})
    };
    for (who, id, gpus) in [
        ("speech", "secret-project-1", 6),
        ("vision", "own-1", 2),
        ("speech", "secret-project-2", 8),
        ("vision", "own-2", 4),
        ("speech", "secret-project-3", 1),
        ("vision", "own-3", 1),
        ("vision", "own-4", 99),
    ] {
        acting(served, who).decide(&ask(id, gpus));
    }
    for (who, id) in [("speech", "secret-project-3"), ("vision", "own-3")] {
        acting(served, who).decide(&json!({"command_id": format!("cancel-{id}"), "pool": POOL,
            "payload": {"CancelRequest": {"request": id, "reason": "hush"}}}));
    }
    // Whoever knows a name or an id of somebody else finds out nothing more.
    let taken = acting(served, "vision").decide(&ask("secret-project-1", 1));
    assert_eq!(taken["outcome"], "rejected", "{taken}");
    assert!(taken.get("first").is_none(), "{taken}");
    let cancels = json!({"command_id": "c", "pool": POOL,
        "payload": {"CancelRequest": {"request": "secret-project-2"}}});
    assert_eq!(served.decide(&cancels)["outcome"], "rejected");
}

#[test]
fn a_tenant_sees_nothing_of_another() {
    let mut served = guarded();
    tell_a_story(&mut served);
    let own_guesses = 2; // Decisions in which `vision` itself wrote a name of `speech`.
    let served = acting(&mut served, "vision");
    let end = {
        let status = served.get("/v1/status");
        check_hides("status", &status.body);
        status.json()["as_of"]["offset"].as_i64().unwrap()
    };
    let pool = ["", "/nodes", "/queue", "/quotas", "/requests", "/requests?stage=waiting"];
    let pool = pool.map(|rest| format!("/v1/pools/main{rest}"));
    let own = (1..=4).flat_map(|n| {
        let request = format!("/v1/pools/main/requests/own-{n}");
        [format!("{request}/explain"), request]
    });
    let others = ["/v1/pools", "/v1/timeline?pool=main", "/v1/timeline"].map(str::to_owned);
    let mut looked_at = 0;
    for path in pool.into_iter().chain(own).chain(others) {
        for at in [None, Some(end), Some(end - 4), Some(6)] {
            let mark = if path.contains('?') { '&' } else { '?' };
            let whole = match at {
                Some(at) if path.contains("timeline") => format!("{path}{mark}until={at}"),
                Some(at) => format!("{path}{mark}at={at}"),
                None => path.clone(),
            };
            let answer = served.get(&whole);
            assert!([200, 404].contains(&answer.status), "{whole}: {answer:?}");
            check_hides(&whole, &without_own_guesses(&answer.body));
            looked_at += usize::from(answer.status == 200);
        }
    }
    assert!(looked_at > 40, "{looked_at} answers");
    let page = served.get_json("/v1/decisions?limit=1000");
    let decisions = page["decisions"].as_array().unwrap();
    let guesses =
        decisions.iter().filter(|one| one["request"].as_str().unwrap().contains("secret"));
    assert_eq!(guesses.count(), own_guesses);
    let mut events =
        Events::of(served.wire(), "?from=0", "authorization: Bearer vision-secret\r\n");
    for decision in decisions {
        assert_eq!(decision["tenant"], "vision");
        assert_eq!(events.next(), *decision);
        check_hides("decisions", &without_own_guesses(&decision.to_string()));
    }
    for path in [
        "/v1/pools/main/requests/secret-project-1",
        "/v1/pools/main/requests/secret-project-2",
        "/v1/pools/main/requests/secret-project-2/explain",
        "/v1/pools/main/requests/secret-project-3/explain",
        "/v1/pools/main/commands/ask-secret-project-2",
        "/v1/decisions/5",
    ] {
        served.get(path).problem(404);
    }
    served.get("/metrics").problem(403);
    let mut plan = request("own-9", "vision", 8, "1h");
    plan.as_object_mut().unwrap().remove("actor");
    let plan = served.ask("POST", "/v1/plan", "", plan.to_string().as_bytes());
    assert_eq!(plan.status, 200, "{plan:?}");
    check_hides("plan", &plan.body);
    let seen = acting(served, "reader").get("/v1/pools/main/queue");
    assert!(seen.body.contains("secret-project-2"), "a reader sees all: {seen:?}");
}

/// What `vision` wrote itself is no secret to it.
fn without_own_guesses(body: &str) -> String {
    let body = body.replace("ask-secret-project-1", "").replace("secret-project-1", "");
    body.replace("\"request\":\"secret-project-2\"", "").replace("'secret-project-2'", "")
}

/// What a service says that does not start.
#[track_caller]
fn check_does_not_start(settings: &str, tokens_mode: u32, wanted: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.toml");
    write_private(&path, &tokens());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(tokens_mode)).unwrap();
    let config = directory.path().join("conclave.toml");
    std::fs::write(config, settings).unwrap();
    let Output { status, stderr, .. } = serve(directory.path(), "").output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && said.contains(wanted), "{settings}: {status} {said}");
}

#[test]
fn what_would_let_anybody_in_does_not_start() {
    let guarded = "data = 'data'\nlisten = '127.0.0.1:0'\n[tokens]\nfile = 'tokens.toml'";
    check_does_not_start(guarded, 0o604, "chmod o-rwx");
    check_does_not_start("data = 'data'\nlisten = '0.0.0.0:0'", 0o600, "tokens.file");
    check_does_not_start("data = 'data'\nlisten = '[::]:0'", 0o600, "tokens.file");
    check_does_not_start(&guarded.replace("tokens.toml", "none.toml"), 0o600, "none.toml");
}

#[test]
fn a_page_of_another_site_is_turned_away() {
    let served = Served::with("[http]\nallowed_hosts = ['GPU.example']");
    for host in ["localhost", "LOCALHOST:7070", "127.0.0.1:1", "[::1]:7070", "gpu.example:80"] {
        let answer = served.ask("GET", "/v1/status", &format!("host: {host}\r\n"), b"");
        assert_eq!(answer.status, 200, "{host}: {answer:?}");
    }
    for host in
        ["evil.example", "evil.example:7070", "localhost.evil.example", "127.0.0.2", "", "\u{e9}"]
    {
        for path in ["/v1/status", "/", "/healthz", "/nowhere"] {
            served.ask("GET", path, &format!("host: {host}\r\n"), b"").problem(421);
        }
    }
}
