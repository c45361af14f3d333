//! The configuration file of `conclave serve`: typed, with a default for everything, and strict. A
//! key that nobody knows is an error that suggests the right one, since a setting that is silently
//! ignored is found at three in the morning.
//!
//! Nothing here reaches a decision: what can change one is in the log.

mod kafka;
mod keys;
mod registry;
mod tokens;

pub use kafka::{KafkaConfig, SecurityConfig};
pub use registry::RegistryConfig;
pub use tokens::{Identity, Token, Tokens, new_token};

use crate::council::EngineChoice;
use crate::error::{Error, Result};
use crate::log::rocks::Durability;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Directory of the log.
    pub data: PathBuf,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// What an acknowledged command outlives.
    pub durability: DurabilitySetting,
    /// Decisions between two snapshots.
    pub snapshot_every: i64,
    /// What networks are computed on.
    pub council: CouncilConfig,
    /// Bounds of the HTTP server.
    pub http: HttpConfig,
    /// Who may send what.
    pub tokens: TokensConfig,
    /// The log on Kafka; without brokers, the log lies in `data`.
    pub kafka: KafkaConfig,
}

/// As [`Durability`], spelled as in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DurabilitySetting {
    /// kill -9.
    #[default]
    Os,
    /// A power cut as well.
    Fsync,
    /// Nothing: a kill takes the newest second or so of what was acknowledged.
    None,
}

/// What networks are computed on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CouncilConfig {
    /// Which machine; every choice gives the same votes.
    pub engine: EngineChoice,
}

/// Bounds of the HTTP server: each is what one client, or all of them, can cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpConfig {
    /// Names that a request's `Host` may bear besides the address that is listened on.
    pub allowed_hosts: Vec<String>,
    /// Bytes of one request's body.
    pub body_bytes_max: usize,
    /// Open connections; more are answered with 503 and closed.
    pub connections_max: usize,
    /// Followers of the decision stream.
    pub streams_max: usize,
    /// Questions that may be worked on at once; more wait.
    pub questions_max: usize,
    /// Until a request's head has to be there; also how long an idle connection is kept.
    pub head_timeout_ms: u64,
    /// Until a request has to be answered, its body included.
    pub request_timeout_ms: u64,
    /// How long a connection whose peer reads nothing is kept.
    pub stall_timeout_ms: u64,
    /// Requests per second of one client (one token, or one address without tokens).
    pub rate_per_second: u32,
    /// Requests that one client may send at once after a pause.
    pub rate_burst: u32,
}

/// Who may send what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokensConfig {
    /// The file of token digests; none allows everything to whoever reaches the loopback address.
    pub file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "data/conclave".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 7070)),
            durability: DurabilitySetting::Os,
            snapshot_every: crate::engine::SNAPSHOT_EVERY_DEFAULT,
            council: CouncilConfig::default(),
            http: HttpConfig::default(),
            tokens: TokensConfig::default(),
            kafka: KafkaConfig::default(),
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            allowed_hosts: vec![],
            body_bytes_max: 1024 * 1024,
            connections_max: 4_096,
            streams_max: 256,
            questions_max: 16,
            head_timeout_ms: 15_000,
            request_timeout_ms: 30_000,
            stall_timeout_ms: 60_000,
            rate_per_second: 20_000,
            rate_burst: 40_000,
        }
    }
}

impl From<DurabilitySetting> for Durability {
    fn from(setting: DurabilitySetting) -> Self {
        match setting {
            DurabilitySetting::Os => Self::Os,
            DurabilitySetting::Fsync => Self::Fsync,
            DurabilitySetting::None => Self::None,
        }
    }
}

impl From<Durability> for DurabilitySetting {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Os => Self::Os,
            Durability::Fsync => Self::Fsync,
            Durability::None => Self::None,
        }
    }
}

