//! From whatever an SDK wrote to an [`Event`]: what has another shape is left out.

use std::collections::BTreeMap;

use opentelemetry::{SpanId, TraceId};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::{Breadcrumb, Event, Exception, Frame, Level, Mechanism, Request, User};
use crate::sentry::{Limits, SdkInfo, json, time};

type Fields = Map<String, Value>;

pub(super) fn event(mut fields: Fields, limits: &Limits) -> Event {
    let (message, template) = message(&mut fields);
    let exceptions = interface(&mut fields, "exception", "Exception");
    let exceptions = exceptions.map_or_else(Vec::new, |value| exceptions_of(value, limits));
    let stack = if exceptions
        .iter()
        .any(|exception| !exception.frames.is_empty())
    {
        Vec::new()
    } else {
        stack(&mut fields, limits)
    };
    let contexts = object(fields.remove("contexts")).unwrap_or_default();
    let ids = contexts.get("trace");
    let id = |name: &str| ids?.get(name)?.as_str();
    let (trace_id, span_id) = (id("trace_id").and_then(trace), id("span_id").and_then(span));
    Event {
        event_id: take(&mut fields, "event_id")
            .and_then(|id| event_id(&id))
            .unwrap_or_default(),
        timestamp: fields.get("timestamp").and_then(time::nanos),
        level: fields.get("level").and_then(level).unwrap_or_default(),
        platform: take(&mut fields, "platform"),
        logger: take(&mut fields, "logger"),
        message,
        template,
        exceptions,
        stack,
        breadcrumbs: breadcrumbs(interface(&mut fields, "breadcrumbs", "Breadcrumbs"), limits),
        user: object(interface(&mut fields, "user", "User")).map(user),
        tags: tags(fields.remove("tags")),
        contexts,
        request: object(interface(&mut fields, "request", "Http")).map(request),
        release: take(&mut fields, "release"),
        environment: take(&mut fields, "environment"),
        server_name: take(&mut fields, "server_name"),
        transaction: take(&mut fields, "transaction"),
        fingerprint: fingerprint(fields.remove("fingerprint")),
        sdk: object(fields.remove("sdk")).and_then(SdkInfo::of),
        extra: object(fields.remove("extra")).unwrap_or_default(),
        trace_id,
        span_id,
    }
}

/// A field, or as clients before 2018 called it.
fn interface(fields: &mut Fields, name: &str, old: &str) -> Option<Value> {
    fields
        .remove(name)
        .or_else(|| fields.remove(&format!("sentry.interfaces.{old}")))
        .filter(|value| !value.is_null())
}

fn message(fields: &mut Fields) -> (Option<String>, Option<String>) {
    let mut plain = fields.remove("message");
    // The two have changed places in some SDKs.
    if matches!(plain, Some(Value::Object(_))) && !fields.contains_key("logentry") {
        fields.extend(plain.take().map(|value| ("logentry".to_owned(), value)));
    }
    let plain = plain.and_then(text);
    match interface(fields, "logentry", "Message") {
        Some(Value::Object(mut entry)) => {
            let template = take(&mut entry, "message");
            let message = take(&mut entry, "formatted")
                .or(plain)
                .or_else(|| template.clone());
            let template = template.filter(|template| Some(template) != message.as_ref());
            (message, template)
        }
        entry => (plain.or_else(|| entry.and_then(text)), None),
    }
}

fn exceptions_of(value: Value, limits: &Limits) -> Vec<Exception> {
    let values = match value {
        // One exception, without a list around it.
        Value::Object(one) if one.contains_key("type") || one.contains_key("value") => {
            vec![Value::Object(one)]
        }
        listed => list(Some(listed)),
    };
    let objects = values.into_iter().filter_map(|value| object(Some(value)));
    let mut exceptions: Vec<Exception> = objects.map(|fields| exception(fields, limits)).collect();
    keep_last(&mut exceptions, limits.exceptions);
    exceptions
}

fn exception(mut fields: Fields, limits: &Limits) -> Exception {
    let mechanism = object(fields.remove("mechanism"));
    Exception {
        kind: take(&mut fields, "type"),
        value: take(&mut fields, "value"),
        module: take(&mut fields, "module"),
        mechanism: mechanism.map(|mut fields| Mechanism {
            handled: fields.get("handled").and_then(Value::as_bool),
            synthetic: fields.get("synthetic").and_then(Value::as_bool) == Some(true),
            kind: take(&mut fields, "type"),
        }),
        frames: frames(fields.remove("stacktrace"), limits),
    }
}

