//! A small schema registry that stands in for a real one: the same routes, the same error codes, and
//! faults on demand. Everything is in memory.
//!
//! In a test: `mod registry_common;` (or by `#[path]`), then [`StandIn::start`]. From a shell:
//! `cargo run --release --example registry_stand_in -- 127.0.0.1:8081`.
#![allow(dead_code, reason = "every user needs another part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod faults;
mod refusal;
mod routes;
mod store;

pub(crate) use faults::Fault;
pub(crate) use store::Store;

use faults::Faults;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// What the routes share.
#[derive(Clone, Default)]
struct Shared {
    store: Arc<Mutex<Store>>,
    faults: Arc<Mutex<Faults>>,
}

/// A stand-in that runs until it is dropped.
pub(crate) struct StandIn {
    address: SocketAddr,
    shared: Shared,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl StandIn {
    /// Starts an empty one on a free port. Its first id is `first_id`; a real one's is 1.
    pub(crate) fn start(first_id: u32) -> Self {
        let shared = Shared::default();
        shared.store.lock().unwrap().next_id = first_id;
        let mut stand_in = Self { address: ([127, 0, 0, 1], 0).into(), shared, running: None };
        stand_in.resume();
        stand_in
    }

    /// Its address, as clients want it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it does from now on besides answering.
    pub(crate) fn set(&self, fault: Fault) {
        self.shared.faults.lock().unwrap().fault = fault;
    }

    /// Refuses whoever does not send this `Authorization` header.
    pub(crate) fn require(&self, authorization: &str) {
        self.shared.faults.lock().unwrap().authorization = Some(authorization.to_owned());
    }

    /// How many requests have come so far, those to itself left out.
    pub(crate) fn requests(&self) -> u64 {
        self.shared.faults.lock().unwrap().requests
    }

    /// Registers a schema as a writer's client would, and returns its id.
    pub(crate) fn register(&self, subject: &str, text: &str) -> u32 {
        self.shared.store.lock().unwrap().register(subject, text).unwrap().id
    }

    /// Goes down, keeping what it knows.
    pub(crate) fn stop(&mut self) {
        let Some((stop, thread)) = self.running.take() else { return };
        stop.send(()).ok();
        thread.join().unwrap();
    }

    /// Comes up again at the same address.
    pub(crate) fn resume(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        self.address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shared = self.shared.clone();
        let thread = std::thread::spawn(move || {
            run(listener, shared, async {
                stopped.await.ok();
            });
        });
        self.running = Some((stop, thread));
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Serves at `address` until the process ends; says where on stdout.
pub(crate) fn serve_forever(address: &str) -> std::io::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("http://{}", listener.local_addr()?);
    run(listener, Shared::default(), std::future::pending());
    Ok(())
}

fn run(listener: TcpListener, shared: Shared, stopped: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        tokio::select! {
            served = axum::serve(listener, routes::router(shared)) => served.unwrap(),
            () = stopped => {}
        }
    });
    // Connections that hang are not waited for.
    runtime.shutdown_background();
}
