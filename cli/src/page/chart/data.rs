//! What a chart shows as a table below it: for those who do not see the drawing, and for the script
//! that tells the values under a pointer.

use crate::page::markup::Markup;

/// The cells of the head, and then all rows, between what every such table begins and ends with.
pub(super) fn data(
    markup: &mut Markup,
    title: &str,
    head: impl FnOnce(&mut Markup),
    rows: impl FnOnce(&mut Markup),
) {
    markup
        .open("details", &[("class", &"data")])
        .element("summary", &[], &"Data");
    markup.open(
        "div",
        &[
            ("class", &"scroll"),
            ("tabindex", &"0"),
            ("role", &"region"),
            ("aria-label", &format_args!("Data of {title}")),
        ],
    );
    markup
        .open("table", &[])
        .element("caption", &[("class", &"quiet")], &title);
    markup.open("thead", &[]).open("tr", &[]);
    head(markup);
    markup.close("tr").close("thead").open("tbody", &[]);
    rows(markup);
    markup
        .close("tbody")
        .close("table")
        .close("div")
        .close("details");
}

/// The head of a column; of numbers where there is a class.
pub(super) fn column(markup: &mut Markup, class: &str, name: &str) {
    if class.is_empty() {
        markup.element("th", &[("scope", &"col")], &name);
    } else {
        markup.element("th", &[("scope", &"col"), ("class", &class)], &name);
    }
}

/// In place of a drawing and its table.
pub(super) fn nothing(markup: &mut Markup) {
    markup.element(
        "p",
        &[("class", &"muted no-data")],
        &"No values in this range.",
    );
}
