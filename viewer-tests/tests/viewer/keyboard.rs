//! All by the keyboard.

use throughline_viewer_tests::{Browser, Dev, Key};

use crate::scene;

#[tokio::test]
async fn keys_lead_to_the_views_to_the_rows_and_to_help() {
    let dev = Dev::start(&["--memory"]).await.unwrap();
    scene::send(&dev).await;
    let browser = Browser::start().await.unwrap();
    browser.goto(&dev.page("/")).await.unwrap();
    for (key, path) in [
        ("t", "/traces"),
        ("m", "/metrics"),
        ("e", "/errors"),
        ("s", "/security"),
        ("a", "/audit"),
        ("b", "/business"),
        ("n", "/analytics"),
        ("u", "/users"),
        ("h", "/health"),
        ("o", "/"),
        ("l", "/logs"),
    ] {
        browser.press("g").await.unwrap();
        browser.press(key).await.unwrap();
        browser
            .wait_until(&format!(
                "location.pathname === {path:?} && document.readyState === 'complete'"
            ))
            .await
            .unwrap();
    }

    let chosen = "document.activeElement.closest('[data-row]')";
    let row = |number: usize| {
        format!("{chosen} === document.querySelectorAll('#content [data-row]')[{number}]")
    };
    browser.press("j").await.unwrap();
    browser.wait_until(&row(0)).await.unwrap();
    browser.press("j").await.unwrap();
    browser.press("j").await.unwrap();
    browser.wait_until(&row(2)).await.unwrap();
    browser.press("k").await.unwrap();
    browser.wait_until(&row(1)).await.unwrap();
    browser.press(Key::Enter).await.unwrap();
    browser
        .wait_until("location.pathname.startsWith('/logs/')")
        .await
        .unwrap();

    browser.press("?").await.unwrap();
    browser.wait_for("#help[open]").await.unwrap();
    // What is a key elsewhere is none while help is open.
    browser.press("/").await.unwrap();
    assert_eq!(browser.eval("document.activeElement.id").await.unwrap(), "");
    browser.press(Key::Escape).await.unwrap();
    browser
        .wait_until("!document.querySelector('#help').open")
        .await
        .unwrap();

    browser.press("/").await.unwrap();
    browser
        .wait_until("document.activeElement.id === 'search'")
        .await
        .unwrap();
    // In a field a letter is a letter.
    browser.press("p?j").await.unwrap();
    assert_eq!(
        browser
            .eval("document.querySelector('#search').value")
            .await
            .unwrap(),
        "p?j"
    );
    browser.press(Key::Escape).await.unwrap();
    browser
        .wait_until("document.activeElement.id !== 'search'")
        .await
        .unwrap();
    assert_eq!(browser.complaints().await.unwrap(), []);
}

#[tokio::test]
async fn on_a_telephone_the_view_and_the_stream_that_are_shown_are_in_sight() {
    let dev = Dev::start(&["--memory"]).await.unwrap();
    scene::send(&dev).await;
    let browser = Browser::start().await.unwrap();
    browser.set_viewport(390, 844).await.unwrap();
    for (path, row) in [
        ("/", ".views"),
        ("/health", ".views"),
        ("/logs?stream=business", ".tabs"),
        ("/logs?stream=analytics", ".tabs"),
    ] {
        browser.goto(&dev.page(path)).await.unwrap();
        let in_sight = format!(
            "(() => {{ const here = document.querySelector('{row} [aria-current]').getBoundingClientRect(); return here.left >= 0 && here.right <= innerWidth; }})()"
        );
        browser
            .wait_until(&in_sight)
            .await
            .unwrap_or_else(|error| panic!("{path}: {error:#}"));
        // The page itself stands where it begins.
        assert_eq!(
            browser.eval("scrollX + scrollY").await.unwrap(),
            0,
            "{path}"
        );
    }
    assert_eq!(browser.complaints().await.unwrap(), []);
}
