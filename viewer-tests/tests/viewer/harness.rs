//! Whether the harness sees what it is there to see, so that a green run can be believed.

use throughline_viewer_tests::{Browser, Impact, Key, Level, Message, screenshots};

use crate::site::Site;

const FINE: &str = "<main><h1>Fine</h1><p>Nothing is wrong here.</p></main>";

/// What the console says of a page once it has said something.
async fn complaints(browser: &Browser, url: &str) -> Vec<Message> {
    browser.goto(url).await.unwrap();
    browser
        .wait_until("document.readyState === 'complete'")
        .await
        .unwrap();
    browser.complaints().await.unwrap()
}

#[tokio::test]
async fn what_a_page_complains_of_is_caught_and_a_quiet_page_is_quiet() {
    let site = Site::start(&[
        ("/fine", FINE),
        ("/told", "<script>console.log('only told')</script>"),
        (
            "/error",
            "<script>console.error('the cart is', {lost: 1})</script>",
        ),
        ("/exception", "<script>null.price</script>"),
        (
            "/rejection",
            "<script>Promise.reject(new Error('no basket'))</script>",
        ),
        ("/missing", "<img src=/nowhere.png alt=''>"),
    ])
    .await;
    let browser = Browser::start().await.unwrap();
    for (path, source, word) in [
        ("/error", "console-api", "the cart is"),
        ("/exception", "javascript", "price"),
        ("/rejection", "javascript", "no basket"),
        ("/missing", "network", "404"),
    ] {
        let found = complaints(&browser, &site.page(path)).await;
        let caught = |message: &Message| {
            message.level == Level::Error && message.source == source && message.text.contains(word)
        };
        assert!(found.iter().any(caught), "{path}: {found:?}");
    }
    for quiet in ["/fine", "/told"] {
        let found = complaints(&browser, &site.page(quiet)).await;
        assert_eq!(found, [], "{quiet}");
    }
    browser.goto(&site.page("/told")).await.unwrap();
    let told = browser.console().await.unwrap();
    assert!(
        told.iter().any(|message| message.level == Level::Info),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_breach_of_the_policy_is_caught_and_the_harness_is_not_stopped_by_it() {
    let site = Site::start_with_policy(&[
        ("/fine", FINE),
        (
            "/script",
            "<main><h1>x</h1></main><script>document.title = 'run'</script>",
        ),
        ("/style", "<main><h1 style='color:red'>x</h1></main>"),
        ("/handler", "<main><h1 onclick='x()'>x</h1></main>"),
    ])
    .await;
    let browser = Browser::start().await.unwrap();
    for path in ["/script", "/style", "/handler"] {
        let found = complaints(&browser, &site.page(path)).await;
        assert!(
            found.iter().any(Message::is_policy_breach),
            "{path}: {found:?}"
        );
    }
    assert_eq!(browser.title().await.unwrap(), "a page");
    assert_eq!(complaints(&browser, &site.page("/fine")).await, []);

    // Scripts of the test run although the page may have none, and leave no trace of that.
    assert_eq!(browser.eval("1 + 1").await.unwrap(), 2);
    assert_eq!(browser.axe().await.unwrap(), []);
    assert_eq!(browser.horizontal_overflow().await.unwrap(), None);
    assert_eq!(browser.complaints().await.unwrap(), []);
}

#[tokio::test]
async fn what_hinders_people_is_found_with_its_rule_and_place() {
    let site = Site::start(&[
        ("/image", "<main><h1>x</h1><img src='data:,' width=9 height=9 class=logo></main>"),
        ("/pale", "<main><h1>x</h1><p style='color:#ccc;background:#fff'>pale</p></main>"),
        (
            "/dark",
            "<style>@media (prefers-color-scheme: dark) { body { background:#000; color:#222 } }</style><main><h1>A headline</h1></main>",
        ),
    ])
    .await;
    let browser = Browser::start().await.unwrap();

    browser.goto(&site.page("/image")).await.unwrap();
    let found = browser.axe().await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].id.as_str(), found[0].impact),
        ("image-alt", Impact::Critical)
    );
    assert!(found[0].nodes[0].contains("logo"), "{}", found[0]);

    browser.goto(&site.page("/pale")).await.unwrap();
    let found = browser.axe().await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].id, "color-contrast");

    // Only in the dark is this one hard to read.
    browser.goto(&site.page("/dark")).await.unwrap();
    assert_eq!(browser.axe().await.unwrap(), []);
    browser.emulate_dark(true).await.unwrap();
    let found = browser.axe().await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].id, "color-contrast");
}

