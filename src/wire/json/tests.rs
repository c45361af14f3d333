//! What may be left out, what may be said in two ways, and where everything else is refused.

use super::*;
use crate::report::show;
use conclave_core::command::*;
use conclave_core::units::{CpuMilli, DurationMs, GpuMilli, MemoryMib, Offset};
use proptest::prelude::*;

fn defaults() -> Defaults {
    let actor = Actor { tenant: "vision".into(), user: "ada".into(), role: Role::Tenant };
    Defaults { command_id: Some("c-9".into()), actor: Some(actor), now: TimeMs(7) }
}

#[track_caller]
fn read(text: &str) -> Command {
    read_command(text.as_bytes(), &defaults()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[track_caller]
fn payload(payload: &str) -> Payload {
    read(&format!("{{\"pool\":\"main\",\"payload\":{payload}}}")).payload
}

/// Asserts that `text` is refused with `said`.
#[track_caller]
fn refused(text: &str, said: &str) {
    let error = read_command(text.as_bytes(), &defaults()).expect_err(text);
    assert_eq!(error.to_string(), said, "{text}");
}

/// Asserts that a command with this `payload` is refused with `said`, positions left out.
#[track_caller]
fn payload_refused(payload: &str, said: &str) {
    let text = format!("{{\"pool\":\"main\",\"payload\":{payload}}}");
    let error = read_command(text.as_bytes(), &defaults()).expect_err(payload);
    let hint = error.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    assert_eq!(error.message + &hint, said, "{payload}");
}

#[test]
fn what_is_left_out_comes_from_the_defaults_and_what_is_said_does_not() {
    let command = read(r#"{"pool":"main","payload":{"CancelRequest":{"request":"r"}}}"#);
    let Defaults { command_id, actor, now } = defaults();
    assert_eq!((command.command_id, command.submitted_at_ms), (command_id.unwrap(), now));
    assert_eq!((command.pool, command.actor), ("main".into(), actor.unwrap()));

    let said = r#"{"command_id":"c-1","pool":"p","actor":{"user":"bob","role":"operator"},
        "submitted_at_ms":3,"payload":{"DrainNode":{"node":"n"}}}"#;
    let command = read(said);
    assert_eq!((command.command_id, command.submitted_at_ms), ("c-1".into(), TimeMs(3)));
    let actor = Actor { tenant: "".into(), user: "bob".into(), role: Role::Operator };
    assert_eq!(command.actor, actor);
}

#[test]
fn without_defaults_a_command_says_what_it_lacks() {
    let lacks = |text: &str, field: &str| {
        let error = read_command(text.as_bytes(), &Defaults::default()).unwrap_err();
        assert!(error.message.starts_with(&format!("missing field `{field}`")), "{error}");
    };
    lacks(r#"{"payload":"Tick"}"#, "command_id");
    lacks(r#"{"command_id":"c","payload":"Tick"}"#, "actor");
    let tick = r#"{"command_id":"c","actor":{"user":"u","role":"administrator"},"payload":"Tick"}"#;
    let tick = read_command(tick.as_bytes(), &Defaults::default()).unwrap();
    assert_eq!((tick.pool, tick.payload), ("".into(), Payload::Tick));
    refused(
        r#"{"payload":{"RemoveNode":{"node":"n"}}}"#,
        "line 1, column 39: missing field `pool`: RemoveNode needs one",
    );
}

#[test]
fn a_request_is_one_replica_of_whole_gpus_for_who_sends_it() {
    let asked = r#"{"RequestAllocation":{"request":"r","gpu_count":2,"expected_duration":"90m"}}"#;
    let expected = RequestAllocation {
        request: "r".into(),
        tenant: "vision".into(),
        user: "ada".into(),
        gpu_models: vec![],
        replicas: 1,
        gpu_count: 2,
        gpu_milli: GpuMilli(1_000),
        cpu_milli: CpuMilli(0),
        memory_mib: MemoryMib(0),
        expected_duration_ms: DurationMs(5_400_000),
        priority: 5,
        preemptible: false,
        deadline_ms: None,
        budget_cap_micro_usd: None,
        topology: Topology::None,
        labels: vec![],
    };
    assert_eq!(payload(asked), Payload::RequestAllocation(expected.clone()));

    let cpu_only = r#"{"RequestAllocation":{"request":"r","gpu_count":0,"tenant":"speech",
        "user":"","expected_duration_ms":-1,"labels":{"team":"x","a":"b"}}}"#;
    let label = |name: &str, value: &str| Label { name: name.into(), value: value.into() };
    let expected = RequestAllocation {
        tenant: "speech".into(),
        user: "".into(),
        gpu_count: 0,
        gpu_milli: GpuMilli(0),
        expected_duration_ms: DurationMs(-1),
        labels: vec![label("team", "x"), label("a", "b")],
        ..expected
    };
    assert_eq!(payload(cpu_only), Payload::RequestAllocation(expected));
}

#[test]
fn a_policy_without_a_word_has_the_documented_rules() {
    let expected = SetPoolPolicy {
        council: CouncilMode::Advise,
        lease_max_ms: DurationMs(604_800_000),
        lease_grace_ms: DurationMs(300_000),
        wait_bound_ms: DurationMs(3_600_000),
        defer_retry_ms: DurationMs(600_000),
        queue_max: 10_000,
        placement: PlacementPolicy::Fgd,
        target_workload: vec![],
        prices: vec![],
    };
    assert_eq!(payload(r#"{"SetPoolPolicy":{}}"#), Payload::SetPoolPolicy(expected));
}

#[test]
fn a_tenant_stands_at_the_top_and_lends_all_unless_said_otherwise() {
    let place = |parent: &str, lend: Option<i64>| {
        let (tenant, parent) = ("t".into(), parent.into());
        let lend_gpu_milli = lend.map(GpuMilli);
        Payload::SetTenantParent(SetTenantParent { tenant, parent, lend_gpu_milli })
    };
    for (fields, expected) in [
        ("", place("", None)),
        (r#","parent":"lab","lend_gpus":null"#, place("lab", None)),
        (r#","parent":"lab","lend_gpus":"1.5""#, place("lab", Some(1_500))),
        (r#","lend_gpu_milli":0"#, place("", Some(0))),
    ] {
        let sent = payload(&format!(r#"{{"SetTenantParent":{{"tenant":"t"{fields}}}}}"#));
        assert_eq!(sent, expected, "{fields}");
    }
}

#[test]
fn what_a_quota_counts_is_said_in_gpus_or_in_milli() {
    let expected = SetQuota {
        tenant: "t".into(),
        guarantee_gpu_milli: GpuMilli(1_500),
        limit_gpu_milli: GpuMilli(8_000),
        rate_per_minute: 0,
        borrow_gpu_milli: GpuMilli(0),
        weight: 1,
        gpu_hour_budget: None,
        budget_window_ms: DurationMs(0),
    };
    for fields in [
        r#""guarantee_gpus":"1.5","limit_gpus":8"#,
        r#""guarantee_gpu_milli":1500,"limit_gpus":"8.000""#,
        r#""guarantee_gpus":"1.50","limit_gpu_milli":8000,"weight":null,"borrow_gpus":0"#,
    ] {
        let quota = payload(&format!(r#"{{"SetQuota":{{"tenant":"t",{fields}}}}}"#));
        assert_eq!(quota, Payload::SetQuota(expected.clone()), "{fields}");
    }
}

#[test]
fn a_tick_and_a_release_have_little_to_say() {
    for tick in [r#""Tick""#, r#"{"Tick":null}"#, r#"{"Tick":{}}"#] {
        assert_eq!(payload(tick), Payload::Tick, "{tick}");
    }
    let release = ReleaseLease {
        request: "r".into(),
        fencing: Offset(4),
        outcome: WorkOutcome::Unknown,
        utilisation_bp: None,
    };
    let said = payload(r#"{"ReleaseLease":{"request":"r","fencing":4}}"#);
    assert_eq!(said, Payload::ReleaseLease(release));
}

#[test]
fn errors_say_where() {
    refused(
        "{\"pool\":\"main\",\n \"payload\":{\"CancelRequest\":\n  {\"requst\":\"r\"}}}",
        "line 3, column 11: unknown field `requst`; did you mean `request`?",
    );
    refused(
        "{\"pool\":\"main\",\n\"payload\":{\"CancelRequest\":{\"request\":7}}}",
        "line 2, column 39: invalid type: integer `7`, expected a string",
    );
    refused(
        "{\"pool\":\"main\"",
        "line 1, column 14: EOF while parsing an object; the JSON ends too early: is a bracket or \
         a quote missing?",
    );
    refused(
        "",
        "line 1, column 0: EOF while parsing a value; the JSON ends too early: is a \
         bracket or a quote missing?",
    );
    refused(
        "{\"payload\":\"Tick\"}\n{",
        "line 2, column 1: trailing characters; one command ends here: send several as JSON \
         lines, one a line",
    );
    refused("[1]", "line 1, column 0: invalid type: sequence, expected an object {…}");
    refused(
        "{\"pool\":\"\u{1b}[31m",
        "line 1, column 10: control character (\\u0000-\\u001F) \
         found while parsing a string",
    );
}

#[test]
fn a_wrong_name_is_answered_with_the_nearest_or_with_all() {
    for (sent, said) in [
        (
            r#"{"RequestAlocation":{}}"#,
            "unknown command `RequestAlocation`; did you mean \
            `RequestAllocation`?",
        ),
        (r#""tick""#, "unknown command `tick`; did you mean `Tick`?"),
        (
            r#"{"Qqq":{}}"#,
            "unknown command `Qqq`; known here: OpenLog, ActivateDecider, Tick, \
            RegisterNode, DrainNode, RemoveNode, SetQuota, SetPoolPolicy, RequestAllocation, \
            CancelRequest, RenewLease, ShrinkLease, ReleaseLease, ReportNodeHealth, \
            OverrideDecision, Appeal, ActivateCouncil, SetFairShare, SetPreemption, TopUpBudget, \
            SetTariff, SetTenantParent, Reserve, CancelReservation",
        ),
        (
            r#"{"SetPoolPolicy":{"council":"enforced"}}"#,
            "unknown value `enforced`; did you mean \
            `enforce`?",
        ),
        (r#"{"SetPoolPolicy":{"lease":1}}"#, "unknown field `lease`; did you mean `lease_max`?"),
        (r#"{"Tick":{"at":1}}"#, "unknown field `at`; nothing may stand here"),
        (
            "{\"CancelRequest\":{\"a`, expected `b\\u001b\":1}}",
            "unknown field `a`, expected \
            `b\\u{1b}`; known here: request, reason",
        ),
    ] {
        payload_refused(sent, said);
    }
}

#[test]
fn what_contradicts_itself_or_is_no_command_is_refused() {
    for (sent, said) in [
        ("{}", "the payload is empty: it names one command"),
        ("7", "invalid type: integer `7`, expected a payload such as {\"CancelRequest\": {…}}"),
        (r#"{"Tick":{},"OpenLog":{}}"#, "a second name in one payload: send two commands"),
        (r#""CancelRequest""#, "CancelRequest has fields: write {\"CancelRequest\": {…}}"),
        (r#"{"CancelRequest":["r",""]}"#, "invalid type: sequence, expected an object {…}"),
        (r#"{"CancelRequest":{}}"#, "missing field `request`"),
        (r#"{"CancelRequest":{"request":"a","request":"b"}}"#, "duplicate field `request`"),
        (
            r#"{"RenewLease":{"request":"r","fencing":1}}"#,
            "missing field `extend`, such as \
            \"2h30m\"",
        ),
        (
            r#"{"RenewLease":{"request":"r","fencing":1,"extend":"1h","extend_ms":1}}"#,
            "`extend_ms` and `extend` say the same: keep one of them",
        ),
        (
            r#"{"RenewLease":{"request":"r","fencing":1,"extend":60}}"#,
            "invalid type: integer \
            `60`, expected a duration such as \"2h30m\" (milliseconds go into the field that \
            ends in _ms)",
        ),
        (
            r#"{"RenewLease":{"request":"r","fencing":1.0,"extend":"1h"}}"#,
            "invalid type: \
            floating point `1.0`, expected a whole number; amounts are whole numbers: take a \
            smaller unit, or a text such as \"1.5\"",
        ),
        (r#"{"SetQuota":{"tenant":"t"}}"#, "missing field `limit_gpus` (or `limit_gpu_milli`)"),
        (
            r#"{"SetQuota":{"tenant":"t","limit_gpus":1.5}}"#,
            "invalid type: floating point \
            `1.5`, expected GPUs: a whole number, or a text such as \"1.5\"; amounts are whole \
            numbers: take a smaller unit, or a text such as \"1.5\"",
        ),
        (r#"{"SetQuota":{"tenant":"t","limit_gpus":9223372036854776}}"#, "too many GPUs"),
    ] {
        payload_refused(sent, said);
    }
}

#[test]
fn a_long_quotation_is_cut() {
    let text = format!("{{\"{}\":1}}", "x".repeat(10_000));
    let error = read_command(text.as_bytes(), &defaults()).unwrap_err();
    assert!(error.to_string().len() < 300, "{error}");
    let text = format!("{{\"submitted_at_ms\":\"{}\"}}", "\u{7f}".repeat(10_000));
    let error = read_command(text.as_bytes(), &defaults()).unwrap_err();
    assert!(error.message.len() < 4_000 && error.message.ends_with('…'), "{error}");
    let long = vec![b' '; JSON_BYTES_MAX + 1];
    let error = read_command(&long, &defaults()).unwrap_err();
    assert_eq!(error.message, "262145 bytes; a command has at most 262144");
}

#[test]
fn deep_nesting_ends_in_an_error() {
    for open in ["[", "{\"payload\":", "{\"payload\":{\"Tick\":", "{\"actor\":"] {
        let deep = open.repeat(20_000);
        read_command(deep.as_bytes(), &defaults()).expect_err("it never closes");
    }
}

#[test]
fn lines_are_read_one_by_one_and_named_by_their_number() {
    let text = b"{\"payload\":\"Tick\"}\r\n\n  \n{\"payload\":\"Tock\"}\n{\"payload\":\"Tick\"}";
    let defaults = defaults();
    let read: Vec<_> = read_lines(text, &defaults).collect();
    let numbers: Vec<_> = read.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [1, 4, 5]);
    assert!(read[0].1.is_ok() && read[2].1.is_ok());
    let error = read[1].1.as_ref().unwrap_err();
    assert_eq!(
        (error.line, error.column, error.message.as_str()),
        (4, 17, "unknown command `Tock`")
    );
    assert_eq!(read_lines(b"\n \r\n", &defaults).count(), 0);
}

#[test]
fn durations_are_whole_numbers_with_units_from_large_to_small() {
    for (text, ms) in [
        ("2h30m", 9_000_000),
        ("90s", 90_000),
        ("500ms", 500),
        ("1d", 86_400_000),
        ("1d2h3m4s5ms", 93_784_005),
        ("1m00.5s", 60_500),
        ("0s", 0),
        ("007ms", 7),
        ("9223372036854775807ms", i64::MAX),
    ] {
        assert_eq!(text.parse(), Ok(Span(DurationMs(ms))), "{text}");
    }
    for text in [
        "",
        "5",
        "h",
        "-1h",
        "1.5h",
        "1m1h",
        "1h1h",
        "1s500",
        "1 h",
        "1h ",
        "+1h",
        "1.s",
        ".5s",
        "1.0005s",
        "1w",
        "1H",
        "９h",
        "9223372036854775808ms",
        "9223372036854775807ms1h",
        "106751991168d",
        "1h9223372036854775807ms",
        "1.5.5s",
        "1é",
    ] {
        assert_eq!(text.parse::<Span>(), Err(NoSpan), "{text}");
    }
}

#[test]
fn gpus_have_up_to_three_decimals() {
    for (text, milli) in [("8", 8_000), ("1.5", 1_500), ("0.001", 1), ("08.250", 8_250)] {
        assert_eq!(text.parse(), Ok(Gpus(GpuMilli(milli))), "{text}");
    }
    for text in ["", ".", "1.", ".5", "1.0005", "-1", "+1", "1e3", "1,5", " 1", "9223372036854776"]
    {
        assert_eq!(text.parse::<Gpus>(), Err(NoGpus), "{text}");
    }
    payload_refused(
        r#"{"SetQuota":{"tenant":"t","limit_gpus":"a few"}}"#,
        "GPUs are a number with at most three decimals, such as \"8\" or \"1.5\"",
    );
}

#[test]
fn an_appeal_asks_for_its_own_request_in_the_name_of_its_sender() {
    let ask = r#""gpu_count":1,"expected_duration":"1h""#;
    let appeal =
        |ask: &str| format!(r#"{{"Appeal":{{"request":"r","reason":"why not","ask":{{{ask}}}}}}}"#);
    let said = payload(&appeal(&format!(r#""request":"r","tenant":"vision","user":"ada",{ask}"#)));
    assert_eq!(payload(&appeal(ask)), said);
    payload_refused(
        &appeal(r#""gpu_count":1"#),
        "missing field `expected_duration`, such as \"2h30m\"",
    );
    let approve = |ask: &str| {
        let order = r#""request":"r","action":"approve","reason":"""#;
        format!("{{\"OverrideDecision\":{{{order},\"ask\":{{{ask}}}}}}}")
    };
    payload_refused(&approve(ask), "missing field `tenant` in `ask`: say whose quota pays");
    payload_refused(
        &approve(&format!(r#""tenant":"t",{ask}"#)),
        "missing field `user` in `ask`: say who asked",
    );
    payload(&approve(&format!(r#""tenant":"t","user":"u",{ask}"#)));
}

#[test]
fn labels_by_name_are_few_and_different() {
    let asked = |labels: &str| {
        let fields = r#""request":"r","gpu_count":1,"expected_duration":"1h""#;
        format!("{{\"RequestAllocation\":{{{fields},\"labels\":{{{labels}}}}}}}")
    };
    let many =
        |count: usize| (0..count).map(|n| format!("\"{n}\":\"\"")).collect::<Vec<_>>().join(",");
    payload(&asked(&many(32)));
    payload_refused(&asked(&many(33)), "at most 32 labels");
    payload_refused(&asked(r#""a":"1","a":"2""#), "label `a` stands here twice");
}

proptest! {
    #[test]
    fn a_duration_is_read_as_it_is_shown(ms in 0..=i64::MAX) {
        let shown = show::span(DurationMs(ms));
        prop_assert_eq!(shown.parse(), Ok(Span(DurationMs(ms))), "{}", shown);
    }

    #[test]
    fn gpus_are_read_as_they_are_shown(milli in 0..=i64::MAX) {
        let shown = show::gpus(GpuMilli(milli));
        let text = format!(r#"{{"SetQuota":{{"tenant":"t","limit_gpus":"{shown}"}}}}"#);
        let Payload::SetQuota(quota) = payload(&text) else { panic!("{text}") };
        prop_assert_eq!(quota.limit_gpu_milli, GpuMilli(milli));
    }
}
