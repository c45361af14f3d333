//! A schema registry for trying things out, where no real one is at hand. It forgets everything
//! when it ends.
//!
//! ```text
//! cargo run --release --example registry_stand_in -- 127.0.0.1:8081
//! curl -X PUT localhost:8081/stand-in/fault -d '{"status": 500}'     # and "none" again
//! ```

#[path = "../tests/registry_common/mod.rs"]
mod registry_common;

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    registry_common::serve_forever(address.as_deref().unwrap_or("127.0.0.1:8081"))
}
