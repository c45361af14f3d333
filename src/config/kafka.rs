//! The section `[kafka]`: where the log lies when it does not lie in a directory of this machine.

use super::registry::RegistryConfig;
use crate::error::{Error, Result};
use crate::log::kafka::security::{Certificate, Mechanism, Protocol, Sasl, Secret, Security, Tls};
use crate::log::kafka::settings::{GroupProtocol, KafkaSettings, SchemaIds, TopicNames};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of a topic's prefix: Kafka's own limit for a whole name is 249.
const PREFIX_BYTES_MAX: usize = 200;
/// How long an instance may be silent unless somebody says otherwise.
const SESSION_TIMEOUT_MS: u64 = 6_000;

/// The log on Kafka. Without brokers, the log is the embedded one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KafkaConfig {
    /// `HOST:PORT` of some brokers; the others are learnt from them.
    pub brokers: Vec<String>,
    /// What the names of all topics begin with.
    pub prefix: String,
    /// The consumer group that shares the partitions out.
    pub group: String,
    /// Who shares them out: the members, or the brokers.
    pub group_protocol: GroupProtocol,
    /// This instance's name in the group; a restart under the same name moves no partition.
    pub instance_id: Option<String>,
    /// Commands that wait in the outbox while Kafka is away; one more is refused.
    pub outbox_commands_max: u64,
    /// How long an open transaction outlives its writer.
    pub transaction_timeout_ms: u64,
    /// How long an instance may be silent before its partitions go to others. With the protocol
    /// `consumer` the brokers say so.
    pub session_timeout_ms: Option<u64>,
    /// How connections are protected.
    pub security: SecurityConfig,
    /// Who knows the schemas of those who write commands.
    pub registry: RegistryConfig,
    /// Properties that pass through to librdkafka.
    #[serde(deserialize_with = "as_texts")]
    pub extra: BTreeMap<String, String>,
}

/// How connections are protected, as the file spells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecurityConfig {
    /// In the clear or encrypted, with or without a user.
    pub protocol: Protocol,
    /// Certificates of those who sign brokers' certificates.
    pub ca_file: Option<PathBuf>,
    /// The client's own certificate.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// The file that holds what the key is encrypted with.
    pub key_password_file: Option<PathBuf>,
    /// The environment variable that does.
    pub key_password_env: Option<String>,
    /// How the password is proved.
    pub mechanism: Mechanism,
    /// The user.
    pub user: Option<String>,
    /// The file that holds the password.
    pub password_file: Option<PathBuf>,
    /// The environment variable that does.
    pub password_env: Option<String>,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: vec![],
            prefix: "conclave".to_owned(),
            group: "conclave".to_owned(),
            group_protocol: GroupProtocol::Classic,
            instance_id: None,
            outbox_commands_max: 100_000,
            transaction_timeout_ms: 5_000,
            session_timeout_ms: None,
            security: SecurityConfig::default(),
            registry: RegistryConfig::default(),
            extra: BTreeMap::new(),
        }
    }
}

