//! Secrets leave the process nowhere: keys and values are checked once, before any sink.
//!
//! [`Redaction`] is what a service says in code; [`Redactor`] is what the sinks ask. `keys`
//! knows the names of secrets, `scan` walks a text once and asks a detector only where a
//! byte could begin or end a secret.

mod address;
mod baggage;
mod callsite;
mod card;
mod credential;
mod keys;
mod pair;
mod scan;
#[cfg(feature = "sentry")]
mod sentry;
mod span;
mod token;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::Resource;
use regex::{NoExpand, Regex};

use crate::InitError;
use callsite::RedactorId;
use keys::Keys;
use scan::Triggers;

pub(crate) use baggage::RedactedBaggage;

/// What stands where a secret was.
pub(crate) const REPLACEMENT: &str = "[redacted]";

/// A text that is still not at rest after so many rounds was made for that.
const MOST_ROUNDS: usize = 4;

/// What counts as a secret beside what always does; given to
/// [`Builder::redact`](crate::Builder::redact).
///
/// Always replaced by `[redacted]`, whatever is set here:
///
/// - the values of keys such as `password`, `client_secret`, `authorization`, `cookie`,
///   `x-api-key`, `access_token`, `csrf`, `ssn` and `card_number`, as fields and attributes
///   and as `key=value`, `key: value`, `"key":"value"` or `?key=value&` inside a text;
/// - payment cards, JSON web tokens, `Bearer` and `Basic` credentials, the user information
///   of URLs, private keys, and the tokens of well-known services, anywhere in a text.
///
/// The rules, and what they cannot see, are in
/// [`docs/conventions.md`](https://github.com/throughline-rs/throughline/blob/main/docs/conventions.md#redaction).
///
/// ```
/// use throughline::Redaction;
///
/// # fn main() -> Result<(), throughline::InitError> {
/// let redactor = Redaction::default()
///     .key("iban")
///     .value(r"\bCUST-\d{6}\b")
///     .redactor()?;
/// assert_eq!(
///     redactor.text("CUST-123456 paid from iban=DE02120300000000202051"),
///     "[redacted] paid from iban=[redacted]",
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "give it to `throughline::builder(..).redact(..)`"]
pub struct Redaction {
    keys: Vec<String>,
    exempt: Vec<String>,
    patterns: Vec<String>,
    emails: bool,
    ip_addresses: bool,
}

impl Redaction {
    /// A key whose values are secret. `iban` also covers `customer_iban`, `customerIban`,
    /// `X-Iban` and `customer.iban.value`, but not `iban_count` or `ibans`; a key with dots,
    /// such as `customer.tax`, covers exactly the keys that end in these parts. ASCII case
    /// does not matter.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// A key that keeps its values although the rules for keys would take them, compared as
    /// a whole and without ASCII case. What is secret by its value is still replaced.
    /// Default: the correlation keys, such as `session.id`, `user.id` and `request.id`.
    pub fn exempt(mut self, key: impl Into<String>) -> Self {
        self.exempt.push(key.into());
        self
    }

    /// A pattern for what is secret wherever it stands in a text, in the syntax of
    /// [`regex`](https://docs.rs/regex/latest/regex/#syntax); the whole match is replaced.
    /// Each pattern reads every text once more, so few and specific ones are cheap.
    ///
    /// A pattern that does not compile, or that matches the empty text, is an
    /// [`InitError`] of `init`.
    pub fn value(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.push(pattern.into());
        self
    }

    /// Whether e-mail addresses are replaced. Default: no.
    pub fn emails(mut self, replaced: bool) -> Self {
        self.emails = replaced;
        self
    }

    /// Whether IP addresses, version 4 and 6, are replaced. Default: no, since security
    /// records need `client.address`.
    pub fn ip_addresses(mut self, replaced: bool) -> Self {
        self.ip_addresses = replaced;
        self
    }

    /// The rules, ready to be asked. Telemetry makes its own from what
    /// [`Builder::redact`](crate::Builder::redact) was given; a service needs one to test
    /// its rules, or for a `tracing` layer of its own, which sees what was recorded.
    ///
    /// # Errors
    /// [`InitError::InvalidSetting`] for a pattern that is not usable.
    pub fn redactor(self) -> Result<Redactor, InitError> {
        let patterns = self
            .patterns
            .iter()
            .map(|pattern| compiled(pattern))
            .collect::<Result<_, _>>()?;
        Ok(Redactor {
            id: RedactorId::new(),
            keys: Keys::new(&self.keys, &self.exempt),
            triggers: Triggers::new(self.emails, self.ip_addresses),
            patterns,
        })
    }
}

fn compiled(pattern: &str) -> Result<Regex, InitError> {
    let invalid = |reason: String| InitError::InvalidSetting {
        setting: "redact",
        reason: format!("the pattern {pattern:?} {reason}"),
        expected: r"a regular expression that matches at least one character, such as \bCUST-\d{6}\b",
    };
    let regex = Regex::new(pattern).map_err(|error| invalid(format!("is refused: {error}")))?;
    if regex.is_match("") {
        return Err(invalid("matches the empty text".to_owned()));
    }
    Ok(regex)
}

/// Answers what is secret; made by [`Redaction::redactor`].
#[derive(Debug)]
pub struct Redactor {
    id: RedactorId,
    keys: Keys,
    triggers: Triggers,
    patterns: Vec<Regex>,
}

