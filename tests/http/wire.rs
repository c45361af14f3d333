//! HTTP/1.1 by hand: what is sent is exactly what stands here.

use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longer than any answer may take here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Lines of `name: value`, names in lower case.
    pub(crate) head: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.head.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// That it is a whole problem of this status, and its detail.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{self:?}");
        assert!(problem["type"].as_str().unwrap().starts_with("conclave:"), "{self:?}");
        assert!(!problem["title"].as_str().unwrap().is_empty(), "{self:?}");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

/// One connection.
pub(crate) struct Wire(BufReader<TcpStream>);

impl Wire {
    #[track_caller]
    pub(crate) fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let host = "host: localhost\r\n";
        let host = if headers.contains("host:") { "" } else { host };
        let head =
            format!("{method} {path} HTTP/1.1\r\n{host}{headers}content-length: {length}\r\n\r\n");
        self.send(&[head.as_bytes(), body].concat());
        let answer = if method == "HEAD" { self.head() } else { self.answer() };
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Sends bytes; a peer that closed already is noticed by who reads.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ignored = self.0.get_mut().write_all(bytes);
    }

    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Status and headers alone.
    pub(crate) fn head(&mut self) -> Result<Answer> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut head = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else { break };
            head.push((name.to_lowercase(), value.to_owned()));
        }
        Ok(Answer { status: status.unwrap(), head, body: String::new() })
    }

    /// A whole answer.
    pub(crate) fn answer(&mut self) -> Result<Answer> {
        let mut answer = self.head()?;
        let length = answer.header("content-length").map(|length| length.parse().unwrap());
        let mut body = vec![0; length.unwrap_or(0)];
        if length.is_none() && answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk()? {
                body.extend(chunk);
            }
        } else {
            self.0.read_exact(&mut body)?;
        }
        answer.body = String::from_utf8(body).unwrap();
        Ok(answer)
    }

    /// One chunk; none at the end.
    pub(crate) fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let size = usize::from_str_radix(&self.line()?, 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.0.read_exact(&mut chunk)?;
        chunk.truncate(size);
        Ok((size > 0).then_some(chunk))
    }

    /// Whether the other end has closed, after whatever it still sent.
    pub(crate) fn is_closed(&mut self) -> bool {
        let read = std::io::copy(&mut self.0, &mut std::io::sink());
        match read {
            Ok(_) => true,
            Err(error) => {
                matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
            }
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }
}
