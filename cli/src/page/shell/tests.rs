use axum::{Router, body::to_bytes, http::Request, response::Response, routing::get};
use tower::ServiceExt;

use super::*;
use crate::page::router;

const HOSTILE: &str = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>";

#[derive(Template)]
#[template(source = "<p>{{ text }}</p>", ext = "html")]
struct Text {
    text: String,
}

async fn answer(uri: &str, headers: &[(&str, &str)]) -> Response {
    let views = Router::new().route(
        "/logs",
        get(|request: PageRequest| async move {
            Shell::new(&request, View::Logs, HOSTILE)
                .services(vec!["shop".to_owned(), HOSTILE.to_owned()])
                .range()
                .live(
                    "records",
                    Counters {
                        records: 7,
                        ..Counters::default()
                    },
                )
                .respond(&Text {
                    text: HOSTILE.to_owned(),
                })
        }),
    );
    let mut request = Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    router(views)
        .oneshot(request.body(axum::body::Body::empty()).unwrap())
        .await
        .unwrap()
}

async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn nothing_foreign_in_the_shell_becomes_markup() {
    let uri = "/logs?service=%3Cscript%3E%22&q=%22%3E%3Cimg%20src=x%3E&%3Cb%3E=1";
    let html = text(answer(uri, &[]).await).await;
    let scripts = html.matches("<script").count();
    let own = html.matches("<script src=\"/assets/").count()
        + html.matches("<script defer src=\"/assets/").count();
    assert_eq!((scripts, own), (4, 4), "{html}");
    assert!(!html.contains("<img"), "{html}");
    assert!(!html.contains("<b>"), "{html}");
    assert!(
        !html.contains("style="),
        "the policy would refuse it: {html}"
    );
    // As text it is all there: the titles, the chosen service, and the field that keeps `q`.
    assert!(html.contains("&#60;script&#62;alert(1)"), "{html}");
    assert!(
        html.contains("<option selected>&#60;script&#62;&#34;</option>"),
        "{html}"
    );
    assert!(
        html.contains("name=\"q\" value=\"&#34;&#62;&#60;img src=x&#62;\""),
        "{html}"
    );
}

#[tokio::test]
async fn a_fragment_is_the_content_alone_and_the_page_has_the_same() {
    let page = text(answer("/logs?since=1h", &[]).await).await;
    let fragment = text(answer("/logs?since=1h", &[("x-fragment", "1")]).await).await;
    assert!(fragment.starts_with("<main id=\"content\""), "{fragment}");
    assert!(page.contains(&fragment), "{page}");
    assert!(page.starts_with("<!doctype html>"), "{page}");
    assert!(fragment.contains("data-live=\"records\""), "{fragment}");
    assert!(fragment.contains("data-records=\"7\""), "{fragment}");
}

#[tokio::test]
async fn the_range_and_the_service_go_along_to_other_views() {
    let page = text(answer("/logs?since=1h&service=shop&q=paid", &[]).await).await;
    assert!(
        page.contains("href=\"/traces?since=1h&#38;service=shop\""),
        "{page}"
    );
    assert!(
        page.contains("href=\"/logs?service=shop&#38;q=paid&#38;since=6h\""),
        "{page}"
    );
    let marked = page.split("aria-current=\"page\"").nth(1).unwrap();
    assert!(marked.starts_with(">Logs"), "{marked}");
}

#[tokio::test]
async fn every_answer_has_the_headers_that_keep_foreign_text_harmless() {
    let style = assets::LINKS.style.clone();
    for (uri, status, caching) in [
        ("/logs", 200, "no-store"),
        (style.as_str(), 200, "public, max-age=31536000, immutable"),
        ("/assets/page-000000000000.css", 404, "no-store"),
        ("/nowhere", 404, "no-store"),
    ] {
        let response = answer(uri, &[]).await;
        assert_eq!(response.status(), status, "{uri}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(
            header("content-security-policy"),
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        assert_eq!(header("x-content-type-options"), "nosniff", "{uri}");
        assert_eq!(header("referrer-policy"), "same-origin", "{uri}");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{uri}");
        assert_eq!(
            header("cross-origin-resource-policy"),
            "same-origin",
            "{uri}"
        );
        assert_eq!(header("cache-control"), caching, "{uri}");
    }
}

#[tokio::test]
async fn each_asset_that_a_page_names_is_served_with_its_type() {
    let page = text(answer("/logs", &[]).await).await;
    let mut types = Vec::new();
    for part in page.split("/assets/").skip(1) {
        let file = part.split('"').next().unwrap();
        let response = answer(&format!("/assets/{file}"), &[]).await;
        assert_eq!(response.status(), 200, "{file}");
        types.push(
            response.headers()["content-type"]
                .to_str()
                .unwrap()
                .to_owned(),
        );
        assert!(!text(response).await.is_empty(), "{file}");
    }
    let script = "text/javascript; charset=utf-8";
    assert_eq!(
        types,
        [
            "image/svg+xml",
            "text/css; charset=utf-8",
            script,
            script,
            script,
            script
        ]
    );
}

#[tokio::test]
async fn a_page_goes_out_compressed_to_who_can_read_it() {
    let response = answer("/logs", &[("accept-encoding", "gzip")]).await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
}
