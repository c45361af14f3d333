//! What every handler shares.

use super::caller::Caller;
use super::figures::HttpFigures;
use super::problem::Problem;
use crate::config::{Config, HttpConfig, Tokens};
use crate::error::Result as Answered;
use crate::service::Service;
use crate::service::kafka::Gauges;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// One token may take one in so many places among the followers of the stream.
const STREAM_SHARE: usize = 4;
/// Questions that fold the log at once. They may take seconds, whoever asks and however often, and
/// must leave room for those that only look at the state.
const FOLDS_MAX: usize = 2;
/// How long such a question waits for its turn.
const FOLD_PATIENCE: Duration = Duration::from_secs(3);
/// Requests between two cleanings of what the rate limit remembers.
const CLEAN_EVERY: u64 = 16_384;

/// What every handler shares.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// By number.
    partitions: Vec<Arc<Service>>,
    http: HttpConfig,
    tokens: Option<Tokens>,
    hosts: BTreeSet<String>,
    limiter: DefaultKeyedRateLimiter<String>,
    limited: AtomicU64,
    questions: Arc<Semaphore>,
    folds: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    /// Streams that each caller follows.
    followers: Mutex<BTreeMap<String, usize>>,
    figures: HttpFigures,
    on_kafka: OnceLock<Arc<Gauges>>,
    closing: watch::Sender<bool>,
}

impl App {
    /// What `config` makes of a service that is one partition.
    ///
    /// # Errors
    /// `Invalid` when the tokens cannot be read.
    ///
    /// # Panics
    /// When the configuration was not checked.
    pub fn new(service: Arc<Service>, config: &Config) -> Answered<Self> {
        Self::of(vec![service], config)
    }

    /// The same for all partitions of a log, as many as it was opened for: which of them a pool
    /// lives in depends on their number.
    ///
    /// # Errors
    /// As [`App::new`].
    ///
    /// # Panics
    /// As [`App::new`], or when a partition does not stand where its number says, or there is none.
    pub fn of(partitions: Vec<Arc<Service>>, config: &Config) -> Answered<Self> {
        let numbers = partitions.iter().map(|service| service.partition());
        assert!(numbers.eq(0..i64::try_from(partitions.len()).unwrap_or(0)), "all, in order");
        assert!(!partitions.is_empty(), "a log has at least one partition");
        let tokens = config.tokens.file.as_deref().map(Tokens::read).transpose()?;
        let http = config.http.clone();
        let positive = |number| NonZeroU32::new(number).expect("the configuration was checked");
        let quota = Quota::per_second(positive(http.rate_per_second));
        let limiter = RateLimiter::keyed(quota.allow_burst(positive(http.rate_burst)));
        let (questions, streams) = (http.questions_max, http.streams_max);
        Ok(Self(Arc::new(Inner {
            partitions,
            hosts: hosts(config),
            http,
            tokens,
            limiter,
            limited: AtomicU64::new(0),
            questions: Arc::new(Semaphore::new(questions)),
            folds: Arc::new(Semaphore::new(FOLDS_MAX)),
            streams: Arc::new(Semaphore::new(streams)),
            followers: Mutex::default(),
            figures: HttpFigures::default(),
            on_kafka: OnceLock::new(),
            closing: watch::Sender::new(false),
        })))
    }

    /// The partitions behind it, by number.
    pub(super) fn partitions(&self) -> &[Arc<Service>] {
        &self.0.partitions
    }

    /// Shows what a service on Kafka says about itself, too. Said twice, the first counts.
    pub fn watch_kafka(&self, gauges: Arc<Gauges>) {
        let _the_first_counts = self.0.on_kafka.set(gauges);
    }

    pub(super) fn on_kafka(&self) -> Option<&Arc<Gauges>> {
        self.0.on_kafka.get()
    }

    /// Lets what has no end of its own come to one.
    pub fn close(&self) {
        self.0.closing.send_replace(true);
    }

    pub(super) fn is_closing(&self) -> bool {
        *self.0.closing.borrow()
    }

    /// Returns once [`App::close`] was called.
    pub(super) async fn closing(&self) {
        let mut closing = self.0.closing.subscribe();
        // The sender lives as long as this does.
        let _ignored = closing.wait_for(|closing| *closing).await;
    }

    pub(super) fn http(&self) -> &HttpConfig {
        &self.0.http
    }

    pub(super) fn tokens(&self) -> Option<&Tokens> {
        self.0.tokens.as_ref()
    }

