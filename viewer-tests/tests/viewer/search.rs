//! Finding: each filter of the log and of the traces, alone and together, and the address that
//! says it all again.

use throughline_viewer_tests::{Browser, Dev, Key};

use crate::scene::{self, FAILED};

const LINES: &str = "#content tbody tr[data-row]";

async fn start() -> (Dev, Browser) {
    let dev = Dev::start(&["--memory"]).await.unwrap();
    scene::send(&dev).await;
    (dev, Browser::start().await.unwrap())
}

/// Waits until so many rows are shown, and returns their text as one.
async fn rows(browser: &Browser, count: usize, what: &str) -> String {
    browser
        .wait_until(&format!(
            "document.querySelectorAll({LINES:?}).length === {count}"
        ))
        .await
        .unwrap_or_else(|error| panic!("{count} rows of {what}: {error:#}"));
    browser.texts(LINES).await.unwrap().join("\n")
}

#[tokio::test]
async fn the_log_is_found_by_stream_level_words_attributes_service_and_trace() {
    let (dev, browser) = start().await;
    for (query, count, shown) in [
        ("", 7, "the basket has three articles"),
        ("?level=warn", 2, "the stock of teapots is low"),
        ("?level=error", 1, "the charge failed"),
        ("?stream=security", 1, "auth.login.failed"),
        ("?stream=audit", 1, "audit.updated"),
        ("?q=teapots", 1, "the stock of teapots is low"),
        ("?q=%22basket+has%22", 1, "the basket has three articles"),
        ("?q=tea*", 1, "the stock of teapots is low"),
        ("?q=sku%3Dteapot-17", 1, "the stock of teapots is low"),
        ("?q=basket.size%3D3", 1, "the basket has three articles"),
        ("?q=basket.size%3D4", 0, ""),
        ("?service=payments", 1, "the charge failed"),
        (
            &format!("?trace={FAILED}"),
            2,
            "the basket has three articles",
        ),
        (
            &format!("?trace={FAILED}&level=error"),
            1,
            "the charge failed",
        ),
        ("?stream=security&q=teapots", 0, ""),
    ] {
        browser
            .goto(&dev.page(&format!("/logs{query}")))
            .await
            .unwrap();
        let found = rows(&browser, count, query).await;
        assert!(found.contains(shown), "{query}: {found}");
    }
    assert_eq!(browser.complaints().await.unwrap(), []);
}

#[tokio::test]
async fn traces_are_found_by_service_route_status_duration_attribute_user_and_request() {
    let (dev, browser) = start().await;
    let (failed, fine) = ("POST /checkout", "GET /products/{id}");
    for (query, count, shown) in [
        ("", 2, failed),
        ("?status=error", 1, failed),
        ("?status=ok", 1, fine),
        ("?service=payments", 1, failed),
        ("?min=100ms", 1, failed),
        ("?max=100ms", 1, fine),
        ("?min=10s", 0, ""),
        ("?user=bob", 1, fine),
        ("?request=request-ada", 1, failed),
        ("?q=basket.size%3D3", 1, failed),
        ("?q=http.response.status_code%3D200", 1, fine),
        ("?route=%2Fcheckout", 1, failed),
        ("?route=%2Fcheckout&user=bob", 0, ""),
    ] {
        browser
            .goto(&dev.page(&format!("/traces{query}")))
            .await
            .unwrap();
        let found = rows(&browser, count, query).await;
        assert!(found.contains(shown), "{query}: {found}");
    }
    assert_eq!(browser.complaints().await.unwrap(), []);
}

#[tokio::test]
async fn what_is_typed_and_chosen_is_in_the_address_and_one_step_leads_back() {
    let (dev, browser) = start().await;
    browser.goto(&dev.page("/logs")).await.unwrap();
    rows(&browser, 7, "the log").await;
    browser
        .type_into("#content input[name=q]", "teapots")
        .await
        .unwrap();
    browser.press(Key::Enter).await.unwrap();
    rows(&browser, 1, "teapots").await;
    assert_eq!(browser.url().await.unwrap(), dev.page("/logs?q=teapots"));

    // A choice needs no button; what was typed stays.
    browser
        .eval("(() => { const level = document.querySelector('select[name=level]'); level.value = 'error'; level.dispatchEvent(new Event('change', { bubbles: true })); })()")
        .await
        .unwrap();
    rows(&browser, 0, "errors with teapots").await;
    let url = browser.url().await.unwrap();
    assert!(
        url.contains("q=teapots") && url.contains("level=error"),
        "{url}"
    );

    browser.back().await.unwrap();
    rows(&browser, 1, "teapots, again").await;
    browser.back().await.unwrap();
    rows(&browser, 7, "the log, again").await;
    assert_eq!(browser.complaints().await.unwrap(), []);
}

#[tokio::test]
async fn the_search_on_top_knows_ids_users_and_words() {
    let (dev, browser) = start().await;
    for (typed, path, shown) in [
        (FAILED, format!("/traces/{FAILED}"), "POST /checkout"),
        ("request-bob", "/traces".to_owned(), "GET /products/{id}"),
        ("ada", "/users".to_owned(), "ada"),
        ("teapots", "/logs".to_owned(), "the stock of teapots is low"),
    ] {
        browser.goto(&dev.page("/health")).await.unwrap();
        browser.press("/").await.unwrap();
        browser.type_into("#search", typed).await.unwrap();
        browser.press(Key::Enter).await.unwrap();
        browser
            .wait_until(&format!("location.pathname === {path:?}"))
            .await
            .unwrap();
        browser.wait_for_text(shown).await.unwrap();
    }
    assert_eq!(browser.complaints().await.unwrap(), []);
}
