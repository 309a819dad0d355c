//! The streams' macros and functions: what each leaves on the wire, and on all ways out.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::{received_by, text};
use throughline::conventions::{EVENTS, STREAMS};
use throughline::streams::{Money, Severity, analytics, audit, business, security};
use throughline_receiver::proto::common::v1::any_value::Value;
use throughline_receiver::proto::logs::v1::LogRecord;
use throughline_receiver::proto::metrics::v1::metric::Data;
use throughline_receiver::{Attributes, Received, Receiver};

fn record<'a>(logs: &'a [Received<LogRecord>], event: &str) -> &'a Received<LogRecord> {
    let mut found = logs.iter().filter(|log| log.event_name == event);
    match (found.next(), found.next()) {
        (Some(log), None) => log,
        other => panic!("{event}: {other:#?}"),
    }
}

/// Holds the attributes against these and no others, but for what every record has.
#[track_caller]
fn says(log: &LogRecord, expected: &[(&str, &str)]) {
    let found: BTreeSet<(String, String)> = log
        .attributes
        .iter()
        .filter(|attribute| !attribute.key.starts_with("code."))
        .map(|attribute| {
            let value = attribute.value.as_ref().and_then(|any| any.value.as_ref());
            (attribute.key.clone(), text(value))
        })
        .collect();
    let expected = expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    assert_eq!(found, expected.collect(), "{}", log.event_name);
}

fn every_function() {
    let euros = Money::minor(9_999, "EUR");
    security::login_succeeded("u-1")
        .user_name("ada")
        .method("password")
        .emit();
    security::login_failed()
        .user_name("ada")
        .method("password")
        .reason("wrong password")
        .attempts(3)
        .emit();
    security::logout("u-1").emit();
    security::password_changed("u-1").by("admin-1").emit();
    security::permission_denied("password_change")
        .user(3)
        .roles("manager")
        .resource("user", 42)
        .emit();
    security::account_enabled("u-1").by("admin-1").emit();
    security::account_disabled("u-1")
        .by("admin-1")
        .reason("chargeback")
        .severity(Severity::High)
        .client_address([198, 51, 100, 7].into())
        .user_agent("admin/1")
        .emit();
    audit::created("story", 42).actor("ada").emit();
    audit::updated("story", 42)
        .actor("ada")
        .action("complete")
        .changes("title, cover")
        .reason("finished")
        .emit();
    audit::deleted("picture", "p-1")
        .system("nightly cleanup")
        .emit();
    audit::viewed("story", 42).emit();
    audit::exported("report", "q3")
        .actor("ada")
        .outcome(audit::Outcome::Denied)
        .emit();
    business::checkout_started().items(2).amount(euros).emit();
    business::checkout_completed(7)
        .payment("pay-1")
        .gateway("zarin")
        .amount(euros)
        .emit();
    business::checkout_failed("card declined").order(7).emit();
    business::payment_status_changed("pay-1", "refunded")
        .from("completed")
        .order(7)
        .amount(Money::minor(1_200, "JPY"))
        .gateway("zarin")
        .reason("returned")
        .refund("ref-1", "customer_request")
        .emit();
    business::order_status_changed(7, "shipped")
        .from("paid")
        .emit();
    business::subscription_created(12)
        .plan(3)
        .amount(euros)
        .emit();
    business::invoice_created("inv-9").order(7).emit();
    analytics::page_viewed("/stories/{id}")
        .path("/stories/42")
        .emit();
    analytics::feature_used("pdf export").emit();
    analytics::session_ended("s-1", Duration::from_millis(431_500))
        .pages(9)
        .emit();
    tracing::info_span!("request").in_scope(|| {
        analytics::session_started("s-1").emit();
        tracing::info!("within the session");
    });
}

