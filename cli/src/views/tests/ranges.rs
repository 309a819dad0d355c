//! Lists of more than a page has time to read: they are of all that was counted.

use super::super::fixture::*;

#[tokio::test]
async fn lists_of_more_than_can_be_read_have_everybody_in_the_range() {
    let shop = Fixture::new();
    let mut records = Vec::new();
    for number in 0..4_600 {
        let user = format!("user-{}", number % 900);
        let address = format!("10.0.{}.{}", number % 7, number % 5);
        records.push(record(
            "security",
            "auth.login.failed",
            13,
            "no",
            &[
                ("user.id", &user),
                ("user.name", &user),
                ("client.address", &address),
            ],
        ));
    }
    for number in 0..4_600 {
        let outcome = if number == 0 { "denied" } else { "success" };
        records.push(record(
            "audit",
            "audit.recorded",
            9,
            "done",
            &[
                ("user.id", "clerk"),
                ("audit.action", "refund"),
                ("audit.outcome", outcome),
            ],
        ));
    }
    let first = record(
        "",
        "",
        9,
        "in",
        &[("user.id", HOSTILE), ("client.address", "192.0.2.1")],
    );
    records.insert(0, first);
    shop.records("shop", records).await;

    let users = shop.page("/users?since=1h").await;
    assert!(users.contains("the latest 50 of 902"), "{users}");
    assert!(users.contains("from the full hour on"), "{users}");
    let all = shop.page("/users?since=all").await;
    assert!(!all.contains("from the full hour on"), "{all}");
    // The very first of all, whom no page reads as far back as.
    let found = shop.page("/users?since=all&q=SCRIPT").await;
    assert!(found.contains("&lt;script&gt;alert"), "{found}");
    let found = shop.page("/users?since=all&q=user-89").await;
    assert_eq!(
        found.matches("href=\"/users?user=user-89").count(),
        12,
        "{found}"
    );
    assert!(!found.contains("the latest"), "{found}");
    assert!(
        shop.page("/users?since=all&service=desk")
            .await
            .contains("Nobody who is known")
    );

    let security = shop.page("/security?since=all").await;
    for part in [
        "15 of 35, of all records by full hours",
        "15 of 900, of all records by full hours",
        "tries many users",
        // A hundred and thirty-one or two of each address, by all of its users.
        ">132<",
        ">32+<",
    ] {
        assert!(security.contains(part), "{part}: {security}");
    }
    let audit = shop.page("/audit?since=all").await;
    // The oldest of them.
    assert!(audit.contains("outcome=denied"), "{audit}");
    assert!(audit.contains(">4,599<"), "{audit}");
    assert!(!audit.contains("of the newest"), "{audit}");
}
