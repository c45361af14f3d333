//! Who the brokers take a client for, and who reads along: TLS, SASL, and secrets that nothing
//! prints.

use crate::error::{Error, Result};
use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// Bytes of a secret.
const SECRET_BYTES_MAX: usize = 64 * 1024;

/// How a connection is protected, spelled as in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Neither secret nor proved: for a broker on this machine.
    #[default]
    Plaintext,
    /// Encrypted; the client is whoever its certificate says, or nobody in particular.
    Tls,
    /// A user with a password that everybody on the way can take down.
    SaslPlaintext,
    /// A user with a password, encrypted.
    SaslTls,
}

/// How a user proves to be that user, spelled as Kafka spells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mechanism {
    /// The password itself goes over the connection.
    #[serde(rename = "PLAIN")]
    Plain,
    /// A proof of the password goes over the connection.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with the longer digest.
    #[default]
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

/// What a connection is protected with. Both parts absent is `plaintext`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// Encryption, and proof of who the broker is.
    pub tls: Option<Tls>,
    /// Proof of who the client is.
    pub sasl: Option<Sasl>,
}

/// Encryption, and proof of who the broker is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of those whose word is taken for a broker's name; none takes the system's.
    pub ca_file: Option<PathBuf>,
    /// What proves the client to be itself, for brokers that ask for that.
    pub identity: Option<Certificate>,
}

/// A client's certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate, and those between it and a known one, as PEM.
    pub cert_file: PathBuf,
    /// Its key, as PEM.
    pub key_file: PathBuf,
    /// What the key is encrypted with, if it is.
    pub key_password: Option<Secret>,
}

/// A user with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    /// How the password is proved.
    pub mechanism: Mechanism,
    /// The user, as ACLs name it.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// Something that no log, error or report may show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Secret {
    /// Reads the secret that a file holds; the newline that editors leave behind is none of it.
    ///
    /// # Errors
    /// `Invalid` when the file cannot be read, is open to everybody or holds nothing.
    pub fn from_file(path: &Path) -> Result<Self> {
        let shown = path.display();
        check_mode(path)?;
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::invalid(format!("the secret {shown} cannot be read")).caused_by(error)
        })?;
        Self::of(text.trim_end_matches(['\r', '\n']), &shown.to_string())
    }

    /// Takes the secret that an environment variable holds.
    ///
    /// # Errors
    /// `Invalid` when the variable is not there or holds nothing.
    pub fn from_environment(name: &str) -> Result<Self> {
        let text = std::env::var(name).map_err(|_| {
            Error::invalid(format!("the environment has no {name}: set it, or name a file"))
        })?;
        Self::of(&text, name)
    }

    fn of(text: &str, place: &str) -> Result<Self> {
        if text.is_empty() || text.len() > SECRET_BYTES_MAX || text.contains('\0') {
            return Err(Error::invalid(format!(
                "{place} holds no secret: put 1 to {SECRET_BYTES_MAX} bytes of text there"
            )));
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret itself, for the one client that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// That others than its owner and group cannot read a file of secrets.
#[cfg(unix)]
pub(crate) fn check_mode(path: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let others = std::fs::metadata(path).map_or(0, |metadata| metadata.mode() & 0o007);
    if others == 0 {
        return Ok(());
    }
    let shown = path.display();
    Err(Error::invalid(format!("{shown} is open to everybody: `chmod o-rwx {shown}`")))
}

/// Nothing to be told from the mode here.
#[cfg(not(unix))]
pub(crate) fn check_mode(_path: &Path) -> Result<()> {
    Ok(())
}

impl Security {
    /// How the connection is protected, in one word.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match (&self.tls, &self.sasl) {
            (None, None) => Protocol::Plaintext,
            (Some(_), None) => Protocol::Tls,
            (None, Some(_)) => Protocol::SaslPlaintext,
            (Some(_), Some(_)) => Protocol::SaslTls,
        }
    }

    /// What to do about `why` brokers turned a client away, when that is known: how a handshake
    /// ends says little of it.
    pub(super) fn advice(&self, why: &str) -> &'static str {
        let why = why.to_ascii_lowercase();
        // As OpenSSL calls them: an alert is what the other side sends.
        let alerts =
            ["certificate required", "certificate unknown", "bad certificate", "unknown ca"];
        let is_told = alerts.iter().any(|alert| why.contains(&format!("alert {alert}")));
        match &self.tls {
            Some(Tls { identity: None, .. }) if is_told => {
                " (the brokers ask for a client certificate: set kafka.security.cert_file and \
                 key_file)"
            }
            Some(Tls { identity: Some(_), .. }) if is_told => {
                " (the brokers do not accept the certificate of kafka.security.cert_file: it has \
                 to be signed by a CA of theirs, and not be out of date)"
            }
            _ => "",
        }
    }

    /// Sets what librdkafka calls all this.
    pub(super) fn apply(&self, config: &mut ClientConfig) {
        config.set("security.protocol", self.protocol().as_kafka());
        if let Some(tls) = &self.tls {
            tls.apply(config);
        }
        if let Some(Sasl { mechanism, user, password }) = &self.sasl {
            config.set("sasl.mechanism", mechanism.as_kafka());
            config.set("sasl.username", user);
            config.set("sasl.password", password.reveal());
        }
    }

    /// That the files it names can be read: what librdkafka says about them is hard to read.
    ///
    /// # Errors
    /// `Invalid`, naming the file.
    pub fn check(&self) -> Result<()> {
        let Some(Tls { ca_file, identity }) = &self.tls else { return Ok(()) };
        let files = identity.iter().flat_map(|own| [&own.cert_file, &own.key_file]);
        for file in ca_file.iter().chain(files) {
            std::fs::File::open(file).map_err(|error| {
                Error::invalid(format!("{} cannot be read", file.display())).caused_by(error)
            })?;
        }
        identity.iter().try_for_each(|own| check_mode(&own.key_file))
    }
}

