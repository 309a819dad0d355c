//! One request, one trace, whichever process is at work; one failure, one report; no secret.

use throughline_receiver::proto::trace::v1::Span;
use throughline_receiver::proto::trace::v1::span::SpanKind;
use throughline_receiver::{Attributes, Received};

use crate::day::{Day, both_days, is_asked_for};

fn named<'a>(
    spans: impl Iterator<Item = &'a Received<Span>>,
    service: &str,
    name: &str,
) -> Option<&'a Received<Span>> {
    let mut spans = spans;
    spans.find(|span| span.service_name() == Some(service) && span.name == name)
}

fn a_checkout_is_one_trace_through_all_services_with_the_queries_of_each(day: &Day) {
    let contents = &day.contents;
    // The end of a checkout that came about.
    let receipt = named(contents.spans.iter(), "worker", "send_receipt").unwrap();
    let trace = || contents.trace(receipt.trace_id());
    let taken = named(trace(), "payments", "POST /payments").unwrap();
    let checkout = named(trace(), "storefront", "POST /checkout").unwrap();
    assert_eq!(checkout.parent_span_id(), None);
    let call = trace().find(|span| Some(span.span_id()) == taken.parent_span_id());
    let call = call.unwrap();
    assert_eq!(call.service_name(), Some("storefront"));
    assert_eq!(call.kind, SpanKind::Client as i32);
    for (service, query) in [
        ("storefront", "SELECT basket_items products"),
        ("storefront", "COMMIT"),
        ("payments", "INSERT payments"),
        ("worker", "INSERT invoices SELECT orders SELECT invoices"),
    ] {
        let told: Vec<_> = trace().map(|span| &span.name).collect();
        assert!(
            named(trace(), service, query).is_some(),
            "{query} in {told:?}"
        );
    }
}

fn a_digest_is_a_trace_of_its_own_and_leads_to_the_request_that_asked_for_it(day: &Day) {
    let spans = &day.contents.spans;
    let job = named(spans.iter(), "worker", "send_email_digest").unwrap();
    assert_eq!(job.parent_span_id(), None);
    let [link] = &job.links[..] else {
        panic!("{:?}", job.links);
    };
    let request = spans
        .iter()
        .find(|span| span.item.span_id == link.span_id)
        .unwrap();
    assert_eq!(request.item.trace_id, link.trace_id);
    assert_ne!(request.trace_id(), job.trace_id());
    assert_eq!(request.service_name(), Some("storefront"));
    let user = job.attribute_str("user.id");
    assert!(user.is_some());
    assert_eq!(request.attribute_str("user.id").or(user), user);
}

fn each_job_is_done_once_and_those_for_nobody_fail(day: &Day) {
    let jobs = day.contents.spans.iter().filter(|span| is_asked_for(span));
    assert_eq!(jobs.count() as u64, day.told("jobs/asked"));
    let failed = day.events("job.failed");
    assert_eq!(failed.len() as u64, day.told("jobs/to_fail"));
    assert!(!failed.is_empty());
    for record in failed {
        let error = record.attribute_str("exception.type").unwrap();
        assert!(error.ends_with("MailError"), "{error}");
    }
}

fn a_panic_is_one_error_and_one_report(day: &Day) {
    let told = day.told("panics");
    assert!(told > 0);
    let records = day.contents.logs.iter();
    let panics = records.filter(|record| record.attribute_str("exception.type") == Some("panic"));
    assert_eq!(panics.count() as u64, told);
    let events = day.intake.events();
    let fatal = events.iter().filter(|event| event["level"] == "fatal");
    assert_eq!(fatal.count() as u64, told);
}

fn a_gateway_that_does_not_answer_is_an_error_of_payments_and_a_lost_sale_of_the_storefront(
    day: &Day,
) {
    let events = day.intake.events();
    let of_gateway = |event: &&serde_json::Value| {
        let told = event["exception"].to_string();
        told.contains("the gateway did not answer")
    };
    let reports: Vec<_> = events.iter().filter(of_gateway).collect();
    assert!(!reports.is_empty());
    for report in &reports {
        assert_eq!(report["tags"]["service.name"], "payments", "{report}");
    }
    let failed = day.events("checkout.failed");
    let late = failed
        .iter()
        .filter(|record| record.attribute_str("error.type") == Some("gateway timeout"));
    assert_eq!(late.count(), reports.len());
}

fn no_password_and_no_card_is_in_anything_that_was_sent_or_printed(day: &Day) {
    let sent = format!("{:?}", day.contents);
    let printed = day
        .ended
        .iter()
        .flat_map(|ended| [&ended.stdout, &ended.stderr]);
    let bodies = day.intake.bodies();
    let all: Vec<&String> = printed.chain([&sent]).chain(&bodies).collect();
    for secret in [
        "12 fresh eggs",
        "ripe tomatoes",
        "letmein",
        "apples or pears",
        "$argon2",
        "4242424242424242",
        "4000000000000002",
        "4000000000000119",
    ] {
        assert!(!all.iter().any(|text| text.contains(secret)), "{secret}");
    }
    // What was looked through has what it is to have.
    assert!(sent.contains("asking the gateway") && sent.contains("[redacted]"));
    assert!(bodies.iter().any(|body| body.contains("divide by zero")));
}

fn each_process_ends_well_and_says_what_it_delivered(day: &Day) {
    for ended in &day.ended {
        assert!(ended.succeeded, "{}", ended.stderr);
        let last = ended.stderr.lines().last().unwrap();
        assert!(last.starts_with("shop "), "{last}");
        for of_all in last.split(", ") {
            let words: Vec<_> = of_all.split_whitespace().rev().take(4).collect();
            assert!(
                matches!(words[..], ["delivered", all, "of", some] if all == some),
                "{last}"
            );
        }
    }
}

both_days! {
    a_checkout_is_one_trace_through_all_services_with_the_queries_of_each,
    a_digest_is_a_trace_of_its_own_and_leads_to_the_request_that_asked_for_it,
    each_job_is_done_once_and_those_for_nobody_fail,
    a_panic_is_one_error_and_one_report,
    a_gateway_that_does_not_answer_is_an_error_of_payments_and_a_lost_sale_of_the_storefront,
    no_password_and_no_card_is_in_anything_that_was_sent_or_printed,
    each_process_ends_well_and_says_what_it_delivered,
}
