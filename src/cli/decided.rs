//! Decisions as the service sends them, in lines for people.

use crate::error::{Error, Result};
use crate::report::event::from_json;
use crate::report::sentence;
use crate::report::show::or_dash;
use conclave_core::decision::{Event, RequestEnd};
use conclave_core::units::{RequestId, TimeMs};
use serde_json::Value;

/// A decision, or what stands where one was asked for.
#[derive(Clone, Debug)]
pub(super) struct Decided(Value);

const DENIED: &str = "denied by the council";

/// What an event makes of a request.
fn fate(event: &Event) -> Option<(&RequestId, &'static str)> {
    match event {
        Event::LeaseGranted(granted) => Some((&granted.request, "granted")),
        Event::RequestQueued(queued) => Some((&queued.request, "it waits for capacity")),
        Event::RequestDeferred(deferred) => Some((&deferred.request, "put off by the council")),
        Event::RequestEnded(ended) if ended.reason == RequestEnd::CouncilDenied => {
            Some((&ended.request, DENIED))
        }
        _ => None,
    }
}

impl Decided {
    pub(super) fn read(json: &str) -> Result<Self> {
        let wrong = |error| {
            Error::invalid("the service sends no decision: use its own release of conclave")
                .caused_by(error)
        };
        serde_json::from_str(json).map(Self).map_err(wrong)
    }

    pub(super) fn of(json: Value) -> Self {
        Self(json)
    }

    /// The part of this name, or nothing.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or("")
    }

    pub(super) fn offset(&self) -> Option<i64> {
        self.0["offset"].as_i64()
    }

    /// 1 when the rules or the council said no.
    pub(super) fn exit_code(&self) -> u8 {
        let is_denied = self.fate() == Some(DENIED);
        u8::from(self.text("outcome") == "rejected" || is_denied)
    }

    /// Whether it stands for a decision that was not made while it was waited for.
    pub(super) fn is_late(&self) -> bool {
        self.0["status"].as_u64() == Some(408)
    }

    /// What became of the request that it was about; none when nothing did.
    fn fate(&self) -> Option<&'static str> {
        let events = self.events();
        let own = |event: &Event| {
            let (request, fate) = fate(event)?;
            (*request.0 == *self.text("request")).then_some(fate)
        };
        events.iter().rev().find_map(own)
    }

    fn events(&self) -> Vec<Event> {
        let events = self.0["events"].as_array();
        events.map_or_else(Vec::new, |events| events.iter().filter_map(from_json).collect())
    }

    /// The decision in a line.
    pub(super) fn line(&self) -> String {
        let Some(offset) = self.offset() else {
            return match self.0["position"].as_i64() {
                Some(at) if self.0.get("status").is_none() => {
                    format!("kept at position {at} of the outbox until the brokers answer")
                }
                _ => self.problem(),
            };
        };
        if self.0.get("outcome").is_none() {
            return format!("accepted at offset {offset}, not decided yet");
        }
        let about = [self.text("pool"), self.text("request")].map(or_dash).join("/");
        let kind = match self.text("kind") {
            "" => "(unreadable)",
            kind => kind,
        };
        format!("decision {offset}: {kind} {about} {}", self.outcome())
    }

    fn outcome(&self) -> String {
        match self.text("outcome") {
            "rejected" => {
                let advice = match self.text("advice") {
                    "" => String::new(),
                    advice => format!("; {advice}"),
                };
                format!("refused: {}: {}{advice}", self.text("code"), self.text("detail"))
            }
            "duplicate" => {
                format!("was asked before: decision {} is the answer", self.0["first_offset"])
            }
            outcome => match self.fate() {
                Some(fate) => format!("{outcome}: {fate}"),
                None => outcome.to_owned(),
            },
        }
    }

    /// The decision in a line, and what happened in one each.
    pub(super) fn lines(&self) -> Vec<String> {
        let now = TimeMs(self.0["time_ms"].as_i64().unwrap_or(0));
        let happened = self.events();
        let events = happened.iter().map(|event| {
            let name = crate::report::event::name(event);
            format!("  {name:<17} {}", sentence::event(event, now))
        });
        std::iter::once(self.line()).chain(events).collect()
    }

    /// Where no decision is, a problem says why.
    fn problem(&self) -> String {
        let said = [self.text("detail"), self.text("title")].into_iter().find(|it| !it.is_empty());
        let what = if self.is_late() { "not decided in time" } else { "not accepted" };
        format!("{what}: {}", said.unwrap_or("the service does not say why"))
    }
}