#[test]
fn every_function_leaves_what_it_was_given() {
    let test = "every_function_leaves_what_it_was_given";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        let telemetry = throughline::init("streams").unwrap();
        every_function();
        assert!(telemetry.shutdown().is_lossless());
    });
    let logs = receiver.logs();
    let of = |event| record(&logs, event);
    says(
        of("auth.login.succeeded"),
        &[
            ("log.category", "security"),
            ("event.severity", "low"),
            ("user.id", "u-1"),
            ("user.name", "ada"),
            ("auth.method", "password"),
        ],
    );
    says(
        of("auth.login.failed"),
        &[
            ("log.category", "security"),
            ("event.severity", "medium"),
            ("user.name", "ada"),
            ("auth.method", "password"),
            ("error.type", "wrong password"),
            ("auth.attempt.count", "3"),
        ],
    );
    says(
        of("auth.logout"),
        &[
            ("log.category", "security"),
            ("event.severity", "low"),
            ("user.id", "u-1"),
        ],
    );
    for (event, severity, more) in [
        ("auth.password.changed", "low", None),
        ("account.enabled", "low", None),
        (
            "account.disabled",
            "high",
            Some([
                ("audit.reason", "chargeback"),
                ("client.address", "198.51.100.7"),
                ("user_agent.original", "admin/1"),
            ]),
        ),
    ] {
        let mut expected = vec![
            ("log.category", "security"),
            ("event.severity", severity),
            ("user.id", "admin-1"),
            ("audit.resource.type", "user"),
            ("audit.resource.id", "u-1"),
        ];
        expected.extend(more.into_iter().flatten());
        says(of(event), &expected);
    }
    says(
        of("auth.permission.denied"),
        &[
            ("log.category", "security"),
            ("event.severity", "medium"),
            ("user.id", "3"),
            ("user.roles", "manager"),
            ("audit.action", "password_change"),
            ("audit.resource.type", "user"),
            ("audit.resource.id", "42"),
        ],
    );
    audits(&logs);
    says(
        of("checkout.started"),
        &[
            ("log.category", "business"),
            ("order.item.count", "2"),
            ("payment.amount", "99.99"),
            ("payment.currency", "EUR"),
        ],
    );
    says(
        of("checkout.completed"),
        &[
            ("log.category", "business"),
            ("order.id", "7"),
            ("payment.id", "pay-1"),
            ("payment.gateway", "zarin"),
            ("payment.amount", "99.99"),
            ("payment.currency", "EUR"),
        ],
    );
    says(
        of("checkout.failed"),
        &[
            ("log.category", "business"),
            ("order.id", "7"),
            ("error.type", "card declined"),
        ],
    );
    says(
        of("payment.status_changed"),
        &[
            ("log.category", "business"),
            ("order.id", "7"),
            ("payment.id", "pay-1"),
            ("payment.status", "refunded"),
            ("payment.status.previous", "completed"),
            ("payment.amount", "1200"),
            ("payment.currency", "JPY"),
            ("payment.gateway", "zarin"),
            ("error.type", "returned"),
            ("refund.id", "ref-1"),
            ("refund.reason", "customer_request"),
        ],
    );
    says(
        of("order.status_changed"),
        &[
            ("log.category", "business"),
            ("order.id", "7"),
            ("order.status", "shipped"),
            ("order.status.previous", "paid"),
        ],
    );
    says(
        of("subscription.created"),
        &[
            ("log.category", "business"),
            ("subscription.id", "12"),
            ("plan.id", "3"),
            ("payment.amount", "99.99"),
            ("payment.currency", "EUR"),
        ],
    );
    says(
        of("invoice.created"),
        &[
            ("log.category", "business"),
            ("invoice.id", "inv-9"),
            ("order.id", "7"),
        ],
    );
    uses(&logs);
}

fn audits(logs: &[Received<LogRecord>]) {
    let entry = |actor: (&'static str, &'static str), action, kind, id, outcome| {
        vec![
            ("log.category", "audit"),
            actor,
            ("audit.action", action),
            ("audit.resource.type", kind),
            ("audit.resource.id", id),
            ("audit.outcome", outcome),
        ]
    };
    let ada = ("user.id", "ada");
    let created = entry(ada, "create", "story", "42", "success");
    says(record(logs, "audit.created"), &created);
    let mut updated = entry(ada, "complete", "story", "42", "success");
    updated.extend([
        ("audit.changes", "title, cover"),
        ("audit.reason", "finished"),
    ]);
    says(record(logs, "audit.updated"), &updated);
    let cleanup = ("audit.actor", "nightly cleanup");
    let deleted = entry(cleanup, "delete", "picture", "p-1", "success");
    says(record(logs, "audit.deleted"), &deleted);
    let unknown = ("audit.actor", "unknown");
    let viewed = entry(unknown, "view", "story", "42", "success");
    says(record(logs, "audit.viewed"), &viewed);
    let exported = entry(ada, "export", "report", "q3", "denied");
    says(record(logs, "audit.exported"), &exported);
    assert_eq!(
        record(logs, "audit.updated").message(),
        Some("complete story 42")
    );
}

