//! One request through two services: one trace in Jaeger, one request id, one user and one
//! session on all that both tell, and an error in the second as one issue that leads to both.

use anyhow::{Context, Result};
use reqwest::{StatusCode, header::HeaderMap};
use serde_json::json;
use throughline_e2e::{
    ask::Answer,
    failure::Outcome,
    jaeger::{Span, Trace},
    loki::Record,
    pair::{Answered, BROKEN, Pair, Story},
    run::Run,
    stack::{Servers, servers},
    wait::{ARRIVAL, eventually},
};
use uuid::Uuid;

#[tokio::test]
async fn a_request_is_one_story_in_both_services_and_an_error_one_issue() -> Outcome {
    let servers = servers().await?;
    let pair = Pair::start(&servers, &[]).await?;
    let good = pair.post("/checkouts", HeaderMap::new()).await?;
    let broken = pair.post("/checkouts/broken", HeaderMap::new()).await?;
    assert_eq!(good.status, StatusCode::OK);
    assert_eq!(broken.status, StatusCode::PAYMENT_REQUIRED);
    assert_ne!(good.request_id, broken.request_id);
    let (story, exits) = pair.stop().await?;
    for (exit, errors) in [(&exits.storefront, 0), (&exits.payments, 1)] {
        let told = exit.stderr.join("\n");
        let report = format!("errors: {errors} of {errors} delivered");
        assert!(told.contains(&report), "not {report:?} in {told}");
    }

    let trace = one_trace(&servers, &story, &GOOD, &good).await?;
    queries_have_their_databases(&trace, &story)?;
    records(&servers, &story, &trace, &GOOD, &good).await?;

    let trace = one_trace(&servers, &story, &FAILED, &broken).await?;
    the_error_is_that_of_payments(&trace)?;
    records(&servers, &story, &trace, &FAILED, &broken).await?;
    one_issue_names_both(&servers, &story, &trace, &broken).await?;
    Ok(())
}

#[tokio::test]
async fn a_stranger_in_front_of_both_forges_nothing() -> Outcome {
    // From an address that would be trusted otherwise.
    let variables = [("THROUGHLINE_TRUST_INBOUND", "none")];
    Ok(nothing_is_forged(&variables, &[]).await?)
}

#[tokio::test]
async fn a_stranger_behind_a_proxy_that_nobody_named_forges_nothing() -> Outcome {
    let forwarded = format!("for={FORGED_ADDRESS}");
    let headers = [
        ("x-forwarded-for", FORGED_ADDRESS),
        ("forwarded", &forwarded),
    ];
    Ok(nothing_is_forged(&[], &headers).await?)
}

