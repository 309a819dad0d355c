//! Python: `Traceback (most recent call last):`, the caller first, then the exception; a chain
//! is one after another, the root cause first.

use super::named;
use crate::sentry::{Exception, Frame};

const START: &str = "Traceback (most recent call last):";

pub(super) fn parse(text: &str) -> Option<Vec<Exception>> {
    let mut chain: Vec<Exception> = Vec::new();
    let mut blocks = text.split(START);
    blocks.next()?;
    for block in blocks {
        let mut frames: Vec<Frame> = Vec::new();
        let mut head = None;
        for line in block.lines().filter(|line| !line.trim().is_empty()) {
            if let Some(frame) = frame(line) {
                frames.push(frame);
            } else if line.starts_with(' ') {
                // The line of code; below it are marks, which are left out.
                if let Some(frame) = frames.last_mut().filter(|one| one.context_line.is_none()) {
                    frame.context_line = Some(line.trim().to_owned());
                }
            } else {
                head = Some(line);
                break;
            }
        }
        chain.push(Exception {
            frames,
            ..head.map(named).unwrap_or_default()
        });
    }
    (!chain.is_empty()).then_some(chain)
}

/// `File "shop/cart.py", line 7, in pay`.
fn frame(line: &str) -> Option<Frame> {
    let rest = line.trim_start().strip_prefix("File \"")?;
    let (file, rest) = rest.split_once("\", line ")?;
    let (number, function) = match rest.split_once(", in ") {
        Some((number, function)) => (number, Some(function.trim().to_owned())),
        None => (rest, None),
    };
    Some(Frame {
        function,
        filename: Some(file.to_owned()),
        lineno: number.trim().parse().ok(),
        in_app: Some(is_own(file)),
        ..Frame::default()
    })
}

fn is_own(file: &str) -> bool {
    let foreign = [
        "site-packages",
        "dist-packages",
        "/lib/python",
        "\\lib\\",
        "<frozen ",
    ];
    !foreign.iter().any(|part| file.contains(part))
}
