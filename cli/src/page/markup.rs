//! Drawings and other markup that is built by code, escaped as it is written.
//!
//! A template reads better where the markup is fixed and the data fills it. A drawing is the
//! other way round: the data says which elements there are.

use std::fmt::{self, Display, Write as _};

/// Well-formed markup. A template puts it in as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Markup(String);

/// The attributes of an element.
pub(crate) type Attributes<'a> = &'a [(&'a str, &'a dyn Display)];

impl Markup {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn open(&mut self, name: &str, attributes: Attributes<'_>) -> &mut Self {
        self.start(name, attributes);
        self.0.push('>');
        self
    }

    pub(crate) fn close(&mut self, name: &str) -> &mut Self {
        self.raw(&format_args!("</{name}>"))
    }

    /// An element of SVG with nothing in it.
    pub(crate) fn leaf(&mut self, name: &str, attributes: Attributes<'_>) -> &mut Self {
        self.start(name, attributes);
        self.0.push_str("/>");
        self
    }

    /// An element with only text in it.
    pub(crate) fn element(
        &mut self,
        name: &str,
        attributes: Attributes<'_>,
        text: &dyn Display,
    ) -> &mut Self {
        self.open(name, attributes).text(text).close(name)
    }

    pub(crate) fn text(&mut self, text: &dyn Display) -> &mut Self {
        // Writing into a string cannot fail.
        _ = write!(Escaped(&mut self.0), "{text}");
        self
    }

    pub(crate) fn markup(&mut self, markup: &Self) -> &mut Self {
        self.0.push_str(&markup.0);
        self
    }

    fn start(&mut self, name: &str, attributes: Attributes<'_>) {
        self.raw(&format_args!("<{name}"));
        for (name, value) in attributes {
            self.raw(&format_args!(" {name}=\"")).text(value).raw(&'"');
        }
    }

    /// Names of elements and attributes, which are always ours.
    fn raw(&mut self, ours: &dyn Display) -> &mut Self {
        _ = write!(self.0, "{ours}");
        self
    }
}

impl Display for Markup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// By construction: see [`Escaped`].
impl askama::filters::HtmlSafe for Markup {}

/// Text as it has to stand both between tags and in quotes. Control characters have no meaning in
/// HTML, and some of them are errors; they are shown as what they are.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(character),
                _ if character.is_control() => self.0.push('\u{fffd}'),
                _ => self.0.push(character),
            }
        }
        Ok(())
    }
}

/// A coordinate: two decimals are a tenth of what an eye can see, and keep drawings small.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Px(pub(crate) f64);

impl Display for Px {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = if self.0.is_finite() {
            (self.0 * 100.0).round() / 100.0
        } else {
            0.0
        };
        // Not "-0".
        write!(formatter, "{}", rounded + 0.0)
    }
}

/// A share of the whole width, since a server does not know how wide that is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Percent(pub(crate) f64);

impl Display for Percent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}%", Px(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_cannot_leave_their_place() {
        let mut markup = Markup::new();
        let hostile = "\"'><script>alert(1)</script>&\0";
        markup
            .open(
                "a",
                &[
                    ("href", &hostile),
                    ("x", &Px(1.005e-9)),
                    ("y", &Percent(33.333)),
                ],
            )
            .leaf("rect", &[("width", &Px(f64::NAN))])
            .text(&hostile)
            .close("a");
        let safe = "&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;\u{fffd}";
        assert_eq!(
            markup.to_string(),
            format!("<a href=\"{safe}\" x=\"0\" y=\"33.33%\"><rect width=\"0\"/>{safe}</a>")
        );
    }
}
