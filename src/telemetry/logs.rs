//! Log lines on stderr: JSON for machines, text for people. Results of commands go to stdout and
//! never through here.

use super::names;
use crate::error::{Error, Result};
use serde_json::{Map, Value};
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Bytes of one text within a log line; the rest is cut.
pub const FIELD_BYTES_MAX: usize = 1024;

/// Variable that holds the filter of log lines; `warn` when it is not set.
pub const FILTER_VARIABLE: &str = "CONCLAVE_LOG";
/// Variable that holds their form: `text` or `json`; `text` when it is not set.
pub const FORMAT_VARIABLE: &str = "CONCLAVE_LOG_FORMAT";
/// Only what somebody has to look at: commands that people type print their results elsewhere.
const FILTER_DEFAULT: &str = "warn";

/// Writes log lines to stderr from now on, as [`FILTER_VARIABLE`] and [`FORMAT_VARIABLE`] ask.
///
/// # Errors
/// `Invalid` when one of them makes no sense; `Bug` when logs are being written already.
pub fn init_from_environment() -> Result<()> {
    let format = match std::env::var(FORMAT_VARIABLE).as_deref() {
        Err(_) | Ok("" | "text") => LogFormat::Text,
        Ok("json") => LogFormat::Json,
        Ok(other) => {
            let message = format!("{FORMAT_VARIABLE} is '{other}': write text or json");
            return Err(Error::invalid(message));
        }
    };
    let filter = std::env::var(FILTER_VARIABLE).unwrap_or_default();
    init(if filter.is_empty() { FILTER_DEFAULT } else { &filter }, format)
}

/// Writes log lines to stderr from now on. `filter` is a level (`info`) or a list such as
/// `info,conclave::log=debug`.
///
/// # Errors
/// `Invalid` when the filter is none; `Bug` when logs are being written already.
pub fn init(filter: &str, format: LogFormat) -> Result<()> {
    let subscriber = subscriber(filter, format, std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|cause| Error::bug("log lines are being written already").caused_by(cause))
}

/// What turns events into lines for `writer`.
///
/// # Errors
/// `Invalid` when the filter is none.
pub fn subscriber<W>(
    filter: &str,
    format: LogFormat,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter).map_err(|cause| {
        let message = format!("'{filter}' is no log filter: write a level, or target=level,...");
        Error::invalid(message).caused_by(cause)
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(match format {
        LogFormat::Text => Box::new(lines.with_ansi(false).finish()),
        LogFormat::Json => {
            Box::new(lines.fmt_fields(JsonFields::new()).event_format(JsonLines).finish())
        }
    })
}

/// One flat JSON object per event. Fields of the enclosing spans are part of it; the event's own
/// come last and win.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>();
            let parsed = fields.and_then(|text| serde_json::from_str::<Map<_, _>>(text).ok());
            line.extend(parsed.unwrap_or_default());
        }
        event.record(&mut Fields(&mut line));
        let mut now = String::new();
        SystemTime.format_time(&mut Writer::new(&mut now))?;
        let metadata = event.metadata();
        let fixed = [
            (names::TS, now.as_str()),
            (names::LEVEL, level_text(*metadata.level())),
            (names::TARGET, metadata.target()),
        ];
        line.extend(fixed.map(|(name, text)| (name.to_owned(), Value::from(text))));
        writeln!(writer, "{}", Value::Object(line))
    }
}

fn level_text(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn insert(&mut self, field: &Field, value: Value) {
        // tracing calls the sentence of an event its field `message`.
        let name = if field.name() == "message" { names::MSG } else { field.name() };
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let end = value.floor_char_boundary(FIELD_BYTES_MAX);
        self.insert(field, Value::from(&value[..end]));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, Value::from(value));
    }
}
