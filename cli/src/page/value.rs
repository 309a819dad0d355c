//! Values of attributes, of any depth and size, as markup that stays readable.

use std::fmt::Write as _;

use throughline_receiver::proto::common::v1::{AnyValue, KeyValue, any_value::Value};

use super::{
    format::{bytes, count, digits},
    markup::Markup,
    query::href,
};

/// A longer text is folded behind its beginning.
const FOLDED_AT: usize = 300;
/// What a page has of one text, or of one list, at most. The rest is in the JSON download.
const LONGEST: usize = 32 * 1024;
const MOST_ITEMS: usize = 200;
/// Whoever nests deeper than that means no reader.
const DEEPEST: usize = 12;

/// A value: text with its lines, lists and maps with their structure.
pub(crate) fn any(value: Option<&AnyValue>) -> Markup {
    let mut markup = Markup::new();
    write(&mut markup, value, 0);
    markup
}

/// Names and values as a list of facts, in the order of their names; those that mean a user, a
/// request or an address lead to everything else that has them.
pub(crate) fn attributes(attributes: &[KeyValue]) -> Markup {
    list(attributes, "traces", |_, _| None)
}

/// Those of a log record, whose ids lead to the log: the spans may know nothing of them. Beside
/// each value the link that `filter` gives for it, to a list of all that have it.
pub(crate) fn attributes_of_record(
    attributes: &[KeyValue],
    filter: impl Fn(&str, &str) -> Option<String>,
) -> Markup {
    list(attributes, "logs", filter)
}

fn list(
    attributes: &[KeyValue],
    among: &str,
    filter: impl Fn(&str, &str) -> Option<String>,
) -> Markup {
    let mut sorted: Vec<_> = attributes.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let mut markup = Markup::new();
    if sorted.is_empty() {
        markup.element("p", &[("class", &"muted")], &"none");
        return markup;
    }
    markup.open("dl", &[("class", &"facts")]);
    for attribute in sorted.iter().take(MOST_ITEMS) {
        markup
            .open("div", &[])
            .element("dt", &[], &attribute.key)
            .open("dd", &[]);
        let value = any(attribute.value.as_ref());
        match link(among, &attribute.key, attribute.value.as_ref()) {
            Some(address) => {
                markup
                    .open("a", &[("href", &address)])
                    .markup(&value)
                    .close("a");
            }
            None => {
                markup.markup(&value);
            }
        }
        if let Some(address) = term(attribute).and_then(|text| filter(&attribute.key, &text)) {
            let says = format!("Only lines with this {}", attribute.key);
            markup.text(&" ").element(
                "a",
                &[
                    ("class", &"only"),
                    ("href", &address),
                    ("title", &says),
                    ("aria-label", &says),
                ],
                &"filter",
            );
        }
        markup.close("dd").close("div");
    }
    markup.close("dl");
    left_out(&mut markup, sorted.len(), MOST_ITEMS);
    markup
}

/// A value as a search has it after the key and `=`, if one can search for it.
fn term(attribute: &KeyValue) -> Option<String> {
    const LONGEST: usize = 120;
    let text = match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::BoolValue(value) => value.to_string(),
        Value::IntValue(value) => value.to_string(),
        Value::DoubleValue(value) => value.to_string(),
        _ => return None,
    };
    let fits = !text.is_empty()
        && text.len() <= LONGEST
        && !text.contains(['"', '\n'])
        && !attribute.key.contains(['"', '=', ' ']);
    fits.then(|| {
        if text.contains(char::is_whitespace) {
            format!("\"{text}\"")
        } else {
            text
        }
    })
}

