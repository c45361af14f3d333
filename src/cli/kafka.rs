//! What a configuration says of Kafka, with what its schema registry adds.

use crate::config::{Config, KafkaConfig};
use crate::error::Result;
use crate::log::kafka::settings::{KafkaSettings, SchemaIds};
use crate::log::kafka::topics::Artifacts;
use crate::registry::{DIRECTORY, OwnIds, Registry, RegistrySettings, Subjects, own_ids};
use std::path::Path;
use std::sync::Arc;

/// How the Kafka is reached that a configuration file, or what goes before it, names.
///
/// # Errors
/// `Invalid`, naming the setting; `Unavailable` when the file cannot be read.
pub(super) fn named(
    config: Option<&Path>,
    brokers: &str,
    prefix: Option<&String>,
) -> Result<KafkaSettings> {
    let config = config.map(Config::read).transpose()?;
    let mut kafka = config.map_or_else(KafkaConfig::default, |config| config.kafka);
    kafka.brokers = brokers.split(',').map(str::to_owned).collect();
    if let Some(prefix) = prefix {
        kafka.prefix.clone_from(prefix);
    }
    kafka.settings()
}

/// How Kafka is reached, and the registry of writers' schemas, which says what our own values are
/// framed with. What it says is kept beside the snapshots, so that later starts need no registry.
///
/// # Errors
/// `Invalid`, naming the setting, or that our schemas are not registered; `Unavailable` when the
/// registry has to be asked and does not answer.
pub(super) fn reached(config: &Config) -> Result<(KafkaSettings, Option<Arc<Registry>>)> {
    reach(config, |_, registry, kept| Registry::new(registry, kept))
}

/// The same for an instance, which shares what it learns with others in the topic of artifacts.
///
/// # Errors
/// As [`reached`].
pub(super) fn reached_by_instance(
    config: &Config,
) -> Result<(KafkaSettings, Option<Arc<Registry>>)> {
    reach(config, |settings, registry, kept| {
        Registry::sharing(registry, kept, Arc::new(Artifacts::of(settings)))
    })
}

fn reach(
    config: &Config,
    ask: impl FnOnce(&KafkaSettings, &RegistrySettings, &Path) -> Result<Arc<Registry>>,
) -> Result<(KafkaSettings, Option<Arc<Registry>>)> {
    let mut settings = config.kafka.settings()?;
    let Some(where_to) = config.kafka.registry.settings()? else { return Ok((settings, None)) };
    let registry = ask(&settings, &where_to, &config.data.join(DIRECTORY))?;
    let OwnIds { commands, decisions } = own_ids(&registry, &Subjects::of(&settings.topics))?;
    settings.schema_ids = SchemaIds { commands, decisions };
    Ok((settings, Some(registry)))
}