/// The stack of the event itself, as old clients have it, or that of the thread that made it.
fn stack(fields: &mut Fields, limits: &Limits) -> Vec<Frame> {
    if let Some(stack) = interface(fields, "stacktrace", "Stacktrace") {
        return frames(Some(stack), limits);
    }
    let is = |thread: &Fields, name| thread.get(name).and_then(Value::as_bool) == Some(true);
    let threads = list(fields.remove("threads")).into_iter();
    let mut threads: Vec<Fields> = threads.filter_map(|thread| object(Some(thread))).collect();
    let chosen = threads
        .iter()
        .position(|thread| is(thread, "crashed"))
        .or_else(|| threads.iter().position(|thread| is(thread, "current")))
        // Of several, any would be a guess.
        .or_else(|| (threads.len() == 1).then_some(0));
    let stack = chosen.and_then(|chosen| threads.swap_remove(chosen).remove("stacktrace"));
    frames(stack, limits)
}

fn frames(stack: Option<Value>, limits: &Limits) -> Vec<Frame> {
    let Some(mut stack) = object(stack) else {
        return Vec::new();
    };
    let values = list(stack.remove("frames")).into_iter();
    let mut frames: Vec<Frame> = values
        .filter_map(|value| object(Some(value)))
        .map(frame)
        .collect();
    keep_ends(&mut frames, limits.frames);
    frames
}

fn frame(mut fields: Fields) -> Frame {
    let number = |name: &str| fields.get(name).and_then(Value::as_u64);
    let (lineno, colno) = (number("lineno"), number("colno"));
    Frame {
        lineno,
        colno,
        in_app: fields.get("in_app").and_then(Value::as_bool),
        function: take(&mut fields, "function")
            .or_else(|| take(&mut fields, "raw_function"))
            .or_else(|| take(&mut fields, "instruction_addr")),
        module: take(&mut fields, "module").or_else(|| take(&mut fields, "package")),
        filename: take(&mut fields, "filename"),
        abs_path: take(&mut fields, "abs_path"),
        pre_context: lines(fields.remove("pre_context")),
        context_line: fields.remove("context_line").and_then(line),
        post_context: lines(fields.remove("post_context")),
    }
}

/// Of code, where blanks count.
fn lines(value: Option<Value>) -> Vec<String> {
    list(value).into_iter().filter_map(line).collect()
}

fn line(value: Value) -> Option<String> {
    match value {
        Value::String(line) => Some(line),
        _ => None,
    }
}

fn breadcrumbs(value: Option<Value>, limits: &Limits) -> Vec<Breadcrumb> {
    let objects = list(value)
        .into_iter()
        .filter_map(|value| object(Some(value)));
    let mut breadcrumbs: Vec<Breadcrumb> = objects
        .map(|mut fields| Breadcrumb {
            timestamp: fields.get("timestamp").and_then(time::nanos),
            level: fields.get("level").and_then(level),
            category: take(&mut fields, "category"),
            message: take(&mut fields, "message"),
            kind: take(&mut fields, "type"),
            data: object(fields.remove("data")).unwrap_or_default(),
        })
        .collect();
    keep_last(&mut breadcrumbs, limits.breadcrumbs);
    breadcrumbs
}

fn user(mut fields: Fields) -> User {
    User {
        id: take(&mut fields, "id"),
        email: take(&mut fields, "email"),
        // A wish that the server put in the address that it sees.
        ip_address: take(&mut fields, "ip_address").filter(|address| !address.starts_with("{{")),
        username: take(&mut fields, "username"),
    }
}

fn request(mut fields: Fields) -> Request {
    let mut url = take(&mut fields, "url");
    let in_url = url.as_mut().and_then(|url| {
        let start = url.find('?')?;
        Some(url.split_off(start))
    });
    let query = match fields.remove("query_string") {
        value @ Some(Value::Object(_) | Value::Array(_)) => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            Some(short(query.extend_pairs(pairs(value)).finish()))
        }
        value => value.and_then(text),
    };
    let query = query.or(in_url).and_then(|query| {
        let query = query.trim_start_matches('?');
        (!query.is_empty()).then(|| query.to_owned())
    });
    let env = object(fields.remove("env"));
    Request {
        method: take(&mut fields, "method"),
        url: url.filter(|url| !url.is_empty()),
        query,
        headers: pairs(fields.remove("headers")),
        remote_addr: env.and_then(|mut env| take(&mut env, "REMOTE_ADDR")),
    }
}

