//! The two shapes of text: a table with a header, and a list of named values.

use std::fmt::Write;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

/// Columns that a table has at most.
pub(super) const MAX_COLUMNS: u16 = 100;

/// How a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// Words: to the left.
    Text(&'static str),
    /// Figures: to the right.
    Figure(&'static str),
    /// Sentences: wrapped so that the table stays within [`MAX_COLUMNS`].
    Prose(&'static str),
}

/// A table, or `empty` where there are no rows.
pub(super) fn table(columns: &[Column], rows: Vec<Vec<String>>, empty: &str) -> String {
    if rows.is_empty() {
        return empty.to_owned();
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(columns.iter().map(|column| match column {
        Column::Text(name) | Column::Figure(name) | Column::Prose(name) => *name,
    }));
    if columns.iter().any(|column| matches!(column, Column::Prose(_))) {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(MAX_COLUMNS);
    }
    table.add_rows(rows);
    for (index, kind) in columns.iter().enumerate() {
        let Some(column) = table.column_mut(index) else { continue };
        // Two spaces between columns, none before the first.
        column.set_padding((0, 2));
        match kind {
            Column::Figure(_) => {
                column.set_cell_alignment(CellAlignment::Right);
            }
            Column::Text(_) => {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            Column::Prose(_) => {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(30)));
            }
        }
    }
    table.trim_fmt()
}

/// Named values, one a line; a value of several lines is indented under its first.
pub(super) fn fields(fields: &[(&str, Option<String>)]) -> String {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    let mut text = String::new();
    for (name, value) in fields {
        let Some(value) = value else { continue };
        let name = format!("{name}:");
        let value = value.replace('\n', &format!("\n{:width$}", ""));
        let _ = writeln!(text, "{name:width$}{value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_says_so() {
        assert_eq!(table(&[Column::Text("NAME")], Vec::new(), "nothing here"), "nothing here");
    }

    #[test]
    fn prose_is_wrapped_and_ids_are_not() {
        let id = "job-01kb0000000000000000000000";
        let text = table(
            &[Column::Text("JOB"), Column::Prose("MESSAGE")],
            vec![vec![id.into(), "a word ".repeat(40)]],
            "",
        );
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(MAX_COLUMNS)), "{text}");
        assert!(text.contains(id), "{text}");
        assert!(text.lines().count() > 3, "{text}");
    }

    #[test]
    fn absent_values_have_no_line() {
        let text = fields(&[("Name", Some("shop".into())), ("Point", None), ("Error", Some("a\nb".into()))]);
        assert_eq!(text, "Name:  shop\nError: a\n       b\n");
    }
}
