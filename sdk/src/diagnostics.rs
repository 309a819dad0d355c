//! The SDK's own voice: standard error, never the telemetry that it is about. A broken
//! exporter that logged through the service's log would feed itself.

use std::collections::HashSet;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

static SAID: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// Says it.
pub(crate) fn say(message: &str) {
    // An error's text may repeat what it could not use, such as a URL with a password.
    let message = crate::redaction::plain().text(message);
    // One physical line; a closed standard error is no reason to disturb the service.
    let line = crate::event::escape::one_line(&message);
    let _ = writeln!(std::io::stderr().lock(), "throughline: {line}");
}

/// Says it unless the same `topic` has been spoken of since [`settle`].
pub(crate) fn say_once(topic: &str, message: impl FnOnce() -> String) {
    let first = SAID
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert_default()
        .insert(topic.to_owned());
    if first {
        say(&message());
    }
}

/// Ends a topic. True where it had been spoken of.
pub(crate) fn settle(topic: &str) -> bool {
    SAID.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .as_mut()
        .is_some_and(|said| said.remove(topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_spoken_of_once_until_it_is_settled() {
        let mut times = 0;
        for _ in 0..3 {
            say_once("test-topic", || {
                times += 1;
                "once".to_owned()
            });
        }
        assert_eq!(times, 1);
        assert!(settle("test-topic"));
        assert!(!settle("test-topic"));
        say_once("test-topic", || {
            times += 1;
            "again".to_owned()
        });
        assert_eq!(times, 2);
    }
}
