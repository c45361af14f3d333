//! The council of networks: what its members are told.

pub mod features;
