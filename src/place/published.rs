//! What the published runs allocated: means of ten seeds, in % of all GPUs, from the result files
//! beside the simulator of the FGD paper.

use super::Contender;

/// Published means of one trace.
struct Published {
    trace: &'static str,
    /// At 100 % asked, in the order of [`Contender::ALL`].
    at_100: [f64; 6],
    /// At 130 % asked; 0 where nobody wrote it down here.
    at_130: [f64; 6],
}

/// The published mean for `trace`, when 100 or 130 % were asked for; none for a policy or trace
/// without.
#[must_use]
pub fn published(trace: &str, contender: Contender, asked_pct: i64) -> Option<f64> {
    let row = PUBLISHED.iter().find(|row| row.trace == trace)?;
    let column = Contender::ALL.iter().position(|other| *other == contender)?;
    let means = match asked_pct {
        100 => &row.at_100,
        130 => &row.at_130,
        _ => return None,
    };
    means.get(column).copied().filter(|mean| *mean > 0.0)
}

const PUBLISHED: [Published; 17] = [
    row(
        "default",
        [86.30, 90.62, 91.65, 91.78, 92.86, 95.23],
        [87.47, 90.85, 91.88, 92.00, 93.08, 95.39],
    ),
    row("cpu050", [89.02, 93.03, 93.52, 93.46, 93.56, 95.00], [0.0, 0.0, 0.0, 0.0, 93.79, 95.21]),
    row("cpu100", [87.44, 91.73, 92.42, 92.50, 93.26, 95.21], [0.0, 0.0, 0.0, 0.0, 93.44, 95.35]),
    row("cpu200", [83.03, 87.45, 89.67, 89.98, 92.15, 94.82], [0.0, 0.0, 0.0, 0.0, 92.40, 95.05]),
    row("cpu250", [80.00, 83.57, 87.75, 88.05, 91.21, 93.20], [0.0, 0.0, 0.0, 0.0, 91.45, 93.41]),
    row(
        "gpushare40",
        [84.86, 89.30, 89.76, 89.77, 91.44, 93.96],
        [0.0, 0.0, 0.0, 0.0, 91.69, 94.15],
    ),
    row(
        "gpushare60",
        [82.81, 86.82, 86.90, 87.15, 89.06, 91.25],
        [83.65, 87.12, 87.20, 87.45, 89.36, 91.40],
    ),
    row(
        "gpushare80",
        [80.62, 84.14, 84.50, 84.65, 86.66, 89.08],
        [0.0, 0.0, 0.0, 0.0, 87.01, 89.30],
    ),
    row(
        "gpushare100",
        [78.90, 81.98, 82.22, 82.13, 84.62, 86.64],
        [0.0, 0.0, 0.0, 0.0, 85.01, 86.90],
    ),
    row(
        "multigpu20",
        [86.92, 91.85, 93.34, 93.50, 93.73, 95.53],
        [0.0, 0.0, 0.0, 0.0, 93.93, 95.65],
    ),
    row(
        "multigpu30",
        [86.63, 93.11, 94.55, 94.70, 94.57, 96.36],
        [89.27, 93.28, 94.72, 94.87, 94.72, 96.46],
    ),
    row(
        "multigpu40",
        [85.38, 94.04, 95.35, 95.59, 95.10, 96.91],
        [0.0, 0.0, 0.0, 0.0, 95.23, 96.99],
    ),
    row(
        "multigpu50",
        [81.28, 94.73, 95.69, 96.06, 95.62, 97.09],
        [0.0, 0.0, 0.0, 0.0, 95.74, 97.18],
    ),
    row(
        "gpuspec10",
        [86.26, 90.17, 91.96, 92.24, 93.10, 94.66],
        [0.0, 0.0, 0.0, 0.0, 93.30, 94.95],
    ),
    row(
        "gpuspec20",
        [85.90, 88.29, 89.11, 89.28, 88.46, 94.66],
        [87.24, 89.97, 92.25, 92.94, 93.30, 94.84],
    ),
    row(
        "gpuspec25",
        [85.42, 85.44, 86.41, 86.77, 85.67, 93.91],
        [0.0, 0.0, 0.0, 0.0, 93.23, 94.74],
    ),
    row(
        "gpuspec33",
        [83.87, 79.82, 81.09, 82.22, 80.39, 87.84],
        [0.0, 0.0, 0.0, 0.0, 93.09, 94.55],
    ),
];

const fn row(trace: &'static str, at_100: [f64; 6], at_130: [f64; 6]) -> Published {
    Published { trace, at_100, at_130 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_or_trace_without_a_published_mean_has_none() {
        assert_eq!(published("default", Contender::Fgd, 100), Some(95.23));
        assert_eq!(published("default", Contender::Fgd, 130), Some(95.39));
        assert_eq!(published("multigpu30", Contender::Packing, 130), Some(94.87));
        assert_eq!(published("gpuspec33", Contender::Random, 100), Some(83.87));
        assert_eq!(published("gpuspec33", Contender::Random, 130), None);
        assert_eq!(published("gpuspec33", Contender::BestFit, 130), Some(93.09));
        assert_eq!(published("default", Contender::Default, 100), None);
        assert_eq!(published("default", Contender::Fgd, 110), None);
        assert_eq!(published("cpu0", Contender::Fgd, 100), None);
    }
}
