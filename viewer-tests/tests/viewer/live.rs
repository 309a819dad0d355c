//! What arrives is shown without loading, unless the reader has said to wait.

use serde_json::json;
use throughline_viewer_tests::{
    Browser, Dev,
    otlp::{self, Client},
};

#[tokio::test]
async fn new_lines_come_by_themselves_and_wait_while_the_page_is_paused() {
    let dev = Dev::start(&["--memory"]).await.unwrap();
    let service = Client::new(&dev, "shop");
    let say = async |what: &str| {
        let record = otlp::record("INFO", what, &json!({}));
        service.records(&[record]).await.unwrap();
    };
    say("the first line").await;
    let browser = Browser::start().await.unwrap();
    browser.goto(&dev.page("/logs")).await.unwrap();
    browser.wait_for_text("the first line").await.unwrap();
    browser.wait_for("#live[data-state=live]").await.unwrap();

    say("the second line").await;
    browser.wait_for_text("the second line").await.unwrap();
    // The newest is on top.
    let first = browser.text("tr[data-row]").await.unwrap();
    assert!(first.contains("the second line"), "{first}");

    browser.press("p").await.unwrap();
    browser.wait_for("#live[data-state=paused]").await.unwrap();
    say("the third line").await;
    say("the fourth line").await;
    // It knows how many wait, and shows none of them.
    browser
        .wait_until("document.querySelector('#live').innerText.includes('paused, 2 new')")
        .await
        .unwrap();
    let shown = browser.text("#content").await.unwrap();
    assert!(!shown.contains("the third line"), "{shown}");

    browser.click("#live").await.unwrap();
    browser.wait_for_text("the third line").await.unwrap();
    browser.wait_for_text("the fourth line").await.unwrap();
    assert_eq!(browser.count("tbody tr[data-row]").await.unwrap(), 4);
    assert_eq!(browser.complaints().await.unwrap(), []);
}

#[tokio::test]
async fn a_reader_is_told_when_the_viewer_is_gone() {
    let dev = Dev::start(&["--memory"]).await.unwrap();
    let browser = Browser::start().await.unwrap();
    browser.goto(&dev.page("/logs")).await.unwrap();
    browser.wait_for("#live[data-state=live]").await.unwrap();
    assert!(dev.interrupt().await.unwrap().success());
    browser.wait_for("#live[data-state=lost]").await.unwrap();
    browser.wait_for("#notice").await.unwrap();
}
