//! `docs/council-features.md` is made from the table of features, and says what it says.

use crate::boards_common::in_repository;
use conclave_core::council::features::{
    FEATURES, FEATURES_VERSION, FeatureGroup, scale_text, schema_text,
};
use std::fmt::Write as _;

const PATH: &str = "docs/council-features.md";

const HEAD: &str = "\
# What the council is told

Made from `conclave_core::council::features::FEATURES` by `tests/documents.rs`;
`UPDATE_DOCS=1 cargo test --release --test documents` writes it anew.

Each time that a request is voted on, and each time that a lease ends, the council is told 32
integers. They are computed in the core (`core/src/council/features.rs`) with integers alone: for a
request from the state as it stands when a round opens and the log time of the command (for one that
was put off, of the round's first command), for a lease from the state while it still holds its GPUs
and the log time of the command that ends it or notices its end. Nothing else gets in: no clock, no
name, label or other text, no digest of any, nothing that lies outside the log. Whoever has the log
can compute them again.

## Scales

A value is an `int8` in 1/64 units: 64 stands for 1.

| scale | range | value |
|---|---|---|
| magnitude of *unit* | 0 to 127 | a piecewise linear base-2 logarithm with four steps per \
doubling: with 1 + amount = 2^e × (1 + f) it is 4·e + floor(4·f), at most 127; amounts below zero \
count as zero |
| share | 0 to 64 | floor(64 × part / whole), within the range |
| ratio | 0 to 127 | floor(64 × part / whole), within the range: 64 when both are equal |
| balance | -64 to 64 | floor(64 × left / whole), within the range; without a whole 0, or -64 when \
something is missing |
| flag | 0, 64 | no, yes |
| level | 0, 32, 64 | how much is known |

Nothing is divided by zero: where there is no whole, the row says what stands instead. What is not
known is 0, and a flag or level beside it says that it is not known.

The waves of time rise and fall linearly, so that the end of a day or week is next to its beginning.

## Two kinds of step

Both kinds have the same layout; `is_outcome` tells them apart. Where a row says something else of a
lease that ended than of a request, it says so in brackets. There the past of a tenant is replaced
by what happened to this very lease.

## History

What the pool remembers of a tenant (`core/src/state/history.rs`) is a fold of the decisions. Its
counts are kept in 64ths and halved at every whole day of log time, so that a single occurrence is
forgotten after a week; GPU time fades at the same pace, and so does how it was used, which is kept
as finely, so that its mean stays until it is forgotten. A request that the council denied at once
counts as asked and denied; one that hard rules refused counts as nothing. What a lease gives back
early counts as a lease of its own. A lease that ends by its timer was held until then, however late
a command notices it.

How long ago the tenant's last step was is no feature: the networks' gate is told it in
milliseconds of log time.

## Not among them

- GPU-hours: on this scale they are `gpus` plus `duration`; `pool_time` says how much that is for
  the pool.
- Requests that wait and requests that were put off are one number, as in the pool's bound
  (`queue_max`).
- Prices and GPU-hour budgets: their rules are not built yet.
";

fn document() -> String {
    let mut text = HEAD.to_owned();
    let digest = blake3::hash(schema_text().as_bytes());
    let table = format!(
        "\n## Features, version {FEATURES_VERSION}\n\nThe table's text \
         (`schema_text`) has the BLAKE3 digest `{digest}`.\n"
    );
    text.push_str(&table);
    for group in FeatureGroup::ALL {
        let head = format!(
            "\n### {}\n\n| | feature | scale | range | what it says |\n|---|---|---|---|---|\n",
            title(group)
        );
        text.push_str(&head);
        for row in FEATURES.iter().filter(|row| row.group == group) {
            let (least, most) = row.scale.range();
            let (scale, meaning) = (scale_text(row.scale), row.meaning);
            assert!(!meaning.contains(['|', '\n']), "a cell ends early: {meaning}");
            let (index, name) = (row.index, row.name);
            writeln!(text, "| {index} | `{name}` | {scale} | {least} to {most} | {meaning} |")
                .expect("text grows");
        }
    }
    text
}

fn title(group: FeatureGroup) -> &'static str {
    match group {
        FeatureGroup::Request => "Request size",
        FeatureGroup::Urgency => "Urgency",
        FeatureGroup::Tenant => "Tenant: what it holds, and its past",
        FeatureGroup::Pool => "Pool",
        FeatureGroup::Cost => "Cost and budget",
        FeatureGroup::Time => "Time and kind of step",
    }
}

#[test]
fn every_feature_is_explained() {
    let (path, wanted) = (in_repository(PATH), document());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, wanted).expect("docs/council-features.md can be written");
        return;
    }
    let told = std::fs::read_to_string(&path).expect(PATH);
    assert_eq!(told, wanted, "write it anew with UPDATE_DOCS=1");
}
