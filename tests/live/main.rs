//! What only a real broker can show. `dev/services fetch kafka` brings what these tests start.

mod access;
mod broker;
mod broker_life;
mod topics;
