//! Faults on a real Kafka: processes, brokers and replies die, stall and come back while commands
//! are sent, and afterwards the topics are read by whoever had no part in it. The times stand in
//! `docs/faults-kafka.md`; `dev/faults --runs N` makes it. `dev/services fetch kafka` brings the
//! broker. `CONCLAVE_TEST_GROUP_PROTOCOL=consumer` has the brokers share the partitions out; one
//! short test does so always.
//!
//! Reading order: [`site`] (topics and instances), [`load`] (who sends), [`sight`] (when what was
//! decided), [`checker`] (the judge), then the faults.
#![cfg(unix)]

#[path = "../live/broker.rs"]
mod broker;
mod checker;
mod crash_points;
mod deaths;
mod fences;
mod figures;
mod group_offsets;
mod instance;
mod load;
mod planted;
mod proxy;
mod raw;
mod registry;
#[path = "../registry_common/mod.rs"]
mod registry_common;
mod replies;
mod restarts;
mod sight;
mod site;
mod stalls;
#[path = "../validate/stored.rs"]
mod stored;
mod strangers;
#[path = "../validate/stream.rs"]
mod stream;
#[path = "../system_common/mod.rs"]
mod system_common;
