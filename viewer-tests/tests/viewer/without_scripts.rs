//! The page with JavaScript switched off: each question is a link or a form, and what the scripts
//! add is comfort.

use std::time::Duration;

use serde_json::json;
use throughline_viewer_tests::{
    Browser, Dev, Key,
    otlp::{self, Client},
};

use crate::scene::{self, CHARGE, FAILED};

const ROWS: &str = "#content tbody tr[data-row]";

async fn start() -> (Dev, Browser) {
    let dev = Dev::start(&["--memory"]).await.unwrap();
    scene::send(&dev).await;
    let browser = Browser::start().await.unwrap();
    browser.switch_scripts_off().await.unwrap();
    browser.goto(&dev.page("/")).await.unwrap();
    // Else all that follows would be one more test of the scripts.
    assert_eq!(browser.count(":root.scripted").await.unwrap(), 0);
    (dev, browser)
}

async fn rows(browser: &Browser, count: usize, what: &str) -> String {
    browser
        .wait_until(&format!(
            "document.querySelectorAll({ROWS:?}).length === {count}"
        ))
        .await
        .unwrap_or_else(|error| panic!("{count} rows of {what}: {error:#}"));
    browser.texts(ROWS).await.unwrap().join("\n")
}

/// Clicks on a link, and waits for where it leads.
async fn follow(browser: &Browser, link: &str, to: &str) {
    browser.click(link).await.unwrap();
    browser
        .wait_until(&format!(
            "(location.pathname + location.search).includes({to:?})"
        ))
        .await
        .unwrap();
}

#[tokio::test]
async fn every_view_is_whole_and_offers_nothing_that_only_a_script_can_do() {
    let (dev, browser) = start().await;
    for (path, shown) in [
        ("/", "storefront"),
        ("/traces", "POST /checkout"),
        ("/logs", "the stock of teapots is low"),
        ("/metrics", "orders.created"),
        ("/metrics/orders.created", "orders.created"),
        ("/errors", "CardDeclined"),
        ("/security", "auth.login.failed"),
        ("/audit", "updated"),
        ("/business", "checkout.started"),
        ("/analytics", "/products/17"),
        ("/users", "ada"),
        ("/health", "storefront"),
        (&format!("/traces/{FAILED}"), "the charge failed"),
        ("/users?user=ada", "POST /checkout"),
    ] {
        browser.goto(&dev.page(path)).await.unwrap();
        browser
            .wait_for_text(shown)
            .await
            .unwrap_or_else(|error| panic!("{path}: {error:#}"));
        // What has no form, and is no part of one that is shown, does nothing when it is pressed.
        let idle = browser
            .eval("[...document.querySelectorAll('button')].filter(button => button.checkVisibility() && !button.form).map(button => button.outerHTML)")
            .await
            .unwrap();
        assert_eq!(idle, json!([]), "{path}");
        // Each choice can be sent: by a button of its own form.
        let stuck = browser
            .eval("[...document.querySelectorAll('#content select')].filter(list => ![...list.form.elements].some(field => field.matches('button') && field.checkVisibility())).map(list => list.outerHTML)")
            .await
            .unwrap();
        assert_eq!(stuck, json!([]), "{path}");
        // A time that nobody puts into the reader's zone says which it is in.
        let vague = browser
            .eval("[...document.querySelectorAll('#content time')].map(time => time.textContent).filter(text => !/UTC$/.test(text))")
            .await
            .unwrap();
        assert_eq!(vague, json!([]), "{path}");
        let axes = browser
            .eval("[...document.querySelectorAll('.area-of-plot')].filter(plot => plot.querySelector('text[data-time]') && !plot.querySelector('.zone')?.checkVisibility()).length")
            .await
            .unwrap();
        assert_eq!(axes, 0, "{path}");

        browser.set_viewport(390, 844).await.unwrap();
        let overflow = browser.horizontal_overflow().await.unwrap();
        assert!(overflow.is_none(), "{path}: {overflow:?}");
        // Within a card a number that is too long is over its edge before it is over the page's.
        let cut = browser
            .eval("[...document.querySelectorAll('.card')].filter(card => card.scrollWidth > card.clientWidth).map(card => card.innerText)")
            .await
            .unwrap();
        assert_eq!(cut, json!([]), "{path}");
        browser.set_viewport(1280, 800).await.unwrap();
    }
    assert_eq!(browser.complaints().await.unwrap(), []);
}

