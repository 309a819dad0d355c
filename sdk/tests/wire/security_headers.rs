//! The security headers, as a browser gets them.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{HeaderMap, HeaderName, Request};
use throughline::http::{SecurityHeaders, helmet, security_headers};
use tower::ServiceExt;

/// The headers of an answer to this request.
fn headers(layer: SecurityHeaders, request: http::request::Builder) -> HeaderMap {
    let page = || async { ([("referrer-policy", "no-referrer")], "a page") };
    let router = Router::new()
        .route("/", get(|| async { "a page" }))
        .route("/own", get(page))
        .layer(layer);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let request = request.body(Body::empty()).unwrap();
    let response = runtime.block_on(router.oneshot(request)).unwrap();
    response.headers().clone()
}

const HTTPS: &str = "strict-transport-security";

const DEFAULTS: [(&str, &str); 8] = [
    (
        "content-security-policy",
        "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-permitted-cross-domain-policies", "none"),
    ("x-xss-protection", "0"),
];

#[test]
fn every_answer_has_them_also_one_of_an_unknown_path() {
    for path in ["/", "/nowhere"] {
        let headers = headers(security_headers(), Request::get(path));
        for (name, value) in DEFAULTS {
            let set: Vec<_> = headers.get_all(name).iter().collect();
            assert_eq!(set.len(), 1, "{name}");
            assert!(
                set[0].to_str().unwrap().eq_ignore_ascii_case(value),
                "{name}: {:?}",
                set[0]
            );
        }
    }
}

#[test]
fn https_is_promised_over_https_alone() {
    let promised = |request| headers(security_headers(), request).remove(HTTPS);
    assert_eq!(promised(Request::get("/")), None);
    assert_eq!(promised(Request::get("http://example.com/")), None);
    let forwarded = |scheme| Request::get("/").header("x-forwarded-proto", scheme);
    assert_eq!(promised(forwarded("http")), None);
    for request in [Request::get("https://example.com/"), forwarded("https")] {
        let value = promised(request).unwrap();
        assert_eq!(value, "max-age=63072000; includeSubDomains");
    }
}

#[test]
fn what_a_handler_sets_stays() {
    let headers = headers(security_headers(), Request::get("/own"));
    let set: Vec<_> = headers.get_all("referrer-policy").iter().collect();
    assert_eq!(set, ["no-referrer"]);
}

#[test]
fn the_service_says_what_is_set_and_what_is_left_out() {
    let layer = security_headers()
        .header(helmet::ContentSecurityPolicy::new().default_src(vec!["*"]))
        .unwrap()
        .header(("Permissions-Policy", "camera=()".to_owned()))
        .unwrap()
        .without("X-XSS-Protection");
    let headers = headers(layer, Request::get("/"));
    assert_eq!(headers["content-security-policy"], "default-src *");
    assert_eq!(headers["permissions-policy"], "camera=()");
    assert!(!headers.contains_key("x-xss-protection"));
    let name = |name: &'static str| HeaderName::from_static(name);
    assert_eq!(headers.get_all(name("x-frame-options")).iter().count(), 1);

    let refused = security_headers().header(("X-Report", "a\nb".to_owned()));
    assert!(refused.is_err(), "a header is one line");
}
