//! Spans of a tariff as people type them: `A100@08:00-20:00=4.50`.

use serde_json::{Value, json};

/// Decimals of US dollars that are micro-USD.
const DECIMALS: usize = 6;

/// One span as it is written in a command.
pub(super) fn span(text: &str) -> Result<Value, String> {
    let wrong = || {
        "has to be MODEL@FROM-UNTIL=USD, such as A100@08:00-20:00=4.50 (times of day in UTC, US \
         dollars for one GPU for one hour)"
            .to_owned()
    };
    let (model, rest) = text.split_once('@').ok_or_else(wrong)?;
    let (times, dollars) = rest.split_once('=').ok_or_else(wrong)?;
    let (from, until) = times.split_once('-').ok_or_else(wrong)?;
    let price = micro_usd(dollars).ok_or_else(wrong)?;
    Ok(json!({"gpu_model": model, "from": from, "until": until, "micro_usd_per_hour": price}))
}

/// US dollars with at most six decimals.
fn micro_usd(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{part:0<DECIMALS$}");
    let is_sound = digits.bytes().all(|byte| byte.is_ascii_digit()) && part.len() <= DECIMALS;
    if is_sound && !whole.is_empty() { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_says_model_times_and_price() {
        let read = span("A100@08:00-20:00=4.5").unwrap_or_default();
        let expected = json!({"gpu_model": "A100", "from": "08:00", "until": "20:00",
                              "micro_usd_per_hour": 4_500_000});
        assert_eq!(read, expected);
    }

    #[test]
    fn dollars_have_six_decimals_at_most() {
        let read = ["1", "0.000001", "12.50", "1.0000001", "", ".5", "-1", "1e3", "99999999999999"];
        let expected = [Some(1_000_000), Some(1), Some(12_500_000), None, None, None, None, None];
        assert_eq!(read.map(micro_usd)[..8], expected);
        assert_eq!(micro_usd(read[8]), None);
    }

    #[test]
    fn what_is_no_span_is_refused_with_an_example() {
        for text in ["", "A100", "A100@8-9", "A100=1", "A100@08:00=1", "A100@08:00-09:00=x"] {
            let refused = span(text).err().unwrap_or_default();
            assert!(refused.contains("A100@08:00-20:00=4.50"), "{text}: {refused}");
        }
    }
}
