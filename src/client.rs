//! A client of the service: one request at a time, answers as the text that was sent.
//!
//! Every request may be repeated (commands carry an id), so what fails for want of a service is
//! tried again a few times before it is an error.

mod answer;
mod question;
mod stream;

pub use question::Question;
pub use stream::Decisions;

use crate::error::{Error, Result};
use crate::http::Readiness;
use answer::Failure;
use std::fmt::Write;
use std::time::Duration;
use ureq::http::Response;
use ureq::{Agent, Body, RequestBuilder};

/// Where a service listens when nobody says otherwise.
pub const ADDRESS_DEFAULT: &str = "http://127.0.0.1:7070";

/// Pauses before the second and the third attempt.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];
/// A service that asks for a longer pause is not waited for.
const PAUSE_MAX: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A whole request with its answer: longer than a service waits for a decision.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// A stream is silent for less than that: services send something every few seconds.
const STREAM_SILENCE_MAX: Duration = Duration::from_secs(90);
/// Bytes of an answer: the requests of a full pool.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A service, as seen from here.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    address: String,
    token: Option<Token>,
}

/// What a sender is known by. It is shown nowhere.
#[derive(Clone)]
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(a token)")
    }
}

/// What is sent, and what it is.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// Its media type.
    pub content_type: &'a str,
    /// The id of a command that names none itself.
    pub idempotency_key: Option<&'a str>,
    /// The bytes.
    pub body: &'a [u8],
}

impl Client {
    /// A client of the service at `address`, such as `http://127.0.0.1:7070`. Nothing is sent yet.
    ///
    /// # Errors
    /// `Invalid` when the address or the token can be none.
    pub fn new(address: &str, token: Option<String>) -> Result<Self> {
        let address = address.trim_end_matches('/').to_owned();
        if !address.starts_with("http://") && !address.starts_with("https://") {
            return Err(Error::invalid(format!(
                "'{address}' is no address of a service: write it as {ADDRESS_DEFAULT}"
            )));
        }
        if token.as_deref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(Error::invalid(
                "the token has characters that no token has: it is one line without spaces",
            ));
        }
        // Neither redirects nor proxies: the token goes to the address that was named.
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("conclave/", env!("CARGO_PKG_VERSION")));
        Ok(Self { agent: config.build().new_agent(), address, token: token.map(Token) })
    }

    /// Where the service is.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The answer to a question.
    ///
    /// # Errors
    /// `Unavailable` when no service answers or it is busy, otherwise what it says is wrong.
    pub fn get(&self, question: &Question) -> Result<String> {
        self.call(|| self.request(self.agent.get(self.url(question.as_str()))).call())
    }

    /// Whether the service is ready, and what of it is not: asked once, whatever the status.
    ///
    /// # Errors
    /// `Unavailable` when nobody answers, `Invalid` when it is no service of this release.
    pub fn readiness(&self) -> Result<Readiness> {
        let asked = self.request(self.agent.get(self.url("/readyz"))).call();
        let answered = asked.map_err(|error| Failure::no_answer(&self.address, error));
        let text = answered.and_then(|response| self.text(response));
        let text = text.map_err(|failure| failure.error)?;
        serde_json::from_str(&text).map_err(|error| {
            let message = format!("{} does not answer as this release does", self.address);
            Error::invalid(message).caused_by(error)
        })
    }

    /// The answer to what is sent.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn post(&self, question: &Question, sent: &Sent<'_>) -> Result<String> {
        self.call(|| {
            let mut request = self.request(self.agent.post(self.url(question.as_str())));
            request = request.content_type(sent.content_type);
            if let Some(key) = sent.idempotency_key {
                request = request.header("idempotency-key", key);
            }
            request.send(sent.body)
        })
    }

    /// Decisions from an offset on, as they are made.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn decisions_from(&self, offset: i64) -> Result<Decisions> {
        self.decisions_of(None, offset)
    }

    /// The same of a partition; none is the first.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn decisions_of(&self, partition: Option<i64>, offset: i64) -> Result<Decisions> {
        let question = Question::of(&["v1", "decisions", "stream"]).with("from", Some(offset));
        let question = question.with("partition", partition);
        let url = self.url(question.as_str());
        let request = self.agent.get(&url).header("accept", "text/event-stream");
        let request = request.config().timeout_per_read(Some(STREAM_SILENCE_MAX)).build();
        let answered = self.with_token(request).call();
        let answered = answered.map_err(|error| Failure::no_answer(&self.address, error));
        match answered.and_then(|response| answer::checked(&self.address, response)) {
            Ok(response) => Ok(Decisions::of(response.into_body(), &self.address)),
            Err(failure) => Err(failure.error),
        }
    }

    fn call(
        &self,
        send: impl Fn() -> std::result::Result<Response<Body>, ureq::Error>,
    ) -> Result<String> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let answered = send().map_err(|error| Failure::no_answer(&self.address, error));
            let answered = answered
                .and_then(|response| answer::checked(&self.address, response))
                .and_then(|response| self.text(response));
            let failure = match answered {
                Ok(text) => return Ok(text),
                Err(failure) => failure,
            };
            let pause = failure.may_repeat.then(|| pauses.next()).flatten();
            let pause = pause.map(|pause| failure.pause.unwrap_or(pause));
            match pause.filter(|pause| *pause <= PAUSE_MAX) {
                Some(pause) => std::thread::sleep(pause),
                None => return Err(failure.error),
            }
        }
    }

    fn text(&self, response: Response<Body>) -> std::result::Result<String, Failure> {
        let mut body = response.into_body();
        let text = body.with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        text.map_err(|error| Failure::no_answer(&self.address, error))
    }

    fn request<Any>(&self, request: RequestBuilder<Any>) -> RequestBuilder<Any> {
        let request = request.config().timeout_global(Some(CALL_TIMEOUT)).build();
        self.with_token(request)
    }

    fn with_token<Any>(&self, request: RequestBuilder<Any>) -> RequestBuilder<Any> {
        match &self.token {
            Some(Token(token)) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }
}

/// Text as part of a path or of a query: names may hold any character.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("text grows");
        }
    }
    // A path of dots would be taken for a step up.
    if matches!(escaped.as_str(), "." | "..") { escaped.replace('.', "%2E") } else { escaped }
}

#[cfg(test)]
mod tests;
