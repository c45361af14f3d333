//! Rows of the table: a name, a value, its unit, and the goal that the project set itself.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One measured figure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) goal: Option<Goal>,
}

/// What the project wants of a figure.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn is_reached_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

/// All figures of one run, printed as they come.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    rows: Vec<Figure>,
    baseline: BTreeMap<String, f64>,
}

impl Figures {
    /// Figures that are compared with those of `baseline`, one JSON object a line.
    pub(crate) fn against(baseline: &str) -> Self {
        let rows = baseline.lines().filter_map(|line| serde_json::from_str::<Figure>(line).ok());
        Self { rows: vec![], baseline: rows.map(|row| (row.name, row.value)).collect() }
    }

    pub(crate) fn add(&mut self, name: &str, value: f64, unit: &str) {
        self.push(Figure { name: name.to_owned(), value, unit: unit.to_owned(), goal: None });
    }

    pub(crate) fn add_with_goal(&mut self, name: &str, value: f64, unit: &str, goal: Goal) {
        let goal = Some(goal);
        self.push(Figure { name: name.to_owned(), value, unit: unit.to_owned(), goal });
    }

    /// The value of a figure of this run.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.rows.iter().find(|row| row.name == name).map(|row| row.value)
    }

    fn push(&mut self, row: Figure) {
        println!("{}", self.line(&row));
        self.rows.push(row);
    }

    fn line(&self, row: &Figure) -> String {
        let Figure { name, value, unit, goal } = row;
        let mut line = format!("| {name:<52} | {:>12} | {unit:<10} |", readable(*value));
        let goal = goal.map(|goal| {
            let mark = if goal.is_reached_by(*value) { "reached" } else { "NOT REACHED" };
            match goal {
                Goal::AtLeast(least) => format!("≥ {} {mark}", readable(least)),
                Goal::AtMost(most) => format!("≤ {} {mark}", readable(most)),
            }
        });
        line += &format!(" {:<22} |", goal.unwrap_or_default());
        if let Some(before) = self.baseline.get(name).filter(|before| **before != 0.0) {
            line += &format!(" {:>+7.1} % |", (value / before - 1.0) * 100.0);
        }
        line
    }

    /// The head of the table.
    pub(crate) fn print_head(&self) {
        let compared = if self.baseline.is_empty() { "" } else { " against baseline |" };
        println!("{}", head(compared));
    }

    /// The whole table.
    #[allow(dead_code, reason = "the bench `kafka` writes a page of it")]
    pub(crate) fn to_markdown(&self) -> String {
        let mut lines = head("") + "\n";
        for row in &self.rows {
            lines += &self.line(row);
            lines.push('\n');
        }
        lines
    }

    /// One JSON object a line: the machine, then the figures.
    pub(crate) fn to_json_lines(&self, machine: &serde_json::Value) -> String {
        let mut lines = format!("{machine}\n");
        for row in &self.rows {
            lines += &serde_json::to_string(row).expect("a figure is plain data");
            lines.push('\n');
        }
        lines
    }
}

fn head(compared: &str) -> String {
    let (figure, value, unit, goal) = ("figure", "value", "unit", "goal");
    format!(
        "| {figure:<52} | {value:>12} | {unit:<10} | {goal:<22} |{compared}\n\
         |{:-<54}|{:-<13}:|{:-<12}|{:-<24}|",
        "", "", "", ""
    )
}

/// Three digits are all that a shared machine can tell apart.
fn readable(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => {
            let digits = format!("{value:.0}");
            let groups: Vec<&str> = digits
                .as_bytes()
                .rchunks(3)
                .rev()
                .map(|group| std::str::from_utf8(group).expect("digits are ASCII"))
                .collect();
            groups.join(",")
        }
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
