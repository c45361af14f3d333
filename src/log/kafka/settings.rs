//! How clients reach the brokers, and what the topics are called.

use super::extra;
use super::security::{Mechanism, Protocol, Security};
use crate::error::{Error, Result};
use crate::wire::schemas::VERSIONS;
use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Where the brokers are and how they are spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `HOST:PORT`, several with commas between them.
    pub brokers: String,
    /// What the topics are called.
    pub topics: TopicNames,
    /// How connections are protected.
    pub security: Security,
    /// Properties that pass through to librdkafka.
    pub extra: BTreeMap<String, String>,
    /// What our own values are framed with.
    pub schema_ids: SchemaIds,
}

/// The ids under which our own schemas are known to whoever reads the topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaIds {
    /// Those of commands, by version, the oldest first.
    pub commands: [u32; VERSIONS],
    /// That of decisions.
    pub decisions: u32,
}

/// Who shares the partitions out, by which protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupProtocol {
    /// The members themselves: any broker; sessions are the client's to set.
    #[default]
    Classic,
    /// The brokers (KIP-848): Kafka 4.0 or later; sessions and heartbeats are theirs to set.
    Consumer,
}

impl GroupProtocol {
    /// As librdkafka and the configuration spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

impl Default for SchemaIds {
    /// Without a registry: the local table's. Decisions name their schema themselves.
    fn default() -> Self {
        Self { commands: [1, 2, 3, 4], decisions: 0 }
    }
}

/// What the topics are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicNames {
    /// Commands, keyed by pool.
    pub commands: String,
    /// One decision per command, in the partition of the same number.
    pub decisions: String,
    /// Original bytes of commands that their sender has to mend.
    pub dead_letters: String,
    /// Schema texts and models, by hash.
    pub artifacts: String,
}

impl TopicNames {
    /// `PREFIX.commands` and so on; the usual prefix is `conclave`.
    #[must_use]
    pub fn prefixed(prefix: &str) -> Self {
        let topic = |role: &str| format!("{prefix}.{role}");
        Self {
            commands: topic("commands"),
            decisions: topic("decisions"),
            dead_letters: topic("dead-letters"),
            artifacts: topic("artifacts"),
        }
    }

    /// What their names begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.commands.strip_suffix(".commands").unwrap_or_default()
    }
}

impl TopicNames {
    /// The name that whoever writes a partition's decisions goes by: the next one of the same name
    /// ends what this one left open, and keeps it from ever writing again.
    #[must_use]
    pub fn transactional_id(&self, partition: i32) -> String {
        format!("{}-{partition}", self.commands)
    }
}

