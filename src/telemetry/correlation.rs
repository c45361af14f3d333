//! The envelope of a record: what it belongs to and what led to it. It proves nothing, and no
//! decision depends on it: a header that makes no sense is counted and ignored.

use super::names::{HEADER_CAUSATION_ID, HEADER_CORRELATION_ID, HEADER_TRACEPARENT};
use super::trace::TraceParent;
use crate::log::Headers;
use conclave_core::command::Command;
use conclave_core::decide::subject_request;
use conclave_core::decision::Decision;
use conclave_core::units::LogId;

/// Bytes of a correlation or causation id; longer ones are malformed.
pub const HEADER_ID_BYTES_MAX: usize = 128;
/// Bytes that the headers of a decision usually take, lengths included.
const HEADERS_BYTES_USUAL: usize = 224;

/// What a record belongs to and what led to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Correlation {
    /// Shared by everything that one outer request led to.
    pub correlation_id: Option<String>,
    /// What directly led to this record.
    pub causation_id: Option<String>,
    /// Its place in a trace.
    pub traceparent: Option<TraceParent>,
}

impl Correlation {
    /// Reads a record's headers, and says how many of ours made no sense. Of a header that appears
    /// more than once, the last counts, as Kafka's clients have it.
    #[must_use]
    pub fn parse(headers: &Headers) -> (Self, u64) {
        let (mut read, mut malformed) = (Self::default(), 0);
        for (name, value) in headers.iter() {
            let made_sense = match name {
                HEADER_CORRELATION_ID => keep(&mut read.correlation_id, id_of(value)),
                HEADER_CAUSATION_ID => keep(&mut read.causation_id, id_of(value)),
                HEADER_TRACEPARENT => keep(&mut read.traceparent, TraceParent::parse(value)),
                _ => true,
            };
            malformed += u64::from(!made_sense);
        }
        (read, malformed)
    }

    /// The envelope of the decision that answers a command with this one: the same correlation id
    /// (the command's id when it has none), the command as the cause, a span of its own in the same
    /// trace (one that follows from the command when it has none). Nothing here is drawn or timed,
    /// so a round that is decided again has the same envelopes.
    #[must_use]
    pub fn of_decision(&self, decision: &Decision) -> Self {
        let cause = cause_of(decision);
        let trace =
            self.traceparent.unwrap_or_else(|| TraceParent::of_untraced(decision.input_hash));
        Self {
            correlation_id: Some(self.correlation_id.clone().unwrap_or_else(|| cause.clone())),
            causation_id: Some(cause),
            traceparent: Some(trace.of_decision(decision.partition, decision.offset)),
        }
    }

    /// The envelope of a command that this program sends to `log` itself: what belongs to one
    /// request shares its name and a trace, and the log's own workload is the cause. Nothing here
    /// is drawn or timed, so a run that goes on where it was killed sends the same.
    #[must_use]
    pub fn of_sent(log: &LogId, command: &Command) -> Self {
        let own = command.command_id.0.as_str();
        let request = subject_request(&command.payload).map_or(own, |request| &request.0);
        Self {
            correlation_id: Some(request.to_owned()),
            causation_id: Some(log.0.to_string()),
            traceparent: Some(TraceParent::of_sent([&log.0, request, own])),
        }
    }

    /// As headers of a record.
    #[must_use]
    pub fn to_headers(&self) -> Headers {
        let mut headers = Headers::with_capacity(HEADERS_BYTES_USUAL);
        if let Some(trace) = self.traceparent {
            headers.push(HEADER_TRACEPARENT, &trace.to_header());
        }
        let ids = [
            (HEADER_CORRELATION_ID, &self.correlation_id),
            (HEADER_CAUSATION_ID, &self.causation_id),
        ];
        for (name, id) in ids.into_iter().filter_map(|(name, id)| Some((name, id.as_ref()?))) {
            headers.push(name, id.as_bytes());
        }
        headers
    }
}

/// Keeps what made sense and says whether it did.
fn keep<T>(slot: &mut Option<T>, read: Option<T>) -> bool {
    let made_sense = read.is_some();
    if made_sense {
        *slot = read;
    }
    made_sense
}

fn id_of(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    is_sound_id(text).then(|| text.to_owned())
}

fn is_sound_id(text: &str) -> bool {
    (1..=HEADER_ID_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control)
}

/// The command's id; its place in the log when it has none that a header could carry.
pub(crate) fn cause_of(decision: &Decision) -> String {
    let id = &decision.command_id.0;
    if is_sound_id(id) {
        id.to_string()
    } else {
        format!("{}/{}", decision.partition, decision.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::events::tests::decision;

    fn headers(pairs: &[(&str, &[u8])]) -> Headers {
        pairs.iter().copied().collect()
    }

    const TRACE: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_written_is_read_again() {
        let written = Correlation {
            correlation_id: Some("nightly-17".into()),
            causation_id: Some("c-1".into()),
            traceparent: TraceParent::parse(TRACE),
        };
        assert_eq!(Correlation::parse(&written.to_headers()), (written, 0));
        assert_eq!(Correlation::parse(&Headers::new()), (Correlation::default(), 0));
    }

    #[test]
    fn malformed_headers_are_counted_and_ignored() {
        let long = [b'x'; HEADER_ID_BYTES_MAX + 1];
        let broken: &[(&str, &[u8])] = &[
            ("correlation_id", b""),
            ("correlation_id", b"two\nlines"),
            ("correlation_id", &[0xff, 0xfe]),
            ("causation_id", &long),
            ("traceparent", b"00-abc"),
        ];
        for header in broken {
            let read = Correlation::parse(&headers(&[*header]));
            assert_eq!(read, (Correlation::default(), 1), "{header:?}");
        }
        let sound_then_broken = [("correlation_id", &b"kept"[..]), ("correlation_id", b"")];
        let (read, malformed) = Correlation::parse(&headers(&sound_then_broken));
        assert_eq!((read.correlation_id.as_deref(), malformed), (Some("kept"), 1));
        let foreign = headers(&[("authorization", b"Bearer of no concern"), ("x", &long)]);
        assert_eq!(Correlation::parse(&foreign), (Correlation::default(), 0));
    }

    #[test]
    fn a_decision_inherits_correlation_and_trace_and_names_its_command_as_the_cause() {
        let given = headers(&[("correlation_id", b"nightly-17"), ("traceparent", TRACE)]);
        let (command, _) = Correlation::parse(&given);
        let answer = command.of_decision(&decision());
        assert_eq!(answer.correlation_id.as_deref(), Some("nightly-17"));
        assert_eq!(answer.causation_id.as_deref(), Some("c-1"));
        let (ours, theirs) = (answer.traceparent.unwrap(), command.traceparent.unwrap());
        assert_eq!((ours.trace_id, ours.flags), (theirs.trace_id, theirs.flags));
        assert_ne!(ours.span_id, theirs.span_id);
        assert_eq!(answer, command.of_decision(&decision()), "decided again, the same envelope");
    }

    #[test]
    fn a_decision_of_a_bare_command_has_a_whole_envelope_too() {
        let bare = Correlation::default();
        let answer = bare.of_decision(&decision());
        assert_eq!(answer.correlation_id.as_deref(), Some("c-1"));
        assert_eq!(answer.to_headers().len(), 3);

        let mut unreadable = decision();
        unreadable.command_id = "".into();
        assert_eq!(bare.of_decision(&unreadable).causation_id.as_deref(), Some("0/14"));
        unreadable.command_id = "two\nlines".into();
        let answer = bare.of_decision(&unreadable);
        assert_eq!(Correlation::parse(&answer.to_headers()), (answer, 0));
    }
}
