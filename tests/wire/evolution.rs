//! Writers of other versions: what of theirs is read, what is refused, and what is never guessed.

use crate::examples::commands;
use crate::{content, content_under, read};
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use conclave::wire::schemas::{COMMAND_SCHEMA, COMMAND_SCHEMA_1};
use conclave::wire::{CommandReader, admit, encode_command};
use conclave_core::command::{Command, Payload, PlacementPolicy, Role, WorkOutcome};
use conclave_core::decision::Remembered;
use conclave_core::input::Content;
use conclave_core::limits::DECIDE_VERSION_NEWEST;
use serde_json::{Value, json};

/// The registry id of the schema under test.
const ID: u32 = 700;

fn ours() -> Value {
    serde_json::from_str(COMMAND_SCHEMA).unwrap()
}

/// Our schema after `change`.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut schema = ours();
    change(&mut schema);
    schema
}

/// The definition of a named type, or of a field by `Type.field`.
fn find<'v>(schema: &'v mut Value, name: &str) -> &'v mut Value {
    fn search<'v>(schema: &'v mut Value, name: &str) -> Option<&'v mut Value> {
        match schema {
            Value::Object(fields)
                if fields.get("name") == Some(&name.into()) && fields.contains_key("doc") =>
            {
                Some(schema)
            }
            Value::Object(fields) => fields.values_mut().find_map(|inner| search(inner, name)),
            Value::Array(items) => items.iter_mut().find_map(|inner| search(inner, name)),
            _ => None,
        }
    }
    let (named, field) = name.split_once('.').unwrap_or((name, ""));
    let named = search(schema, named).unwrap();
    if field.is_empty() { named } else { search(&mut named["fields"], field).unwrap() }
}

fn list<'v>(schema: &'v mut Value, of: &str, key: &str) -> &'v mut Vec<Value> {
    find(schema, of)[key].as_array_mut().unwrap()
}

fn branches(schema: &mut Value) -> &mut Vec<Value> {
    list(schema, "Command.payload", "type")
}

fn remove_field(schema: &mut Value, record: &str, field: &str) {
    list(schema, record, "fields").retain(|known| known["name"] != field);
}

fn reader_of(schema: &Value) -> CommandReader {
    let mut reader = CommandReader::new();
    reader.learn(ID, admit(&schema.to_string()).unwrap());
    reader
}

/// `command` as a writer with `schema` would send it, its value changed by `change` before that.
fn sent(schema: &Value, command: &Command, change: impl Fn(&mut Avro)) -> Vec<u8> {
    let ours = Schema::parse_str(COMMAND_SCHEMA).unwrap();
    let ours = GenericDatumReader::builder(&ours).build().unwrap();
    let mut value = ours.read_value(&mut &encode_command(command)[5..]).unwrap();
    change(&mut value);
    let theirs = Schema::parse(schema).unwrap();
    let theirs = GenericDatumWriter::builder(&theirs).build().unwrap();
    let datum = theirs.write_value_to_vec(value).unwrap();
    [&[0][..], &ID.to_be_bytes(), &datum].concat()
}

/// Calls `visit` with the fields of every record in `value`, innermost first.
fn records(value: &mut Avro, visit: &impl Fn(&mut Vec<(String, Avro)>)) {
    match value {
        Avro::Record(fields) => {
            fields.iter_mut().for_each(|(_, inner)| records(inner, visit));
            visit(fields);
        }
        Avro::Union(_, inner) => records(inner, visit),
        Avro::Array(items) => items.iter_mut().for_each(|inner| records(inner, visit)),
        _ => {}
    }
}

fn has(fields: &[(String, Avro)], name: &str) -> bool {
    fields.iter().any(|(known, _)| known == name)
}

/// Before the last branch and three optional fields came; with the symbols of one enum elsewhere.
fn older() -> Value {
    changed(|schema| {
        assert_eq!(branches(schema).pop().unwrap()["name"], "CancelReservation");
        remove_field(schema, "SetQuota", "gpu_hour_budget");
        remove_field(schema, "RequestAllocation", "deadline_ms");
        remove_field(schema, "RequestAllocation", "budget_cap_micro_usd");
        list(schema, "PlacementPolicy", "symbols").reverse();
    })
}

