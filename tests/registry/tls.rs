//! `https`, with an authority of our own. The key in `tls/` is that of nothing but `localhost`, and
//! its authority's was thrown away.

use conclave::registry::{Registry, RegistrySettings};
use conclave::wire::SchemaAnswer;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/registry/tls")).join(name)
}

/// A registry that knows nothing, behind TLS; its port. Ends with the test.
fn knows_nothing() -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            answer(StreamOwned::new(connection, socket.unwrap()));
        }
    });
    port
}

/// Says that there is no such schema. Whoever does not trust us hangs up first.
fn answer(mut stream: StreamOwned<ServerConnection, TcpStream>) {
    let (mut asked, mut bytes) = (Vec::new(), [0; 1_024]);
    while !asked.ends_with(b"\r\n\r\n") {
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(read) => asked.extend_from_slice(&bytes[..read]),
        }
    }
    let body = r#"{"error_code": 40403, "message": "Schema not found"}"#;
    let length = body.len();
    let head = "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-type: application/json";
    let _ignored = write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.conn.send_close_notify();
    let _ignored = stream.flush();
}

#[test]
fn a_registry_is_trusted_when_its_authority_is() {
    let url = format!("https://localhost:{}", knows_nothing());
    let directory = tempfile::tempdir().unwrap();
    let mut settings = RegistrySettings::new(&url).unwrap();
    let ask = |settings: &RegistrySettings| {
        Registry::new(settings, directory.path()).unwrap().source().schema(1)
    };
    let SchemaAnswer::Unavailable(why) = ask(&settings) else { panic!("a stranger is trusted") };
    assert!(why.contains("certificate"), "{why}");
    settings.ca_file = Some(file("ca.pem"));
    assert_eq!(ask(&settings), SchemaAnswer::NotFound);
}
