//! What the fuzzers start from, made from files that tests keep true: the golden bytes of
//! `tests/golden/avro` and the examples of `docs/json.md`. A copy of them would only grow old.
//!
//! ```text
//! seeds FOLDER    # FOLDER/json_command/…, FOLDER/avro_command/…, FOLDER/avro_decision/…
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: seeds FOLDER")?);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut words = BTreeSet::new();
    for entry in fs::read_dir(root.join("tests/golden/avro"))? {
        golden(&folder, &entry?.path(), &mut words)?;
    }
    let page = fs::read_to_string(root.join("docs/json.md"))?;
    let examples = page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    for (number, example) in examples.enumerate() {
        keep(&folder, "json_command", &format!("example-{number}"), example.as_bytes())?;
        collect(&serde_json::from_str(example)?, &mut words);
    }
    let dictionary: String = words.iter().map(|word| format!("\"\\\"{word}\\\"\"\n")).collect();
    Ok(fs::write(folder.join("json_command.dict"), dictionary)?)
}

/// The bytes of one golden file, and its value as JSON.
fn golden(folder: &Path, path: &Path, words: &mut BTreeSet<String>) -> Result<()> {
    let golden: serde_json::Value = serde_json::from_slice(&fs::read(path)?)?;
    let name = path.file_stem().and_then(|name| name.to_str()).ok_or("a name is text")?;
    let Some(hex) = golden["bytes"].as_str() else { return Ok(()) };
    let bytes: Vec<u8> = hex.as_bytes().chunks(2).map(byte).collect::<Result<_>>()?;
    if name.starts_with("command.") {
        keep(folder, "avro_command", name, &bytes)?;
        keep(folder, "json_command", name, golden["value"].to_string().as_bytes())?;
        collect(&golden["value"], words);
    } else {
        keep(folder, "avro_decision", name, &bytes)?;
    }
    Ok(())
}

fn byte(digits: &[u8]) -> Result<u8> {
    Ok(u8::from_str_radix(std::str::from_utf8(digits)?, 16)?)
}

fn keep(folder: &Path, target: &str, name: &str, bytes: &[u8]) -> Result<()> {
    fs::create_dir_all(folder.join(target))?;
    Ok(fs::write(folder.join(target).join(name), bytes)?)
}

/// Names and values that a fuzzer would hardly guess.
fn collect(value: &serde_json::Value, words: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                words.insert(name.clone());
                collect(value, words);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
        serde_json::Value::String(text) if text.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            words.insert(text.clone());
        }
        _ => {}
    }
}
