//! What operators of the shop look for is there, as often as it happened.

use std::collections::BTreeSet;

use throughline_receiver::Attributes;

use crate::day::{Day, both_days, text};

fn every_stream_has_records(day: &Day) {
    let records = day.contents.logs.iter();
    let streams: BTreeSet<_> = records
        .map(|record| record.attribute_str("log.category").unwrap_or_default())
        .collect();
    for stream in [
        "",
        "analytics",
        "audit",
        "business",
        "job",
        "performance",
        "request",
        "security",
    ] {
        assert!(streams.contains(stream), "`{stream}` in {streams:?}");
    }
}

fn what_was_done_was_told_as_often(day: &Day) {
    for (event, told) in [
        ("auth.login.succeeded", "logins/succeeded"),
        ("auth.login.failed", "logins/failed"),
        ("auth.password.changed", "password_changes"),
        ("auth.permission.denied", "permissions_denied"),
        ("account.disabled", "accounts_disabled"),
        ("account.enabled", "accounts_enabled"),
        ("checkout.completed", "checkouts/completed"),
        ("subscription.created", "subscriptions"),
        ("http.server.request", "requests"),
    ] {
        let of_storefront = day.events(event);
        let of_storefront = of_storefront
            .iter()
            .filter(|record| record.service_name() == Some("storefront"));
        let told = day.told(told);
        assert!(told > 0, "{event}");
        assert_eq!(of_storefront.count() as u64, told, "{event}");
    }
}

fn the_checkouts_add_up_to_what_was_paid(day: &Day) {
    let completed = day.events("checkout.completed");
    let cents = completed.iter().map(|record| {
        let amount = text(record.attribute("payment.amount"));
        amount.replace('.', "").parse::<u64>().unwrap()
    });
    assert_eq!(cents.sum::<u64>(), day.told("checkouts/amount"));
    let measured = day.counted("shop.checkouts", "checkout.outcome", "completed");
    assert_eq!(measured as u64, day.told("checkouts/completed"));
}

fn each_attack_is_counted_by_its_kind(day: &Day) {
    for kind in ["sql_injection", "xss", "path_traversal", "scanner", "bot"] {
        let event = format!("attack.{kind}");
        let counted = day.counted("throughline.attack.signals", "event.name", &event);
        assert_eq!(
            counted as u64,
            day.told(&format!("attacks/{kind}")),
            "{kind}"
        );
    }
}

fn what_is_not_somebodys_own_is_denied_by_name(day: &Day) {
    let denied = day.events("auth.permission.denied");
    let actions: BTreeSet<_> = denied
        .iter()
        .map(|record| record.attribute_str("audit.action").unwrap_or_default())
        .collect();
    let all = ["list users", "sales report", "view order"];
    assert_eq!(actions, BTreeSet::from(all));
    for record in denied {
        assert!(record.attribute_str("user.id").is_some());
        assert_eq!(record.attribute_str("user.roles"), Some("customer"));
    }
}

fn a_failed_login_says_from_where_and_for_whom(day: &Day) {
    for record in day.events("auth.login.failed") {
        let address = record.attribute_str("client.address").unwrap();
        assert!(address.starts_with("198.51.100.") || address.starts_with("203.0.113."));
        assert!(record.attribute_str("user.name").is_some());
        assert!(record.attribute_str("user_agent.original").is_some());
    }
}

fn a_page_with_a_query_for_each_row_is_a_storm(day: &Day) {
    let storms = day.events("query.storm");
    // Others may have waited too long for a few, on a machine that is busy.
    let many = storms
        .iter()
        .filter(|storm| storm.attribute_i64("db.query.count") > Some(50));
    assert!(many.count() > 0);
}

both_days! {
    every_stream_has_records,
    what_was_done_was_told_as_often,
    the_checkouts_add_up_to_what_was_paid,
    each_attack_is_counted_by_its_kind,
    what_is_not_somebodys_own_is_denied_by_name,
    a_failed_login_says_from_where_and_for_whom,
    a_page_with_a_query_for_each_row_is_a_storm,
}