async fn nothing_is_forged(
    variables: &[(&str, &str)],
    headers: &[(&'static str, &str)],
) -> Result<()> {
    let servers = servers().await?;
    let pair = Pair::start(&servers, variables).await?;
    let forged = Forged::new();
    let answered = pair.post("/checkouts", forged.headers(headers)?).await?;
    assert_eq!(answered.status, StatusCode::OK);
    assert_ne!(answered.request_id, FORGER);
    let (story, _) = pair.stop().await?;

    // The second service trusts the first, which passes nothing on.
    let trace = one_trace(&servers, &story, &GOOD, &answered).await?;
    trace.must("a trace of its own", |trace| trace.id != forged.trace)?;
    for span in &trace.value.spans {
        let links: Vec<_> = span
            .links()
            .iter()
            .map(|link| (link.trace.as_str(), link.span.as_str()))
            .collect();
        let expected = match span.parent() {
            None => vec![(forged.trace.as_str(), forged.span.as_str())],
            Some(_) => Vec::new(),
        };
        trace.must_equal(&format!("links of {}", span.name), links, expected)?;
        let tenant = span.tag("tenant.id");
        trace.must_equal(&format!("tenant of {}", span.name), tenant, None::<String>)?;
    }
    let root = trace.value.root().context("no root")?;
    let client = root.tag("client.address");
    trace.must_equal("client", client.as_deref(), Some("127.0.0.1"))?;
    trace.must("nothing of the stranger's in the trace", |_| {
        !trace.body().contains(FORGER) && !trace.body().contains(FORGED_ADDRESS)
    })?;
    for records in records(&servers, &story, &trace, &GOOD, &answered).await? {
        records.must("nothing of the stranger's in the records", |_| {
            let told = [FORGER, FORGED_ADDRESS, &forged.trace];
            !told.iter().any(|told| records.body().contains(told))
        })?;
    }
    Ok(())
}

const FORGER: &str = "mallory";
const FORGED_ADDRESS: &str = "198.51.100.66";

/// What somebody says who would be somebody else.
struct Forged {
    trace: String,
    span: String,
}

impl Forged {
    fn new() -> Self {
        let id = || Uuid::new_v4().simple().to_string();
        Self {
            trace: id(),
            span: id()[..16].to_owned(),
        }
    }

    /// Its trace is said not to be sampled, which would hide the request.
    fn headers(&self, more: &[(&'static str, &str)]) -> Result<HeaderMap> {
        let parent = format!("00-{}-{}-00", self.trace, self.span);
        let state = format!("{FORGER}=1");
        let baggage = ["user.id", "session.id", "request.id", "tenant.id"]
            .map(|key| format!("{key}={FORGER}"))
            .join(",");
        let own = [
            ("traceparent", parent.as_str()),
            ("tracestate", &state),
            ("baggage", &baggage),
            ("x-request-id", FORGER),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in own.iter().chain(more) {
            headers.insert(*name, value.parse()?);
        }
        Ok(headers)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Storefront,
    Payments,
}

use Of::{Payments, Storefront};

impl Of {
    fn run(self, story: &Story) -> &Run {
        match self {
            Storefront => &story.storefront,
            Payments => &story.payments,
        }
    }
}

/// What both services tell of a checkout.
struct Expected {
    /// Each span with its kind and its parent.
    spans: [(Name, &'static str, Option<Name>); 6],
    /// The lines of the records, and the access records among them.
    records: [&'static [&'static str]; 2],
}

type Name = (Of, &'static str);

/// The span that ends before the user is known; all others have the user, the root's as it is
/// still open then.
const BEFORE_THE_USER: Name = (Storefront, "SELECT sessions");

const GOOD: Expected = Expected {
    spans: spans("POST /checkouts", "POST /payments", "INSERT payments"),
    records: [
        &[
            "checking out",
            "payments answered",
            "checkout completed",
            "POST /checkouts 200",
        ],
        &["payment taken", "POST /payments 200"],
    ],
};

const FAILED: Expected = Expected {
    spans: spans(
        "POST /checkouts/broken",
        "POST /payments/fail",
        "SELECT payments",
    ),
    records: [
        &[
            "checking out",
            "payments answered",
            "checkout failed",
            "POST /checkouts/broken 402",
        ],
        &[
            "asking the provider",
            "POST /payments/fail was answered with 500",
            "POST /payments/fail 500",
        ],
    ],
};

const fn spans(
    checkout: &'static str,
    payment: &'static str,
    query: &'static str,
) -> [(Name, &'static str, Option<Name>); 6] {
    let root = Some((Storefront, checkout));
    [
        ((Storefront, checkout), "server", None),
        (BEFORE_THE_USER, "client", root),
        ((Storefront, "SELECT carts"), "client", root),
        ((Storefront, payment), "client", root),
        ((Payments, payment), "server", Some((Storefront, payment))),
        ((Payments, query), "client", Some((Payments, payment))),
    ]
}

/// The only trace of a request, with the spans of both services and no others, each of them in
/// its place and about the same request, user and session.
async fn one_trace(
    servers: &Servers,
    story: &Story,
    expected: &Expected,
    answered: &Answered,
) -> Result<Answer<Trace>> {
    let [((_, root), ..), _, _, _, ((_, payment), ..), _] = expected.spans;
    let traces = eventually(
        &format!("the spans of {root} in Jaeger"),
        ARRIVAL,
        || servers.jaeger.traces(&story.storefront, root),
        |traces| traces.iter().map(|trace| trace.spans.len()).sum::<usize>() >= 6,
    )
    .await?;
    traces.must_equal("traces", traces.value.len(), 1)?;
    let trace = traces.map(|mut traces| traces.remove(0));
    trace.must_equal("spans", trace.value.spans.len(), expected.spans.len())?;
    // Nor are there any of the other service elsewhere.
    let others = servers.jaeger.traces(&story.payments, payment).await?;
    let others_ids: Vec<_> = others.value.iter().map(|trace| &trace.id).collect();
    others.must_equal("traces of payments", others_ids, vec![&trace.value.id])?;

    for (name, kind, parent) in expected.spans {
        let span = span(&trace, story, name)?;
        let what = |what: &str| format!("{what} of {name:?}");
        let tag = |key: &str| span.tag(key).unwrap_or_default();
        trace.must_equal(&what("kind"), tag("span.kind"), kind)?;
        let found = span.parent().map(|parent| parent.span.as_str());
        let parent = parent.map(|parent| self::span(&trace, story, parent));
        let parent = parent.transpose()?.map(|parent| parent.id.as_str());
        trace.must_equal(&what("parent"), found, parent)?;
        let user = match name == BEFORE_THE_USER {
            true => "",
            false => &story.user,
        };
        for (key, value) in [
            ("request.id", answered.request_id.as_str()),
            ("session.id", &story.session),
            ("user.id", user),
        ] {
            trace.must_equal(&what(key), tag(key), value)?;
        }
    }
    Ok(trace)
}

/// The only span of this name that this service has in the trace.
fn span<'t>(trace: &'t Answer<Trace>, story: &Story, (of, name): Name) -> Result<&'t Span> {
    let service = &of.run(story).service;
    let is_meant = |span: &&Span| {
        let process = trace.value.process(span);
        span.name == name && process.is_some_and(|process| process.service == *service)
    };
    let mut found = trace.value.spans.iter().filter(is_meant);
    let span = found
        .next()
        .with_context(|| format!("no span {name} of {service} in\n{}", trace.exchange()))?;
    let others = found.count();
    trace.must_equal(&format!("others {name} of {service}"), others, 0)?;
    Ok(span)
}

fn queries_have_their_databases(trace: &Answer<Trace>, story: &Story) -> Result<()> {
    let port = story.database_port.to_string();
    for (name, system, namespace, port, text) in [
        (
            (Storefront, "SELECT carts"),
            "sqlite",
            ":memory:",
            None,
            "SELECT amount FROM carts WHERE user_id = ?",
        ),
        (
            (Payments, "INSERT payments"),
            "postgresql",
            "postgres",
            Some(port.as_str()),
            "INSERT INTO payments (amount) VALUES ($1) RETURNING id",
        ),
    ] {
        let span = span(trace, story, name)?;
        for (key, expected) in [
            ("db.system.name", Some(system)),
            ("db.query.text", Some(text)),
            ("db.namespace", Some(namespace)),
            ("server.port", port),
        ] {
            let what = format!("{key} of {name:?}");
            trace.must_equal(&what, span.tag(key).as_deref(), expected)?;
        }
    }
    Ok(())
}

/// To the client it is a failure, and to the storefront's own client an answer like any other.
fn the_error_is_that_of_payments(trace: &Answer<Trace>) -> Result<()> {
    let mut failed: Vec<_> = trace
        .value
        .spans
        .iter()
        .filter(|span| span.tag("otel.status_code").as_deref() == Some("ERROR"))
        .map(|span| {
            let tag = |key| span.tag(key).unwrap_or_default();
            (span.name.as_str(), tag("span.kind"), tag("error.type"))
        })
        .collect();
    let mut expected = vec![
        ("POST /payments/fail", "client".to_owned(), "500".to_owned()),
        (
            "POST /payments/fail",
            "server".to_owned(),
            "pair::PaymentError".to_owned(),
        ),
    ];
    failed.sort();
    expected.sort();
    trace.must_equal("failed spans", failed, expected)
}

/// The records of each service, found by the request's id alone, all of the same trace, user
/// and session.
async fn records(
    servers: &Servers,
    story: &Story,
    trace: &Answer<Trace>,
    expected: &Expected,
    answered: &Answered,
) -> Result<[Answer<Vec<Record>>; 2]> {
    let of_both = format!(
        r#"{{service_name=~"{}|{}"}}"#,
        story.storefront.service, story.payments.service
    );
    let by_request = format!(r#"{of_both} | request_id="{}""#, answered.request_id);
    let expected_count: usize = expected.records.iter().map(|lines| lines.len()).sum();
    let found = eventually(
        &format!(
            "{expected_count} records of request {}",
            answered.request_id
        ),
        ARRIVAL,
        || servers.loki.query(&by_request, &story.storefront),
        |records| records.len() >= expected_count,
    )
    .await?;
    for record in &found.value {
        for (label, expected) in [
            ("trace_id", &trace.value.id),
            ("user_id", &story.user),
            ("session_id", &story.session),
            ("request_id", &answered.request_id),
        ] {
            let what = format!("{label} of {:?}", record.line);
            found.must_equal(&what, record.label(label), expected.as_str())?;
        }
    }
    let by_trace = format!(r#"{of_both} | trace_id="{}""#, trace.value.id);
    let of_trace = servers.loki.query(&by_trace, &story.storefront).await?;
    of_trace.must_equal(
        "records of the trace",
        of_trace.value.len(),
        found.value.len(),
    )?;

    let [((_, root), ..), _, _, _, ((_, payment), ..), _] = expected.spans;
    for (of, lines, server) in [
        (Storefront, expected.records[0], root),
        (Payments, expected.records[1], payment),
    ] {
        let service = &of.run(story).service;
        let records = found.value.iter();
        let records: Vec<_> = records
            .filter(|record| record.label("service_name") == service)
            // On a busy machine anything may be slow as well.
            .filter(|record| !record.label("event_name").ends_with(".slow"))
            .collect();
        let mut first_lines: Vec<_> = records
            .iter()
            .map(|record| record.line.lines().next().unwrap_or_default())
            .collect();
        let mut lines = lines.to_vec();
        first_lines.sort_unstable();
        lines.sort_unstable();
        found.must_equal(&format!("records of {service}"), first_lines, lines)?;

        let mut access = records
            .iter()
            .filter(|record| record.label("event_name") == "http.server.request");
        let access = access.next().context("no access record")?;
        let server = span(trace, story, (of, server))?;
        found.must_equal(
            "span of the access record",
            access.label("span_id"),
            &*server.id,
        )?;
        let queries = match of {
            Storefront => "2",
            Payments => "1",
        };
        found.must_equal("queries", access.label("db_query_count"), queries)?;
        found.must_equal("client", access.label("client_address"), "127.0.0.1")?;
    }
    Ok([found, of_trace])
}

/// From the issue of payments it is one step to the storefront: by the trace, by the request's
/// id, and by who called.
async fn one_issue_names_both(
    servers: &Servers,
    story: &Story,
    trace: &Answer<Trace>,
    answered: &Answered,
) -> Result<()> {
    let issues = eventually(
        "the event of payments in Bugsink",
        ARRIVAL,
        || servers.bugsink.reported(&story.payments),
        |issues| !issues.is_empty(),
    )
    .await?;
    let [reported] = &issues.value[..] else {
        return issues.must_equal("issues", issues.value.len(), 1);
    };
    issues.must_equal("events", reported.events.len(), 1)?;
    issues.must_equal("title", reported.issue.kind.as_str(), "pair::PaymentError")?;
    let event = &reported.events[0];

    let exceptions = event["exception"]["values"].as_array();
    let exceptions: Vec<_> = exceptions
        .into_iter()
        .flatten()
        .map(|exception| (&exception["type"], &exception["value"]))
        .collect();
    let expected = [
        ("Error", "no answer within 5 s"),
        ("Error", "the connection was lost"),
        ("Error", "the provider refused"),
        ("pair::PaymentError", "payment of 9999 was not taken"),
    ];
    let expected = expected.map(|(kind, value)| (json!(kind), json!(value)));
    let expected: Vec<_> = expected.iter().map(|(kind, value)| (kind, value)).collect();
    issues.must_equal("exceptions", exceptions, expected)?;

    let server = span(trace, story, (Payments, "POST /payments/fail"))?;
    let told_trace = &event["contexts"]["trace"];
    for (what, found, expected) in [
        ("trace", &told_trace["trace_id"], trace.value.id.as_str()),
        ("span", &told_trace["span_id"], &server.id),
        ("transaction", &event["transaction"], "POST /payments/fail"),
        ("method", &event["request"]["method"], "POST"),
        (
            "address",
            &event["request"]["url"],
            &format!("{}{BROKEN}", story.payments_url),
        ),
        (
            "who called",
            &event["request"]["headers"]["User-Agent"],
            &story.storefront.service,
        ),
        (
            "who failed",
            &event["tags"]["service.name"],
            &story.payments.service,
        ),
        (
            "request",
            &event["tags"]["request.id"],
            &answered.request_id,
        ),
        ("session", &event["tags"]["session.id"], &story.session),
        ("user", &event["user"]["id"], &story.user),
    ] {
        issues.must_equal(what, found, &json!(expected))?;
    }

    // The storefront has said that it delivered none; so does the server.
    let others = servers.bugsink.reported(&story.storefront).await?;
    others.must_equal("issues of the storefront", others.value.len(), 0)
}
