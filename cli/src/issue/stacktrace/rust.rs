//! Rust: the chain of an error as `anyhow` and our SDK write it, then a numbered backtrace,
//! the innermost frame first, each with a line that says where it stands.

use super::located;
use crate::sentry::{Exception, Frame};

pub(super) fn parse(text: &str) -> Option<Vec<Exception>> {
    let mut message: Vec<&str> = Vec::new();
    let mut causes: Vec<String> = Vec::new();
    let mut frames: Vec<Frame> = Vec::new();
    let mut in_causes = false;
    let mut told = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed == "Caused by:" {
            (in_causes, told) = (true, true);
        } else if in_causes {
            match (numbered(trimmed), causes.last_mut()) {
                // A blank line ends the causes, whose numbers look like those of frames.
                _ if trimmed.is_empty() => in_causes = causes.is_empty(),
                (Some(cause), _) => causes.push(cause.to_owned()),
                (None, None) => causes.push(trimmed.to_owned()),
                (None, Some(cause)) => {
                    cause.push('\n');
                    cause.push_str(trimmed);
                }
            }
        } else if let Some(function) = numbered(trimmed).filter(|_| is_frame(line)) {
            frames.push(Frame {
                function: Some(without_hash(function).to_owned()),
                ..Frame::default()
            });
        } else if let (Some(place), Some(frame)) = (trimmed.strip_prefix("at "), frames.last_mut())
        {
            *frame = located(std::mem::take(frame), place);
        } else if frames.is_empty() && !told && !trimmed.is_empty() {
            message.push(trimmed);
        }
    }
    if causes.is_empty() && frames.is_empty() {
        return None;
    }
    let foreign = foreign_folders(&frames);
    for frame in &mut frames {
        let own = match of_crate(frame) {
            Some(name) => !is_foreign(name),
            // What was inlined has no path, but a place. C, and what the compiler made, has none.
            None => folder(frame).is_some_and(|folder| !foreign.iter().any(|one| one == folder)),
        };
        frame.in_app = Some(own && !is_in_foreign_path(frame));
    }
    frames.reverse();
    let message: Vec<&str> = message
        .into_iter()
        .filter(|line| !matches!(*line, "Stack backtrace:" | "stack backtrace:"))
        .collect();
    let cause = |cause: String| Exception {
        // As Sentry's SDK names those whose type Rust does not tell.
        kind: Some("Error".to_owned()),
        value: Some(cause),
        ..Exception::default()
    };
    let mut chain: Vec<Exception> = causes.into_iter().rev().map(cause).collect();
    chain.push(Exception {
        value: (!message.is_empty()).then(|| message.join("\n")),
        frames,
        ..Exception::default()
    });
    Some(chain)
}

/// What follows `3: `.
fn numbered(line: &str) -> Option<&str> {
    let (number, rest) = line.split_once(": ")?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !rest.trim().is_empty()).then(|| rest.trim())
}

/// A backtrace indents its numbers.
fn is_frame(line: &str) -> bool {
    line.starts_with(' ')
}

fn without_hash(function: &str) -> &str {
    match function.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            name
        }
        _ => function,
    }
}

/// Where the sources of what is not the service's lie.
const FOREIGN_PATHS: [&str; 5] = [
    "/rustc/",
    "/.cargo/registry/",
    "/.cargo/git/",
    "/registry/src/",
    "/lib/rustlib/",
];

/// Crates that a service stands on, for a build without paths.
const FOREIGN_CRATES: [&str; 26] = [
    "std",
    "core",
    "alloc",
    "proc_macro",
    "test",
    "tokio",
    "tokio_util",
    "futures",
    "futures_util",
    "futures_core",
    "hyper",
    "hyper_util",
    "h2",
    "tower",
    "tower_http",
    "axum",
    "axum_core",
    "actix_web",
    "tonic",
    "reqwest",
    "sqlx",
    "sqlx_core",
    "tracing",
    "tracing_core",
    "anyhow",
    "throughline",
];

/// The crate that a function names, if it names one.
fn of_crate(frame: &Frame) -> Option<&str> {
    let function = frame.function.as_deref()?;
    // `<alloc::boxed::Box<F> as core::ops::FnOnce>::call_once` is of `alloc`, and the types
    // that `{closure#0}<axum::Router>` is made for are not what it is of.
    let name = function.trim_start_matches(['<', '&', ' ']);
    let name = name.split('<').next()?;
    name.split_once("::").map(|(name, _)| name)
}

fn is_foreign(name: &str) -> bool {
    FOREIGN_CRATES.contains(&name) || name.starts_with("__")
}

fn is_in_foreign_path(frame: &Frame) -> bool {
    let file = frame.filename.as_deref();
    file.is_some_and(|file| FOREIGN_PATHS.iter().any(|path| file.contains(path)))
}

/// Where the crate lies whose source this is.
fn folder(frame: &Frame) -> Option<&str> {
    let file = frame.filename.as_deref()?;
    let (folder, _) = file.split_once("/src/").or_else(|| file.rsplit_once('/'))?;
    Some(folder)
}

/// Where the crates lie that are not the service's, also where they were built beside it.
fn foreign_folders(frames: &[Frame]) -> Vec<String> {
    let foreign = |frame: &&Frame| of_crate(frame).is_some_and(is_foreign);
    let folders = frames.iter().filter(foreign).filter_map(folder);
    folders.map(str::to_owned).collect()
}
