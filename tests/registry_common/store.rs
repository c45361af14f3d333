//! What a registry keeps: schemas by id, versions by subject, and which may follow which.

use super::refusal::Refusal;
use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use serde_json::Value;
use std::collections::BTreeMap;

/// The levels there are.
const LEVELS: [&str; 7] = [
    "NONE",
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
];

type Answer<T> = Result<T, Refusal>;

/// A version of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) version: u32,
    pub(crate) id: u32,
    pub(crate) is_deleted: bool,
}

/// Everything.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) next_id: u32,
    texts: BTreeMap<u32, String>,
    subjects: BTreeMap<String, Vec<Version>>,
    levels: BTreeMap<String, String>,
    pub(super) level: String,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            next_id: 1,
            texts: BTreeMap::new(),
            subjects: BTreeMap::new(),
            levels: BTreeMap::new(),
            level: "BACKWARD".to_owned(),
        }
    }
}

impl Store {
    /// Adds a version, unless the text is there already.
    pub(super) fn register(&mut self, subject: &str, text: &str) -> Answer<Version> {
        parse(text)?;
        if let Ok(found) = self.find(subject, text) {
            return Ok(found);
        }
        if !self.is_compatible(subject, text, None)? {
            let level = self.level_of(subject);
            return Err(Refusal::new(
                409,
                format!("Schema being registered is incompatible with an earlier schema; {level}"),
            ));
        }
        let same = self.texts.iter().find(|(_, known)| is_same(known, text)).map(|(id, _)| *id);
        let id = same.unwrap_or(self.next_id);
        self.next_id = self.next_id.max(id + 1);
        self.texts.insert(id, text.to_owned());
        let versions = self.subjects.entry(subject.to_owned()).or_default();
        let version = versions.last().map_or(1, |last| last.version + 1);
        let version = Version { version, id, is_deleted: false };
        versions.push(version.clone());
        Ok(version)
    }

    /// The version with this text.
    pub(super) fn find(&self, subject: &str, text: &str) -> Answer<Version> {
        let versions = self.live(subject)?;
        let mut found = versions.into_iter().filter(|known| is_same(&self.texts[&known.id], text));
        found.next_back().ok_or_else(Refusal::no_schema)
    }

    pub(super) fn subjects(&self) -> Vec<&String> {
        let is_live = |subject: &&String| self.live(subject).is_ok();
        self.subjects.keys().filter(is_live).collect()
    }

    pub(super) fn live(&self, subject: &str) -> Answer<Vec<Version>> {
        let all = self.subjects.get(subject).into_iter().flatten();
        let live: Vec<_> = all.filter(|version| !version.is_deleted).cloned().collect();
        if live.is_empty() { Err(Refusal::no_subject(subject)) } else { Ok(live) }
    }

    /// A version by its number or `latest`, and its text.
    pub(super) fn version(&self, subject: &str, number: &str) -> Answer<(Version, &str)> {
        let live = self.live(subject)?;
        let found = if number == "latest" || number == "-1" {
            live.last()
        } else {
            let wanted: u32 =
                number.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
                    let what =
                        format!("The specified version '{number}' is not a valid version id.");
                    Refusal::new(42_202, what)
                })?;
            live.iter().find(|version| version.version == wanted)
        };
        let found = found.cloned().ok_or_else(|| Refusal::no_version(number))?;
        let text = self.texts[&found.id].as_str();
        Ok((found, text))
    }

    pub(super) fn text(&self, id: u32) -> Answer<&str> {
        self.texts.get(&id).map(String::as_str).ok_or_else(Refusal::no_schema)
    }

    /// Where an id is used.
    pub(super) fn uses(&self, id: u32) -> Answer<Vec<(&String, u32)>> {
        self.text(id)?;
        let uses = self.subjects.iter().flat_map(|(subject, versions)| {
            let used = versions.iter().filter(move |version| version.id == id);
            used.map(move |version| (subject, version.version))
        });
        Ok(uses.collect())
    }

    /// Deletes a subject so that its ids still mean something.
    pub(super) fn delete(&mut self, subject: &str) -> Answer<Vec<u32>> {
        let live = self.live(subject)?;
        for version in self.subjects.get_mut(subject).into_iter().flatten() {
            version.is_deleted = true;
        }
        Ok(live.into_iter().map(|version| version.version).collect())
    }

    pub(super) fn level_of(&self, subject: &str) -> &str {
        self.levels.get(subject).unwrap_or(&self.level)
    }

    pub(super) fn own_level(&self, subject: &str) -> Answer<&str> {
        self.levels.get(subject).map(String::as_str).ok_or_else(|| {
            let what =
                format!("Subject '{subject}' does not have subject-level compatibility configured");
            Refusal::new(40_408, what)
        })
    }

    /// Sets a subject's level, or everybody's.
    pub(super) fn set_level(&mut self, subject: Option<&str>, level: &str) -> Answer<()> {
        if !LEVELS.contains(&level) {
            return Err(Refusal::new(42_203, "Invalid compatibility level"));
        }
        match subject {
            Some(subject) => drop(self.levels.insert(subject.to_owned(), level.to_owned())),
            None => level.clone_into(&mut self.level),
        }
        Ok(())
    }

    pub(super) fn forget_level(&mut self, subject: &str) -> Answer<String> {
        let level = self.own_level(subject)?.to_owned();
        self.levels.remove(subject);
        Ok(level)
    }

    /// Whether `text` may follow what is there, or follow one version.
    pub(super) fn is_compatible(
        &self,
        subject: &str,
        text: &str,
        version: Option<&str>,
    ) -> Answer<bool> {
        let new = parse(text)?;
        let level = self.level_of(subject);
        let earlier: Vec<&str> = match version {
            Some(version) => vec![self.version(subject, version)?.1],
            None => {
                let mut live = self.live(subject).unwrap_or_default();
                if !level.ends_with("_TRANSITIVE") {
                    live = live.split_off(live.len().saturating_sub(1));
                }
                live.iter().map(|version| self.texts[&version.id].as_str()).collect()
            }
        };
        let reads = |writer: &Schema, reader: &Schema| {
            SchemaCompatibility::can_read(writer, reader) == Ok(Compatibility::Full)
        };
        Ok(earlier.into_iter().all(|old| {
            let old = Schema::parse_str(old).unwrap();
            let backward = level.starts_with("BACKWARD") || level.starts_with("FULL");
            let forward = level.starts_with("FORWARD") || level.starts_with("FULL");
            (!backward || reads(&old, &new)) && (!forward || reads(&new, &old))
        }))
    }
}

fn parse(text: &str) -> Answer<Schema> {
    Schema::parse_str(text).map_err(Refusal::invalid_schema)
}

/// Whether two texts say the same, white space and order of keys aside.
fn is_same(text: &str, other: &str) -> bool {
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| text.into());
    value(text) == value(other)
}