/// Where everything is that shares this id, `among` the `traces` or the `logs`, whenever it was.
pub(crate) fn link(among: &str, key: &str, value: Option<&AnyValue>) -> Option<String> {
    let text = plain(value, 256);
    if text.is_empty() {
        return None;
    }
    match key {
        "user.id" | "enduser.id" | "audit.actor" => {
            Some(href(&["users"], &[("user", &text), ("since", "all")]))
        }
        "client.address" => Some(href(&["users"], &[("address", &text), ("since", "all")])),
        "request.id" if among == "traces" => {
            Some(href(&["traces"], &[("request", &text), ("since", "all")]))
        }
        "request.id" | "session.id" | "tenant.id" | "order.id" | "payment.id" | "job.id" => {
            let term = format!("{key}={text}");
            // Words with spaces would be several terms.
            let plain = !text.contains(char::is_whitespace);
            plain.then(|| href(&[among], &[("q", &term), ("since", "all")]))
        }
        "service.name" => Some(href(&["traces"], &[("service", &text), ("since", "all")])),
        "http.route" => Some(href(&["traces"], &[("route", &text), ("since", "all")])),
        _ => None,
    }
}

/// A value on one line, cut after that many characters.
pub(crate) fn plain(value: Option<&AnyValue>, longest: usize) -> String {
    let mut text = String::new();
    write_plain(&mut text, value, longest, 0);
    match text.char_indices().nth(longest) {
        Some((end, _)) => {
            text.truncate(end);
            text.push('…');
            text
        }
        None => text,
    }
}

fn write_plain(out: &mut String, value: Option<&AnyValue>, longest: usize, depth: usize) {
    // A million items need not be written to be cut away.
    if out.len() > longest * 4 || depth > DEEPEST {
        return;
    }
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => {
            out.extend(text.chars().take(longest + 1).map(|character| {
                if character.is_control() {
                    ' '
                } else {
                    character
                }
            }));
        }
        Some(Value::BoolValue(value)) => _ = write!(out, "{value}"),
        Some(Value::IntValue(value)) => _ = write!(out, "{value}"),
        Some(Value::DoubleValue(value)) => _ = write!(out, "{value}"),
        Some(Value::BytesValue(value)) => _ = write!(out, "({})", bytes(value.len() as f64)),
        Some(Value::ArrayValue(list)) => {
            out.push('[');
            for (index, item) in list.values.iter().take(longest).enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_plain(out, Some(item), longest, depth + 1);
            }
            out.push(']');
        }
        Some(Value::KvlistValue(map)) => {
            out.push('{');
            for (index, item) in map.values.iter().take(longest).enumerate() {
                _ = write!(out, "{}{}=", if index > 0 { ", " } else { "" }, item.key);
                write_plain(out, item.value.as_ref(), longest, depth + 1);
            }
            out.push('}');
        }
        _ => {}
    }
}

fn write(markup: &mut Markup, value: Option<&AnyValue>, depth: usize) {
    let none = |markup: &mut Markup, word: &str| {
        markup.element("span", &[("class", &"value-none")], &word);
    };
    if depth > DEEPEST {
        none(markup, "nested too deeply to show");
        return;
    }
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(value)) if value.is_empty() => none(markup, "empty"),
        Some(Value::StringValue(value)) => text(markup, value),
        Some(Value::BoolValue(value)) => {
            markup.element("span", &[("class", &"value-bool")], value);
        }
        Some(Value::IntValue(value)) => {
            markup.element("span", &[("class", &"value-number")], value);
        }
        Some(Value::DoubleValue(value)) => {
            // Whole, and beside a long one what it is about.
            let whole = value.to_string();
            let class: (&str, &dyn std::fmt::Display) = ("class", &"value-number");
            if whole.len() > 12 {
                markup.element("span", &[class, ("title", &whole)], &digits(*value));
            } else {
                markup.element("span", &[class], &whole);
            }
        }
        Some(Value::BytesValue(value)) => {
            let mut shown = String::new();
            for byte in value.iter().take(64) {
                _ = write!(shown, "{byte:02x} ");
            }
            let more = if value.len() > 64 { "… " } else { "" };
            let size = bytes(value.len() as f64);
            markup.element("code", &[], &format_args!("{shown}{more}({size})"));
        }
        Some(Value::ArrayValue(list)) if list.values.is_empty() => none(markup, "empty list"),
        Some(Value::ArrayValue(list)) => {
            folded(markup, list.values.len(), "item", |markup| {
                markup.open("ol", &[("class", &"value-list")]);
                for item in list.values.iter().take(MOST_ITEMS) {
                    markup.open("li", &[]);
                    write(markup, Some(item), depth + 1);
                    markup.close("li");
                }
                markup.close("ol");
                left_out(markup, list.values.len(), MOST_ITEMS);
            });
        }
        Some(Value::KvlistValue(map)) if map.values.is_empty() => none(markup, "empty map"),
        Some(Value::KvlistValue(map)) => {
            folded(markup, map.values.len(), "entry", |markup| {
                markup.open("ul", &[("class", &"value-list")]);
                for item in map.values.iter().take(MOST_ITEMS) {
                    markup
                        .open("li", &[])
                        .element("span", &[("class", &"muted")], &item.key);
                    markup.text(&" ");
                    write(markup, item.value.as_ref(), depth + 1);
                    markup.close("li");
                }
                markup.close("ul");
                left_out(markup, map.values.len(), MOST_ITEMS);
            });
        }
        _ => none(markup, "no value"),
    }
}

