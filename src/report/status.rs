//! The whole partition at a glance: one line per pool.

use crate::report::pools::PoolStatus;
use crate::report::show::clock;
use crate::report::viewer::Viewer;
use crate::verify::chain_head;
use conclave_core::state::State;
use conclave_core::units::{Hash32, TimeMs};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// The moment that a report is about: right after a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AsOf {
    /// The last decision that counts; -1 before the first.
    pub offset: i64,
    /// Log time of that decision.
    pub time_ms: i64,
}

impl AsOf {
    /// The moment of `state`.
    #[must_use]
    pub fn of(state: &State) -> Self {
        Self { offset: state.covered.0, time_ms: state.time_ms.0 }
    }

    /// Log time of the decision.
    #[must_use]
    pub fn time(&self) -> TimeMs {
        TimeMs(self.time_ms)
    }
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            -1 => f.write_str("before the first decision"),
            offset => write!(f, "after decision {offset}, {}", clock(self.time())),
        }
    }
}

/// What a partition does, in counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusReport {
    /// The moment of all of it.
    pub as_of: AsOf,
    /// The log's identity; none before it is opened.
    pub log_id: Option<String>,
    /// What `replay verify --expect-head` takes: it fixes every decision up to here.
    pub chain_head: String,
    /// Which rules decide the next command.
    pub decide_version: i64,
    /// By name.
    pub pools: Vec<PoolStatus>,
}

impl StatusReport {
    /// The status as `state` stands; `head` is the digest of its last decision.
    #[must_use]
    pub fn of(state: &State, head: Hash32, viewer: &Viewer) -> Self {
        Self {
            as_of: AsOf::of(state),
            log_id: state.log.as_ref().map(|log| log.log_id.to_string()),
            chain_head: chain_head(&[head]).to_string(),
            decide_version: state.decide_version,
            pools: PoolStatus::all(state, viewer),
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { as_of, log_id, chain_head, decide_version, pools } = self;
        let log = match log_id {
            Some(log_id) => format!("log {log_id}, decide_version {decide_version}, {as_of}"),
            None => "the log is not opened yet: the first command has to be OpenLog".to_owned(),
        };
        let pools = match pools.as_slice() {
            [] => "no pools yet: a SetPoolPolicy creates one\n".to_owned(),
            pools => PoolStatus::table(pools, as_of.time()),
        };
        format!("{log}\nchain head {chain_head}\n\n{pools}")
    }
}
