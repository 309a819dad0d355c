//! Each view over a real store, asked through the router.

use super::super::fixture::{Fixture, HOSTILE, ago, link, record, span};
use axum::http::StatusCode;
use opentelemetry_proto::tonic::logs::v1::LogRecord;

#[tokio::test]
async fn the_log_shows_streams_levels_words_and_attributes() {
    let shop = Fixture::new();
    let mut failed = record(
        "",
        "",
        17,
        "card declined by the bank",
        &[
            ("order.id", "o 7"),
            ("exception.stacktrace", "at <b>main</b>\n  at lib"),
        ],
    );
    failed.trace_id = vec![7; 16];
    failed.span_id = vec![8; 8];
    shop.records(
        "storefront",
        vec![
            failed,
            record("security", "auth.login.failed", 13, "login failed", &[]),
            record("", "", 9, HOSTILE, &[(HOSTILE, HOSTILE)]),
        ],
    )
    .await;
    shop.records(
        "payments",
        vec![record("business", "own.event", 9, "sold", &[])],
    )
    .await;

    let all = shop.page("/logs").await;
    assert_eq!(all.matches("data-row").count(), 4, "{all}");
    assert!(
        all.contains("Error<span class=\"count error-text\">1</span>"),
        "{all}"
    );
    assert!(
        all.contains("App<span class=\"count muted\">2</span>"),
        "{all}"
    );
    assert!(all.contains("at &#60;b&#62;main"), "{all}");
    assert!(all.contains(&format!(
        "/traces/{}?span={}",
        "07".repeat(16),
        "08".repeat(8)
    )));

    let lines = async |path: &str| shop.page(path).await.matches("data-row").count();
    assert_eq!(lines("/logs?stream=security").await, 1);
    assert_eq!(lines("/logs?stream=app").await, 2);
    assert_eq!(lines("/logs?stream=error").await, 1);
    assert_eq!(lines("/logs?level=warn").await, 2);
    assert_eq!(lines("/logs?service=payments").await, 1);
    assert_eq!(lines("/logs?event=own.event").await, 1);
    assert_eq!(lines("/logs?q=%22declined+by%22").await, 1);
    assert_eq!(lines("/logs?q=decl*").await, 1);
    assert_eq!(lines("/logs?q=declined+nowhere").await, 0);
    assert_eq!(lines(&format!("/logs?trace={}", "07".repeat(16))).await, 1);

    // The link beside a value narrows the list to it.
    let narrowed = link(&all[all.find("o 7").unwrap()..], "filter");
    assert_eq!(narrowed, "/logs?q=order.id%3D%22o+7%22");
    let found = shop.page(&narrowed).await;
    assert_eq!(found.matches("data-row").count(), 1, "{found}");
    assert!(found.contains("card declined"), "{found}");
}

#[tokio::test]
async fn older_and_newer_pages_have_each_line_once() {
    let shop = Fixture::new();
    let lines = (0..250).map(|number| record("", "", 9, &format!("line {number}."), &[]));
    shop.records("shop", lines.collect()).await;
    let first = shop.page("/logs").await;
    let older = link(&first, "Older →");
    let second = shop.page(&older).await;
    let third = shop.page(&link(&second, "Older →")).await;
    assert!(first.contains("line 249.") && first.contains("line 150."));
    assert!(second.contains("line 149.") && second.contains("line 50."));
    assert!(third.contains("line 49.") && third.contains("line 0."));
    assert_eq!(third.matches("data-row").count(), 50);
    let back = shop.page(&link(&third, "← Newer")).await;
    assert!(
        back.contains("line 149.") && back.contains("line 50."),
        "{back}"
    );
    // Live only where the newest are.
    assert!(first.contains("data-live=\"records\""));
    assert!(second.contains("data-live=\"\""));
}

#[tokio::test]
async fn the_selection_is_exported_as_lines_of_json() {
    let shop = Fixture::new();
    shop.records(
        "shop",
        vec![
            record("audit", "audit.created", 9, HOSTILE, &[("user.id", "ada")]),
            record("", "", 9, "other", &[]),
        ],
    )
    .await;
    let (status, _, lines) = shop.ask("/logs.json?stream=audit").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(lines.lines().count(), 1);
    let json: serde_json::Value = serde_json::from_str(&lines).unwrap();
    assert_eq!(json["body"], HOSTILE);
    assert_eq!(json["attributes"]["user.id"], "ada");
    assert_eq!(json["event_name"], "audit.created");
    assert_eq!(json["service.name"], "shop");
    assert_eq!(json["severity_text"], "INFO");
}

