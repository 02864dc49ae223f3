//! Aligned tables for the terminal: text to the left, numbers to the right, heads with units.

use crate::output;

/// A table that is filled row by row.
pub(crate) struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these column heads; the first column is text, the others are numbers.
    pub(crate) fn new(heads: &[&str]) -> Self {
        Table { heads: heads.iter().map(|head| (*head).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row of as many cells as there are heads.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The table as text. Widths are counted in characters.
    pub(crate) fn render(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([self.heads[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.heads.len()).map(width).collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let padded: Vec<String> = cells
                .zip(&widths)
                .enumerate()
                .map(|(place, (cell, &width))| match place {
                    0 => format!("{cell:<width$}"),
                    _ => format!("{cell:>width$}"),
                })
                .collect();
            padded.join("  ").trim_end().to_owned()
        };
        let mut text = String::new();
        let head = line(&mut self.heads.iter().map(String::as_str));
        if output::emphasis() {
            text.push_str(&format!("\u{1b}[1m{head}\u{1b}[0m\n"));
        } else {
            text.push_str(&head);
            text.push('\n');
        }
        for row in &self.rows {
            text.push_str(&line(&mut row.iter().map(String::as_str)));
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn numbers_are_aligned_to_the_right() {
        let mut table = Table::new(&["policy", "ms"]);
        table.row(vec!["naive".into(), "1,234".into()]);
        table.row(vec!["exact-prefix-cache".into(), "9".into()]);
        assert_eq!(
            table.render(),
            "policy                 ms\nnaive               1,234\nexact-prefix-cache      9\n"
        );
    }
}