fn tags(value: Option<Value>) -> BTreeMap<String, String> {
    pairs(value).into_iter().collect()
}

fn fingerprint(value: Option<Value>) -> Option<Vec<String>> {
    let parts: Vec<String> = match value? {
        Value::Array(parts) => parts.into_iter().filter_map(text).collect(),
        one => text(one).into_iter().collect(),
    };
    (!parts.is_empty()).then_some(parts)
}

fn level(value: &Value) -> Option<Level> {
    match value {
        Value::String(name) => Level::from_name(name),
        // Python's numbers, from old clients.
        Value::Number(number) => Some(match number.as_u64()? {
            50.. => Level::Fatal,
            40.. => Level::Error,
            30.. => Level::Warning,
            20.. => Level::Info,
            _ => Level::Debug,
        }),
        _ => None,
    }
}

/// 32 lower-case digits of an id that may have dashes.
pub(in crate::sentry) fn event_id(id: &str) -> Option<String> {
    let digits: String = id.chars().filter(|letter| *letter != '-').collect();
    is_hex(&digits, 32).then(|| digits.to_ascii_lowercase())
}

fn trace(id: &str) -> Option<TraceId> {
    let id = TraceId::from_hex(&event_id(id)?).ok()?;
    (id != TraceId::INVALID).then_some(id)
}

fn span(id: &str) -> Option<SpanId> {
    let id = is_hex(id, 16).then(|| SpanId::from_hex(id))?.ok()?;
    (id != SpanId::INVALID).then_some(id)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A list, bare or as the `values` of an object.
fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(values)) => values,
        Some(Value::Object(mut fields)) => match fields.remove("values") {
            Some(Value::Array(values)) => values,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Names with values: an object, or a list of pairs.
fn pairs(value: Option<Value>) -> Vec<(String, String)> {
    match value {
        Some(Value::Object(fields)) => fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, joined(value)?)))
            .collect(),
        Some(Value::Array(pairs)) => pairs.into_iter().filter_map(pair).collect(),
        _ => Vec::new(),
    }
}

fn pair(value: Value) -> Option<(String, String)> {
    match value {
        Value::Array(pair) => {
            let [name, value] = <[Value; 2]>::try_from(pair).ok()?;
            Some((text(name)?, joined(value)?))
        }
        Value::Object(mut fields) => Some((take(&mut fields, "key")?, take(&mut fields, "value")?)),
        _ => None,
    }
}

/// A header that came several times is a list.
fn joined(value: Value) -> Option<String> {
    match value {
        Value::Array(values) => {
            let texts: Vec<String> = values.into_iter().filter_map(text).collect();
            Some(short(texts.join(", ")))
        }
        one => text(one),
    }
}

fn object(value: Option<Value>) -> Option<Fields> {
    match value {
        Some(Value::Object(fields)) => Some(fields),
        _ => None,
    }
}

/// A text that says something.
fn take(fields: &mut Fields, name: &str) -> Option<String> {
    fields.remove(name).and_then(text)
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => (!text.trim().is_empty()).then_some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        // An exception's value is an object where somebody threw one.
        Value::Object(_) | Value::Array(_) => Some(short(value.to_string())),
        Value::Null => None,
    }
}

/// What was put together from many may be longer than any text.
fn short(text: String) -> String {
    json::cut(text, LONGEST_COMPOSED)
}

/// In bytes.
const LONGEST_COMPOSED: usize = 4 * 1024;

fn keep_last<T>(list: &mut Vec<T>, count: usize) {
    list.drain(..list.len().saturating_sub(count));
}

/// Of an endless recursion the beginning and the end tell all.
pub(crate) fn keep_ends(frames: &mut Vec<Frame>, most: usize) {
    if let Some(beyond) = frames.len().checked_sub(most) {
        let first = most / 2;
        frames.drain(first..first + beyond);
    }
}