#[tokio::test]
async fn a_line_stands_among_those_of_its_service() {
    let shop = Fixture::new();
    let mut lines: Vec<LogRecord> = (0..120)
        .map(|number| record("", "", 9, &format!("line {number}."), &[]))
        .collect();
    lines[60] = record(
        "",
        "",
        17,
        HOSTILE,
        &[
            ("user.id", "ada"),
            ("request.id", "r-1"),
            (HOSTILE, HOSTILE),
        ],
    );
    lines[60].trace_id = vec![7; 16];
    shop.records("shop", lines).await;
    shop.records("other", vec![record("", "", 9, "of another service", &[])])
        .await;
    let list = shop.page("/logs?level=error").await;
    let row = list.split("data-key=\"").nth(1).unwrap();
    let row = row.split('"').next().unwrap();
    let page = shop.page(&format!("/logs/{row}")).await;
    for part in [
        "line 10.",
        "line 59.",
        "line 61.",
        "line 110.",
        "id=\"chosen\"",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("line 9.") && !page.contains("line 111."));
    assert!(!page.contains("of another service"));
    assert_eq!(link(&page, "ada"), "/users?user=ada&since=all");
    assert_eq!(link(&page, "r-1"), "/logs?q=request.id%3Dr-1&since=all");
    assert_eq!(
        link(&page, &"07".repeat(16)),
        format!("/traces/{}", "07".repeat(16))
    );

    for missing in ["/logs/999999", "/logs/x"] {
        let (status, _, html) = shop.ask(missing).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(html.contains("No such line"), "{html}");
    }
}

#[tokio::test]
async fn security_marks_who_guesses_and_shows_attacks() {
    let shop = Fixture::new();
    let login = |event: &str, user: &str, address: &str| {
        record(
            "security",
            event,
            13,
            "",
            &[
                ("event.severity", "medium"),
                ("user.name", user),
                ("client.address", address),
            ],
        )
    };
    let mut records: Vec<_> = ["ada", "bob", "eve"]
        .map(|user| login("auth.login.failed", user, "203.0.113.9"))
        .to_vec();
    records.extend((0..6).map(|_| login("auth.login.failed", "mallory", "198.51.100.7")));
    records.push(LogRecord {
        time_unix_nano: ago(30),
        ..login("auth.login.succeeded", "mallory", "198.51.100.7")
    });
    records.push(record(
        "security",
        "attack.xss",
        13,
        "",
        &[
            ("event.severity", "high"),
            ("client.address", "203.0.113.9"),
            ("attack.evidence", HOSTILE),
            ("attack.rule", "html"),
            ("attack.location", "query"),
            ("attack.blocked", "true"),
        ],
    ));
    records.push(record(
        "security",
        "auth.permission.denied",
        13,
        "",
        &[
            ("event.severity", "medium"),
            ("user.id", "carol"),
            ("audit.action", "sales report"),
        ],
    ));
    records.push(record(
        "security",
        "rate_limit.exceeded",
        13,
        "",
        &[
            ("event.severity", "critical"),
            ("rate_limit.name", "failed_logins"),
            ("rate_limit.count", "6"),
            ("rate_limit.window", "600"),
        ],
    ));
    shop.records("shop", records).await;

    let page = shop.page("/security?since=1h").await;
    for part in [
        "tries many users",
        "then got in",
        "sales report",
        "failed logins",
        "10 min",
        "badge ok\">blocked",
        "query of",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.contains("&lt;script&gt;alert"), "{page}");
    assert_eq!(
        link(&page, "203.0.113.9"),
        "/users?address=203.0.113.9&since=1h"
    );
    assert_eq!(link(&page, "carol"), "/users?user=carol&since=1h");
    let failed = shop.page(&link(&page, "auth.login.failed")).await;
    assert_eq!(failed.matches("data-row").count(), 9, "{failed}");
    for (name, number) in [("critical", 1), ("high", 1), ("medium", 11), ("low", 0)] {
        let card = page.split(&format!("\"name\">{name}<")).nth(1).unwrap();
        assert!(
            card[..80].contains(&format!(">{number}<")),
            "{name}: {}",
            &card[..80]
        );
    }
    let high = shop.page(&link(&page, "high")).await;
    assert_eq!(high.matches("data-row").count(), 1, "{high}");
}