fn uses(logs: &[Received<LogRecord>]) {
    says(
        record(logs, "page.viewed"),
        &[
            ("log.category", "analytics"),
            ("page.name", "/stories/{id}"),
            ("url.path", "/stories/42"),
        ],
    );
    says(
        record(logs, "feature.used"),
        &[
            ("log.category", "analytics"),
            ("feature.name", "pdf export"),
        ],
    );
    let session = [("log.category", "analytics"), ("session.id", "s-1")];
    says(record(logs, "session.started"), &session);
    let ended = record(logs, "session.ended");
    let mut lasted = session.to_vec();
    lasted.extend([("session.duration", "431.5"), ("page.count", "9")]);
    says(ended, &lasted);
    let after = logs
        .iter()
        .find(|log| log.message() == Some("within the session"));
    assert_eq!(text(after.unwrap().attribute("session.id")), "s-1");
}

/// The events of the conventions that no function is for.
fn every_macro() {
    throughline::security!(
        "attack.sql_injection",
        event.severity = "critical",
        "blocked"
    );
    throughline::security!("attack.xss", event.severity = "high");
    throughline::security!("attack.path_traversal", event.severity = "high");
    throughline::security!("attack.scanner", event.severity = "medium");
    throughline::security!("attack.bot", event.severity = "low");
    const EXCEEDED: &str = "rate_limit.exceeded";
    throughline::security!(EXCEEDED, event.severity = "medium", rate = 7.5,);
    let (user, path) = ("ada".to_owned(), std::path::Path::new("/tmp/x"));
    throughline::audit!(
        target: "shop::roles",
        "user.role_granted",
        user.id = %user,
        audit.action = "grant",
        audit.resource.type = "user",
        audit.resource.id = 42,
        audit.outcome = "success",
        "role.path" = ?path,
        user,
        ?path,
        "granted to {user} by {by}",
        by = "admin"
    );
    throughline::business!("order.returned", order.id = 7);
    throughline::performance!("request.slow", http.server.request.duration = 1.9);
    throughline::performance!("query.slow");
    throughline::performance!("query.storm", db.query.count = 51);
    throughline::performance!(
        "operation.slow",
        operation.name = "x",
        operation.duration = 2.0
    );
    throughline::performance!(
        "operation.measured",
        operation.name = "x",
        operation.value = 2
    );
    throughline::analytics!("story.shared", story.id = 42);
}

#[test]
fn a_macro_is_an_event_of_its_stream_with_all_that_it_was_given() {
    let test = "a_macro_is_an_event_of_its_stream_with_all_that_it_was_given";
    let (receiver, outcome) = received_by(test, "http/protobuf", &[], || {
        let telemetry = throughline::init("streams").unwrap();
        every_macro();
        assert!(telemetry.shutdown().is_lossless());
    });
    let logs = receiver.logs();
    let severities = [
        ("attack.sql_injection", 21),
        ("attack.xss", 17),
        ("attack.scanner", 13),
        ("attack.bot", 9),
        ("rate_limit.exceeded", 13),
        ("order.returned", 9),
        ("request.slow", 13),
        ("operation.measured", 9),
    ];
    for (event, number) in severities {
        assert_eq!(record(&logs, event).severity_number, number, "{event}");
    }
    assert_eq!(
        record(&logs, "attack.sql_injection").message(),
        Some("blocked")
    );
    assert_eq!(record(&logs, "attack.xss").message(), Some("attack.xss"));
    let granted = record(&logs, "user.role_granted");
    assert_eq!(granted.message(), Some("granted to ada by admin"));
    assert_eq!(granted.scope.name, "shop::roles");
    says(
        granted,
        &[
            ("log.category", "audit"),
            ("user.id", "ada"),
            ("audit.action", "grant"),
            ("audit.resource.type", "user"),
            ("audit.resource.id", "42"),
            ("audit.outcome", "success"),
            ("role.path", "\"/tmp/x\""),
            ("user", "ada"),
            ("path", "\"/tmp/x\""),
        ],
    );
    let count = record(&logs, "query.storm").attribute("db.query.count");
    assert_eq!(count, Some(&Value::IntValue(51)), "numbers stay numbers");
    // The console had them all, in the same words.
    let lines = outcome.lines();
    assert_eq!(lines.len(), logs.len());
    let line = lines
        .iter()
        .find(|line| line["event"] == "user.role_granted");
    assert_eq!(line.unwrap()["audit.outcome"], "success");
}

