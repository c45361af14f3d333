//! Rows of cells as lines of aligned columns.

/// A table for people. A column whose title starts with `>` is aligned to the right.
#[derive(Debug)]
pub struct Table {
    titles: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// Between two columns.
const GAP: &str = "  ";

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(titles: &[&'static str]) -> Self {
        Self { titles: titles.to_vec(), rows: vec![] }
    }

    /// Appends a row.
    ///
    /// # Panics
    /// When it has not a cell for each title.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        assert_eq!(N, self.titles.len(), "a row has a cell for each title");
        self.rows.push(cells.into());
    }

    /// The lines, each ended by a line feed; none when there are no rows.
    #[must_use]
    pub fn text(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let titles: Vec<String> =
            self.titles.iter().map(|title| title.trim_start_matches('>').to_owned()).collect();
        let lines: Vec<&Vec<String>> = std::iter::once(&titles).chain(&self.rows).collect();
        let width = |column: usize| lines.iter().map(|line| columns(&line[column])).max();
        let widths: Vec<usize> =
            (0..titles.len()).map(|column| width(column).unwrap_or(0)).collect();
        lines.iter().map(|line| self.line(line, &widths)).collect()
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let padded = self.titles.iter().zip(cells).zip(widths).map(|((title, cell), width)| {
            let space = " ".repeat(width - columns(cell));
            if title.starts_with('>') { format!("{space}{cell}") } else { format!("{cell}{space}") }
        });
        let line = padded.collect::<Vec<_>>().join(GAP);
        format!("{}\n", line.trim_end())
    }
}

/// Columns of a terminal, near enough for names.
fn columns(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_where_their_text_does() {
        let mut table = Table::new(&["NAME", ">GPUS", "WHY"]);
        assert_eq!(table.text(), "");
        table.row(["a".into(), "12".into(), String::new()]);
        table.row(["größer".into(), "1.5".into(), "no room".into()]);
        assert_eq!(table.text(), "NAME    GPUS  WHY\na         12\ngrößer   1.5  no room\n");
    }
}
