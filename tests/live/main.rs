//! What only a real broker can show. `dev/services fetch kafka` brings what these tests start.

mod access;
mod artifacts;
mod away;
#[path = "../boards_common/mod.rs"]
mod boards_common;
mod broker;
mod broker_life;
mod client_certificates;
mod council_topic;
mod lag_board;
mod producers;
mod prometheus;
#[path = "../registry_common/mod.rs"]
mod registry_common;
#[allow(dead_code, clippy::unwrap_used, reason = "the tests of HTTP itself use the rest, and stop")]
#[path = "../http/served.rs"]
mod served;
#[path = "../validate/stored.rs"]
mod stored;
#[path = "../validate/stream.rs"]
mod stream;
#[path = "../system_common/mod.rs"]
mod system_common;
mod topics;
mod validator;
#[allow(dead_code, clippy::unwrap_used, reason = "the tests of HTTP itself use the rest, and stop")]
#[path = "../http/wire.rs"]
mod wire;
