//! Everything that was told of an error beside its stack, as names and values.

use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value,
};

use crate::{
    page::{markup::Markup, value},
    store::{OccurrenceBody, OccurrenceRow},
};

/// Everything else that was told, by what it is of.
pub(super) fn facts(
    row: Option<&OccurrenceRow>,
    body: &OccurrenceBody,
) -> Vec<(&'static str, Markup)> {
    let mut facts = Vec::new();
    let mut add = |name, attributes: Vec<KeyValue>| {
        if !attributes.is_empty() {
            facts.push((name, value::attributes(&attributes)));
        }
    };
    if let Some(row) = row {
        let mut pairs = vec![("service.name", Some(row.service.to_string()))];
        pairs.extend([
            ("release", row.release.clone()),
            ("environment", row.environment.clone()),
            ("user.id", row.user.clone()),
            ("culprit", row.culprit.clone()),
            ("Sentry event", row.event.clone()),
            (
                "handled",
                row.handled
                    .map(|handled| if handled { "yes" } else { "no" }.to_owned()),
            ),
        ]);
        if let Some(event) = &body.event {
            pairs.extend([
                ("transaction", event.transaction.clone()),
                ("server", event.server_name.clone()),
                ("logger", event.logger.clone()),
                ("platform", event.platform.clone()),
                (
                    "SDK",
                    event.sdk.as_ref().map(|sdk| {
                        let version = sdk.version.as_deref().unwrap_or_default();
                        format!("{} {version}", sdk.name)
                    }),
                ),
            ]);
        }
        add("Where and what", named(pairs));
    }
    if let Some(event) = &body.event {
        add(
            "Tags",
            named(
                event
                    .tags
                    .iter()
                    .map(|(key, value)| (key.as_str(), Some(value.clone()))),
            ),
        );
        if let Some(user) = &event.user {
            add(
                "User",
                named([
                    ("user.id", user.id.clone()),
                    ("user.name", user.username.clone()),
                    ("user.email", user.email.clone()),
                    ("client.address", user.ip_address.clone()),
                ]),
            );
        }
        if let Some(request) = &event.request {
            let mut pairs = vec![
                ("method", request.method.clone()),
                ("url", request.url.clone()),
                ("query", request.query.clone()),
                ("client.address", request.remote_addr.clone()),
            ];
            pairs.extend(
                request
                    .headers
                    .iter()
                    .map(|(name, value)| (name.as_str(), Some(value.clone()))),
            );
            add("Request", named(pairs));
        }
        add("Contexts", key_values(&event.contexts));
        add("Extra", key_values(&event.extra));
    }
    if let Some(record) = &body.record {
        add("The record", without_stack(&record.attributes));
    }
    if let Some(span) = &body.span {
        add("The span", without_stack(&span.attributes));
    }
    let resource = body
        .record
        .as_ref()
        .map(|record| &record.resource)
        .or_else(|| body.span.as_ref().map(|span| &span.resource));
    if let Some(resource) = resource {
        add("The process", resource.attributes.clone());
    }
    facts
}

/// The stack is shown by itself.
pub(super) fn without_stack(attributes: &[KeyValue]) -> Vec<KeyValue> {
    let mut attributes = attributes.to_vec();
    attributes.retain(|attribute| attribute.key != "exception.stacktrace");
    attributes
}

fn named<'a>(pairs: impl IntoIterator<Item = (&'a str, Option<String>)>) -> Vec<KeyValue> {
    let known = pairs.into_iter().filter_map(|(key, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some(key_value(key, Some(Value::StringValue(value))))
    });
    known.collect()
}

fn key_value(key: &str, value: Option<Value>) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value }),
        ..KeyValue::default()
    }
}

pub(super) fn key_values(fields: &serde_json::Map<String, serde_json::Value>) -> Vec<KeyValue> {
    fields
        .iter()
        .map(|(key, value)| key_value(key, of_json(value)))
        .collect()
}

/// JSON as the values that the page shows; its depth was bounded when it was read.
fn of_json(value: &serde_json::Value) -> Option<Value> {
    use serde_json::Value as Json;
    Some(match value {
        Json::Null => return None,
        Json::Bool(truth) => Value::BoolValue(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::IntValue(number),
            None => Value::DoubleValue(number.as_f64()?),
        },
        Json::String(text) => Value::StringValue(text.clone()),
        Json::Array(items) => Value::ArrayValue(ArrayValue {
            values: items
                .iter()
                .map(|item| AnyValue {
                    value: of_json(item),
                })
                .collect(),
        }),
        Json::Object(fields) => Value::KvlistValue(KeyValueList {
            values: key_values(fields),
        }),
    })
}
