//! Plain tables: what most views beside the traces consist of.

use std::fmt::Display;

use askama::Template;

use crate::page::{
    format::{ago, count, time},
    markup::Markup,
};

/// What stands in one place of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    text: Markup,
    href: String,
    class: &'static str,
}

impl Cell {
    pub(super) fn text(text: impl Display) -> Self {
        let mut markup = Markup::new();
        markup.text(&text);
        Self::markup(markup)
    }

    pub(super) fn markup(text: Markup) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }

    pub(super) fn number(number: u64) -> Self {
        Self::text(count(number)).class("number")
    }

    /// A text in a box of a colour: `error`, `warn`, `ok`, `info` or none.
    pub(super) fn badge(text: impl Display, class: &str) -> Self {
        let mut markup = Markup::new();
        markup.element("span", &[("class", &format_args!("badge {class}"))], &text);
        Self::markup(markup)
    }

    /// A moment in nanoseconds since 1970.
    pub(super) fn time(at: u64) -> Self {
        Self::markup(time(at)).class("nowrap")
    }

    pub(super) fn ago(at: u64) -> Self {
        Self::markup(ago(at)).class("nowrap")
    }

    /// The last of these wins.
    pub(super) fn class(mut self, class: &'static str) -> Self {
        self.class = class;
        self
    }

    /// Leads there; an empty address leads nowhere.
    pub(super) fn to(mut self, href: String) -> Self {
        self.href = href;
        self
    }
}

/// A line of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// Tells the row from the others when the page is brought up to date.
    pub(super) key: String,
    pub(super) class: &'static str,
    pub(super) cells: Vec<Cell>,
}

/// A table with its heading.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "table.html")]
pub(super) struct Table {
    pub(super) caption: String,
    /// Beside the heading, for what needs saying; may be empty.
    pub(super) note: String,
    /// A name that begins with `#` is that of numbers, which stand at the right.
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Row>,
    /// What is said where there are no rows.
    pub(super) empty: String,
}

impl askama::filters::HtmlSafe for Table {}

impl Table {
    pub(super) fn new(caption: &str, columns: &[&'static str], empty: &str) -> Self {
        Self {
            caption: caption.to_owned(),
            columns: columns.to_vec(),
            empty: empty.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn row(&mut self, key: impl Into<String>, cells: Vec<Cell>) -> &mut Row {
        self.rows.push(Row {
            key: key.into(),
            class: "",
            cells,
        });
        let last = self.rows.len() - 1;
        &mut self.rows[last]
    }

    /// Names and what they are need none.
    fn has_headings(&self) -> bool {
        self.columns.iter().any(|name| !name.is_empty())
    }

    fn headings(&self) -> impl Iterator<Item = (&str, bool)> {
        self.columns
            .iter()
            .map(|name| (name.trim_start_matches('#'), name.starts_with('#')))
    }

    /// The column's name, for narrow screens.
    fn name(&self, index: &usize) -> &str {
        self.columns
            .get(*index)
            .map_or("", |name| name.trim_start_matches('#'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shows_its_cells_and_runs_none_of_them() {
        let hostile = "<script>alert(1)</script>\"'";
        let mut table = Table::new("Who", &["Name", "#Times"], "nobody");
        assert!(table.render().unwrap().contains("nobody"));
        let cells = vec![
            Cell::text(hostile).to(format!("/users?user={hostile}")),
            Cell::number(1234),
            Cell::badge(hostile, "error"),
        ];
        table.row(hostile, cells).class = "warn";
        let html = table.render().unwrap();
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("1,234"), "{html}");
        assert!(html.contains("href=\"/users?user="), "{html}");
        assert!(
            html.contains("<th scope=\"col\" class=\"number\">Times</th>"),
            "{html}"
        );
        assert!(!html.contains("nobody"), "{html}");
    }

    #[test]
    fn names_and_values_have_no_empty_row_above_them() {
        let mut table = Table::new("The database", &["", ""], "");
        table.row("file", vec![Cell::text("file"), Cell::text("a.db")]);
        let html = table.render().unwrap();
        assert!(html.contains("a.db") && !html.contains("<thead>"), "{html}");
    }
}
