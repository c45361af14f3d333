//! The schemas say what the Rust types say, and say it to people.

use crate::any::{Shapes, any_with_shapes};
use conclave::wire::schemas::{COMMAND_SCHEMA, DECISION_SCHEMA};
use conclave_core::command::Command;
use conclave_core::decision::Decision;
use serde_json::Value;
use std::collections::BTreeMap;

/// Every named type of the schema, in the order of definition, and every union of several records.
#[derive(Default)]
struct Types {
    named: BTreeMap<String, Value>,
    unions: Vec<Vec<String>>,
}

impl Types {
    fn of(schema: &str) -> Self {
        let mut types = Self::default();
        types.collect(&serde_json::from_str(schema).unwrap());
        types
    }

    fn collect(&mut self, schema: &Value) {
        match schema {
            Value::Array(branches) => {
                let name =
                    |branch: &Value| branch["name"].as_str().or(branch.as_str()).map(Into::into);
                let names: Vec<String> = branches.iter().filter_map(name).collect();
                if names[0] != "null" {
                    self.unions.push(names);
                }
                branches.iter().for_each(|branch| self.collect(branch));
            }
            Value::Object(fields) => {
                for key in ["items", "type"] {
                    fields.get(key).into_iter().for_each(|inner| self.collect(inner));
                }
                if let Some(name) = fields.get("name").and_then(Value::as_str)
                    && fields.contains_key("type")
                    && (fields.contains_key("symbols") || fields.contains_key("fields"))
                {
                    let before = self.named.insert(name.to_owned(), schema.clone());
                    assert!(before.is_none(), "{name} is defined twice");
                }
                let inner = fields.get("fields").and_then(Value::as_array);
                inner.into_iter().flatten().for_each(|field| self.collect(&field["type"]));
            }
            _ => {}
        }
    }
}

/// The shapes of all types that a command or decision can hold, drawn until none is missing.
fn shapes() -> (Shapes, Shapes) {
    let (mut command, mut decision) = (Shapes::default(), Shapes::default());
    let mut bytes = blake3::Hasher::new().finalize_xof();
    let mut draw = [0; 600];
    for _ in 0..500 {
        bytes.fill(&mut draw);
        any_with_shapes::<Command>(&draw, &mut command);
        any_with_shapes::<Decision>(&draw, &mut decision);
    }
    (command, decision)
}

fn texts(values: &Value, key: Option<&str>) -> Vec<String> {
    let text = |value: &Value| key.map_or(value, |key| &value[key]).as_str().unwrap().to_owned();
    values.as_array().unwrap().iter().map(text).collect()
}

#[test]
fn every_record_and_enum_is_its_rust_type_name_by_name_in_order() {
    let (command, decision) = shapes();
    for (schema, shapes) in [(COMMAND_SCHEMA, command), (DECISION_SCHEMA, decision)] {
        let types = Types::of(schema);
        let mut unions = Vec::new();
        let mut seen = Vec::new();
        for (name, fields) in &shapes.structs {
            let record = types.named.get(*name).unwrap_or_else(|| panic!("no record {name}"));
            assert_eq!(texts(&record["fields"], Some("name")), *fields, "fields of {name}");
            seen.push(*name);
        }
        for (name, variants) in &shapes.enums {
            match types.named.get(*name) {
                Some(schema) => {
                    assert_eq!(texts(&schema["symbols"], None), *variants, "symbols of {name}");
                    seen.push(*name);
                }
                None => unions.push(variants.to_vec()),
            }
        }
        for branches in &types.unions {
            assert!(unions.iter().any(|union| union == branches), "no enum has {branches:?}");
        }
        assert_eq!(types.unions.len(), unions.len(), "an enum is missing in the schema");
        // Records without fields are variants without a struct.
        let unit =
            |name: &&String| types.named[*name]["fields"].as_array().is_some_and(Vec::is_empty);
        let unknown =
            types.named.keys().filter(|name| !seen.contains(&name.as_str()) && !unit(name));
        assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&String>::new(), "types that Rust lacks");
    }
}

#[test]
fn a_type_that_both_schemas_have_is_the_same_in_both() {
    let (command, decision) = (Types::of(COMMAND_SCHEMA), Types::of(DECISION_SCHEMA));
    let shared = |(name, schema): (String, Value)| Some((schema, decision.named.get(&name)?));
    let mut count = 0;
    for (ours, theirs) in command.named.clone().into_iter().filter_map(shared) {
        assert_eq!(without_inner(ours), without_inner(theirs.clone()));
        count += 1;
    }
    assert!(count >= 10, "only {count} types are shared: this test compares nothing");
}

/// A named type with other named types by name, wherever they happen to be defined.
fn without_inner(mut schema: Value) -> Value {
    fn by_name(schema: &mut Value) {
        match schema {
            Value::Object(fields) if fields.contains_key("name") => {
                *schema = fields["name"].clone()
            }
            Value::Object(fields) => fields.values_mut().for_each(by_name),
            Value::Array(branches) => branches.iter_mut().for_each(by_name),
            _ => {}
        }
    }
    if let Some(fields) = schema.get_mut("fields").and_then(Value::as_array_mut) {
        fields.iter_mut().for_each(|field| by_name(&mut field["type"]));
    }
    schema
}

#[test]
fn everything_is_explained_and_every_enum_has_a_default() {
    fn explained(what: &Value) {
        let doc = what["doc"].as_str().unwrap_or_default();
        assert!(doc.len() > 5 && doc.ends_with('.'), "no sentence explains {what:#}");
    }
    for schema in [COMMAND_SCHEMA, DECISION_SCHEMA] {
        for named in Types::of(schema).named.values() {
            explained(named);
            for field in named["fields"].as_array().into_iter().flatten() {
                explained(field);
            }
            if named["type"] == "enum" {
                assert!(
                    texts(&named["symbols"], None)
                        .contains(&named["default"].as_str().unwrap().into())
                );
            }
        }
    }
}

#[test]
fn optional_fields_alone_have_a_default_and_it_is_null() {
    // Serde reads a missing `Option` as `None`; any other default would be ours to fill in.
    for schema in [COMMAND_SCHEMA, DECISION_SCHEMA] {
        for named in Types::of(schema).named.values() {
            for field in named["fields"].as_array().into_iter().flatten() {
                let optional = field["type"].get(0) == Some(&"null".into());
                let default = field.get("default");
                assert_eq!(default, optional.then_some(&Value::Null), "{field:#}");
            }
        }
    }
}
