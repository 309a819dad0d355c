//! An error: found from its trace and from its line, resolved, and back again.

use throughline_viewer_tests::{Browser, Dev, clients, otlp::Client};

use crate::scene::{self, CHARGE, FAILED};

/// Follows the link that says so.
async fn open(browser: &Browser, links: &str, text: &str) {
    let link = format!(
        "[...document.querySelectorAll({:?})].find(link => link.textContent.includes({text:?}))",
        format!("#content {links}")
    );
    browser
        .wait_until(&format!("{link} !== undefined"))
        .await
        .unwrap();
    browser.eval(&format!("{link}.click()")).await.unwrap();
}

#[tokio::test]
async fn a_trace_its_logs_and_its_error_lead_to_each_other() {
    let dev = Dev::start(&["--memory"]).await.unwrap();
    scene::send(&dev).await;
    let browser = Browser::start().await.unwrap();
    browser
        .goto(&dev.page("/traces?status=error"))
        .await
        .unwrap();
    browser.click("#content tbody a[data-open]").await.unwrap();
    browser
        .wait_until(&format!("location.pathname === '/traces/{FAILED}'"))
        .await
        .unwrap();
    browser.wait_for_text("the charge failed").await.unwrap();

    browser
        .click("a[href^='/logs?'][href*='trace=']")
        .await
        .unwrap();
    browser
        .wait_until("location.pathname === '/logs' && document.querySelectorAll('#content [data-row]').length === 2")
        .await
        .unwrap();
    browser
        .wait_for_text("the basket has three articles")
        .await
        .unwrap();
    browser.back().await.unwrap();
    browser
        .wait_until(&format!("location.pathname === '/traces/{FAILED}'"))
        .await
        .unwrap();

    open(&browser, "a[href^='/errors/']", "CardDeclined").await;
    browser
        .wait_until("location.pathname.startsWith('/errors/')")
        .await
        .unwrap();
    for shown in [
        "CardDeclined",
        "the card was declined",
        "charge.py",
        "the charge failed",
    ] {
        browser.wait_for_text(shown).await.unwrap();
    }
    browser
        .click(&format!("#content a[href^='/traces/{FAILED}']"))
        .await
        .unwrap();
    browser
        .wait_until(&format!("location.pathname === '/traces/{FAILED}'"))
        .await
        .unwrap();
    assert_eq!(browser.complaints().await.unwrap(), []);
}

#[tokio::test]
async fn the_address_of_a_span_shows_that_span() {
    let dev = Dev::start(&["--memory"]).await.unwrap();
    scene::send(&dev).await;
    let browser = Browser::start().await.unwrap();
    let address = dev.page(&format!("/traces/{FAILED}?span={CHARGE}"));
    browser.goto(&address).await.unwrap();
    browser.wait_for_text("card declined").await.unwrap();

    // Another one is a click, and one step leads back to this one.
    browser
        .goto(&dev.page(&format!("/traces/{FAILED}")))
        .await
        .unwrap();
    browser
        .click("a[href*='span=00f067aa0ba902b7']")
        .await
        .unwrap();
    browser
        .wait_until("location.search.includes('span=00f067aa0ba902b7')")
        .await
        .unwrap();
    browser.wait_for_text("basket.size").await.unwrap();
    browser.back().await.unwrap();
    browser
        .wait_until("!location.search.includes('span=00f067aa0ba902b7')")
        .await
        .unwrap();
    assert_eq!(browser.complaints().await.unwrap(), []);
}

#[tokio::test]
async fn an_error_that_comes_back_after_it_was_resolved_is_regressed() {
    let dev = Dev::start(&["--memory"]).await.unwrap();
    scene::send(&dev).await;
    let browser = Browser::start().await.unwrap();
    browser.goto(&dev.page("/errors")).await.unwrap();
    browser.wait_for_text("CardDeclined").await.unwrap();
    open(&browser, "tbody a[data-open]", "CardDeclined").await;
    browser
        .click("#content form[action$='/resolve'] button")
        .await
        .unwrap();
    browser.wait_for_text("Open again").await.unwrap();
    browser
        .goto(&dev.page("/errors?status=resolved"))
        .await
        .unwrap();
    browser.wait_for_text("CardDeclined").await.unwrap();
    browser.goto(&dev.page("/errors")).await.unwrap();
    browser
        .wait_until("!document.querySelector('#content').innerText.includes('CardDeclined')")
        .await
        .unwrap();

    // The list that is open learns of it by itself.
    Client::new(&dev, "payments")
        .records(&[scene::decline("8")])
        .await
        .unwrap();
    browser.wait_for_text("CardDeclined").await.unwrap();
    browser.wait_for_text("regressed").await.unwrap();
    browser
        .goto(&dev.page("/errors?status=regressed"))
        .await
        .unwrap();
    browser.wait_for_text("CardDeclined").await.unwrap();
    assert_eq!(browser.complaints().await.unwrap(), []);
}

#[tokio::test]
async fn what_sentrys_python_sdk_reports_is_shown_with_its_cause_and_what_came_before() {
    let dev = Dev::start(&["--memory"]).await.unwrap();
    clients::sentry(&dev.addresses().sentry_dsn).await.unwrap();
    let browser = Browser::start().await.unwrap();
    browser.goto(&dev.page("/errors")).await.unwrap();
    browser.wait_for_text("the till was closed").await.unwrap();
    browser.wait_for_text("PaymentDeclined").await.unwrap();
    open(&browser, "tbody a[data-open]", "PaymentDeclined").await;
    browser
        .wait_until("location.pathname.startsWith('/errors/')")
        .await
        .unwrap();
    for shown in [
        "card diners was declined",
        // The cause, and the line that it is of.
        "KeyError",
        "return limit[card]",
        // A breadcrumb, and who and what it is about.
        "an article was added",
        "the basket is old",
        "shop@1.2.3",
        "till-1",
        "ada",
    ] {
        browser.wait_for_text(shown).await.unwrap();
    }
    assert_eq!(browser.complaints().await.unwrap(), []);
}
