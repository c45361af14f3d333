//! How clients reach the brokers, and what the topics are called.

use rdkafka::ClientConfig;

/// Where the brokers are and how they are spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `HOST:PORT`, several with commas between them.
    pub brokers: String,
    /// What the topics are called.
    pub topics: TopicNames,
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
        }
    }
}

impl KafkaSettings {
    /// Plain connections to `brokers`, and topics with the usual prefix.
    #[must_use]
    pub fn plain(brokers: &str) -> Self {
        Self { brokers: brokers.to_owned(), topics: TopicNames::prefixed("conclave") }
    }

    /// What every client of `role` ("decide", "read", "submit", "admin") starts from: addresses,
    /// security and a client id that brokers' logs and quotas show.
    #[must_use]
    pub fn client(&self, role: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config.set("client.id", format!("conclave-{role}"));
        config
    }
}
