//! The request or job of an error, in Sentry's words.

use sentry_core::protocol::{Context, Event, Map, Request, Url, Value as Json};

use super::span_fields::Fields;
use crate::event::Value;

/// What tells that a request is known.
const TOLD_BY: [&str; 3] = ["http.request.method", "url.full", "url.path"];

/// What people search for.
const TAGS: [&str; 6] = [
    "log.category",
    "event.severity",
    "http.route",
    "job.name",
    "messaging.system",
    "messaging.destination.name",
];

/// Adds what the spans, and else the record itself, say of the request or job. `host` stands
/// where neither names the server.
pub(crate) fn describe(event: &mut Event<'_>, spans: &Fields, record: &Fields, host: &str) {
    // One or the other: half of each would be a request that nobody made.
    let told = |fields: &&Fields| fields.iter().any(|(name, _)| TOLD_BY.contains(name));
    if let Some(fields) = [spans, record].into_iter().find(told) {
        event.request = Some(request(fields, host));
    }
    for name in TAGS {
        if let Some(value) = find(record, name).or_else(|| find(spans, name)) {
            event.tags.insert(name.to_owned(), value.to_string());
        }
    }
    for group in ["job", "messaging"] {
        let context = context(group, spans, record);
        if !context.is_empty() {
            event
                .contexts
                .insert(group.to_owned(), Context::Other(context));
        }
    }
}

fn find<'f>(fields: &'f Fields, name: &str) -> Option<&'f Value> {
    let found = fields.iter().rev().find(|(field, _)| *field == name);
    found.map(|(_, value)| value)
}

fn request(fields: &Fields, host: &str) -> Request {
    let text = |name| find(fields, name).map(Value::to_string);
    let mut request = Request {
        method: text("http.request.method"),
        query_string: text("url.query"),
        ..Request::default()
    };
    if let Some(mut url) = address(&text, host) {
        // Sentry wants it beside the address.
        if request.query_string.is_none() {
            request.query_string = url.query().map(str::to_owned);
        }
        url.set_query(None);
        url.set_fragment(None);
        // Neither can fail on an address with a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        request.url = Some(url);
    }
    if let Some(agent) = text("user_agent.original") {
        request.headers.insert("User-Agent".to_owned(), agent);
    }
    if let Some(client) = text("client.address") {
        request.env.insert("REMOTE_ADDR".to_owned(), client);
    }
    request
}

/// Servers know the path alone, and Sentry's protocol takes whole addresses only.
fn address(text: &impl Fn(&'static str) -> Option<String>, host: &str) -> Option<Url> {
    if let Some(full) = text("url.full") {
        return full.parse().ok();
    }
    let path = text("url.path")?;
    let scheme = text("url.scheme").unwrap_or_else(|| "http".to_owned());
    let host = text("server.address").unwrap_or_else(|| host.to_owned());
    let mut url: Url = if host.contains(':') {
        format!("{scheme}://[{host}]/").parse()
    } else {
        format!("{scheme}://{host}/").parse()
    }
    .ok()?;
    if let Some(port) = text("server.port").and_then(|port| port.parse().ok()) {
        let _ = url.set_port(Some(port));
    }
    url.set_path(&path);
    Some(url)
}

/// All of a namespace, without its name before each.
fn context(group: &str, spans: &Fields, record: &Fields) -> Map<String, Json> {
    spans
        .iter()
        .chain(record)
        .filter_map(|(name, value)| {
            let rest = name.strip_prefix(group)?.strip_prefix('.')?;
            Some((rest.to_owned(), value.to_json()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(
        spans: &[(&'static str, &str)],
        record: &[(&'static str, &str)],
    ) -> Event<'static> {
        let fields = |pairs: &[(&'static str, &str)]| -> Fields {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| (*name, Value::Text((*value).to_owned())))
                .collect()
        };
        let mut event = Event::default();
        describe(&mut event, &fields(spans), &fields(record), "web-1");
        event
    }

    fn url(spans: &[(&'static str, &str)]) -> Option<String> {
        Some(described(spans, &[]).request?.url?.to_string())
    }

    #[test]
    fn an_address_is_whole_whatever_is_known_of_it() {
        assert_eq!(url(&[("url.path", "/cart")]).unwrap(), "http://web-1/cart");
        assert_eq!(
            url(&[
                ("url.path", "/cart"),
                ("url.scheme", "https"),
                ("server.address", "shop.example"),
                ("server.port", "8443"),
            ])
            .unwrap(),
            "https://shop.example:8443/cart"
        );
        assert_eq!(
            url(&[("url.path", "/"), ("server.address", "::1")]).unwrap(),
            "http://[::1]/"
        );
        assert_eq!(
            url(&[("url.full", "https://ada:pw@shop.example/cart?page=2#top")]).unwrap(),
            "https://shop.example/cart"
        );
        assert_eq!(url(&[("url.full", "no address")]), None);
        assert_eq!(url(&[("http.request.method", "GET")]), None);
    }

    #[test]
    fn the_query_stands_beside_the_address() {
        let query = |spans: &[(&'static str, &str)]| described(spans, &[]).request?.query_string;
        let full = ("url.full", "https://shop.example/cart?page=2");
        assert_eq!(query(&[full]).unwrap(), "page=2");
        assert_eq!(query(&[full, ("url.query", "page=3")]).unwrap(), "page=3");
    }

    #[test]
    fn a_record_tells_its_request_only_where_no_span_does() {
        let record = [("http.request.method", "POST"), ("url.path", "/pay")];
        let alone = described(&[], &record).request.unwrap();
        assert_eq!(alone.method.as_deref(), Some("POST"));
        let both = described(&[("url.path", "/cart")], &record)
            .request
            .unwrap();
        assert_eq!(both.method, None);
        assert_eq!(both.url.unwrap().path(), "/cart");
    }
}
