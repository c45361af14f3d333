//! What differs between a record and the decision that its command gives.

use crate::wire::{DecisionHead, decode_decision, encode_decision};
use conclave_core::decision::{Decision, Event};
use conclave_core::limits::knows_version;

/// None when every byte is the same. `again` is linked like the record first: the chain is checked
/// elsewhere.
pub(super) fn difference(body: &[u8], mut again: Decision) -> Option<String> {
    if !knows_version(again.decide_version) {
        return Some(format!("decide_version: computed {}", again.decide_version));
    }
    again.prev_hash = DecisionHead::read(body).map_or(again.prev_hash, |head| head.prev_hash);
    if encode_decision(&again) == body {
        return None;
    }
    match decode_decision(body) {
        Ok(recorded) => Some(said(&recorded, &again)),
        Err(error) => Some(error.to_string()),
    }
}

fn said(recorded: &Decision, again: &Decision) -> String {
    if again.input_hash != recorded.input_hash {
        return "the command is not the one that was decided".to_owned();
    }
    if again.outcome != recorded.outcome {
        return format!("outcome: recorded {:?}, computed {:?}", recorded.outcome, again.outcome);
    }
    if again.events != recorded.events {
        return event_difference(&recorded.events, &again.events);
    }
    let events_left_out = |decision: &Decision| {
        let decision = Decision { events: vec![], ..decision.clone() };
        format!("{decision:?}")
    };
    if recorded == again {
        return "it is written in other bytes than ours".to_owned();
    }
    format!("recorded {}, computed {}", events_left_out(recorded), events_left_out(again))
}

fn event_difference(recorded: &[Event], again: &[Event]) -> String {
    let same = recorded.iter().zip(again).take_while(|(recorded, again)| recorded == again).count();
    let shown = |event: Option<&Event>| {
        event.map_or_else(|| "none".to_owned(), |event| format!("{event:?}"))
    };
    let (was, is) = (shown(recorded.get(same)), shown(again.get(same)));
    format!("event {same}: recorded {was}, computed {is}")
}