impl KafkaConfig {
    /// Whether the log lies on Kafka.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !self.brokers.is_empty()
    }

    /// What clients need, secrets included: they are read now and kept nowhere else.
    ///
    /// # Errors
    /// `Invalid`, naming the setting, the file or the variable.
    pub fn settings(&self) -> Result<KafkaSettings> {
        let settings = KafkaSettings {
            brokers: self.brokers.join(","),
            topics: TopicNames::prefixed(&self.prefix),
            security: self.security.read()?,
            extra: self.extra.clone(),
            schema_ids: SchemaIds::default(),
        };
        settings.check()?;
        Ok(settings)
    }

    /// How long an instance may be silent, where that is its own to say.
    #[must_use]
    pub fn session_timeout(&self) -> Duration {
        Duration::from_millis(self.session_timeout_ms.unwrap_or(SESSION_TIMEOUT_MS))
    }

    /// Relative paths are meant from `folder`.
    pub(super) fn place_in(&mut self, folder: &Path) {
        let own = &mut self.security;
        let files = [&mut own.ca_file, &mut own.cert_file, &mut own.key_file];
        let secrets = [&mut own.key_password_file, &mut own.password_file];
        for path in files.into_iter().chain(secrets).flatten() {
            *path = folder.join(&*path);
        }
        self.registry.place_in(folder);
    }

    /// That the settings make sense together, as far as that can be said without reading secrets.
    pub(super) fn check(&self) -> Result<()> {
        let session_ms = self.session_timeout_ms.unwrap_or(SESSION_TIMEOUT_MS);
        let numbers = [
            ("kafka.outbox_commands_max", self.outbox_commands_max, 1, 10_000_000),
            ("kafka.transaction_timeout_ms", self.transaction_timeout_ms, 1_000, 900_000),
            ("kafka.session_timeout_ms", session_ms, 1_000, 1_800_000),
        ];
        for (key, value, min, max) in numbers {
            if !(min..=max).contains(&value) {
                return Err(Error::invalid(format!("{key} is {value}, not within {min}..={max}")));
            }
        }
        self.check_membership(session_ms)?;
        check_name("kafka.prefix", &self.prefix)?;
        check_name("kafka.group", &self.group)?;
        if let Some(instance) = &self.instance_id {
            check_name("kafka.instance_id", instance)?;
        }
        self.registry.check()?;
        self.security.check()
    }

    /// That what is set about the membership is this side's to set.
    fn check_membership(&self, session_ms: u64) -> Result<()> {
        let by_brokers = self.group_protocol == GroupProtocol::Consumer;
        if by_brokers && self.session_timeout_ms.is_some() {
            return Err(Error::invalid(
                "kafka.session_timeout_ms has no meaning with kafka.group_protocol = consumer: the \
                 brokers say how long an instance may be silent \
                 (group.consumer.session.timeout.ms); leave it out",
            ));
        }
        if by_brokers && self.instance_id.is_some() {
            return Err(Error::invalid(
                "kafka.instance_id cannot be set with kafka.group_protocol = consumer: a restart \
                 under a name that the brokers still hold for the one before is refused, and a \
                 stop keeps its partitions until the session ends; leave it out",
            ));
        }
        if !by_brokers && self.transaction_timeout_ms >= session_ms {
            return Err(Error::invalid(format!(
                "kafka.transaction_timeout_ms ({}) has to be shorter than kafka.session_timeout_ms \
                 ({session_ms}): what a hung instance left open ends before its partitions move",
                self.transaction_timeout_ms
            )));
        }
        Ok(())
    }
}

/// Names that Kafka takes for topics are sound names for everything else, too.
fn check_name(key: &str, name: &str) -> Result<()> {
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_short = (1..=PREFIX_BYTES_MAX).contains(&name.len());
    if is_short && name.bytes().all(is_sound) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{key} is '{name}': write 1 to {PREFIX_BYTES_MAX} of a-z, A-Z, 0-9, '.', '_' and '-'"
    )))
}

impl SecurityConfig {
    /// That what is set belongs together: a setting that is silently ignored protects nobody.
    fn check(&self) -> Result<()> {
        let (tls, sasl) = (self.protocol.has_tls(), self.protocol.has_sasl());
        let of_tls = [
            ("ca_file", self.ca_file.is_some()),
            ("cert_file", self.cert_file.is_some()),
            ("key_file", self.key_file.is_some()),
            ("key_password_file", self.key_password_file.is_some()),
            ("key_password_env", self.key_password_env.is_some()),
        ];
        let of_sasl = [
            ("user", self.user.is_some()),
            ("password_file", self.password_file.is_some()),
            ("password_env", self.password_env.is_some()),
        ];
        for (settings, is_meant, which) in
            [(&of_tls[..], tls, "tls or sasl_tls"), (&of_sasl[..], sasl, "sasl_tls")]
        {
            let stray = settings.iter().find(|(_, is_set)| *is_set && !is_meant);
            if let Some((key, _)) = stray {
                return Err(Error::invalid(format!(
                    "kafka.security.{key} has no meaning without kafka.security.protocol = {which}"
                )));
            }
        }
        if self.cert_file.is_some() != self.key_file.is_some() {
            return Err(Error::invalid(
                "kafka.security.cert_file and key_file belong together: set both or none",
            ));
        }
        let key_password = self.key_password_file.is_some() || self.key_password_env.is_some();
        if key_password && self.key_file.is_none() {
            return Err(Error::invalid("kafka.security.key_password_* is for key_file: set that"));
        }
        if sasl && self.user.is_none() {
            return Err(Error::invalid("kafka.security.user is missing: SASL is about a user"));
        }
        Ok(())
    }

