//! What a page complains of: its own `console.error`, exceptions that nobody caught, answers
//! that failed, and breaches of the content-security policy.

use std::fmt;

use thirtyfour::BrowserLogEntry;

/// How bad the browser finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Info,
    Warning,
    Error,
}

/// One line of the browser's console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub level: Level,
    /// Who says so: `console-api`, `javascript` (an exception), `network`, `security` (the
    /// content-security policy), and the browser's others.
    pub source: String,
    /// The place, and what happened.
    pub text: String,
}

impl Message {
    /// Whether the content-security policy stopped something.
    #[must_use]
    pub fn is_policy_breach(&self) -> bool {
        self.text.contains("Content Security Policy")
    }
}

impl From<BrowserLogEntry> for Message {
    fn from(entry: BrowserLogEntry) -> Self {
        Self {
            level: match entry.level.as_str() {
                "SEVERE" => Level::Error,
                "WARNING" => Level::Warning,
                _ => Level::Info,
            },
            source: entry.source.unwrap_or_default(),
            text: entry.message,
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}", self.level, self.source, self.text)
    }
}