#[tokio::test]
async fn the_audit_trail_is_filtered_by_who_and_what() {
    let shop = Fixture::new();
    let did = |actor: (&str, &str), action: &str, id: &str, outcome: &str| {
        record(
            "audit",
            "audit.updated",
            9,
            "",
            &[
                actor,
                ("audit.action", action),
                ("audit.resource.type", "order"),
                ("audit.resource.id", id),
                ("audit.outcome", outcome),
                ("audit.changes", HOSTILE),
            ],
        )
    };
    shop.records(
        "shop",
        vec![
            did(("user.id", "ada"), "refund", "7", "success"),
            did(("user.id", "ada"), "change price", "8", "denied"),
            did(("audit.actor", "nightly"), "refund", "8", "success"),
        ],
    )
    .await;
    let rows = |html: &str| html.matches("data-row").count();
    let all = shop.page("/audit").await;
    assert_eq!(rows(&all), 3, "{all}");
    assert!(all.contains("badge error\">denied"), "{all}");
    assert_eq!(rows(&shop.page("/audit?actor=ada").await), 2);
    assert_eq!(rows(&shop.page("/audit?actor=nightly").await), 1);
    assert_eq!(rows(&shop.page("/audit?action=refund").await), 2);
    assert_eq!(rows(&shop.page("/audit?action=refund&actor=ada").await), 1);
    assert_eq!(rows(&shop.page("/audit?outcome=denied").await), 1);
    let trail = shop.page(&link(&all, "order 8")).await;
    assert!(trail.contains("Audit trail of order 8"), "{trail}");
    assert_eq!(rows(&trail), 2);
}

#[tokio::test]
async fn the_business_adds_its_amounts_by_currency() {
    let shop = Fixture::new();
    let event = |event: &str, more: &[(&str, &str)]| record("business", event, 9, "", more);
    let paid = |name: &str, amount: &str, currency: &str| {
        event(
            name,
            &[
                ("payment.amount", amount),
                ("payment.currency", currency),
                ("payment.status", "completed"),
                ("payment.gateway", HOSTILE),
            ],
        )
    };
    shop.records(
        "shop",
        vec![
            event("checkout.started", &[]),
            event("checkout.started", &[]),
            event("checkout.started", &[]),
            event("checkout.started", &[]),
            paid("checkout.completed", "0.10", "EUR"),
            paid("checkout.completed", "0.20", "EUR"),
            paid("checkout.completed", "1200", "JPY"),
            event("checkout.failed", &[("error.type", "card declined")]),
            paid("payment.status_changed", "9.99", "EUR"),
            event("gift.card.sold", &[]),
        ],
    )
    .await;
    let page = shop.page("/business").await;
    assert!(page.contains("0.30\u{a0}EUR, 1,200\u{a0}JPY"), "{page}");
    assert!(page.contains("3 · 75 %"), "{page}");
    assert!(page.contains("1 · 25 %"), "{page}");
    assert!(page.contains("gift.card.sold"), "{page}");
    let failed = shop.page(&link(&page, "card declined")).await;
    assert_eq!(failed.matches("data-row").count(), 1, "{failed}");
}