impl Config {
    /// Reads a configuration file. Relative paths in it are meant from where the file lies.
    ///
    /// # Errors
    /// `Invalid`, naming the place, the key and what would be right.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::invalid(format!("the configuration {shown} cannot be read")).caused_by(error)
        })?;
        let mut config = Self::parse(&text)
            .map_err(|error| Error::invalid(format!("{shown}: {}", error.message)))?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        config.data = folder.join(&config.data);
        config.tokens.file = config.tokens.file.map(|file| folder.join(file));
        config.kafka.place_in(folder);
        Ok(config)
    }

    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = keys::parse(text)?;
        config.check()?;
        Ok(config)
    }

    /// That the settings make sense together.
    ///
    /// # Errors
    /// `Invalid`, naming the first one that does not.
    pub fn check(&self) -> Result<()> {
        let HttpConfig { body_bytes_max, connections_max, streams_max, .. } = self.http;
        let HttpConfig { head_timeout_ms, request_timeout_ms, stall_timeout_ms, .. } = self.http;
        let numbers = [
            ("http.body_bytes_max", body_bytes_max as u64, 1_024, 64 * 1024 * 1024),
            ("http.connections_max", connections_max as u64, 1, 1_000_000),
            ("http.streams_max", streams_max as u64, 1, 100_000),
            ("http.questions_max", self.http.questions_max as u64, 1, 1_024),
            ("http.head_timeout_ms", head_timeout_ms, 10, 3_600_000),
            ("http.request_timeout_ms", request_timeout_ms, 10, 3_600_000),
            ("http.stall_timeout_ms", stall_timeout_ms, 10, 3_600_000),
            ("http.rate_per_second", self.http.rate_per_second.into(), 1, 10_000_000),
            ("http.rate_burst", self.http.rate_burst.into(), 1, 10_000_000),
            ("snapshot_every", self.snapshot_every.max(0).unsigned_abs(), 1, 1_000_000_000),
        ];
        for (key, value, min, max) in numbers {
            if !(min..=max).contains(&value) {
                return Err(Error::invalid(format!("{key} is {value}, not within {min}..={max}")));
            }
        }
        if !is_loopback(self.listen.ip()) && self.tokens.file.is_none() {
            return Err(Error::invalid(format!(
                "listening on {} lets others than this machine in: set tokens.file (make tokens \
                 with `conclave token`), or listen on 127.0.0.1",
                self.listen
            )));
        }
        self.kafka.check()
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(text: &str, wanted: &str) {
        let error = Config::parse(text).expect_err(text);
        assert!(error.message.contains(wanted), "{text}: {}", error.message);
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::parse("").expect("is sound"), Config::default());
    }

    #[test]
    fn a_setting_that_nobody_knows_suggests_the_right_one() {
        check_refused("listen_on = '127.0.0.1:1'", "'listen_on'; did you mean 'listen'");
        check_refused("[http]\nbody_bytes_mx = 1", "'http.body_bytes_max'");
        check_refused("[htp]\nstreams_max = 1", "did you mean 'http'");
        check_refused("body_bytes_max = 1", "did you mean 'http.body_bytes_max'");
        check_refused("[http]\nzzzzzzzzzzzzz = 1", "known keys: ");
    }

    #[test]
    fn a_value_of_the_wrong_kind_names_its_place() {
        check_refused("listen = 'nowhere'", "line 1");
        check_refused("\n[http]\nstreams_max = 'many'", "line 3");
        check_refused("durability = 'maybe'", "os");
        check_refused("listen = ", "line 1");
    }

    #[test]
    fn settings_have_bounds() {
        check_refused("[http]\nstreams_max = 0", "http.streams_max is 0, not within 1");
        check_refused("snapshot_every = -1", "snapshot_every");
        check_refused("[http]\nbody_bytes_max = 999999999999", "http.body_bytes_max");
    }

    #[test]
    fn listening_to_others_needs_tokens() {
        check_refused("listen = '0.0.0.0:7070'", "tokens.file");
        let text = "listen = '0.0.0.0:7070'\n[tokens]\nfile = 'tokens.toml'";
        let listen = Config::parse(text).expect("has tokens").listen;
        assert_eq!(listen.to_string(), "0.0.0.0:7070");
    }
}
