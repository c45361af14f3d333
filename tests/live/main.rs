//! What only a real broker can show. `dev/services fetch kafka` brings what these tests start.

mod broker;
mod broker_life;