#[tokio::test]
async fn analytics_tell_pages_features_and_the_way_of_a_session() {
    let shop = Fixture::new();
    let at = |seconds: u64, record: LogRecord| LogRecord {
        time_unix_nano: ago(seconds),
        ..record
    };
    let event = |event: &str, more: &[(&str, &str)]| record("analytics", event, 9, "", more);
    let session = ("session.id", "s-1");
    shop.records(
        "shop",
        vec![
            at(50, event("session.started", &[session])),
            at(49, event("page.viewed", &[session, ("page.name", "home")])),
            at(
                48,
                event(
                    "page.viewed",
                    &[session, ("page.name", "basket"), ("user.id", "ada")],
                ),
            ),
            at(
                47,
                event("feature.used", &[session, ("feature.name", HOSTILE)]),
            ),
            at(
                46,
                event("session.ended", &[session, ("session.duration", "431")]),
            ),
            at(45, event("page.viewed", &[("page.name", "home")])),
        ],
    )
    .await;
    let page = shop.page("/analytics").await;
    assert!(page.contains("home → basket"), "{page}");
    assert!(page.contains("33.3 % by users who are known"), "{page}");
    assert!(page.contains("7 min 11 s"), "{page}");
    let journey = shop.page(&link(&page, "s-1")).await;
    assert_eq!(journey.matches("data-row").count(), 5, "{journey}");
    assert!(
        journey.contains("<li>home</li><li>basket</li>"),
        "{journey}"
    );
    assert_eq!(link(&journey, "ada"), "/users?user=ada&since=all");
}

#[tokio::test]
async fn the_slowest_are_added_up_above_their_lines() {
    let shop = Fixture::new();
    let slow = |seconds: &str| {
        record(
            "performance",
            "request.slow",
            13,
            "",
            &[
                ("http.request.method", "GET"),
                ("http.route", HOSTILE),
                ("http.server.request.duration", seconds),
            ],
        )
    };
    shop.records("shop", vec![slow("1.5"), slow("2.5"), slow("2")])
        .await;
    let page = shop.page("/logs?stream=performance").await;
    for part in ["What was slow", ">2 s<", ">2.5 s<", "GET &lt;script"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!shop.page("/logs").await.contains("What was slow"));
}

#[tokio::test]
async fn a_user_is_what_all_signals_say_of_them() {
    let shop = Fixture::new();
    let ada = [
        ("user.id", "ada"),
        ("client.address", "10.0.0.1"),
        ("session.id", "s-1"),
    ];
    shop.spans(
        "shop",
        vec![
            span(1, 1, "GET /orders", &ada),
            span(
                2,
                2,
                "GET /other",
                &[("user.id", "bob"), ("client.address", "10.0.0.1")],
            ),
            span(
                3,
                3,
                HOSTILE,
                &[("user.id", HOSTILE), ("client.address", HOSTILE)],
            ),
        ],
    )
    .await;
    let mut access = record("request", "http.server.request", 9, "GET /orders 200", &ada);
    access.trace_id = vec![1; 16];
    access.span_id = vec![1; 8];
    shop.records(
        "shop",
        vec![
            access,
            record("audit", "audit.viewed", 9, "looked at it", &ada),
            record(
                "security",
                "auth.login.failed",
                13,
                "login failed",
                &[("user.name", "ada")],
            ),
            record("", "", 9, "of somebody else", &[("user.id", "bob")]),
        ],
    )
    .await;

    let list = shop.page("/users").await;
    assert_eq!(link(&list, "ada"), "/users?user=ada");
    assert_eq!(link(&list, "10.0.0.1"), "/users?address=10.0.0.1");
    let found = shop.page("/users?q=BO").await;
    assert!(
        found.contains(">bob<") && !found.contains(">ada<"),
        "{found}"
    );

    let page = shop.page("/users?user=ada").await;
    // The access log says again what the span says.
    assert_eq!(
        page.matches("data-key=\"s").count(),
        2,
        "a request and a session: {page}"
    );
    assert_eq!(page.matches("data-key=\"r").count(), 2, "{page}");
    for part in ["looked at it", "login failed", "GET /orders"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("of somebody else"), "{page}");
    assert_eq!(link(&page, "s-1"), "/analytics?session=s-1");
    let address = shop.page(&link(&page, "10.0.0.1")).await;
    assert!(
        address.contains(">bob<") && address.contains(">ada<"),
        "{address}"
    );
    assert!(address.contains("GET /other"), "{address}");
}