/// A text, of which a long one shows its beginning and the rest when asked for.
pub(crate) fn text(markup: &mut Markup, text: &str) {
    let class: (&str, &dyn std::fmt::Display) = ("class", &"value-string");
    let Some((cut, _)) = text.char_indices().nth(FOLDED_AT) else {
        markup.element("span", &[class], &text);
        return;
    };
    let end = text
        .char_indices()
        .nth(LONGEST)
        .map_or(text.len(), |(end, _)| end);
    let characters = text.chars().count();
    markup
        .open("details", &[("class", &"long")])
        .open("summary", &[]);
    markup.element(
        "span",
        &[("class", &"value-string beginning")],
        &format_args!("{}…", &text[..cut]),
    );
    markup.element(
        "span",
        &[],
        &format_args!(" show all {} characters", count(characters as u64)),
    );
    markup
        .close("summary")
        .element("span", &[class], &&text[..end]);
    left_out(markup, characters, LONGEST);
    markup.close("details");
}

fn folded(markup: &mut Markup, items: usize, name: &str, list: impl FnOnce(&mut Markup)) {
    const SHORT: usize = 8;
    if items <= SHORT {
        list(markup);
        return;
    }
    let plural = if name == "entry" { "entries" } else { "items" };
    markup.open("details", &[("class", &"long")]);
    markup.element(
        "summary",
        &[],
        &format_args!("{} {plural}", count(items as u64)),
    );
    list(markup);
    markup.close("details");
}

fn left_out(markup: &mut Markup, of: usize, shown: usize) {
    if of > shown {
        let more = count((of - shown) as u64);
        markup.element(
            "p",
            &[("class", &"muted")],
            &format_args!("{more} more are not shown"),
        );
    }
}

#[cfg(test)]
mod tests {
    use throughline_receiver::proto::common::v1::{ArrayValue, KeyValueList};

    use super::*;

    const HOSTILE: &str = "<script>alert('x')</script>\"";
    const SAFE: &str = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;";

    fn string(text: &str) -> AnyValue {
        AnyValue {
            value: Some(Value::StringValue(text.to_owned())),
        }
    }

    fn pair(key: &str, value: AnyValue) -> KeyValue {
        KeyValue {
            key: key.to_owned(),
            value: Some(value),
            ..KeyValue::default()
        }
    }

    fn list(values: Vec<AnyValue>) -> AnyValue {
        AnyValue {
            value: Some(Value::ArrayValue(ArrayValue { values })),
        }
    }