    fn read(&self) -> Result<Security> {
        let tls = self.protocol.has_tls().then(|| self.tls()).transpose()?;
        let sasl = self.protocol.has_sasl().then(|| self.sasl()).transpose()?;
        Ok(Security { tls, sasl })
    }

    fn tls(&self) -> Result<Tls> {
        let Self { ca_file, cert_file, key_file, key_password_file, key_password_env, .. } = self;
        let key_password =
            secret("key_password", key_password_file.as_deref(), key_password_env.as_deref())?;
        let identity = match (cert_file.clone(), key_file.clone()) {
            (Some(cert_file), Some(key_file)) => {
                Some(Certificate { cert_file, key_file, key_password })
            }
            (None, _) | (_, None) => None,
        };
        Ok(Tls { ca_file: ca_file.clone(), identity })
    }

    fn sasl(&self) -> Result<Sasl> {
        let password =
            secret("password", self.password_file.as_deref(), self.password_env.as_deref())?;
        let (Some(user), Some(password)) = (self.user.clone(), password) else {
            return Err(Error::invalid(
                "SASL needs kafka.security.user, and password_file or password_env",
            ));
        };
        Ok(Sasl { mechanism: self.mechanism, user, password })
    }
}

/// The secret called `name`, from the one place that is set.
fn secret(name: &str, file: Option<&Path>, variable: Option<&str>) -> Result<Option<Secret>> {
    match (file, variable) {
        (None, None) => Ok(None),
        (Some(file), None) => Secret::from_file(file).map(Some),
        (None, Some(variable)) => Secret::from_environment(variable).map(Some),
        (Some(_), Some(_)) => Err(Error::invalid(format!(
            "kafka.security.{name}_file and {name}_env are both set: leave one out"
        ))),
    }
}

