//! Who a request is about, downstream and up again, and what hostile baggage does: nothing.

use super::{Server, client, get, with_telemetry};
use crate::support::{in_child, received_by};
use opentelemetry::baggage::BaggageExt;
use opentelemetry::{Context, KeyValue, global};
use std::collections::{BTreeSet, HashMap};
use throughline::context;
use throughline_receiver::Attributes;
use tower::ServiceExt;
use tracing::Instrument;

async fn baggage_sent(server: &Server) -> BTreeSet<String> {
    let request = get(&server.url("/"));
    client(throughline::http::client())
        .oneshot(request)
        .await
        .unwrap();
    let headers = server.last();
    let values = headers.get_all("baggage").iter();
    values
        .flat_map(|value| value.to_str().unwrap().split(','))
        .map(str::to_owned)
        .collect()
}

fn set(entries: &[&str]) -> BTreeSet<String> {
    entries.iter().map(|entry| (*entry).to_owned()).collect()
}

const JWT: &str =
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P";

#[test]
fn what_is_known_travels_as_baggage_and_secrets_do_not() {
    let test = "what_is_known_travels_as_baggage_and_secrets_do_not";
    in_child(test, &[("THROUGHLINE_SHUTDOWN_MS", "1")], || {
        with_telemetry(async || {
            let server = Server::start().await;
            let request = async {
                context::set_user("ada, \"the 1st\"; 50%25 é");
                context::set_tenant("blue");
                context::set_session(JWT);
                assert_eq!(
                    baggage_sent(&server).await,
                    set(&[
                        "user.id=ada%2C%20%22the%201st%22%3B%2050%2525%20%C3%A9",
                        "request.id=r-1",
                        "tenant.id=blue",
                    ])
                );
                context::set_user("x".repeat(257));
                context::set_tenant("line\nbreak");
                let rest = set(&["request.id=r-1"]);
                assert_eq!(
                    baggage_sent(&server).await,
                    rest,
                    "what is no id stays here"
                );
            };
            let span = tracing::info_span!("request", request.id = "r-1");
            request.instrument(span).await;
            assert!(baggage_sent(&server).await.is_empty(), "nobody is known");
        });
    });
}

#[test]
fn a_service_s_own_baggage_travels_beside_it_and_within_bounds() {
    let test = "a_service_s_own_baggage_travels_beside_it_and_within_bounds";
    in_child(test, &[("THROUGHLINE_SHUTDOWN_MS", "1")], || {
        with_telemetry(async || {
            let server = Server::start().await;
            let attached = Context::new()
                .with_baggage([
                    KeyValue::new("shop", "7"),
                    KeyValue::new("user.id", "bob"),
                    KeyValue::new("api_key", "hunter2"),
                    KeyValue::new("long", "é".repeat(2_000)),
                ])
                .attach();
            let span = tracing::info_span!("request", user.id = "ada");
            drop(attached);
            let sent = baggage_sent(&server).instrument(span).await;
            assert_eq!(sent, set(&["shop=7", "user.id=ada"]));
        });
    });
}

#[test]
fn the_next_service_takes_up_what_it_is_told_where_it_trusts() {
    let test = "the_next_service_takes_up_what_it_is_told_where_it_trusts";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        with_telemetry(async || {
            let server = Server::start().await;
            let request = async {
                context::set_user("ada, \"the 1st\"; 50%25 é");
                context::set_session("s-1");
                context::set_tenant("blue");
                baggage_sent(&server).await;
            };
            let span = tracing::info_span!("request", request.id = "r-1");
            request.instrument(span).await;

            // As the next service's server does, once it trusts its client.
            let headers: HashMap<String, String> = server
                .last()
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect();
            let received = global::get_text_map_propagator(|propagator| {
                propagator.extract_with_context(&Context::new(), &headers)
            });
            let attached = context::from_baggage(&received).attach();
            let next = tracing::info_span!("next");
            drop(attached);
            next.in_scope(|| {
                tracing::info!("in the next service");
                tracing::info_span!("inner").in_scope(|| ());
            });
        });
    });
    let (logs, spans) = (receiver.logs(), receiver.spans());
    let log = logs
        .iter()
        .find(|log| log.message() == Some("in the next service"));
    let log = &log.unwrap().attributes;
    let places = spans
        .iter()
        .filter(|span| ["next", "inner"].contains(&span.name.as_str()))
        .map(|span| &span.attributes)
        .chain([log]);
    let mut count = 0;
    for attributes in places {
        count += 1;
        for (key, expected) in [
            ("user.id", "ada, \"the 1st\"; 50%25 é"),
            ("session.id", "s-1"),
            ("request.id", "r-1"),
            ("tenant.id", "blue"),
        ] {
            let value = attributes.attribute(key);
            assert_eq!(
                value.map(|it| crate::support::text(Some(it))).as_deref(),
                Some(expected)
            );
        }
    }
    assert_eq!(count, 3);
}

#[test]
fn hostile_baggage_sets_nothing_and_harms_nothing() {
    let test = "hostile_baggage_sets_nothing_and_harms_nothing";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        let telemetry = throughline::init("client").unwrap();
        let long = "x".repeat(64 * 1024);
        for header in [
            format!("user.id={long}"),
            format!("a={},user.id={}", "y".repeat(7_000), "z".repeat(1_000)),
            "user.id=%ff%fe".to_owned(),
            "user.id=a%0Ab%00c".to_owned(),
            format!("session.id={JWT}"),
            "user.id=4111111111111111".to_owned(),
            "user.id=".to_owned(),
            ",;=,,user.id;=1,=user.id".to_owned(),
            "USER.ID=ada".to_owned(),
        ] {
            let headers = HashMap::from([("baggage".to_owned(), header)]);
            let received = global::get_text_map_propagator(|propagator| {
                propagator.extract_with_context(&Context::new(), &headers)
            });
            let attached = context::from_baggage(&received).attach();
            let span = tracing::info_span!("next");
            drop(attached);
            span.in_scope(|| tracing::info!("next"));
        }
        telemetry.shutdown();
    });
    let logs = receiver.logs();
    assert_eq!(logs.len(), 9);
    for log in &logs {
        for key in ["user.id", "session.id", "request.id", "tenant.id"] {
            assert_eq!(log.attributes.attribute(key), None, "{log:?}");
        }
    }
}
