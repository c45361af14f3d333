//! What only a real broker can show. `dev/services fetch kafka` brings what these tests start.

mod broker;
mod broker_life;
mod producers;
#[path = "../registry_common/mod.rs"]
mod registry_common;
#[path = "../system_common/mod.rs"]
mod system_common;