#[tokio::test]
async fn a_page_too_wide_for_a_telephone_is_found_with_what_sticks_out() {
    let site = Site::start(&[
        ("/wide", "<main><div id=wide class=bar style='width:700px'>x</div></main>"),
        (
            "/scrolls",
            "<main><div style='overflow-x:auto'><table style='width:700px'><tr><td>x</table></div></main>",
        ),
    ])
    .await;
    let browser = Browser::start().await.unwrap();
    browser.goto(&site.page("/wide")).await.unwrap();
    assert_eq!(browser.horizontal_overflow().await.unwrap(), None);

    browser.set_viewport(390, 844).await.unwrap();
    let overflow = browser.horizontal_overflow().await.unwrap().unwrap();
    assert_eq!(overflow.window, 390);
    assert!(overflow.page >= 700, "{overflow:?}");
    assert_eq!(overflow.elements, ["div#wide.bar to 708"]);

    browser.goto(&site.page("/scrolls")).await.unwrap();
    assert_eq!(browser.horizontal_overflow().await.unwrap(), None);
}

#[tokio::test]
async fn a_user_can_be_played() {
    let site = Site::start(&[
        (
            "/",
            "<main><form action=/found><input name=q value=old></form><a href=/later>later</a>
            <p id=keys></p><p id=hidden hidden>hidden</p>
            <script>
                document.addEventListener('keydown', event => keys.append(event.key + ' '));
            </script></main>",
        ),
        ("/found", "<main><h1>Found</h1></main>"),
        (
            "/later",
            "<main><ul></ul><script>
                setTimeout(() => {
                    document.querySelector('ul').innerHTML = '<li class=row>one<li class=row>two';
                }, 200);
            </script></main>",
        ),
    ])
    .await;
    let browser = Browser::start().await.unwrap();
    browser.goto(&site.page("/")).await.unwrap();
    browser.press("j").await.unwrap();
    browser.press(Key::Escape).await.unwrap();
    assert_eq!(browser.text("#keys").await.unwrap(), "j Escape");

    browser.type_into("[name=q]", "status=error").await.unwrap();
    browser.press(Key::Enter).await.unwrap();
    browser.wait_for_text("Found").await.unwrap();
    assert_eq!(
        browser.url().await.unwrap(),
        site.page("/found?q=status%3Derror")
    );

    browser.back().await.unwrap();
    browser.click("a[href='/later']").await.unwrap();
    browser.wait_for(".row").await.unwrap();
    assert_eq!(browser.texts(".row").await.unwrap(), ["one", "two"]);
    assert_eq!(browser.count(".row").await.unwrap(), 2);
    assert_eq!(
        browser.attribute("li", "class").await.unwrap().as_deref(),
        Some("row")
    );
}

#[tokio::test]
async fn pictures_of_a_page_are_small_and_one_for_each_width_and_scheme() {
    let site = Site::start(&[(
        "/",
        "<style>body { background: #fff } @media (prefers-color-scheme: dark) { body { background: #000 } }</style><h1>x</h1>",
    )])
    .await;
    let browser = Browser::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let taken = screenshots::take(&browser, &site.page("/"), "start", folder.path())
        .await
        .unwrap();
    let names: Vec<_> = taken
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "start-1280-light.png",
            "start-1280-dark.png",
            "start-390-light.png",
            "start-390-dark.png"
        ]
    );
    let pictures: Vec<_> = taken
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    assert_ne!(pictures[0], pictures[1], "light and dark look the same");
    assert!(pictures.iter().all(|picture| picture.len() < 10_000));
}