impl KafkaSettings {
    /// Plain connections to `brokers`, and topics with the usual prefix.
    #[must_use]
    pub fn plain(brokers: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            topics: TopicNames::prefixed("conclave"),
            security: Security::default(),
            extra: BTreeMap::new(),
            schema_ids: SchemaIds::default(),
        }
    }

    /// The line that makes the topics, as people type it.
    pub(super) fn apply_line(&self) -> String {
        format!(
            "conclave topics apply --brokers {} --prefix {}",
            self.brokers,
            self.topics.prefix()
        )
    }

    /// What every client of `role` ("decide", "read", "submit", "admin") starts from: addresses,
    /// security, what passes through, and a client id that brokers' logs and quotas show.
    #[must_use]
    pub fn client(&self, role: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in &self.extra {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        config.set("client.id", format!("conclave-{role}"));
        self.security.apply(&mut config);
        config
    }

    /// What every consumer starts from, besides: it names `group` (whose coordinator the library
    /// looks for even when nobody joins), sees what `isolation` says in Kafka's words, and commits
    /// nothing by itself.
    #[must_use]
    pub fn consumer(&self, role: &str, group: &str, isolation: &str) -> ClientConfig {
        let mut config = self.client(role);
        config.set("group.id", group);
        config.set("isolation.level", isolation);
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config
    }

    /// A consumer of commands that are decided as they come. It fetches in small pieces and holds
    /// few: each record costs the library three times its size, and what is not here yet is safe
    /// with the brokers.
    #[must_use]
    pub fn consumer_of_commands(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer("decide", group, "read_committed");
        config.set("auto.offset.reset", "error");
        config.set("fetch.wait.max.ms", "50");
        config.set("fetch.queue.backoff.ms", "5");
        config.set("fetch.message.max.bytes", "262144");
        config.set("queued.max.messages.kbytes", "2048");
        config
    }

    /// That the settings make sense before any broker is asked.
    ///
    /// # Errors
    /// `Invalid`, naming the setting or the file.
    pub fn check(&self) -> Result<()> {
        let mut addresses = self.brokers.split(',').map(str::trim);
        if let Some(wrong) = addresses.find(|address| host(address).is_none()) {
            return Err(Error::invalid(format!(
                "'{wrong}' is no broker's address: write HOST:PORT, several with commas between"
            )));
        }
        extra::check(&self.extra)?;
        self.security.check()
    }

    /// What is allowed and still worth a second look.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let open = self.brokers.split(',').map(str::trim).find(|address| !is_loopback(address));
        let protocol = self.security.protocol();
        if let (Some(open), false) = (open, protocol.has_tls()) {
            warnings.push(format!(
                "{open} is spoken to in the clear: whoever is on the way can read and change \
                 commands and decisions. Set kafka.security.protocol to tls or sasl_tls"
            ));
            if self.security.sasl.as_ref().is_some_and(|sasl| sasl.mechanism == Mechanism::Plain) {
                warnings.push(format!(
                    "PLAIN sends the password itself to {open} in the clear: use SCRAM-SHA-512"
                ));
            }
        }
        let identification = self.extra.get("ssl.endpoint.identification.algorithm");
        if protocol.has_tls() && identification.is_some_and(|algorithm| algorithm == "none") {
            warnings.push(
                "ssl.endpoint.identification.algorithm = none takes any certificate of the CA for \
                 the broker's: leave it out unless the CA signs nothing but brokers"
                    .to_owned(),
            );
        }
        if protocol == Protocol::Tls
            && self.security.tls.as_ref().is_some_and(|tls| tls.identity.is_none())
        {
            warnings.push(
                "tls without cert_file and without SASL proves nobody to the broker: its ACLs see \
                 User:ANONYMOUS"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// The host of `HOST:PORT`.
fn host(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (is_port && !host.is_empty()).then_some(host)
}

fn is_loopback(address: &str) -> bool {
    let host = host(address).unwrap_or(address);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
mod tests {
    use super::super::security::{Sasl, Secret, Tls};
    use super::*;

    #[track_caller]
    fn check_warned(brokers: &str, security: Security, wanted: &[&str]) {
        let settings = KafkaSettings { security, ..KafkaSettings::plain(brokers) };
        let warnings = settings.warnings();
        assert_eq!(warnings.len(), wanted.len(), "{warnings:?}");
        for (warning, wanted) in warnings.iter().zip(wanted) {
            assert!(warning.contains(wanted), "{warning}");
        }
    }

    fn ada(mechanism: Mechanism) -> Sasl {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2").unwrap();
        let password = Secret::from_file(file.path()).unwrap();
        Sasl { mechanism, user: "ada".to_owned(), password }
    }

    #[test]
    fn what_others_can_read_is_warned_about() {
        let sasl = |mechanism| Security { tls: None, sasl: Some(ada(mechanism)) };
        check_warned("127.0.0.1:9092,[::1]:9092,localhost:9092", Security::default(), &[]);
        check_warned("localhost:9092,k2:9092", Security::default(), &["k2:9092 is spoken to"]);
        check_warned("k1:9092", sasl(Mechanism::ScramSha512), &["in the clear"]);
        check_warned("k1:9092", sasl(Mechanism::Plain), &["in the clear", "password itself"]);
        let tls = Some(Tls::default());
        let encrypted = Security { tls: tls.clone(), ..sasl(Mechanism::Plain) };
        check_warned("k1:9092", encrypted, &[]);
        check_warned("k1:9092", Security { tls, sasl: None }, &["User:ANONYMOUS"]);
    }

    #[test]
    fn an_address_without_a_port_is_refused() {
        for brokers in ["", "k1", "k1:", "k1:0", ":9092", "k1:9092,k2", "k1:99999"] {
            let error = KafkaSettings::plain(brokers).check().unwrap_err();
            assert!(error.message.contains("HOST:PORT"), "{brokers}: {error}");
        }
        KafkaSettings::plain("k1:9092, [::1]:9093").check().unwrap();
    }

    #[test]
    fn what_passes_through_never_goes_before_what_is_typed() {
        let mut settings = KafkaSettings::plain("k1:9092");
        settings.extra.insert("bootstrap.servers".to_owned(), "elsewhere:1".to_owned());
        settings.extra.insert("linger.ms".to_owned(), "7".to_owned());
        let config = settings.client("read");
        assert_eq!(config.get("bootstrap.servers"), Some("k1:9092"));
        assert_eq!(config.get("client.id"), Some("conclave-read"));
        assert_eq!(config.get("linger.ms"), Some("7"));
        assert!(settings.check().is_err());
    }
}