fn as_older(value: &mut Avro) {
    let gone = ["gpu_hour_budget", "deadline_ms", "budget_cap_micro_usd"];
    records(value, &|fields| {
        fields.retain(|(name, _)| !gone.contains(&name.as_str()));
        for (name, value) in fields {
            if let (true, Avro::Enum(index, _)) = (name == "placement", value) {
                *index = 3 - *index;
            }
        }
    });
}

#[test]
fn every_branch_of_an_older_writer_is_read_and_what_it_lacks_is_null() {
    let (schema, mut read_count) = (older(), 0);
    let reader = reader_of(&schema);
    for mut command in commands() {
        match &mut command.payload {
            // One that it lacks, and one whose ask lacks what it names.
            Payload::CancelReservation(_) | Payload::Appeal(_) => continue,
            Payload::SetQuota(quota) => quota.gpu_hour_budget = None,
            Payload::RequestAllocation(request) => request.deadline_ms = None,
            _ => {}
        }
        let value = sent(&schema, &command, as_older);
        assert_eq!(content(&reader, &value), Ok(command.clone()));
        assert_eq!(digests(&reader, &value), digests(&reader, &encode_command(&command)));
        read_count += 1;
    }
    assert_eq!(read_count, 22);
}

fn digests(reader: &CommandReader, value: &[u8]) -> Remembered {
    match read(reader, value).content {
        Content::Readable { digests, .. } => digests,
        Content::Unreadable(rejected) => panic!("{}", rejected.detail),
    }
}

/// Fields that only a newer writer knows: one of every kind that Avro has, and a value of each.
fn extra_fields() -> Vec<(Value, Avro)> {
    let number = || Avro::Long(-1);
    let pair = |name: &str| {
        json!({ "type": "record", "name": name, "fields": [
            { "name": "a", "type": "long" }, { "name": "b", "type": "string" }] })
    };
    let record = |fields: &[(&str, Avro)]| {
        Avro::Record(fields.iter().map(|(name, value)| (name.to_string(), value.clone())).collect())
    };
    let a_pair = || record(&[("a", number()), ("b", Avro::String("b".into()))]);
    let colour = || Avro::Enum(1, "blue".into());
    let kinds = vec![
        (json!("null"), Avro::Null),
        (json!("boolean"), Avro::Boolean(true)),
        (json!("int"), Avro::Int(-70_000)),
        (json!("long"), Avro::Long(i64::MIN)),
        (json!("float"), Avro::Float(1.5)),
        (json!("double"), Avro::Double(-0.25)),
        (json!("bytes"), Avro::Bytes(vec![0, 255])),
        (json!("string"), Avro::String("neu".into())),
        (json!({ "type": "fixed", "name": "Four", "size": 4 }), Avro::Fixed(4, vec![9; 4])),
        (json!({ "type": "enum", "name": "Colour", "symbols": ["red", "blue"] }), colour()),
        (json!("Colour"), colour()),
        (pair("Pair"), a_pair()),
        (
            json!({ "type": "record", "name": "Single", "fields": [
                { "name": "only", "type": "Pair" }] }),
            record(&[("only", a_pair())]),
        ),
        (json!({ "type": "record", "name": "Nothing", "fields": [] }), record(&[])),
        (json!({ "type": "array", "items": "Pair" }), Avro::Array(vec![a_pair(), a_pair()])),
        (json!({ "type": "array", "items": "Colour" }), Avro::Array(vec![colour()])),
        (
            json!({ "type": "map", "values": "Single" }),
            Avro::Map([("k".to_owned(), record(&[("only", a_pair())]))].into()),
        ),
        (
            json!(["null", "Colour", "Pair", "Single", "int"]),
            Avro::Union(3, Box::new(record(&[("only", a_pair())]))),
        ),
        (json!({ "type": "long", "logicalType": "timestamp-millis" }), Avro::TimestampMillis(7)),
    ];
    let field = |(index, (schema, value)): (usize, (Value, Avro))| {
        (json!({ "name": format!("extra_{index}"), "type": schema }), value)
    };
    kinds.into_iter().enumerate().map(field).collect()
}

/// With a branch, fields and symbols that do not exist yet.
fn newer() -> Value {
    changed(|schema| {
        branches(schema).push(json!({ "type": "record", "name": "Unheard", "fields": [
            { "name": "request", "type": "string" }] }));
        for symbols in ["Role", "PlacementPolicy", "WorkOutcome"] {
            list(schema, symbols, "symbols").push(json!("unheard_of"));
        }
    })
}

