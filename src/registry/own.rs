//! Our own schemas in a registry: putting them there, comparing, and finding out their ids.

use super::client::{Client, Refusal};
use super::{Registry, RegistrySettings};
use crate::error::{Error, Result};
use crate::log::kafka::settings::TopicNames;
use crate::wire::fingerprint;
use crate::wire::schemas::{COMMAND_SCHEMAS, DECISION_SCHEMA, VERSIONS};
use serde::Serialize;

/// New readers read what every older writer wrote.
const COMPATIBILITY: &str = "BACKWARD_TRANSITIVE";

/// What our schemas are registered under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subjects {
    /// For the values of commands.
    pub commands: String,
    /// For the values of decisions.
    pub decisions: String,
}

impl Subjects {
    /// By the names of the topics, as every Confluent client does by itself.
    #[must_use]
    pub fn of(topics: &TopicNames) -> Self {
        let subject = |topic: &str| format!("{topic}-value");
        Self { commands: subject(&topics.commands), decisions: subject(&topics.decisions) }
    }

    /// Each subject with its schemas, the oldest first.
    fn schemas(&self) -> [(&str, &'static [&'static str]); 2] {
        [(&self.commands, &COMMAND_SCHEMAS), (&self.decisions, &[DECISION_SCHEMA])]
    }
}

/// The ids that a registry gave our schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnIds {
    /// Those of commands, by version: what [`crate::wire::reframe`] takes.
    pub commands: [u32; VERSIONS],
    /// That of decisions.
    pub decisions: u32,
}

/// One thing that was looked at, or done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where.
    pub subject: String,
    /// What of it: `compatibility`, `schema 1`, `latest`.
    pub part: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// The registry's id of a schema.
    pub id: Option<u32>,
    /// What was found, and what to do.
    pub detail: String,
}

impl Finding {
    fn new(subject: &str, part: impl Into<String>, ok: bool, detail: impl Into<String>) -> Self {
        let (subject, part, detail) = (subject.to_owned(), part.into(), detail.into());
        Self { subject, part, ok, id: None, detail }
    }

    fn of_schema(subject: &str, number: usize, id: Option<u32>, detail: String) -> Self {
        let part = format!("schema {number}");
        Self { id, ..Self::new(subject, part, id.is_some(), detail) }
    }
}

/// Registers our schemas, the rule for later ones first. What is there already stays.
///
/// # Errors
/// `Unavailable` when the registry does not answer, `Invalid` when it does not let us in. A refusal
/// is a finding.
pub fn register(settings: &RegistrySettings, subjects: &Subjects) -> Result<Vec<Finding>> {
    let client = Client::new(settings)?;
    let mut findings = Vec::new();
    for (subject, texts) in subjects.schemas() {
        client.set_compatibility(subject, COMPATIBILITY)?;
        findings.push(Finding::new(subject, "compatibility", true, COMPATIBILITY));
        for (text, number) in texts.iter().zip(1..) {
            let (id, detail) = match client.register(subject, text)? {
                Ok(id) => (Some(id), format!("registered as {id}")),
                Err(why) => (None, refused(&client, subject, &why)),
            };
            findings.push(Finding::of_schema(subject, number, id, detail));
        }
    }
    Ok(findings)
}

/// Why a schema of ours is not registered, and what to do when another one came first.
fn refused(client: &Client, subject: &str, Refusal { why, is_conflict }: &Refusal) -> String {
    let latest = if *is_conflict { client.latest(subject) } else { Ok(None) };
    // Nothing is advised that deletes anything unless it is known what it would be.
    let Ok(Some((version, _))) = latest else { return format!("the registry refuses it: {why}") };
    let at = format!("{}/subjects/{subject}", client.url());
    format!(
        "the registry refuses it: {why}. Version {version} came first, maybe of a producer that \
         registers by itself: compare it ({at}/versions/{version}) with schemas/. If nobody needs \
         it, delete the subject (curl -X DELETE {at}; values under its ids stay readable) and \
         register again before producers do"
    )
}

/// Compares our schemas with what is registered.
///
/// # Errors
/// `Unavailable` when the registry does not answer, `Invalid` when it does not let us in.
pub fn check(settings: &RegistrySettings, subjects: &Subjects) -> Result<Vec<Finding>> {
    let client = Client::new(settings)?;
    let mut findings = Vec::new();
    for (subject, texts) in subjects.schemas() {
        let level = client.compatibility(subject)?;
        let level = level.as_deref().unwrap_or("not set");
        let is_ours = level == COMPATIBILITY;
        let detail =
            if is_ours { level.to_owned() } else { format!("{level}, not {COMPATIBILITY}") };
        findings.push(Finding::new(subject, "compatibility", is_ours, detail));
        for (text, number) in texts.iter().zip(1..) {
            let id = client.id(subject, text)?;
            let detail = id.map_or_else(not_registered, |id| format!("registered as {id}"));
            findings.push(Finding::of_schema(subject, number, id, detail));
        }
        findings.extend(latest(&client, subject, texts)?);
    }
    Ok(findings)
}

/// Whether the latest version is one that this release knows.
fn latest(client: &Client, subject: &str, texts: &[&str]) -> Result<Option<Finding>> {
    let Some((version, text)) = client.latest(subject)? else { return Ok(None) };
    let digest = fingerprint(&text).ok();
    let newest = texts.last().and_then(|text| fingerprint(text).ok());
    let is_ours = digest.is_some() && digest == newest;
    let detail = if is_ours {
        format!("version {version} is ours")
    } else {
        format!("version {version} is another schema: somebody registered it, or a newer release")
    };
    Ok(Some(Finding::new(subject, "latest", is_ours, detail)))
}

fn not_registered() -> String {
    "not registered: `conclave schemas register`".to_owned()
}

/// The ids of our own schemas, which values are framed with. Once they were asked for they are
/// kept: a start needs no registry.
///
/// # Errors
/// `Invalid` when one is not registered, `Unavailable` when nobody can tell.
pub fn own_ids(registry: &Registry, subjects: &Subjects) -> Result<OwnIds> {
    let mut commands = [0; VERSIONS];
    for (id, text) in commands.iter_mut().zip(COMMAND_SCHEMAS) {
        *id = own_id(registry, &subjects.commands, text)?;
    }
    let decisions = own_id(registry, &subjects.decisions, DECISION_SCHEMA)?;
    Ok(OwnIds { commands, decisions })
}

fn own_id(registry: &Registry, subject: &str, text: &str) -> Result<u32> {
    if let Some(id) = registry.kept().id(fingerprint(text)?)? {
        return Ok(id);
    }
    let Some(id) = registry.client().id(subject, text)? else {
        let url = registry.client().url();
        return Err(Error::invalid(format!(
            "a schema of ours is not registered under {subject}: run `conclave schemas register \
             --registry {url}`"
        )));
    };
    registry.learn(id, text)?;
    Ok(id)
}