#[tokio::test]
async fn the_log_and_the_traces_are_searched_by_their_forms() {
    let (dev, browser) = start().await;
    follow(&browser, ".views a[href^='/logs']", "/logs").await;
    rows(&browser, 7, "the log").await;
    let search = "#content form.filters";
    browser
        .type_into(&format!("{search} input[name=q]"), "teapots")
        .await
        .unwrap();
    browser.press(Key::Enter).await.unwrap();
    let found = rows(&browser, 1, "teapots").await;
    assert!(found.contains("the stock of teapots is low"), "{found}");

    // A choice waits for the button, and what was typed stays.
    browser
        .choose(&format!("{search} select[name=level]"), "error")
        .await
        .unwrap();
    rows(&browser, 1, "teapots, not sent yet").await;
    browser
        .click(&format!("{search} button.primary"))
        .await
        .unwrap();
    rows(&browser, 0, "errors with teapots").await;
    let typed = browser
        .attribute(&format!("{search} input[name=q]"), "value")
        .await
        .unwrap();
    assert_eq!(typed.as_deref(), Some("teapots"));

    follow(&browser, ".views a[href^='/traces']", "/traces").await;
    rows(&browser, 2, "the traces").await;
    browser
        .type_into(&format!("{search} input[name=min]"), "100ms")
        .await
        .unwrap();
    browser
        .choose(&format!("{search} select[name=status]"), "error")
        .await
        .unwrap();
    // The fields that are left empty ask for nothing.
    browser
        .click(&format!("{search} button.primary"))
        .await
        .unwrap();
    let found = rows(&browser, 1, "slow and failed").await;
    assert!(found.contains("POST /checkout"), "{found}");
    assert_eq!(browser.count("#content .alert").await.unwrap(), 0);

    browser.choose("#service-choice", "payments").await.unwrap();
    browser.click(".service-choice button").await.unwrap();
    browser
        .wait_until("location.search.includes('service=payments')")
        .await
        .unwrap();
    // What was asked before still is.
    let url = browser.url().await.unwrap();
    assert!(
        url.contains("min=100ms") && url.contains("status=error"),
        "{url}"
    );
    rows(&browser, 1, "slow and failed in payments").await;

    browser.type_into("#search", FAILED).await.unwrap();
    browser.press(Key::Enter).await.unwrap();
    browser
        .wait_until(&format!("location.pathname === '/traces/{FAILED}'"))
        .await
        .unwrap();
    let at = dev.page(&format!("/traces/{FAILED}"));
    assert_eq!(browser.url().await.unwrap(), at);
    assert_eq!(browser.complaints().await.unwrap(), []);
}

#[tokio::test]
async fn two_traces_that_are_marked_are_compared() {
    let (_dev, browser) = start().await;
    follow(&browser, ".views a[href^='/traces']", "/traces").await;
    rows(&browser, 2, "the traces").await;
    for row in [1, 2] {
        browser
            .click(&format!("{ROWS}:nth-of-type({row}) input[name=trace]"))
            .await
            .unwrap();
    }
    follow(&browser, "form[action='/compare'] button", "/compare").await;
    for shown in ["POST /checkout", "GET /products/{id}"] {
        browser.wait_for_text(shown).await.unwrap();
    }
    assert_eq!(browser.complaints().await.unwrap(), []);
}

#[tokio::test]
async fn links_lead_to_older_lines_and_back() {
    let (dev, browser) = start().await;
    let records: Vec<_> = (0..250)
        .map(|number| otlp::record("DEBUG", &format!("step {number}"), &json!({})))
        .collect();
    Client::new(&dev, "storefront")
        .records(&records)
        .await
        .unwrap();
    browser.goto(&dev.page("/logs?level=debug")).await.unwrap();
    let first = browser.texts(ROWS).await.unwrap();
    let mut seen = first.len();
    while browser.count("#content a[rel~=next]").await.unwrap() > 0 {
        let before = browser.url().await.unwrap();
        browser.click("#content a[rel~=next]").await.unwrap();
        browser
            .wait_until(&format!("location.href !== {before:?}"))
            .await
            .unwrap();
        seen += browser.count(ROWS).await.unwrap();
        assert!(seen <= 257, "{seen} of 257 lines");
    }
    assert_eq!(seen, 257);
    browser.click("#content a[rel~=prev]").await.unwrap();
    while browser.count("#content a[rel~=prev]").await.unwrap() > 0 {
        browser.click("#content a[rel~=prev]").await.unwrap();
    }
    assert_eq!(browser.texts(ROWS).await.unwrap(), first);
    assert_eq!(browser.complaints().await.unwrap(), []);
}