fn with_extra_fields(mut schema: Value, record: &str) -> Value {
    let fields = list(&mut schema, record, "fields");
    let extra = extra_fields().into_iter().map(|(field, _)| field);
    fields.splice(1..1, extra);
    schema
}

#[test]
fn every_branch_of_a_newer_writer_is_read_without_what_only_it_knows() {
    for (record, marker) in [
        ("Actor", "role"),
        ("Command", "command_id"),
        ("RequestAllocation", "preemptible"),
        ("Label", "value"),
        ("ActivateDecider", "version"),
    ] {
        let schema = with_extra_fields(newer(), record);
        let reader = reader_of(&schema);
        let extra: Vec<_> = extra_fields()
            .into_iter()
            .map(|(field, value)| (field["name"].as_str().unwrap().to_owned(), value))
            .collect();
        for command in commands() {
            let value = sent(&schema, &command, |value| {
                records(value, &|fields| {
                    if has(fields, marker) {
                        fields.splice(1..1, extra.clone());
                    }
                });
            });
            assert_eq!(content(&reader, &value), Ok(command.clone()), "{record}");
            assert_eq!(digests(&reader, &value), digests(&reader, &encode_command(&command)));
        }
    }
}

#[test]
fn a_branch_that_does_not_exist_yet_is_unreadable() {
    let schema = newer();
    let value = sent(&schema, &commands()[0], |value| {
        records(value, &|fields| {
            for (name, value) in fields {
                if name == "payload" {
                    let unheard = vec![("request".into(), Avro::String("r-7".into()))];
                    *value = Avro::Union(24, Box::new(Avro::Record(unheard)));
                }
            }
        });
    });
    let answer = content(&reader_of(&schema), &value).unwrap_err();
    assert!(answer.starts_with("unreadable: branch 24 of a union of which"), "{answer}");
}

/// What an instance of the first version wrote, and what it could not.
#[test]
fn the_first_version_is_read_as_ever_and_has_no_later_branch() {
    let reader = CommandReader::new();
    let first = admit(COMMAND_SCHEMA_1).unwrap();
    assert_ne!(first.fingerprint(), admit(COMMAND_SCHEMA).unwrap().fingerprint());
    for command in commands() {
        let value = encode_command(&command);
        let is_first = command.payload.branch() < 13;
        let id = match command.payload.branch() {
            ..13 => 1,
            13..16 => 2,
            16 => 3,
            _ => 4,
        };
        assert_eq!(value[..5], [0, 0, 0, 0, id]);
        assert_eq!(content(&reader, &value), Ok(command.clone()));
        let mut other = value.clone();
        other[4] = if is_first { 2 } else { 1 };
        let answer = content(&reader, &other);
        if is_first {
            assert_eq!(answer, Ok(command));
        } else {
            let branch = command.payload.branch();
            let refused = format!("unreadable: branch {branch} of a union of which this version");
            assert!(answer.unwrap_err().starts_with(&refused));
        }
    }
}

#[test]
fn a_new_symbol_is_read_as_not_known_where_the_enum_has_such_a_symbol() {
    let schema = newer();
    let reader = reader_of(&schema);
    let send = |payload: &str, field: &'static str, index: u32| {
        let command = commands().into_iter().find(|command| command.payload.name() == payload);
        let value = sent(&schema, &command.unwrap(), |value| {
            records(value, &|fields| {
                for (_, value) in fields.iter_mut().filter(|(name, _)| name == field) {
                    *value = Avro::Enum(index, "unheard_of".into());
                }
            });
        });
        content(&reader, &value)
    };
    assert_eq!(send("Tick", "role", 4).unwrap().actor.role, Role::Reader);
    match send("ReleaseLease", "outcome", 4).unwrap().payload {
        Payload::ReleaseLease(release) => assert_eq!(release.outcome, WorkOutcome::Unknown),
        other => panic!("{other:?}"),
    }
    let answer = send("SetPoolPolicy", "placement", 4).unwrap_err();
    assert!(answer.ends_with("or is newer than this version"), "{answer}");
}

