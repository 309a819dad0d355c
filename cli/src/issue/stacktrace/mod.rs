//! Stack traces as text, as `exception.stacktrace` has them, in the form that Sentry's SDKs
//! send: for a page that shows both alike, and for grouping.
//!
//! What is read is what a language prints by itself. Any other text stays text.

mod java;
mod javascript;
mod python;
mod rust;

use crate::sentry::{Exception, Frame, Limits, keep_ends, start};

/// Only so much is read of one trace, which may be 10 MB of anything.
const LONGEST: usize = 256 * 1024;
/// The chain of exceptions, the root cause first, with the caller first in each stack.
/// `None` where the form is not known.
pub(crate) fn parse(text: &str) -> Option<Vec<Exception>> {
    let text = start(text, LONGEST);
    // A line of Rust that says where a frame stands is a frame of JavaScript.
    let mut chain = [python::parse, java::parse, rust::parse, javascript::parse]
        .into_iter()
        .find_map(|parse| parse(text))?;
    let limits = Limits::default();
    chain.drain(..chain.len().saturating_sub(limits.exceptions));
    for exception in &mut chain {
        keep_ends(&mut exception.frames, limits.frames);
    }
    Some(chain)
}

/// `Type: message` of a chain's member, whose message may go on over lines.
fn named(head: &str) -> Exception {
    let head = head.trim();
    let (kind, value) = match head.split_once(':') {
        Some((kind, value)) if is_type(kind) => (Some(kind), value.trim()),
        _ if is_type(head) => (Some(head), ""),
        _ => (None, head),
    };
    Exception {
        kind: kind.map(str::to_owned),
        value: (!value.is_empty()).then(|| value.to_owned()),
        ..Exception::default()
    }
}

fn is_type(word: &str) -> bool {
    !word.is_empty()
        && word
            .chars()
            .all(|letter| letter.is_alphanumeric() || matches!(letter, '.' | '_' | '$' | '/'))
}

/// The place of a frame from `file:line:column`, of which the numbers may be missing.
fn located(mut frame: Frame, place: &str) -> Frame {
    let mut file = place.trim();
    let mut numbers = [None; 2];
    for number in &mut numbers {
        let Some((rest, digits)) = file.rsplit_once(':') else {
            break;
        };
        let Ok(parsed) = digits.parse::<u64>() else {
            break;
        };
        (*number, file) = (Some(parsed), rest);
    }
    (frame.lineno, frame.colno) = match numbers {
        [column, line @ Some(_)] => (line, column),
        [line, None] => (line, None),
    };
    frame.filename = (!file.is_empty()).then(|| file.to_owned());
    frame
}

#[cfg(test)]
mod tests;
