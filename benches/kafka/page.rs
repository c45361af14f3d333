//! The page that shows the figures: what stands between its two marks is written by this bench.

use crate::figures::Figures;
use crate::session::Sizes;
use std::fs;
use std::io;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/numbers-kafka.md");
const BEGIN: &str = "<!-- figures: written by the bench -->";
const END: &str = "<!-- end -->";

/// Puts `figures` into the page.
pub(crate) fn write(
    figures: &Figures,
    machine: &serde_json::Value,
    sizes: &Sizes,
) -> io::Result<()> {
    let page = fs::read_to_string(PAGE)?;
    let (before, rest) = page.split_once(BEGIN).expect("the page has its first mark");
    let (_, after) = rest.split_once(END).expect("the page has its last mark");
    let about = &machine["machine"];
    let Sizes { records, partitions, batch, times, .. } = sizes;
    let table = figures.to_markdown();
    let made = format!(
        "{partitions} partitions of {records} commands (mix B: one), rounds of {batch}, {times} \
         runs each in turns, medians. {} processors ({}), load when it began: {}.\n\n{table}",
        about["cores"], about["cpu"], about["load"]
    );
    fs::write(PAGE, format!("{before}{BEGIN}\n\n{made}\n{END}{after}"))
}