#[test]
fn each_event_of_the_conventions_has_a_call_and_is_counted() {
    let test = "each_event_of_the_conventions_has_a_call_and_is_counted";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        let telemetry = throughline::init("streams").unwrap();
        every_function();
        every_macro();
        assert!(telemetry.shutdown().is_lossless());
    });
    let ours = ["security", "audit", "business", "performance", "analytics"];
    let emitted: BTreeSet<_> = receiver
        .logs()
        .iter()
        .map(|log| log.event_name.clone())
        .collect();
    for event in EVENTS.iter().filter(|event| ours.contains(&event.category)) {
        assert!(emitted.contains(event.name), "{}", event.name);
    }
    assert!(STREAMS.iter().any(|stream| stream.category == ours[0]));
    for (category, event, severity) in [
        ("security", "auth.login.failed", Some("medium")),
        ("security", "attack.sql_injection", Some("critical")),
        ("audit", "user.role_granted", None),
        ("business", "checkout.completed", None),
        ("performance", "query.storm", None),
        ("analytics", "feature.used", None),
    ] {
        let mut labels = vec![("log.category", category), ("event.name", event)];
        labels.extend(severity.map(|severity| ("event.severity", severity)));
        assert_eq!(counted(&receiver, &labels), Some(1), "{event}");
    }
}

/// The value of `throughline.events` with these labels and no others.
fn counted(receiver: &Receiver, labels: &[(&str, &str)]) -> Option<i64> {
    use throughline_receiver::proto::metrics::v1::number_data_point::Value;

    let expected: BTreeSet<_> = labels.iter().copied().collect();
    let contents = receiver.contents();
    let Some(Data::Sum(sum)) = contents.metric("throughline.events")?.data.clone() else {
        panic!("no sum");
    };
    let point = sum.data_points.iter().find(|point| {
        let labels: Vec<_> = point
            .attributes
            .iter()
            .map(|label| {
                let value = label.value.as_ref().and_then(|any| any.value.as_ref());
                (label.key.as_str(), text(value))
            })
            .collect();
        let labels: BTreeSet<_> = labels
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        labels == expected
    })?;
    match point.value {
        Some(Value::AsInt(count)) => Some(count),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn security_records_have_the_requests_client_and_no_others_do() {
    let test = "security_records_have_the_requests_client_and_no_others_do";
    let (receiver, outcome) = received_by(test, "http/protobuf", &[], || {
        let telemetry = throughline::builder("streams")
            .redact(throughline::Redaction::default().emails(true))
            .init()
            .unwrap();
        let outer = tracing::info_span!("request");
        outer.in_scope(|| {
            let agent = format!("curl/8 {}", "x".repeat(5_000));
            throughline::context::set_client([203, 0, 113, 9].into(), Some(&agent));
            let inner = tracing::info_span!("login", user.id = "admin-1");
            inner.in_scope(|| {
                security::login_failed().user_name("ada@example.org").emit();
                throughline::security!(
                    "attack.bot",
                    event.severity = "low",
                    client.address = "198.51.100.7"
                );
                audit::viewed("story", 42).emit();
            });
        });
        security::logout("u-1").emit();
        assert!(telemetry.shutdown().is_lossless());
    });
    let logs = receiver.logs();
    let failed = record(&logs, "auth.login.failed");
    assert_eq!(text(failed.attribute("client.address")), "203.0.113.9");
    let agent = text(failed.attribute("user_agent.original"));
    assert!(agent.starts_with("curl/8 x"), "{agent}");
    assert_eq!(agent.len(), 512, "bounded, as anybody can send it");
    let name = text(failed.attribute("user.name"));
    assert_eq!(name, "[redacted]", "a name that is an e-mail address");
    let bot = record(&logs, "attack.bot");
    assert_eq!(text(bot.attribute("client.address")), "198.51.100.7");
    assert_eq!(text(bot.attribute("user_agent.original")), agent);
    let viewed = record(&logs, "audit.viewed");
    assert_eq!(viewed.attribute("client.address"), None);
    assert_eq!(text(viewed.attribute("user.id")), "admin-1");
    assert_eq!(viewed.attribute("audit.actor"), None, "the user is known");
    assert_eq!(
        record(&logs, "auth.logout").attribute("client.address"),
        None
    );
    assert_eq!(outcome.lines()[0]["client.address"], "203.0.113.9");
}

#[test]
fn the_example_of_streams_sends_what_it_says() {
    let receiver = crate::support::example::run("streams", &[]).0;
    let logs = receiver.logs();
    let failed = record(&logs, "auth.login.failed");
    assert_eq!(text(failed.attribute("client.address")), "203.0.113.9");
    let updated = record(&logs, "audit.updated");
    assert_eq!(text(updated.attribute("user.id")), "u-1");
    assert_eq!(text(updated.attribute("session.id")), "s-1");
    record(&logs, "order.gift_wrapped");
    assert_eq!(receiver.spans().len(), 2);
}