#[tokio::test]
async fn a_trace_folds_and_leads_to_its_spans_its_lines_and_its_error_which_is_resolved() {
    let (dev, browser) = start().await;
    let trace = dev.page(&format!("/traces/{FAILED}"));
    browser.goto(&trace).await.unwrap();
    browser.wait_for_text("the charge failed").await.unwrap();
    let charge = format!("tr[data-key='{CHARGE}']");
    assert_eq!(browser.count(&charge).await.unwrap(), 1);
    follow(&browser, "a.twist[aria-expanded=true]", "closed=").await;
    assert_eq!(browser.count(&charge).await.unwrap(), 0);
    follow(&browser, "a.twist[aria-expanded=false]", "/traces/").await;
    browser.wait_for(&charge).await.unwrap();
    follow(
        &browser,
        &format!("{charge} a[data-open]"),
        &format!("span={CHARGE}"),
    )
    .await;
    browser.wait_for_text("card declined").await.unwrap();
    follow(&browser, "a[href^='/logs?'][href*='trace=']", "/logs?").await;
    let lines = rows(&browser, 2, "the trace").await;
    assert!(lines.contains("the basket has three articles"), "{lines}");

    browser.goto(&trace).await.unwrap();
    let error = browser
        .eval("[...document.querySelectorAll('#content a[href^=\"/errors/\"]')].find(link => link.textContent.includes('CardDeclined')).getAttribute('href')")
        .await
        .unwrap();
    let error = error.as_str().unwrap();
    follow(&browser, &format!("#content a[href='{error}']"), error).await;
    browser.wait_for_text("charge.py").await.unwrap();
    let resolve = "#content form[action$='/resolve'] button";
    browser.click(resolve).await.unwrap();
    browser.wait_for_text("Open again").await.unwrap();
    follow(&browser, ".views a[href^='/errors']", "/errors").await;
    let open = browser.texts(ROWS).await.unwrap().join("\n");
    assert!(!open.contains("CardDeclined"), "{open}");
    follow(
        &browser,
        ".tabs a[href*='status=resolved']",
        "status=resolved",
    )
    .await;
    let resolved = rows(&browser, 1, "what is resolved").await;
    assert!(resolved.contains("CardDeclined"), "{resolved}");
    assert_eq!(browser.complaints().await.unwrap(), []);
}

#[tokio::test]
async fn a_time_range_is_a_link_that_goes_along_and_the_colours_are_the_systems() {
    let (dev, browser) = start().await;
    let mut old = otlp::record("INFO", "long ago", &json!({}));
    old["timeUnixNano"] = json!(otlp::nanoseconds(
        otlp::now() - Duration::from_secs(40 * 60)
    ));
    Client::new(&dev, "storefront")
        .records(&[old])
        .await
        .unwrap();
    browser.goto(&dev.page("/logs")).await.unwrap();
    rows(&browser, 7, "a quarter of an hour").await;
    follow(&browser, ".range a[href*='since=1h']", "since=1h").await;
    let lines = rows(&browser, 8, "an hour").await;
    assert!(lines.contains("long ago"), "{lines}");
    let current = ".range a[aria-current]";
    let hour = browser.text(current).await.unwrap();
    follow(&browser, ".views a[href^='/traces']", "/traces").await;
    assert_eq!(browser.text(current).await.unwrap(), hour);

    let ground = "getComputedStyle(document.body).backgroundColor";
    let light = browser.eval(ground).await.unwrap();
    browser.emulate_dark(true).await.unwrap();
    assert_ne!(browser.eval(ground).await.unwrap(), light);
    assert_eq!(browser.complaints().await.unwrap(), []);
}
