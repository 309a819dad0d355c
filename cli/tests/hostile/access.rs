//! Requests that a foreign page makes the developer's browser send.

use crate::{
    dev::{Dev, folder, number},
    http::{PROTOBUF, call, get, send},
    otlp::endpoints,
};

/// gRPC's code for who may not.
const PERMISSION_DENIED: i32 = 7;

#[test]
fn a_foreign_host_or_origin_is_refused_on_every_port() {
    let folder = folder();
    let dev = Dev::start(folder.path(), &[]);
    let foreign = [
        ("host", "rebound.example"),
        ("host", "rebound.example:4318"),
        ("host", "127.0.0.1.rebound.example"),
        ("origin", "https://page.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1.page.example"),
    ];
    for header in foreign {
        for (path, method, request) in endpoints() {
            let answer = send(dev.http, "POST", path, &[PROTOBUF, header], &request);
            assert_eq!(answer.status, 403, "{header:?} to {path}");
            let status = call(dev.grpc, method, &[header], &request);
            assert_eq!(status, PERMISSION_DENIED, "{header:?} to {method}");
        }
        for path in [
            "/",
            "/live",
            "/assets/page.css",
            "/api/1/envelope/",
            "/stream",
        ] {
            for verb in ["GET", "POST"] {
                let answer = send(dev.page, verb, path, &[header], b"{}\n");
                assert_eq!(answer.status, 403, "{header:?} to {verb} {path}");
                assert_eq!(answer.header("access-control-allow-origin"), None);
            }
        }
    }
    let database = dev.database();
    assert_eq!(number(&database, "SELECT count(*) FROM span"), 0);
    assert_eq!(number(&database, "SELECT count(*) FROM record"), 0);
    let local = [("host", "localhost:8969")];
    assert_eq!(send(dev.page, "GET", "/readyz", &local, b"").status, 200);
    assert_eq!(get(dev.page, "/readyz").status, 200);
}