    #[test]
    fn names_and_values_of_every_kind_are_inert() {
        let map = AnyValue {
            value: Some(Value::KvlistValue(KeyValueList {
                values: vec![pair(HOSTILE, string(HOSTILE))],
            })),
        };
        let html = attributes(&[
            pair(HOSTILE, string(HOSTILE)),
            pair("list", list(vec![string(HOSTILE)])),
            pair("map", map),
            pair("user.id", string(HOSTILE)),
        ])
        .to_string();
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches(SAFE).count(), 6, "{html}");
        assert!(
            html.contains("<a href=\"/users?user=%3Cscript%3Ealert"),
            "{html}"
        );
    }

    #[test]
    fn a_value_leads_to_the_lines_that_have_it_where_one_can_search_for_it() {
        let filter = |key: &str, value: &str| Some(format!("?{key}={value}"));
        let html = attributes_of_record(
            &[
                pair("a", string("two words")),
                pair("b", string("say \"x\"")),
                pair("c", list(vec![string("x")])),
            ],
            filter,
        )
        .to_string();
        assert_eq!(html.matches("class=\"only\"").count(), 1, "{html}");
        assert!(html.contains("href=\"?a=&quot;two words&quot;\""), "{html}");
    }

    #[test]
    fn an_id_leads_to_more_of_the_same_whenever_that_was() {
        let order = pair("order.id", string("o-1"));
        let of_span = attributes(std::slice::from_ref(&order)).to_string();
        assert!(
            of_span.contains("\"/traces?q=order.id%3Do-1&amp;since=all\""),
            "{of_span}"
        );
        let of_record = attributes_of_record(&[order], |_, _| None).to_string();
        assert!(
            of_record.contains("\"/logs?q=order.id%3Do-1&amp;since=all\""),
            "{of_record}"
        );
        for (key, address) in [
            ("request.id", "/traces?request=x&since=all"),
            ("user.id", "/users?user=x&since=all"),
            ("client.address", "/users?address=x&since=all"),
            ("service.name", "/traces?service=x&since=all"),
            ("http.route", "/traces?route=x&since=all"),
        ] {
            let found = link("traces", key, Some(&string("x")));
            assert_eq!(found.as_deref(), Some(address));
        }
        let found = link("logs", "request.id", Some(&string("x")));
        assert_eq!(found.as_deref(), Some("/logs?q=request.id%3Dx&since=all"));
    }

    #[test]
    fn a_long_text_is_folded_and_a_huge_one_cut() {
        let html = any(Some(&string(&"ä".repeat(1000)))).to_string();
        assert!(html.contains("show all 1,000 characters"), "{html}");
        assert_eq!(html.matches('ä').count(), FOLDED_AT + 1000);

        let html = any(Some(&string(&"x".repeat(10_000_000)))).to_string();
        assert!(html.len() < 2 * LONGEST, "{}", html.len());
        assert!(html.contains("9,967,232 more are not shown"));
    }

    #[test]
    fn many_items_and_deep_nesting_stay_bounded() {
        let html = any(Some(&list(vec![string("x"); 1_000_000]))).to_string();
        assert_eq!(html.matches("<li>").count(), MOST_ITEMS);
        assert!(html.contains("<summary>1,000,000 items</summary>"));

        let mut nested = string("x");
        for _ in 0..50 {
            nested = list(vec![nested]);
        }
        let html = any(Some(&nested)).to_string();
        assert_eq!(html.matches("<li>").count(), DEEPEST + 1);
        assert!(html.contains("nested too deeply"));
        assert_eq!(plain(Some(&nested), 5), "[[[[[…");
    }

    #[test]
    fn a_line_has_no_room_for_lines() {
        let value = list(vec![
            string("a\nb\u{1b}[31m"),
            AnyValue {
                value: Some(Value::IntValue(-7)),
            },
        ]);
        assert_eq!(plain(Some(&value), 80), "[a b [31m, -7]");
        assert_eq!(plain(None, 80), "");
    }
}
