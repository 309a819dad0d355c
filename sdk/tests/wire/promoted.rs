//! User, session and request: on everything of the same request, from the moment that they
//! are known, and on nothing of another's.

use crate::support::{received_by, text};
use throughline::context;
use throughline_receiver::proto::common::v1::KeyValue;
use throughline_receiver::{Attributes, Receiver};
use tracing::{Instrument, info, info_span};

fn span(receiver: &Receiver, name: &str, key: &str) -> Option<String> {
    let spans = receiver.spans();
    let span = spans.iter().find(|span| span.name == name).unwrap();
    once(&span.attributes, key)
}

fn log(receiver: &Receiver, message: &str, key: &str) -> Option<String> {
    let logs = receiver.logs();
    let log = logs
        .iter()
        .find(|log| log.message() == Some(message))
        .unwrap();
    once(&log.attributes, key)
}

/// The attribute, which must not be there twice.
fn once(attributes: &[KeyValue], key: &str) -> Option<String> {
    let times = attributes
        .iter()
        .filter(|attribute| attribute.key == key)
        .count();
    assert!(times <= 1, "{key} is there {times} times: {attributes:#?}");
    attributes.attribute(key).map(|value| text(Some(value)))
}

#[test]
fn what_is_set_at_any_depth_is_on_the_whole_request_from_then_on() {
    let test = "what_is_set_at_any_depth_is_on_the_whole_request_from_then_on";
    let (receiver, outcome) = received_by(test, "grpc", &[], || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let telemetry = throughline::init("promoted").unwrap();
        runtime.block_on(async {
            let request = async {
                info!("before");
                async {
                    context::set_user("ada");
                    context::set_session("s-1");
                    context::set_tenant("blue");
                    info!("inside");
                }
                .instrument(info_span!("login"))
                .await;
                info!("after");
                let task = async { info!("spawned") };
                tokio::spawn(task.instrument(info_span!("task")))
                    .await
                    .unwrap();
            };
            request
                .instrument(info_span!("request", otel.kind = "server"))
                .await;
            async { info!("another's") }
                .instrument(info_span!("other"))
                .await;
            telemetry.shutdown_async().await;
        });
    });
    assert_eq!(log(&receiver, "before", "user.id"), None);
    for message in ["inside", "after", "spawned"] {
        assert_eq!(
            log(&receiver, message, "user.id").as_deref(),
            Some("ada"),
            "{message}"
        );
        assert_eq!(
            log(&receiver, message, "session.id").as_deref(),
            Some("s-1"),
            "{message}"
        );
        assert_eq!(
            log(&receiver, message, "tenant.id").as_deref(),
            Some("blue"),
            "{message}"
        );
    }
    assert_eq!(log(&receiver, "another's", "user.id"), None);
    assert_eq!(
        span(&receiver, "login", "user.id").as_deref(),
        Some("ada"),
        "the current span"
    );
    assert_eq!(
        span(&receiver, "task", "user.id").as_deref(),
        Some("ada"),
        "a later span"
    );
    assert_eq!(span(&receiver, "other", "user.id"), None);
    let lines = outcome.lines();
    let after = lines
        .iter()
        .find(|line| line["message"] == "after")
        .unwrap();
    assert_eq!(
        (&after["user_id"], &after["session_id"], &after["tenant_id"]),
        (&"ada".into(), &"s-1".into(), &"blue".into())
    );
}

#[test]
fn a_spans_own_field_covers_its_subtree_and_no_sibling() {
    let test = "a_spans_own_field_covers_its_subtree_and_no_sibling";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        let telemetry = throughline::init("promoted").unwrap();
        info_span!("request", request.id = "r-1").in_scope(|| {
            info_span!("impersonated", user.id = 7).in_scope(|| {
                info!("as seven");
                info_span!("child").in_scope(|| info!("in the child"));
            });
            let late = info_span!("late", user.id = tracing::field::Empty);
            late.in_scope(|| {
                info!("not yet");
                late.record("user.id", "eve");
                info!("recorded");
            });
            info!("sibling");
        });
        telemetry.shutdown();
    });
    assert_eq!(log(&receiver, "as seven", "user.id").as_deref(), Some("7"));
    assert_eq!(
        log(&receiver, "in the child", "user.id").as_deref(),
        Some("7")
    );
    assert_eq!(log(&receiver, "not yet", "user.id"), None);
    assert_eq!(
        log(&receiver, "recorded", "user.id").as_deref(),
        Some("eve")
    );
    assert_eq!(log(&receiver, "sibling", "user.id"), None);
    for message in ["as seven", "in the child", "recorded", "sibling"] {
        assert_eq!(
            log(&receiver, message, "request.id").as_deref(),
            Some("r-1"),
            "{message}"
        );
    }
    assert_eq!(span(&receiver, "child", "user.id").as_deref(), Some("7"));
    for name in ["request", "impersonated", "child", "late"] {
        assert_eq!(
            span(&receiver, name, "request.id").as_deref(),
            Some("r-1"),
            "{name}"
        );
    }
    assert_eq!(
        span(&receiver, "impersonated", "user.id").as_deref(),
        Some("7")
    );
    assert_eq!(span(&receiver, "late", "user.id").as_deref(), Some("eve"));
    assert_eq!(span(&receiver, "request", "user.id"), None);
}

#[test]
fn a_field_of_the_record_itself_wins() {
    let test = "a_field_of_the_record_itself_wins";
    let (receiver, _) = received_by(test, "grpc", &[], || {
        let telemetry = throughline::init("promoted").unwrap();
        info_span!("request", user.id = "ada").in_scope(|| info!(user.id = "bob", "about bob"));
        telemetry.shutdown();
    });
    assert_eq!(
        log(&receiver, "about bob", "user.id").as_deref(),
        Some("bob")
    );
}
