//! Java and what runs beside it: the exception, its frames with the innermost first, and then
//! each cause.

use super::{located, named};
use crate::sentry::{Exception, Frame};

pub(super) fn parse(text: &str) -> Option<Vec<Exception>> {
    let mut chain: Vec<Exception> = Vec::new();
    let mut head: Vec<&str> = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(frame) = trimmed.strip_prefix("at ").and_then(frame) {
            if chain.is_empty() || !head.is_empty() {
                chain.push(named(&head.join("\n")));
                head.clear();
            }
            if let Some(exception) = chain.last_mut() {
                exception.frames.push(frame);
            }
        } else if let Some(cause) = trimmed.strip_prefix("Caused by: ") {
            if !head.is_empty() {
                chain.push(named(&head.join("\n")));
            }
            head = vec![cause];
        } else if trimmed.starts_with("Suppressed: ") {
            // Beside the failure, and not its cause.
            break;
        } else if !is_more(trimmed) && !trimmed.is_empty() {
            head.push(
                trimmed
                    .strip_prefix("Exception in thread ")
                    .map_or(trimmed, |rest| {
                        // `"main" java.lang.RuntimeException: …`
                        rest.rsplit_once("\" ").map_or(rest, |(_, head)| head)
                    }),
            );
        }
    }
    if !chain.iter().any(|one| !one.frames.is_empty()) {
        return None;
    }
    if !head.is_empty() {
        chain.push(named(&head.join("\n")));
    }
    for exception in &mut chain {
        exception.frames.reverse();
    }
    chain.reverse();
    Some(chain)
}

/// `... 12 more`: frames that stand above already.
fn is_more(line: &str) -> bool {
    line.starts_with("... ") && line.ends_with(" more")
}

/// `app//com.shop.Cart.pay(Cart.java:7)`.
fn frame(line: &str) -> Option<Frame> {
    let (path, place) = line.strip_suffix(')')?.split_once('(')?;
    if path.contains(' ') || place.contains('/') {
        return None;
    }
    // The loader and the module stand before.
    let path = path.rsplit('/').next()?;
    let (class, method) = path.rsplit_once('.')?;
    let source = place.split(':').next().unwrap_or(place);
    let known = matches!(source, "Native Method" | "Unknown Source");
    if !known && !source.contains('.') {
        return None;
    }
    let frame = Frame {
        function: Some(method.to_owned()),
        module: Some(class.to_owned()),
        in_app: Some(is_own(class)),
        ..Frame::default()
    };
    Some(if known { frame } else { located(frame, place) })
}

/// Packages that a service stands on.
const FOREIGN: [&str; 18] = [
    "java.",
    "javax.",
    "jakarta.",
    "jdk.",
    "sun.",
    "com.sun.",
    "kotlin.",
    "kotlinx.",
    "scala.",
    "clojure.",
    "groovy.",
    "org.springframework.",
    "org.apache.",
    "org.eclipse.",
    "org.hibernate.",
    "io.netty.",
    "reactor.",
    "io.opentelemetry.",
];

fn is_own(class: &str) -> bool {
    !FOREIGN.iter().any(|package| class.starts_with(package))
}
