//! The demo, as a newcomer sees it: it ends well, and every view shows what it sent, to anybody
//! and at any width.

use std::time::Duration;

use throughline_viewer_tests::{Browser, Dev, Impact, throughline};
use tokio::time::timeout;

/// The shop is built first, if it is not there.
const DEMO_WITHIN: Duration = Duration::from_secs(1200);

/// Each view, a text that the demo's data brings to it, and whether it is one of the few that
/// the narrow and the dark are looked at for as well as all others.
const VIEWS: [(&str, &str); 11] = [
    ("/?since=all", "storefront"),
    ("/traces?since=all", "storefront"),
    ("/logs?since=all", "storefront"),
    ("/metrics?since=all", "http.server.request.duration"),
    ("/errors?since=all", "divide by zero"),
    ("/security?since=all", "auth.login.failed"),
    ("/audit?since=all", "audit."),
    ("/business?since=all", "checkout.completed"),
    ("/analytics?since=all", "page.viewed"),
    ("/users?since=all", "user"),
    ("/health?since=all", "gRPC"),
];

#[tokio::test]
async fn the_demo_ends_well_and_every_view_shows_it_to_anybody() {
    // The demo finds a viewer that runs in its folder, and sends to that one.
    let dev = Dev::start(&[]).await.unwrap();
    let mut demo = throughline(&["demo", "--for", "12s", "--rate", "30"])
        .await
        .unwrap();
    demo.env("THROUGHLINE_DEV_DATA_DIR", dev.data());
    let demo = timeout(DEMO_WITHIN, demo.output()).await.unwrap().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&demo.stdout),
        String::from_utf8_lossy(&demo.stderr),
    );
    assert!(demo.status.success(), "{out}\n{err}");
    assert!(out.contains(&dev.addresses().page), "{out}");
    assert!(out.contains("✓") && out.contains("requests"), "{out}");

    let browser = Browser::start().await.unwrap();
    for (path, shown) in VIEWS {
        browser.set_viewport(1280, 900).await.unwrap();
        browser.emulate_dark(false).await.unwrap();
        browser.goto(&dev.page(path)).await.unwrap();
        browser.wait_for_text(shown).await.unwrap();
        nobody_is_shut_out(&browser, path).await;

        browser.emulate_dark(true).await.unwrap();
        browser.set_viewport(390, 844).await.unwrap();
        browser.wait_for_text(shown).await.unwrap();
        nobody_is_shut_out(&browser, &format!("{path}, narrow and dark")).await;
        let overflow = browser.horizontal_overflow().await.unwrap();
        assert!(overflow.is_none(), "{path}: {overflow:?}");
        let complaints = browser.complaints().await.unwrap();
        assert!(complaints.is_empty(), "{path}: {complaints:?}");
    }
    from_an_error_to_its_trace_and_its_logs(&browser, &dev).await;
}

async fn nobody_is_shut_out(browser: &Browser, what: &str) {
    let violations = browser.axe().await.unwrap();
    let serious: Vec<_> = violations
        .iter()
        .filter(|violation| violation.impact >= Impact::Serious)
        .collect();
    assert!(serious.is_empty(), "{what}: {serious:#?}");
}

async fn from_an_error_to_its_trace_and_its_logs(browser: &Browser, dev: &Dev) {
    browser.set_viewport(1280, 900).await.unwrap();
    browser.goto(&dev.page("/errors?since=all")).await.unwrap();
    browser.click("a[href^='/errors/']").await.unwrap();
    browser.wait_for("a[href^='/traces/']").await.unwrap();
    browser.click("a[href^='/traces/']").await.unwrap();
    browser
        .wait_until("location.pathname.startsWith('/traces/')")
        .await
        .unwrap();
    // The trace leads back to its error, and to its logs.
    browser.wait_for("a[href^='/errors/']").await.unwrap();
    browser
        .click("a[href*='/logs?'][href*='trace=']")
        .await
        .unwrap();
    browser
        .wait_until("location.pathname === '/logs' && location.search.includes('trace=')")
        .await
        .unwrap();
    browser.wait_for("a[href^='/traces/']").await.unwrap();
    let complaints = browser.complaints().await.unwrap();
    assert!(complaints.is_empty(), "{complaints:?}");
}
