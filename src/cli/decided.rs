//! Decisions as the service sends them, in lines for people.

use crate::error::{Error, Result};
use crate::report::event::from_json;
use crate::report::sentence;
use crate::report::show::or_dash;
use conclave_core::decision::{Event, RequestEnd};
use conclave_core::units::TimeMs;
use serde_json::Value;

/// A decision, or what stands where one was asked for.
#[derive(Clone, Debug)]
pub(super) struct Decided(Value);

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
        u8::from(self.text("outcome") == "rejected" || self.is_denied())
    }

    fn is_denied(&self) -> bool {
        let is_denial = |event: &Event| match event {
            Event::RequestEnded(ended) => {
                ended.reason == RequestEnd::CouncilDenied
                    && *ended.request.0 == *self.text("request")
            }
            _ => false,
        };
        self.events().iter().any(is_denial)
    }

    fn events(&self) -> Vec<Event> {
        let events = self.0["events"].as_array();
        events.map_or_else(Vec::new, |events| events.iter().filter_map(from_json).collect())
    }

    /// The decision in a line.
    pub(super) fn line(&self) -> String {
        let Some(offset) = self.offset() else { return self.problem() };
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
            "rejected" => format!("refused: {}: {}", self.text("code"), self.text("detail")),
            "duplicate" => {
                format!("was asked before: decision {} is the answer", self.0["first_offset"])
            }
            outcome if self.is_denied() => format!("{outcome}, and denied by the council"),
            outcome => outcome.to_owned(),
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
        format!("not accepted: {}", said.unwrap_or("the service does not say why"))
    }
}
