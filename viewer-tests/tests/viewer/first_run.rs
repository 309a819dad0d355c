//! The first minute: an empty viewer says what to do, and comes alive when it is done.

use throughline_viewer_tests::{
    Browser, Dev, Impact,
    clients::{self, Protocol},
};

#[tokio::test]
async fn an_empty_viewer_says_what_to_do_and_comes_alive_without_being_loaded_again() {
    let dev = Dev::start(&["--memory"]).await.unwrap();
    let browser = Browser::start().await.unwrap();
    browser.goto(&dev.page("/")).await.unwrap();
    let addresses = dev.addresses().clone();
    for told in [
        &addresses.otlp_grpc,
        &addresses.otlp_http,
        &addresses.sentry_dsn,
    ] {
        browser.wait_for_text(told).await.unwrap();
    }
    let serious: Vec<_> = browser.axe().await.unwrap();
    let serious = serious
        .iter()
        .filter(|found| found.impact >= Impact::Serious);
    assert_eq!(serious.count(), 0);

    // Gone, if the page were loaded anew.
    browser.eval("window.seen = 'before'").await.unwrap();
    clients::opentelemetry(Protocol::Grpc, &addresses.otlp_grpc, "till")
        .await
        .unwrap();
    browser.wait_for_text("till-web").await.unwrap();
    browser.wait_for_text("till-payments").await.unwrap();
    assert_eq!(browser.eval("window.seen").await.unwrap(), "before");
    assert_eq!(browser.complaints().await.unwrap(), []);
}

#[tokio::test]
async fn every_view_of_an_empty_viewer_says_that_there_is_nothing() {
    let dev = Dev::start(&["--memory"]).await.unwrap();
    let browser = Browser::start().await.unwrap();
    browser.goto(&dev.page("/")).await.unwrap();
    browser.set_viewport(390, 844).await.unwrap();
    for key in KEYS {
        browser
            .click(&format!("nav.views a[data-go='{key}']"))
            .await
            .unwrap();
        browser
            .wait_for(&format!("nav.views a[data-go='{key}'][aria-current]"))
            .await
            .unwrap();
        let shown = browser.text("#content").await.unwrap();
        assert!(shown.len() > 20, "{key}: {shown}");
        let overflow = browser.horizontal_overflow().await.unwrap();
        let url = browser.url().await.unwrap();
        assert_eq!(overflow, None, "{url}");
        assert_eq!(browser.complaints().await.unwrap(), [], "{url}");
    }
}

/// The keys that lead to the views after `g`, in the order of the navigation.
const KEYS: [&str; 11] = ["o", "t", "l", "m", "e", "s", "a", "b", "n", "u", "h"];
