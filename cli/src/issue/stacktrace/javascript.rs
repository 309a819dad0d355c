//! JavaScript: V8's form (`at pay (cart.js:7:5)`) and that of the other engines
//! (`pay@cart.js:7:5`), the innermost frame first.

use super::{located, named};
use crate::sentry::{Exception, Frame};

pub(super) fn parse(text: &str) -> Option<Vec<Exception>> {
    let mut chain: Vec<Exception> = Vec::new();
    let mut head: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(frame) = frame(line) {
            if chain.is_empty() || !head.is_empty() {
                chain.push(named(&head.join("\n")));
                head.clear();
            }
            if let Some(exception) = chain.last_mut() {
                exception.frames.push(frame);
            }
        } else if let Some(cause) = line.strip_prefix("[cause]: ") {
            head = vec![cause];
        } else if !line.is_empty() && line != "}" && line != "{" {
            head.push(line);
        }
    }
    if chain.is_empty() {
        return None;
    }
    for exception in &mut chain {
        exception.frames.reverse();
    }
    chain.reverse();
    Some(chain)
}

fn frame(line: &str) -> Option<Frame> {
    // Node opens its braces for the cause after the last frame.
    let line = line.trim_end_matches('{').trim_end();
    let (function, place) = match line.strip_prefix("at ") {
        Some(rest) => match rest
            .strip_suffix(')')
            .and_then(|rest| rest.rsplit_once(" ("))
        {
            Some((function, place)) => (function, place),
            None => ("", rest.strip_prefix("async ").unwrap_or(rest)),
        },
        None => line
            .split_once('@')
            .filter(|(name, _)| !name.contains(' '))?,
    };
    let unknown = matches!(place, "<anonymous>" | "native" | "index 0");
    let frame = located(Frame::default(), place);
    // Rust's and Java's lines begin alike: only these have a column.
    if !unknown && frame.colno.is_none() {
        return None;
    }
    let function = function
        .trim_start_matches("async ")
        .trim_start_matches("new ")
        .trim();
    Some(Frame {
        function: (!function.is_empty()).then(|| function.to_owned()),
        in_app: Some(!unknown && is_own(place)),
        ..frame
    })
}

fn is_own(place: &str) -> bool {
    let foreign = [
        "node_modules",
        "node:",
        "internal/",
        "<anonymous>",
        "[native code]",
        "extension://",
    ];
    !foreign.iter().any(|part| place.contains(part))
}