/// Texts, numbers and switches alike: librdkafka takes texts.
fn as_texts<'de, D>(deserializer: D) -> std::result::Result<BTreeMap<String, String>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a property is a text, a whole number, true or false")]
    enum Property {
        Flag(bool),
        Number(i64),
        Text(String),
    }
    let read = BTreeMap::<String, Property>::deserialize(deserializer)?;
    let text = |property| match property {
        Property::Flag(flag) => flag.to_string(),
        Property::Number(number) => number.to_string(),
        Property::Text(text) => text,
    };
    Ok(read.into_iter().map(|(name, property)| (name, text(property))).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
mod tests {
    use super::super::Config;
    use super::*;

    fn parse(section: &str) -> Result<KafkaConfig> {
        Config::parse(&format!("[kafka]\n{section}")).map(|config| config.kafka)
    }

    #[track_caller]
    fn check_refused(section: &str, wanted: &str) {
        let refused = parse(section).and_then(|kafka| kafka.settings());
        let error = refused.expect_err(section).to_string();
        assert!(error.contains(wanted), "{section}: {error}");
    }

    #[test]
    fn the_section_is_read_whole() {
        let kafka = parse(
            "brokers = ['k1:9092', 'k2:9092']\nprefix = 'lab'\n[kafka.extra]\n\
             'linger.ms' = 5\n'socket.keepalive.enable' = true\n'client.rack' = 'r1'",
        );
        let kafka = kafka.unwrap();
        assert!(kafka.is_set() && !KafkaConfig::default().is_set());
        let settings = kafka.settings().unwrap();
        assert_eq!(settings.brokers, "k1:9092,k2:9092");
        assert_eq!(settings.topics.dead_letters, "lab.dead-letters");
        let client = settings.client("read");
        let properties = ["linger.ms", "socket.keepalive.enable", "client.rack"];
        assert_eq!(properties.map(|name| client.get(name)), [Some("5"), Some("true"), Some("r1")]);
    }

    #[test]
    fn settings_are_known_bounded_and_belong_together() {
        let some = "brokers = ['k1:9092']\n";
        let security = |text: &str| format!("{some}[kafka.security]\n{text}");
        for (section, wanted) in [
            ("broker = 'k1:9092'".to_owned(), "did you mean 'kafka.brokers'"),
            ("transaction_timeout_ms = 6000".to_owned(), "shorter than kafka.session_timeout_ms"),
            (
                "group_protocol = 'consumer'\nsession_timeout_ms = 6000".to_owned(),
                "group.consumer.session.timeout.ms",
            ),
            (
                "group_protocol = 'consumer'\ninstance_id = 'a'".to_owned(),
                "kafka.instance_id cannot",
            ),
            ("group_protocol = 'eager'".to_owned(), "classic"),
            ("session_timeout_ms = 999".to_owned(), "not within 1000"),
            ("outbox_commands_max = 0".to_owned(), "not within 1"),
            ("prefix = 'a b'".to_owned(), "kafka.prefix is 'a b'"),
            ("group = ''".to_owned(), "kafka.group"),
            ("brokers = ['k1']".to_owned(), "HOST:PORT"),
            (format!("{some}[kafka.extra]\nacks = 1"), "exactly-once"),
            (format!("{some}[kafka.extra]\nacks = []"), "a property is a text"),
            (security("protocol = 'ssl'"), "sasl_tls"),
            (security("user = 'ada'"), "no meaning without kafka.security.protocol = sasl_tls"),
            (security("ca_file = 'ca.pem'"), "no meaning without"),
            (security("protocol = 'tls'\ncert_file = 'a'"), "belong together"),
            (security("protocol = 'tls'\nkey_password_env = 'A'"), "for key_file"),
            (security("protocol = 'tls'\nca_file = 'none.pem'"), "none.pem cannot be read"),
            (security("protocol = 'sasl_tls'"), "kafka.security.user is missing"),
            (security("protocol = 'sasl_tls'\nuser = 'ada'"), "password_file or password_env"),
            (security("protocol = 'sasl_tls'\npassword = 'x'"), "'kafka.security.password_env'"),
            (
                security("protocol = 'sasl_tls'\nuser = 'a'\npassword_file='f'\npassword_env='E'"),
                "both set",
            ),
        ] {
            check_refused(&section, wanted);
        }
    }

    #[test]
    fn secrets_and_certificates_are_found_beside_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let written = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
            let mut mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions();
            std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o600);
            std::fs::set_permissions(folder.path().join(name), mode).unwrap();
        };
        written("password", "hunter2\n");
        written("ca.pem", "");
        written(
            "conclave.toml",
            "[kafka]\nbrokers = ['k1:9092']\n[kafka.security]\nprotocol = 'sasl_tls'\n\
             ca_file = 'ca.pem'\nuser = 'conclave'\npassword_file = 'password'",
        );
        let config = Config::read(&folder.path().join("conclave.toml")).unwrap();
        let settings = config.kafka.settings().unwrap();
        let client = settings.client("decide");
        assert_eq!(client.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(client.get("sasl.mechanism"), Some("SCRAM-SHA-512"));
        assert_eq!(client.get("sasl.password"), Some("hunter2"));
        let ca = folder.path().join("ca.pem").display().to_string();
        assert_eq!(client.get("ssl.ca.location"), Some(ca.as_str()));
        assert!(!format!("{config:?} {settings:?}").contains("hunter2"));
    }
}
