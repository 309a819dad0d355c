//! When a request ends: with its body, or when nobody waits for it any more.

use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use futures::StreamExt;
use tower::ServiceExt;

use super::table::DURATION;
use super::*;
use crate::support::received_by;

fn endless() -> Body {
    let first = futures::stream::iter([Ok::<_, std::io::Error>("first")]);
    Body::from_stream(first.chain(futures::stream::pending()))
}

#[test]
fn a_request_ends_with_its_body_which_is_worked_on_in_its_span() {
    let test = "a_request_ends_with_its_body_which_is_worked_on_in_its_span";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        running("ends", |runtime| {
            let stream = || async {
                let parts = futures::stream::iter(0..3).then(|part| async move {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    tracing::info!(part, "a part");
                    Ok::<_, std::io::Error>("part ")
                });
                Body::from_stream(parts)
            };
            let app = Router::new()
                .route("/", get(stream))
                .layer(throughline::http::server());
            let answer = ask(serve(runtime, app), "GET /", &[]);
            assert!(answer.ends_with("0\r\n\r\n"), "{answer}");
        });
    });
    let spans = spans(&receiver);
    assert_eq!(of(&spans[0], "http.response.body.size").unwrap(), "15");
    let parts: Vec<_> = receiver
        .logs()
        .into_iter()
        .filter(|log| log.message() == Some("a part"))
        .collect();
    assert_eq!(parts.len(), 3);
    assert!(
        parts
            .iter()
            .all(|part| part.span_id() == Some(spans[0].span_id()))
    );
    let access = record(&receiver, "http.server.request");
    let seconds: f64 = of(&access, "http.server.request.duration")
        .unwrap()
        .parse()
        .unwrap();
    assert!(seconds >= 0.03, "{seconds}");
    let lasted = spans[0].end_time_unix_nano - spans[0].start_time_unix_nano;
    assert!(lasted >= 30_000_000, "{lasted}");
}

#[test]
fn a_client_that_goes_away_is_499_on_the_record() {
    let test = "a_client_that_goes_away_is_499_on_the_record";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        running("ends", |runtime| {
            let (told, dropped) = mpsc::channel();
            let (start, started) = mpsc::channel();
            let app = Router::new()
                .route(
                    "/future",
                    get(move || async move {
                        let _said = Said;
                        start.send(()).unwrap();
                        std::future::pending::<()>().await;
                    }),
                )
                .route("/body", get(|| async { endless() }))
                .layer(throughline::http::server())
                // Around it, so that it is told when the layer has done its part.
                .layer(from_fn(move |request: Request, next: Next| {
                    let told = Told(told.clone());
                    async move {
                        let response = next.run(request).await;
                        response
                            .map(|body| Body::from_stream(Holding(body.into_data_stream(), told)))
                    }
                }));
            let address = serve(runtime, app);
            for path in ["/future", "/body"] {
                let mut stream = TcpStream::connect(address).unwrap();
                write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
                // Not before the server is at work on it.
                if path == "/body" {
                    let mut some = [0; 16];
                    stream.read_exact(&mut some).unwrap();
                } else {
                    started.recv_timeout(Duration::from_secs(30)).unwrap();
                }
                drop(stream);
                dropped.recv_timeout(Duration::from_secs(30)).unwrap();
            }
        });
    });
    let records = records(&receiver, "http.server.request");
    let spans = spans(&receiver);
    for (record, span) in records.iter().zip(&spans) {
        assert_eq!(of(record, "http.response.status_code").unwrap(), "499");
        assert_eq!(of(record, "error.type").unwrap(), "cancelled");
        assert_eq!(of(span, "error.type").unwrap(), "cancelled");
        assert_eq!(
            span.status.as_ref().map_or(0, |status| status.code),
            0,
            "no fault of ours"
        );
    }
    let sent: Vec<_> = spans
        .iter()
        .map(|span| of(span, "http.response.status_code"))
        .collect();
    assert_eq!(sent, [None, Some("200".to_owned())], "what was sent");
    let logs = receiver.logs();
    let said = logs
        .iter()
        .find(|log| log.message() == Some("dropped"))
        .unwrap();
    assert_eq!(said.span_id(), Some(spans[0].span_id()), "still inside");
    assert!(
        logs.iter().all(|log| log.severity_text == "INFO"),
        "no error"
    );
    DURATION.hold(
        &receiver.contents().metric(DURATION.name).unwrap().item,
        &["error.type"],
    );
}

struct Said;

impl Drop for Said {
    fn drop(&mut self) {
        tracing::info!("dropped");
    }
}

struct Told(mpsc::Sender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// In this order they are dropped.
struct Holding(axum::body::BodyDataStream, #[allow(dead_code)] Told);

impl futures::Stream for Holding {
    type Item = <axum::body::BodyDataStream as futures::Stream>::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::pin::Pin::new(&mut self.0).poll_next(cx)
    }
}

#[test]
fn what_has_no_body_ends_with_its_headers() {
    let test = "what_has_no_body_ends_with_its_headers";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        running("ends", |runtime| {
            let status = |status| {
                move || async move { Response::builder().status(status).body(endless()).unwrap() }
            };
            let app = Router::new()
                .route("/upgrade", get(status(StatusCode::SWITCHING_PROTOCOLS)))
                .route("/204", get(status(StatusCode::NO_CONTENT)))
                .route("/304", get(status(StatusCode::NOT_MODIFIED)))
                .route("/head", get(status(StatusCode::OK)))
                .layer(throughline::http::server());
            for (method, path) in [
                ("GET", "/upgrade"),
                ("GET", "/204"),
                ("GET", "/304"),
                ("HEAD", "/head"),
            ] {
                let request = Request::builder()
                    .method(method)
                    .uri(path)
                    .body(Body::empty())
                    .unwrap();
                let response = runtime.block_on(app.clone().oneshot(request)).unwrap();
                // Never looked at, as hyper does.
                drop(response);
            }
        });
    });
    let records = records(&receiver, "http.server.request");
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            (
                of(record, "http.response.status_code").unwrap(),
                of(record, "error.type"),
            )
        })
        .collect();
    let expected = ["101", "204", "304", "200"].map(|status| (status.to_owned(), None));
    assert_eq!(told, expected);
}

#[test]
fn a_stream_of_events_ends_when_its_client_leaves() {
    let test = "a_stream_of_events_ends_when_its_client_leaves";
    let slow = [("THROUGHLINE_SLOW_REQUEST_MS", "20")];
    let (receiver, _) = received_by(test, "http/protobuf", &slow, || {
        running("ends", |runtime| {
            let events = || async {
                Response::builder()
                    .header("content-type", "text/event-stream")
                    .body(endless())
                    .unwrap()
            };
            let app = Router::new()
                .route("/events", get(events))
                .layer(throughline::http::server());
            runtime.block_on(async {
                let request = Request::builder()
                    .uri("/events")
                    .body(Body::empty())
                    .unwrap();
                let response = app.oneshot(request).await.unwrap();
                let mut frames = response.into_body().into_data_stream();
                assert_eq!(frames.next().await.unwrap().unwrap(), "first");
                tokio::time::sleep(Duration::from_millis(30)).await;
            });
        });
    });
    let access = record(&receiver, "http.server.request");
    assert_eq!(of(&access, "http.response.status_code").unwrap(), "200");
    assert_eq!(of(&access, "error.type"), None);
    assert_eq!(
        records(&receiver, "request.slow").len(),
        0,
        "it is meant to last"
    );
}