    pub(super) fn figures(&self) -> &HttpFigures {
        &self.0.figures
    }

    /// Whether a request may bear this `Host`: a page of another site that reaches the loopback
    /// address under its own name is turned away.
    pub(super) fn is_own_host(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        self.0.tokens.is_some() || self.0.hosts.contains(&name.to_ascii_lowercase())
    }

    /// Counts `requests` of a client.
    ///
    /// # Errors
    /// `too_many` when it sends more than it may.
    pub(super) fn check_rate(&self, caller: &Caller, requests: u32) -> Result<(), Problem> {
        let Some(requests) = NonZeroU32::new(requests) else { return Ok(()) };
        let inner = &*self.0;
        if inner.limited.fetch_add(1, Ordering::Relaxed) % CLEAN_EVERY == CLEAN_EVERY - 1 {
            inner.limiter.retain_recent();
        }
        match inner.limiter.check_key_n(&caller.name, requests) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                let seconds = wait.as_secs() + 1;
                Err(Problem::too_many(format!(
                    "'{}' sends more than {} requests a second: send it again in {seconds} s",
                    caller.name, inner.http.rate_per_second
                ))
                .retry_after(seconds))
            }
            Err(_) => Err(Problem::too_large(format!(
                "{requests} commands at once are more than the {} that http.rate_burst allows: \
                 send them in smaller pieces",
                inner.http.rate_burst
            ))),
        }
    }

    /// A place among the followers of the stream.
    ///
    /// # Errors
    /// `unavailable` when all are taken.
    pub(super) fn stream_place(&self, caller: &Caller) -> Result<StreamPlace, Problem> {
        let most_of_one = (self.0.http.streams_max / STREAM_SHARE).max(1);
        let share = Share::take(self, &caller.name);
        // Without tokens there is one caller on this machine, and all places are its own.
        if self.0.tokens.is_some() && share.held > most_of_one {
            let full = format!("'{}' follows the stream {most_of_one} times already", caller.name);
            return Err(Problem::unavailable(format!("{full}: close one")).retry_after(10));
        }
        let place = Arc::clone(&self.0.streams).try_acquire_owned().map_err(|_| {
            let most = self.0.http.streams_max;
            let full = format!("{most} followers of the stream are as many as http.streams_max");
            Problem::unavailable(format!("{full} allows: poll /v1/decisions?from= instead"))
                .retry_after(10)
        })?;
        Ok(StreamPlace { _place: place, _share: share })
    }

    /// A place among the questions that look at a state or at some records.
    ///
    /// # Errors
    /// `unavailable` at the end.
    pub(super) async fn question_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.0.questions).acquire_owned().await;
        place.map_err(|_| Problem::unavailable("the service is going down"))
    }

    /// A place among the questions that fold a log.
    ///
    /// # Errors
    /// `unavailable` when none is free for a while.
    pub(super) async fn fold_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.0.folds).acquire_owned();
        match tokio::time::timeout(FOLD_PATIENCE, place).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(Problem::unavailable(
                "others ask about the past just now, which takes a while: ask again in a moment",
            )
            .retry_after(FOLD_PATIENCE.as_secs())),
        }
    }
}

/// A place among the followers of the stream, and one in its caller's share.
#[derive(Debug)]
pub(super) struct StreamPlace {
    _place: OwnedSemaphorePermit,
    _share: Share,
}

/// How many streams one caller follows, this one included.
#[derive(Debug)]
struct Share {
    app: App,
    caller: String,
    held: usize,
}

impl Share {
    fn take(app: &App, caller: &str) -> Self {
        let mut followers = app.0.followers.lock().unwrap_or_else(PoisonError::into_inner);
        let held = followers.entry(caller.to_owned()).or_default();
        *held += 1;
        Self { app: app.clone(), caller: caller.to_owned(), held: *held }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut followers = self.app.0.followers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = followers.get_mut(&self.caller) {
            *held -= 1;
            if *held == 0 {
                followers.remove(&self.caller);
            }
        }
    }
}

/// Names under which this machine reaches itself, and those that the configuration adds.
fn hosts(config: &Config) -> BTreeSet<String> {
    let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
    let ip = match config.listen.ip() {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let allowed = config.http.allowed_hosts.iter().map(|host| host.to_ascii_lowercase());
    own.into_iter().chain([ip]).chain(allowed).collect()
}