impl Redactor {
    /// Whether this key's values are secret.
    ///
    /// ```
    /// # fn main() -> Result<(), throughline::InitError> {
    /// let redactor = throughline::Redaction::default().redactor()?;
    /// assert!(redactor.key("access_token") && redactor.key("http.request.header.x-api-key"));
    /// assert!(!redactor.key("token_count") && !redactor.key("session.id"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn key(&self, key: &str) -> bool {
        self.keys.matches(key).is_some()
    }

    /// The text with every secret in it replaced; borrowed where there is none.
    ///
    /// ```
    /// # fn main() -> Result<(), throughline::InitError> {
    /// let redactor = throughline::Redaction::default().redactor()?;
    /// assert_eq!(
    ///     redactor.text("GET postgres://app:hunter2@db/shop?token=abc&page=2"),
    ///     "GET postgres://[redacted]@db/shop?token=[redacted]&page=2",
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Cow::Owned(mut redacted) = self.once(text) else {
            return Cow::Borrowed(text);
        };
        // What stood against a secret may be one itself now that it is free: a card's digits
        // in front of a token were a part of a longer word. Only texts with secrets pay for it.
        for _ in 0..MOST_ROUNDS {
            match self.once(&redacted) {
                Cow::Owned(again) if again != redacted => redacted = again,
                _ => break,
            }
        }
        Cow::Owned(redacted)
    }

    fn once<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut redacted = scan::redacted(text, &self.keys, &self.triggers);
        for pattern in &self.patterns {
            if let Cow::Owned(replaced) = pattern.replace_all(&redacted, NoExpand(REPLACEMENT)) {
                redacted = Cow::Owned(replaced);
            }
        }
        redacted
    }

    /// A key's value: `[redacted]` where the key is secret, else [`text`](Self::text).
    pub fn value<'t>(&self, key: &str, value: &'t str) -> Cow<'t, str> {
        if self.key(key) && !value.is_empty() {
            Cow::Borrowed(REPLACEMENT)
        } else {
            self.text(value)
        }
    }

    /// Whether a number that was recorded as a number is a payment card.
    pub(crate) fn number(&self, number: u64) -> bool {
        card::is_card_number(number)
    }

    pub(crate) fn replace(&self, text: &mut String) {
        if let Cow::Owned(redacted) = self.text(text) {
            *text = redacted;
        }
    }

    /// Attributes of spans, their events and links, and of the resource.
    pub(crate) fn attribute(&self, attribute: &mut KeyValue) {
        if self.attribute_key(attribute.key.as_str()) {
            // A truth value is no secret, and `has_password` says something worth knowing.
            if !matches!(
                attribute.value,
                Value::Bool(_) | Value::Array(Array::Bool(_))
            ) {
                attribute.value = Value::from(REPLACEMENT);
            }
            return;
        }
        match &mut attribute.value {
            Value::String(text) => {
                if let Cow::Owned(redacted) = self.text(text.as_str()) {
                    attribute.value = Value::from(redacted);
                }
            }
            Value::I64(number)
                if u64::try_from(*number).is_ok_and(|number| self.number(number)) =>
            {
                attribute.value = Value::from(REPLACEMENT);
            }
            Value::Array(Array::String(texts)) => {
                for text in texts {
                    if let Cow::Owned(redacted) = self.text(text.as_str()) {
                        *text = redacted.into();
                    }
                }
            }
            _ => {}
        }
    }

    /// The resource is the same for everything that is sent, so it is redacted once.
    pub(crate) fn resource(&self, resource: &Resource) -> Resource {
        let attributes = resource.iter().map(|(key, value)| {
            let mut attribute = KeyValue::new(key.clone(), value.clone());
            self.attribute(&mut attribute);
            attribute
        });
        Resource::builder_empty()
            .with_attributes(attributes)
            .build()
    }
}

/// The rules without a service's own, for what the SDK says of itself.
pub(crate) fn plain() -> &'static Redactor {
    static PLAIN: LazyLock<Redactor> = LazyLock::new(|| Redactor {
        id: RedactorId::new(),
        keys: Keys::new(&[], &[]),
        triggers: Triggers::new(false, false),
        patterns: Vec::new(),
    });
    &PLAIN
}

/// The running telemetry's redactor, for what is set from anywhere.
static IN_FORCE: RwLock<Option<Arc<Redactor>>> = RwLock::new(None);

/// From now on [`known_value`] asks this one.
pub(crate) fn put_in_force(redactor: &Arc<Redactor>) {
    *IN_FORCE.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(redactor));
}

/// Asks the running telemetry's redactor; before it runs, the plain rules.
#[cfg(feature = "http")]
pub(crate) fn with_in_force<R>(ask: impl FnOnce(&Redactor) -> R) -> R {
    match &*IN_FORCE.read().unwrap_or_else(PoisonError::into_inner) {
        Some(redactor) => ask(redactor),
        None => ask(plain()),
    }
}

/// What may be known of a request: its user, session or id, without what is secret in it.
/// They are set seldom and told often, so they are looked at when they are set.
pub(crate) fn known_value(key: &str, value: &str) -> Arc<str> {
    match &*IN_FORCE.read().unwrap_or_else(PoisonError::into_inner) {
        Some(redactor) => redactor.value(key, value).into(),
        None => plain().value(key, value).into(),
    }
}

#[cfg(test)]
mod tests;
