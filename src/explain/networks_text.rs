//! A vote of networks for people: who said what, by which reasons, and what would change it.

use super::networks::{FlipSaid, MemberSaid, Networks, TopReason, Why};
use super::text::{field_name, value};
use conclave_core::council::explain::SHARES_PER_GAP;

/// Changes that are named one by one; `--output json` has all.
const FLIPS_SHOWN_MAX: usize = 4;
/// One logit, in the unit of logits.
const LOGIT: i64 = 2_048;
/// One logit, in the unit of what groups push.
const LOGIT_SIXTIETHS: i64 = LOGIT * SHARES_PER_GAP as i64;
/// Where the text of a line begins.
const INDENT: &str = "           ";

/// Lines for people.
pub(super) fn networks(said: &Networks) -> Vec<String> {
    told(said, "")
}

/// The same of a vote after which the rules voted.
pub(super) fn networks_before(said: &Networks) -> Vec<String> {
    let at = said.at.map_or_else(String::new, |at| format!(", at decision {}", at.offset));
    told(said, &format!("before the rules voted{at}: "))
}

fn told(said: &Networks, when: &str) -> Vec<String> {
    let Networks { attempt, model, verdict, ground, confidence_per_mille, members, .. } = said;
    let mut lines = vec![format!(
        "  council  {when}vote {attempt} of {model:.16}: {verdict} ({ground}, \
         {confidence_per_mille} per mille sure)"
    )];
    for (number, member) in (1..).zip(members) {
        match (&member.label, &member.why) {
            (Some(label), Some(why)) => lines.extend(explained(member, label, why)),
            (_, _) => lines.push(unexplained(number, member)),
        }
    }
    match (said.told.is_empty(), ground.as_str()) {
        (true, _) => {}
        (false, "fallback") => {
            lines.push(format!("{INDENT}too few members are listened to: the rule score decided"));
        }
        (false, _) => lines.extend(what_would_change_it(&said.flips, verdict)),
    }
    if let Some(unexplained) = &said.unexplained {
        lines.push(format!("{INDENT}no reasons: {}", unexplained.sentence));
    }
    lines
}

fn unexplained(number: usize, member: &MemberSaid) -> String {
    let MemberSaid { verdict, confidence_per_mille, logits: [approve, deny, defer], .. } = member;
    format!(
        "{INDENT}member {number}: {verdict:<7} {confidence_per_mille:>4} per mille sure; approve \
         {approve:>6}, deny {deny:>6}, defer {defer:>6}{}",
        not_counted(member)
    )
}

fn not_counted(member: &MemberSaid) -> &'static str {
    if member.counted { "" } else { "; in quarantine, not counted" }
}

fn explained(member: &MemberSaid, label: &str, why: &Why) -> Vec<String> {
    let MemberSaid { verdict, confidence_per_mille, .. } = member;
    let Why { runner_up, lead, history, top, .. } = why;
    let lead = hundredths(*lead, LOGIT);
    let history = match hundredths(*history, LOGIT).as_str() {
        "+0.00" => String::new(),
        history => format!("; history {history}"),
    };
    let mut lines = vec![format!(
        "{INDENT}{label:<14} {verdict:<7} {confidence_per_mille:>4} per mille sure, {lead} over \
         {runner_up}{history}{}",
        not_counted(member)
    )];
    lines.extend(top.iter().filter_map(reason));
    lines
}

/// A reason, unless it rounds to nothing.
fn reason(reason: &TopReason) -> Option<String> {
    let TopReason { group, push_sixtieths, feature, feature_push, words } = reason;
    let push = hundredths(*push_sixtieths, LOGIT_SIXTIETHS);
    if push == "+0.00" {
        return None;
    }
    let feature = match feature {
        Some(_) => format!(": {words} ({})", hundredths(*feature_push, LOGIT)),
        None => ": by several features together".to_owned(),
    };
    Some(format!("{INDENT}  {push} {group}{feature}"))
}

/// What leads to an approval first, if nothing did.
fn what_would_change_it(flips: &[FlipSaid], verdict: &str) -> Vec<String> {
    if flips.is_empty() {
        return vec![format!(
            "{INDENT}less of any one thing, another priority or being preemptible would not change \
             that"
        )];
    }
    let (wanted, others): (Vec<_>, Vec<_>) =
        flips.iter().partition(|flip| flip.verdict == "approve");
    let shown = wanted.into_iter().chain(others).take(FLIPS_SHOWN_MAX);
    let mut lines = vec![format!("{INDENT}instead of {verdict} it would have been")];
    lines.extend(shown.map(|flip| {
        let FlipSaid { field, from, to, verdict } = flip;
        let (from, to) = (value(*field, from), value(*field, to));
        format!("{INDENT}  {verdict} with {} {to} instead of {from}", field_name(*field))
    }));
    lines
}

/// `numerator / denominator` with a sign and two decimals, rounded to the nearest.
fn hundredths(numerator: i64, denominator: i64) -> String {
    let rounded = (numerator.abs() * 100 + denominator / 2) / denominator;
    let sign = if numerator < 0 && rounded > 0 { '-' } else { '+' };
    format!("{sign}{}.{:02}", rounded / 100, rounded % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_have_a_sign_and_two_decimals() {
        for (numerator, text) in
            [(0, "+0.00"), (10, "+0.00"), (-10, "+0.00"), (-11, "-0.01"), (2_048, "+1.00")]
        {
            assert_eq!(hundredths(numerator, LOGIT), text, "{numerator}");
        }
        assert_eq!(hundredths(-61_440, LOGIT_SIXTIETHS), "-0.50");
        assert_eq!(hundredths(26_316, LOGIT), "+12.85");
    }
}
