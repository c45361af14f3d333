//! Whoever listens where a configuration has its service: a running conclave says how it stands.

use super::Finding;
use crate::client::Client;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::http::{PartReadiness, Readiness};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// Whether the address is free, and how the service stands that has it.
pub(super) fn service(config: &Config) -> Vec<Finding> {
    let listen = config.listen;
    match TcpListener::bind(listen) {
        Ok(_) => vec![Finding::of("address", Ok(format!("{listen} is free")))],
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => running(listen),
        Err(error) => {
            let why = Error::invalid(format!(
                "nobody can listen on {listen} here: set `listen` to an address of this machine"
            ));
            vec![Finding::of("address", Err(why.caused_by(error)))]
        }
    }
}

fn running(listen: SocketAddr) -> Vec<Finding> {
    match readiness(listen) {
        Err(error) => {
            let told = format!("{listen} is in use, and no conclave answers there: {error}");
            vec![Finding::warning("address", told)]
        }
        Ok(readiness) => {
            let told = format!("{listen} is in use by a running conclave");
            vec![Finding::of("address", Ok(told)), stands(&readiness)]
        }
    }
}

/// Asked at an address that can be called: whoever listens on all of them is here, too.
fn readiness(listen: SocketAddr) -> Result<Readiness> {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let address = SocketAddr::new(ip, listen.port());
    Client::new(&format!("http://{address}"), None)?.readiness()
}

/// What is not well of a service that is ready is worth a second look.
fn stands(readiness: &Readiness) -> Finding {
    let is_unwell = |part: &&PartReadiness| part.state != "ok";
    let told = |PartReadiness { part, state, detail }: &PartReadiness| {
        let detail = if detail.is_empty() { "look at /readyz" } else { detail };
        format!("{part} is {state}: {detail}")
    };
    let unwell: Vec<String> = readiness.parts.iter().filter(is_unwell).map(told).collect();
    match (readiness.ready, unwell.join("; ")) {
        (true, unwell) if unwell.is_empty() => {
            Finding::of("service", Ok("it accepts and decides".to_owned()))
        }
        (true, unwell) => Finding::warning("service", unwell),
        (false, unwell) => Finding::of("service", Err(Error::unavailable(unwell))),
    }
}
