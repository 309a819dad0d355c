//! What a reader should know before the rows: what is folded, missing or odd, and what more there
//! is to show.

use super::{Beside, Folding, Waterfall};
use crate::page::{
    format::{count, plural},
    markup::Markup,
    record::WARN,
    trace::Oddity,
};

impl Waterfall<'_> {
    pub(super) fn notices(
        &self,
        markup: &mut Markup,
        beside: &[Beside<'_>],
        folding: &Folding,
        hidden: usize,
    ) {
        markup.open("ul", &[("class", &"notes")]);
        if hidden > 0 {
            markup.open("li", &[]).text(&format_args!(
                "{} of {} spans are folded.",
                count(hidden as u64),
                count(self.spans.len() as u64)
            ));
            if !folding.all {
                markup.text(&" ").element(
                    "a",
                    &[("href", &self.request.with("open", "all"))],
                    &"Show all",
                );
            }
            markup.close("li");
        }
        let missing = self.odd(|odd| matches!(odd, Oddity::MissingParent(_)));
        if missing > 0 {
            markup.element(
                "li",
                &[("class", &"warn-text")],
                &format_args!(
                    "{} whose parent is not here: not sent yet, not sampled, or lost.",
                    plural(missing, "span")
                ),
            );
        }
        let skewed = self.odd(|odd| matches!(odd, Oddity::ClockSkew(_)));
        if skewed > 0 {
            markup.element(
                "li",
                &[("class", &"warn-text")],
                &format_args!(
                    "{} before the one that called it: clocks differ.",
                    plural_verb(skewed, "span starts", "spans start")
                ),
            );
        }
        let broken = self.odd(|odd| {
            matches!(
                odd,
                Oddity::Cycle | Oddity::DuplicateId | Oddity::Backwards | Oddity::NoTime
            )
        });
        if broken > 0 {
            markup.element(
                "li",
                &[("class", &"warn-text")],
                &format_args!(
                    "{} with ids or times that cannot be; shown as far as they go.",
                    plural(broken, "span")
                ),
            );
        }
        let quiet = beside
            .iter()
            .flat_map(|beside| &beside.records)
            .filter(|record| record.record.severity_number < WARN)
            .count();
        if quiet > 0 {
            let (value, words) = if folding.records {
                ("", "Show only warnings and errors".to_owned())
            } else {
                (
                    "all",
                    format!("Show {} among the spans", plural(quiet, "more record")),
                )
            };
            markup
                .open("li", &[])
                .element(
                    "a",
                    &[("href", &self.request.with("records", value))],
                    &words,
                )
                .close("li");
        }
        markup.close("ul");
    }

    fn odd(&self, is: impl Fn(&Oddity) -> bool) -> usize {
        self.tree
            .nodes
            .iter()
            .filter(|node| node.oddities.iter().any(&is))
            .count()
    }
}

fn plural_verb(number: usize, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        count(number as u64),
        if number == 1 { one } else { many }
    )
}
