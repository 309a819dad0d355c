//! Everything that Sentry sends, also what the service captures by itself.
//!
//! An event is walked as JSON, the form in which it leaves: no field can be forgotten, nor
//! one that a later version of the protocol adds.

use sentry_core::protocol::{Breadcrumb, Event, Map, Url};
use serde_json::Value;

use super::{REPLACEMENT, Redactor};

impl Redactor {
    /// `before_send`.
    pub(crate) fn event(&self, event: Event<'static>) -> Event<'static> {
        let fallback = (event.event_id, event.level, event.timestamp);
        let redacted = serde_json::to_value(event).and_then(|mut json| {
            self.json(&mut json);
            addresses(&mut json);
            serde_json::from_value(json)
        });
        redacted.unwrap_or_else(|_| {
            // What cannot be read back cannot be sent as it was either.
            let (event_id, level, timestamp) = fallback;
            Event {
                event_id,
                level,
                timestamp,
                message: Some("an event whose form did not survive redaction".to_owned()),
                ..Event::default()
            }
        })
    }

    /// `before_breadcrumb`, so that what waits in memory holds no secret either.
    pub(crate) fn breadcrumb(&self, mut breadcrumb: Breadcrumb) -> Breadcrumb {
        if let Some(message) = &mut breadcrumb.message {
            self.replace(message);
        }
        if let Some(category) = &mut breadcrumb.category {
            self.replace(category);
        }
        self.map(&mut breadcrumb.data);
        breadcrumb
    }

    fn map(&self, map: &mut Map<String, Value>) {
        for (key, value) in map.iter_mut() {
            self.entry(key, value);
        }
    }

    fn entry(&self, key: &str, value: &mut Value) {
        if self.key(key) {
            // As in attributes: a truth value is no secret, and nothing hides nothing.
            if !matches!(value, Value::Null | Value::Bool(_)) {
                *value = Value::from(REPLACEMENT);
            }
        } else {
            self.json(value);
        }
    }

    fn json(&self, value: &mut Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => {
                if number.as_u64().is_some_and(|number| self.number(number)) {
                    *value = Value::from(REPLACEMENT);
                }
            }
            Value::String(text) => self.replace(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.json(value)),
            Value::Object(map) => {
                for (key, value) in map {
                    // Names and versions of crates, some of which are called after secrets.
                    if key == "modules" {
                        continue;
                    }
                    self.entry(key, value);
                }
            }
        }
    }
}

/// The two places of an event where a text must be an address.
fn addresses(event: &mut Value) {
    if let Some(request) = event.get_mut("request").and_then(Value::as_object_mut)
        && let Some(Value::String(url)) = request.get("url")
        && url.parse::<Url>().is_err()
    {
        request.remove("url");
    }
    if let Some(user) = event.get_mut("user").and_then(Value::as_object_mut)
        && user
            .get("ip_address")
            .is_some_and(|address| address == REPLACEMENT)
    {
        user.remove("ip_address");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Redaction;
    use sentry_core::protocol::{IpAddress, Request, User};

    #[test]
    fn a_breadcrumb_waits_without_its_secrets() {
        let redactor = Redaction::default().redactor().unwrap();
        let breadcrumb = redactor.breadcrumb(Breadcrumb {
            message: Some("asked with token=hunter2".to_owned()),
            category: Some("http".to_owned()),
            data: [
                ("password".to_owned(), Value::from("hunter2")),
                ("url".to_owned(), Value::from("http://a:hunter2@b/")),
                ("status".to_owned(), Value::from(200)),
            ]
            .into(),
            ..Breadcrumb::default()
        });
        assert_eq!(breadcrumb.message.unwrap(), "asked with token=[redacted]");
        assert_eq!(breadcrumb.data["password"], REPLACEMENT);
        assert_eq!(breadcrumb.data["url"], "http://[redacted]@b/");
        assert_eq!(breadcrumb.data["status"], 200);
    }

    #[test]
    fn an_event_without_a_secret_is_sent_as_it_was() {
        let redactor = Redaction::default().redactor().unwrap();
        let event = Event {
            message: Some("plain".to_owned()),
            modules: [("cookie".to_owned(), "0.18.1".to_owned())].into(),
            user: Some(User {
                ip_address: Some(IpAddress::Exact([10, 0, 0, 7].into())),
                ..User::default()
            }),
            request: Some(Request {
                method: Some("GET".to_owned()),
                url: "http://10.0.0.7/cart".parse().ok(),
                ..Request::default()
            }),
            ..Event::default()
        };
        let sent = |event: &Event<'_>| serde_json::to_value(event).unwrap();
        let before = sent(&event);
        assert_eq!(sent(&redactor.event(event.clone())), before);

        let strict = Redaction::default().ip_addresses(true).redactor().unwrap();
        let redacted = strict.event(event);
        assert_eq!(redacted.message.unwrap(), "plain");
        assert_eq!(redacted.user.unwrap().ip_address, None);
        let request = redacted.request.unwrap();
        assert_eq!(
            (request.method.as_deref(), request.url),
            (Some("GET"), None)
        );
    }
}
