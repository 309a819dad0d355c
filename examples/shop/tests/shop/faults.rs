//! What goes wrong on purpose, while the shop runs.

use std::process::Command;

use reqwest::{Client, StatusCode};

use crate::day::folder;
use crate::process::{Service, shop};

fn storefront(name: &str, faults: &str) -> Service {
    let mut command: Command = shop("storefront");
    command
        .env("OTEL_SDK_DISABLED", "true")
        .env("SHOP_FAULTS", faults);
    Service::start(command, &folder(name))
}

async fn switch(client: &Client, shop: &Service, fault: &str, rate: &'static str) -> StatusCode {
    let address = format!("{}/faults/{fault}", shop.address());
    client
        .put(address)
        .body(rate)
        .send()
        .await
        .unwrap()
        .status()
}

async fn home(client: &Client, shop: &Service) -> StatusCode {
    client.get(shop.address()).send().await.unwrap().status()
}

#[tokio::test]
async fn a_fault_is_switched_on_and_off_while_the_service_runs() {
    let shop = storefront("switched", "error_burst");
    let client = Client::new();
    assert_eq!(home(&client, &shop).await, 500);
    assert_eq!(switch(&client, &shop, "error_burst", "off").await, 200);
    assert_eq!(home(&client, &shop).await, 200);
    assert_eq!(switch(&client, &shop, "panics", "0.5").await, 200);
    assert_eq!(home(&client, &shop).await, 200);
    assert_eq!(home(&client, &shop).await, 500);
    assert_eq!(switch(&client, &shop, "panic", "on").await, 404);
    assert_eq!(switch(&client, &shop, "panics", "2").await, 400);
    shop.end();
}

#[tokio::test]
async fn a_fault_is_not_switched_by_a_stranger_or_a_page_in_a_browser() {
    let shop = storefront("strangers", "");
    let client = Client::new();
    let address = format!("{}/faults/error_burst", shop.address());
    for (name, value) in [
        ("x-forwarded-for", "203.0.113.9"),
        ("origin", "https://example.com"),
        ("host", "shop.example"),
    ] {
        let asked = client.put(&address).body("on").header(name, value);
        assert_eq!(asked.send().await.unwrap().status(), 403, "{name}");
    }
    assert_eq!(home(&client, &shop).await, 200);
    shop.end();
}