impl Tls {
    fn apply(&self, config: &mut ClientConfig) {
        let shown = |path: &Path| path.display().to_string();
        if let Some(file) = &self.ca_file {
            config.set("ssl.ca.location", shown(file));
        }
        let Some(Certificate { cert_file, key_file, key_password }) = &self.identity else {
            return;
        };
        config.set("ssl.certificate.location", shown(cert_file));
        config.set("ssl.key.location", shown(key_file));
        if let Some(password) = key_password {
            config.set("ssl.key.password", password.reveal());
        }
    }
}

impl Protocol {
    fn as_kafka(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Tls => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslTls => "sasl_ssl",
        }
    }

    /// Whether connections are encrypted.
    #[must_use]
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Tls | Self::SaslTls)
    }

    /// Whether a user has to prove to be that user.
    #[must_use]
    pub fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslTls)
    }
}

impl Mechanism {
    fn as_kafka(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn written(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn a_secret_is_read_without_its_newline_and_never_shown() {
        let secret = Secret::from_file(written("hunter2\n", 0o600).path()).unwrap();
        assert_eq!(secret.reveal(), "hunter2");
        let sasl = Sasl { mechanism: Mechanism::Plain, user: "ada".into(), password: secret };
        let security = Security { tls: None, sasl: Some(sasl) };
        let mut config = ClientConfig::new();
        security.apply(&mut config);
        assert_eq!(config.get("sasl.password"), Some("hunter2"));
        for shown in [format!("{security:?}"), format!("{config:?}")] {
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(shown.contains("ada"), "{shown}");
        }
    }

    #[test]
    fn a_secret_that_is_none_or_everybodys_is_refused() {
        for (text, mode, wanted) in [
            ("hunter2", 0o604, "chmod o-rwx"),
            ("\n", 0o600, "holds no secret"),
            ("a\0b", 0o600, "holds no secret"),
        ] {
            let error = Secret::from_file(written(text, mode).path()).unwrap_err();
            assert!(error.message.contains(wanted), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let error = Secret::from_environment("CONCLAVE_TEST_HAS_NO_SUCH_VARIABLE").unwrap_err();
        assert!(error.message.contains("CONCLAVE_TEST_HAS_NO_SUCH_VARIABLE"), "{error}");
    }

    #[test]
    fn an_alert_about_a_certificate_comes_with_advice() {
        let own =
            Certificate { cert_file: "a.crt".into(), key_file: "a.key".into(), key_password: None };
        let with = |identity| Security { tls: Some(Tls { ca_file: None, identity }), sasl: None };
        let alert = "SSL routines::tlsv13 alert certificate required: SSL alert number 116";
        assert!(with(None).advice(alert).contains("set kafka.security.cert_file and key_file"));
        assert!(with(Some(own.clone())).advice(alert).contains("signed by a CA of theirs"));
        // It is ours to say that a broker's certificate is not believed.
        let ours = "SSL routines::certificate verify failed: it could not be verified";
        assert_eq!(with(Some(own)).advice(ours), "");
        assert_eq!(Security::default().advice(alert), "");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let tls = Tls { ca_file: Some("nowhere/ca.pem".into()), identity: None };
        let error = Security { tls: Some(tls), sasl: None }.check().unwrap_err();
        assert!(error.message.contains("nowhere/ca.pem"), "{error}");
    }
}