/// The placement policy that came with `decide_version` 3 is framed with the schema that has it,
/// and to earlier versions it is nothing that they know.
#[test]
fn a_symbol_is_known_from_its_version_on() {
    let mut command =
        commands().into_iter().find(|command| command.payload.name() == "SetPoolPolicy").unwrap();
    assert_eq!(encode_command(&command)[..5], [0, 0, 0, 0, 1]);
    let Payload::SetPoolPolicy(policy) = &mut command.payload else { panic!("it was looked for") };
    policy.placement = PlacementPolicy::Default;
    let value = encode_command(&command);
    assert_eq!(value[..5], [0, 0, 0, 0, 4]);
    for version in 1..=DECIDE_VERSION_NEWEST {
        let answer = content_under(&CommandReader::new(), version, &value);
        if version < 3 {
            let detail = answer.unwrap_err();
            assert!(detail.ends_with("or is newer than this version"), "{version}: {detail}");
        } else {
            assert_eq!(answer, Ok(command.clone()));
        }
    }
    let mut older = value;
    older[4] = 3;
    let answer = content(&CommandReader::new(), &older);
    assert!(answer.is_err(), "no earlier schema has the symbol: {answer:?}");
}

#[test]
fn the_fingerprint_is_that_of_the_meaning() {
    let fingerprint = |schema: &Value| admit(&schema.to_string()).unwrap().fingerprint();
    let reworded = changed(|schema| find(schema, "Tick")["doc"] = json!("Something else."));
    assert_eq!(fingerprint(&reworded), fingerprint(&ours()));
    assert_ne!(fingerprint(&older()), fingerprint(&ours()));
    assert_ne!(fingerprint(&newer()), fingerprint(&ours()));
}

#[test]
fn a_schema_that_would_need_guessing_is_not_admitted() {
    fn extra(schema: &mut Value, kind: Value) {
        list(schema, "DrainNode", "fields").push(json!({ "name": "extra", "type": kind }));
    }
    type Change = fn(&mut Value);
    let table: [(&str, Change, &str); 15] = [
        ("a renamed branch", |s| find(s, "Tick")["name"] = json!("Tock"), "conclave.Tock where"),
        ("branches in another order", |s| branches(s).swap(3, 4), "where ours has"),
        ("a branch in between", |s| drop(branches(s).remove(2)), "where ours has"),
        ("another namespace", |s| s["namespace"] = json!("other"), "other.Command where"),
        ("no command", |s| *s = json!("string"), "string where ours has conclave.Command"),
        (
            "a promotion",
            |s| find(s, "RenewLease.extend_ms")["type"] = json!("int"),
            "Command.payload > RenewLease.extend_ms: int where ours has long",
        ),
        (
            "a field that may be null now",
            |s| find(s, "RenewLease.extend_ms")["type"] = json!(["null", "long"]),
            "union where ours has long",
        ),
        (
            "a third choice for an optional field",
            |s| list(s, "RequestAllocation.deadline_ms", "type").push(json!("string")),
            "not null or one other type",
        ),
        (
            "a required field less",
            |s| remove_field(s, "DrainNode", "reason"),
            "lacks the field reason",
        ),
        (
            "fields of a record without fields",
            |s| list(s, "Tick", "fields").push(json!({ "name": "n", "type": "long" })),
            "ours has none",
        ),
        (
            "items without bytes",
            |s| extra(s, json!({ "type": "array", "items": "null" })),
            "items without bytes",
        ),
        (
            "items without bytes, in a record",
            |s| extra(s, json!({ "type": "array", "items": "Tick" })),
            "items without bytes",
        ),
        (
            "a type that contains itself",
            |s| {
                extra(
                    s,
                    json!({ "type": "record", "name": "Chain", "fields": [
                { "name": "next", "type": ["null", "Chain"] }] }),
                )
            },
            "too large or too deep",
        ),
        (
            "a value of a terabyte",
            |s| extra(s, json!({ "type": "fixed", "name": "Disk", "size": 1_000_000_000_000_u64 })),
            "fixed bytes",
        ),
        ("a name that nothing has", |s| extra(s, json!("Nobody")), "not an Avro schema"),
    ];
    for (what, change, why) in table {
        let error = admit(&changed(change).to_string()).unwrap_err().to_string();
        assert!(error.contains(why), "{what}: {error}");
    }
    assert!(admit("{").is_err());
    assert!(admit(&" ".repeat(2_000_000)).unwrap_err().to_string().contains("2000000 bytes"));
}
