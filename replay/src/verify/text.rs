//! What a verification found, for people.

use super::{Everything, Verified};
use conclave::report::show::count;
use conclave::verify::{Report, Verdict};

/// What is counted, in the order in which it is shown.
fn numbers(report: &Report) -> [(&'static str, u64); 14] {
    [
        ("decisions", report.decisions),
        ("verified", report.verified),
        ("divergences", report.divergences),
        ("uncovered", report.uncovered),
        ("duplicates", report.duplicates),
        ("input_missing", report.input_missing),
        ("other_version", report.other_version),
        ("unchecked", report.unchecked),
        ("skipped", report.skipped),
        ("council_votes", report.council_votes),
        ("undecided", report.undecided),
        ("snapshots_checked", report.snapshots_checked),
        ("snapshots_damaged", report.snapshots_damaged),
        ("snapshots_differing", report.snapshots_differing),
    ]
}

/// One partition.
pub(super) fn of_one(verified: &Verified<'_>) -> Vec<String> {
    let report = verified.report;
    let mut lines: Vec<String> =
        numbers(report).iter().map(|(name, number)| format!("{name:<19} {number}")).collect();
    lines.push(format!("{:<19} {}", "chain_head", report.chain_head));
    lines.extend(findings(report, ""));
    lines.extend(head_sentence(report));
    lines.push(verdict_sentence(verified));
    lines
}

/// Sums over all partitions, then what was found in each, and a verdict about each.
pub(super) fn of_all(everything: &Everything<'_>) -> Vec<String> {
    let partitions = &everything.partitions;
    let tables: Vec<_> = partitions.iter().map(|verified| numbers(verified.report)).collect();
    let rows = 0..tables.first().map_or(0, |table| table.len());
    let mut lines: Vec<String> = rows
        .map(|row| {
            let sum: u64 = tables.iter().map(|table| table[row].1).sum();
            format!("{:<19} {sum}", tables[0][row].0)
        })
        .collect();
    lines.push(format!("{:<19} {}", "chain_head", everything.chain_head));
    for verified in partitions {
        let partition = verified.partition.unwrap_or_default();
        lines.extend(findings(verified.report, &format!("{partition}:")));
    }
    for verified in partitions {
        let partition = verified.partition.unwrap_or_default();
        let decisions = count(verified.report.decisions, "decision");
        lines.push(format!("partition {partition}: {decisions}, {}", verdict_sentence(verified)));
    }
    lines.extend(everything.expected_head.map(|is_expected| match is_expected {
        true => "the chain head is the expected one".to_owned(),
        false => "the expected head is not that of these partitions".to_owned(),
    }));
    lines
}

/// What was found, naming offsets of the partition that `prefix` names.
fn findings(report: &Report, prefix: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for divergence in &report.first_divergences {
        lines.push(format!("decision {prefix}{}: {}", divergence.offset, divergence.what));
    }
    let listed = report.first_divergences.len() as u64;
    let more = (report.divergences + report.duplicates).saturating_sub(listed);
    if more > 0 {
        lines.push(format!("and {}", count(more, "other divergence")));
    }
    let place = if prefix.is_empty() { String::new() } else { format!("{prefix} ") };
    if !report.schemas_missing.is_empty() {
        lines.push(format!("{place}schemas not kept: {:?}", report.schemas_missing));
    }
    lines.extend(report.councils_missing.iter().map(|why| format!("{place}{why}")));
    lines.extend(report.snapshot_faults.iter().map(|fault| format!("{place}{fault}")));
    let broken = report.broken_invariant.iter();
    lines.extend(broken.map(|rule| format!("{place}the last state: {rule}")));
    lines.extend(report.stopped.iter().map(|why| format!("{place}stopped: {why}")));
    lines
}

fn head_sentence(report: &Report) -> Option<String> {
    match (report.expected_head?, report.expected_head_at) {
        (true, _) => Some("the chain head is the expected one".to_owned()),
        (false, None) => Some("the expected head is nowhere in this log".to_owned()),
        (false, Some(at)) => Some(format!(
            "the expected head is that of decision {at}, and the log goes on: --until {at} checks \
             against it"
        )),
    }
}

fn verdict_sentence(verified: &Verified<'_>) -> String {
    let report = verified.report;
    match verified.verdict {
        Verdict::Clean => "clean: every decision is what its command gives".to_owned(),
        Verdict::Differs if report.snapshots_differing > 0 => {
            "differs: do not restart the service on a snapshot that is not the fold, and report it"
                .to_owned()
        }
        Verdict::Differs => "differs: this log is not what was decided".to_owned(),
        Verdict::Unchecked
            if report.unchecked + report.input_missing + report.other_version == 0 =>
        {
            "unchecked: every decision is verified, and a start passes a damaged snapshot over"
                .to_owned()
        }
        Verdict::Unchecked => {
            "unchecked: nothing differs, and not everything was checked".to_owned()
        }
        Verdict::Corrupt => match verified.should_end_before {
            Some(offset) => format!("corrupt: the log should end before offset {offset}"),
            None => "corrupt: stored bytes are not what was written".to_owned(),
        },
    }
}