#[tokio::test]
async fn an_id_in_the_search_box_leads_to_what_it_means() {
    let shop = Fixture::new();
    shop.spans("shop", vec![span(7, 8, "GET /", &[("request.id", "r-1")])])
        .await;
    shop.records(
        "shop",
        vec![record("", "", 9, "hello", &[("user.id", "ada")])],
    )
    .await;
    for (text, address) in [
        ("07".repeat(16), format!("/traces/{}", "07".repeat(16))),
        (
            "08".repeat(8),
            format!("/traces/{}?span={}", "07".repeat(16), "08".repeat(8)),
        ),
        (
            "09".repeat(8),
            format!("/logs?q={}&since=all", "09".repeat(8)),
        ),
        ("r-1".to_owned(), "/traces?request=r-1&since=all".to_owned()),
        ("ada".to_owned(), "/users?user=ada".to_owned()),
        ("nobody".to_owned(), "/logs?q=nobody&since=all".to_owned()),
        (String::new(), "/".to_owned()),
    ] {
        let (status, to, _) = shop.ask(&format!("/go?q={text}")).await;
        assert_eq!((status, to), (StatusCode::SEE_OTHER, address), "{text}");
    }
}

#[tokio::test]
async fn health_tells_what_came_and_what_is_wrong() {
    let shop = Fixture::new();
    let quiet = shop.page("/health").await;
    assert!(quiet.contains("all is well"), "{quiet}");
    assert!(
        quiet.contains("No service has sent anything yet."),
        "{quiet}"
    );

    shop.records(HOSTILE, vec![record("", "", 9, "hello", &[])])
        .await;
    shop.app
        .counts
        .of(crate::dev::Way::Logs, "HTTP/JSON", |tally| {
            tally.requests += 3;
            tally.items += 1;
            tally.malformed += 2;
        });
    let page = shop.page("/health").await;
    assert!(page.contains("2 requests were malformed."), "{page}");
    assert!(page.contains("HTTP/JSON"), "{page}");
    assert!(page.contains("badge ok\">sending"), "{page}");
}

#[tokio::test]
async fn every_view_has_something_to_say_of_an_empty_store() {
    let shop = Fixture::new();
    for path in [
        "/logs",
        "/logs?since=all&stream=security&q=a&before=5",
        "/security",
        "/audit?actor=a",
        "/business",
        "/analytics?since=all",
        "/analytics?session=x",
        "/users?q=a",
        "/users?user=a",
        "/users?address=%3Cscript%3Ealert(1)",
        "/health",
    ] {
        let html = shop.page(path).await;
        assert!(html.contains("<h1>"), "{path}");
    }
}

#[tokio::test]
async fn a_range_without_anything_leads_to_everything() {
    let shop = Fixture::new();
    let old = LogRecord {
        time_unix_nano: ago(7_200),
        ..record("audit", "audit.viewed", 9, "long ago", &[])
    };
    shop.records("shop", vec![old]).await;
    for view in [
        "/",
        "/traces",
        "/logs",
        "/errors",
        "/security",
        "/audit",
        "/business",
        "/analytics",
        "/users",
    ] {
        let html = shop.page(view).await;
        let offered = format!("<a href=\"{view}?since=all\">S");
        assert!(html.contains(&offered), "{view}: {html}");
        let html = shop.page(&format!("{view}?since=all")).await;
        assert!(!html.contains(&offered), "{view}: {html}");
    }
}

#[tokio::test]
async fn a_stream_has_its_events_in_the_order_of_arrival() {
    let shop = Fixture::new();
    let events = ["audit.created", "", "audit.viewed", "own"];
    let lines = (0..400).map(|number| {
        let event = events[number % events.len()];
        record("audit", event, 9, &format!("line {number}."), &[])
    });
    shop.records("shop", lines.collect()).await;
    shop.records("other", vec![record("audit", "own", 9, "of another", &[])])
        .await;
    let page = shop.page("/logs?stream=audit&service=shop").await;
    let shown: Vec<_> = (0..400)
        .rev()
        .filter_map(|number| page.find(&format!("line {number}.")))
        .collect();
    assert_eq!(shown.len(), 100);
    assert!(shown.is_sorted(), "{shown:?}");
    assert!(page.contains("line 300.") && !page.contains("line 299."));
    assert!(!page.contains("of another"));
    let older = shop.page(&link(&page, "Older →")).await;
    assert!(older.contains("line 299.") && older.contains("line 200."));
}
