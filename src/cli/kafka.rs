//! What a configuration says of Kafka, with what its schema registry adds.

use crate::config::Config;
use crate::error::Result;
use crate::log::kafka::settings::{KafkaSettings, SchemaIds};
use crate::log::kafka::topics::Artifacts;
use crate::registry::{DIRECTORY, OwnIds, Registry, RegistrySettings, Subjects, own_ids};
use std::path::Path;
use std::sync::Arc;

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
