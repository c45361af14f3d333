//! A client that costs as little as a client can: HTTP/1.1 by hand over one kept-alive connection.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One connection, with one request on it at a time.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    out: Vec<u8>,
    heard: Vec<u8>,
}

/// An answer: its status, and where its body lies.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the service listens");
        stream.set_nodelay(true).expect("a socket of this machine");
        Self { stream, out: vec![], heard: vec![] }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply<'_> {
        self.out.clear();
        self.out.extend(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").bytes());
        self.exchange().await
    }

    pub(crate) async fn post(&mut self, path: &str, kind: &str, body: &str) -> Reply<'_> {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\n\
             content-length: {length}\r\n\r\n"
        );
        self.out.clear();
        self.out.extend(head.bytes().chain(body.bytes()));
        self.exchange().await
    }

    async fn exchange(&mut self) -> Reply<'_> {
        self.stream.write_all(&self.out).await.expect("the service reads");
        self.heard.clear();
        let (status, body, length) = loop {
            self.hear().await;
            if let Some(end) = self.heard.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = std::str::from_utf8(&self.heard[..end]).expect("a head is text");
                break (status(head), end + 4, length(head));
            }
        };
        while self.heard.len() < body + length {
            self.hear().await;
        }
        Reply { status, body: &self.heard[body..] }
    }

    async fn hear(&mut self) {
        let read = self.stream.read_buf(&mut self.heard).await.expect("the service answers");
        assert_ne!(read, 0, "the service closed the connection");
    }
}

fn status(head: &str) -> u16 {
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.expect("an answer has a status")
}

fn length(head: &str) -> usize {
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.and_then(|length| length.parse().ok()).expect("an answer has a length")
}
