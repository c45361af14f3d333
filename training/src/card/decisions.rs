//! What the card says of the council in the seat.

use super::push;
use crate::choice::{Choice, STRICT};
use crate::judge::{Judged, NOISE, NOISE_MEAN, SEATS, Verdict};
use crate::lean::Lean;
use crate::member::ROLES;
use crate::trial::{Trial, WAIT_COST};
use crate::windows::{CHOSEN_LOADS, JUDGED_LOADS};
use crate::worth::OfSource;

const COLUMNS: [&str; Trial::NUMBERS] =
    ["requests", "denied", "late", "wasted", "good", "useful", "bad", "Jain", "utility"];
/// Places of some of them.
const LATE: usize = 2;
const WASTED: usize = 3;
const GOOD: usize = 4;
const BAD: usize = 6;
const UTILITY: usize = 8;
/// Which of the numbers are shares, written in per cent.
const SHARES: [bool; Trial::NUMBERS] = [false, true, true, true, true, true, true, false, false];

pub(super) fn chosen(out: &mut String, choice: &Choice) {
    let loads: Vec<_> = CHOSEN_LOADS.iter().map(|load| format!("{load}")).collect();
    let text = format!(
        "\n## Leans and quorum\n\nWhat is added to a member's logits of deny and defer before \
         they are rounded, its least veto level, and how sure and how heavy the members that agree \
         have to be, were chosen on replays before the second cut: of openb four \
         stretches of 15 % of the requests with all that was asked before, at {} times the load; \
         of GenTD26, where nobody waits, the time between the cuts; of the simulator that, and two \
         fleets that nothing else is drawn from but confidence. Every source counts the same. The \
         largest utility (below) is taken, less {STRICT} times what is lost to nobody in the \
         seat on the stretches where anything is, less a hundred times what is missing of 95 % \
         of the good work that starts with nobody in the seat; as far as that was found. \
         Members weigh the \
         same in the file; what they learn on the job moves that by half at most.\n\n\
         | member | deny | defer | least veto level |\n|---|---|---|---|\n",
        loads.join(", ")
    );
    push(out, &text);
    let leaning = ROLES.iter().zip(&choice.leans).zip(&choice.vetoes);
    for ((role, lean), veto) in leaning {
        let (label, Lean { deny, defer }) = (role.label, lean);
        push(out, &format!("| {label} | {deny:+.2} | {defer:+.2} | {} ‰ |\n", veto.0));
    }
    let text = format!(
        "\nWeight to approve: {} bp; to deny: {} bp; least confidence: {} ‰. {} choices were \
         tried.\n",
        choice.quorum.approve_bp,
        choice.quorum.deny_bp,
        choice.quorum.confidence_min.0,
        choice.tried,
    );
    push(out, &text);
    push(
        out,
        "\n| what it was chosen by | ranges | utility | more than nobody | lost where anything is \
         | good work |\n|---|---|---|---|---|---|\n",
    );
    for of in &choice.worth.sources {
        let OfSource { name, ranges, utility, gain, loss, good } = of;
        let good = 100.0 * good;
        let line = format!(
            "| {name} | {ranges} | {utility:.3} | {gain:+.4} | {loss:.4} | {good:.1} % |\n"
        );
        push(out, &line);
    }
}

pub(super) fn decisions(out: &mut String, judged: &[Judged]) {
    let loads: Vec<_> = JUDGED_LOADS.iter().map(|load| format!("{load}")).collect();
    let text = format!(
        "\n## Decisions\n\nThe scenarios run again through the core (`decide_version` 2, the \
         live seat with its hidden states, deferrals, quarantine and factors, `council = \
         enforce`): the last 15 % of each source, the same at {} times the load where anybody \
         waits, and fleets of the simulator that nothing was learnt from or fitted to: the mean \
         over them ± the standard deviation. After three \
         deferrals of ten minutes the rule score decides. *Good* work succeeds or nobody says \
         how it ended, *bad* work fails, is stopped or never given back. *Late*: share of \
         requests not started within five minutes, whatever the reason. *Wasted*: GPU time held \
         by bad work, by all that was held. *Good* and *bad*: of their GPU time, what was \
         started. *Useful*: the same of the GPU time that good work uses (all of it where nobody \
         measures). *Jain*: fairness over tenants of the started share of good work. *Utility*, \
         by GPU-hour of use by good work: what was started of it, less what bad work held, less \
         {WAIT_COST} of what good work waited over five minutes, at most half of its use.\n\n\
         | where | seat | {} |\n|---|---|{}\n",
        loads.join(", "),
        COLUMNS.join(" | "),
        "---|".repeat(COLUMNS.len())
    );
    push(out, &text);
    for judged in judged {
        for (seat, numbers) in SEATS.iter().zip(&judged.seats) {
            let cells = numbers.iter().zip(SHARES).enumerate();
            let cells: Vec<_> = cells
                .map(|(at, ((mean, spread), is_share))| {
                    let cell = |value: f64| match (at, is_share) {
                        (0, _) => format!("{value:.0}"),
                        (_, true) => format!("{:.1}", 100.0 * value),
                        (_, false) => format!("{value:.3}"),
                    };
                    let unit = if is_share { " %" } else { "" };
                    if judged.ranges == 1 {
                        return format!("{}{unit}", cell(*mean));
                    }
                    format!("{} ± {}{unit}", cell(*mean), cell(*spread))
                })
                .collect();
            push(out, &format!("| {} | {seat} | {} |\n", judged.name, cells.join(" | ")));
        }
    }
}

/// What the table says, in sentences.
pub(super) fn in_short(out: &mut String, judged: &[Judged]) {
    let text = format!(
        "\n## In short\n\nIn the seat, on what nothing was learnt from or fitted to. Utilities of \
         one range that differ by no more than {NOISE:.2} are about the same, and so are means \
         that differ by no more than {NOISE_MEAN:.2} or two standard errors:\n\n"
    );
    push(out, &text);
    judged.iter().for_each(|judged| push(out, &verdict(judged)));
}

fn verdict(judged: &Judged) -> String {
    let all = |number: usize| {
        let share = |value: f64| format!("{:.1} %", 100.0 * value);
        let [nobody, rules, council] = &judged.seats;
        let [nobody, rules, council] = [nobody, rules, council].map(|seat| share(seat[number].0));
        format!("{council} (nobody in the seat {nobody}, the rule score {rules})")
    };
    let [nobody, rules, council] = judged.seats.map(|seat| seat[UTILITY].0);
    let best = match [judged.compared(0), judged.compared(1)] {
        [Verdict::More, Verdict::More] => "**The council is worth its seat there**",
        [Verdict::Less, _] | [_, Verdict::Less] => "**The council is not worth its seat there**",
        _ => "Somebody else is worth about the same there",
    };
    let ([won_open, won_rules], ranges) = (judged.won, judged.ranges);
    format!(
        "- *{}*: it starts {} of the good work and {} of the bad; {} of the GPU time is wasted and \
         {} of the requests are late. \
         {best}: utility {council:.3}, nobody {nobody:.3}, the rule score {rules:.3}; larger \
         than nobody's in {won_open} of {ranges}, than the rule score's in {won_rules}.\n",
        judged.name,
        all(GOOD),
        all(BAD),
        all(WASTED),
        all(LATE)
    )
}
