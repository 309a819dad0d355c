//! Where the search box leads: to the one thing that an id means, else to a search for it.

use std::net::IpAddr;

use super::query::href;

/// What the store can say of an id.
pub(crate) trait Find {
    fn has_trace(&self, trace_id: &str) -> bool;
    /// The trace of a span.
    fn trace_of_span(&self, span_id: &str) -> Option<String>;
    /// The group of an error, by the group's own id or that of one of its events.
    fn error(&self, id: &str) -> Option<String>;
    /// Whether a request of this id is known.
    fn has_request(&self, id: &str) -> bool;
    fn has_user(&self, id: &str) -> bool;
}

/// The address that a search for `text` goes to. A kind before a colon (`user:ada`) says what is
/// meant where an id alone could be several things.
pub(crate) fn destination(text: &str, store: &impl Find) -> String {
    let text = text.trim();
    if text.is_empty() {
        return "/".to_owned();
    }
    if let Some((kind, id)) = text.split_once(':') {
        let id = id.trim();
        match kind.trim() {
            _ if id.is_empty() => {}
            "trace" => return href(&["traces", &id.to_ascii_lowercase()], &[]),
            "request" => return href(&["traces"], &[("request", id), ("since", "all")]),
            "error" => return href(&["errors", id], &[]),
            "user" => return href(&["users"], &[("user", id)]),
            "address" => return href(&["users"], &[("address", id)]),
            _ => {}
        }
    }

    // A trace's id as Sentry's SDKs and UUID libraries may write it.
    let id = text.replace('-', "").to_ascii_lowercase();
    let hexadecimal = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal && id.len() == 32 && store.has_trace(&id) {
        return href(&["traces", &id], &[]);
    }
    if hexadecimal
        && id.len() == 16
        && let Some(trace_id) = store.trace_of_span(&id)
    {
        return href(&["traces", &trace_id], &[("span", &id)]);
    }
    if let Some(error) = store.error(text).or_else(|| store.error(&id)) {
        return href(&["errors", &error], &[]);
    }
    if store.has_request(text) {
        return href(&["traces"], &[("request", text), ("since", "all")]);
    }
    if text.parse::<IpAddr>().is_ok() {
        return href(&["users"], &[("address", text)]);
    }
    if store.has_user(text) {
        return href(&["users"], &[("user", text)]);
    }
    if text.contains('=') {
        return href(&["traces"], &[("q", text)]);
    }
    href(&["logs"], &[("q", text), ("since", "all")])
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Store;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    impl Find for Store {
        fn has_trace(&self, trace_id: &str) -> bool {
            trace_id == TRACE
        }
        fn trace_of_span(&self, span_id: &str) -> Option<String> {
            (span_id == "b7ad6b7169203331").then(|| TRACE.to_owned())
        }
        fn error(&self, id: &str) -> Option<String> {
            (id == "fc6d8c0c43fc4630ad850ee518f1b9d0").then(|| "12".to_owned())
        }
        fn has_request(&self, id: &str) -> bool {
            id == "01JF2-req"
        }
        fn has_user(&self, id: &str) -> bool {
            id == "ada"
        }
    }

    #[test]
    fn each_kind_of_id_leads_to_what_it_means() {
        for (text, address) in [
            ("", "/"),
            (TRACE, "/traces/0af7651916cd43dd8448eb211c80319c"),
            (
                " 0AF76519-16cd-43dd-8448-eb211c80319c ",
                "/traces/0af7651916cd43dd8448eb211c80319c",
            ),
            (
                "b7ad6b7169203331",
                "/traces/0af7651916cd43dd8448eb211c80319c?span=b7ad6b7169203331",
            ),
            ("fc6d8c0c43fc4630ad850ee518f1b9d0", "/errors/12"),
            ("01JF2-req", "/traces?request=01JF2-req&since=all"),
            ("ada", "/users?user=ada"),
            ("10.0.0.1", "/users?address=10.0.0.1"),
            ("::1", "/users?address=%3A%3A1"),
            ("user: bob", "/users?user=bob"),
            ("order.id=7 paid", "/traces?q=order.id%3D7+paid"),
            (
                "card declined: <b>",
                "/logs?q=card+declined%3A+%3Cb%3E&since=all",
            ),
        ] {
            assert_eq!(destination(text, &Store), address, "{text}");
        }
    }
}
