//! The log on Kafka: one partition of the topics for commands, decisions and dead letters.

pub mod settings;
