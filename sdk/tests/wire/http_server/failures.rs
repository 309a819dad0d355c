//! An error is told once: by the handler, or by the layer, or by the panic hook.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use throughline::http::{HandlerError, PeerAddress};
use tower::{ServiceBuilder, service_fn};

use super::*;
use crate::support::received_by;

#[derive(Debug, thiserror::Error)]
#[error("no stock: {0}")]
struct NoStock(#[source] std::num::ParseIntError);

fn no_stock() -> NoStock {
    NoStock("x".parse::<i32>().unwrap_err())
}

fn errors(receiver: &Receiver) -> Vec<Received<LogRecord>> {
    let logs = receiver.logs().into_iter();
    logs.filter(|log| log.severity_text == "ERROR").collect()
}

fn app() -> Router {
    let handed = || async {
        let mut response: Response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response
            .extensions_mut()
            .insert(HandlerError::new(no_stock()));
        response
    };
    let expected = || async {
        let mut response: Response = StatusCode::NOT_FOUND.into_response();
        response
            .extensions_mut()
            .insert(HandlerError::new(no_stock()));
        response
    };
    let told = || async {
        // In a task of its own, which is given the span.
        let task = tracing::Instrument::instrument(
            async { tracing::error!(error = throughline::error(&no_stock()), "told") },
            tracing::info_span!("deep", user.id = "ada"),
        );
        tokio::spawn(task).await.unwrap();
        StatusCode::INTERNAL_SERVER_ERROR
    };
    Router::new()
        .route("/plain", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .route("/handed", get(handed))
        .route("/expected", get(expected))
        .route("/told", get(told))
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("out of order")
                }
            }),
        )
        .layer(throughline::http::server())
}

#[test]
fn an_error_is_told_once_with_what_is_known_of_it() {
    let test = "an_error_is_told_once_with_what_is_known_of_it";
    for (path, status, message, kind) in [
        (
            "/plain",
            "503",
            Some("GET /plain was answered with 503"),
            None,
        ),
        (
            "/handed",
            "500",
            Some("GET /handed was answered with 500"),
            Some("::NoStock"),
        ),
        ("/told", "500", Some("told"), Some("::NoStock")),
        ("/panic", "500", Some("out of order"), Some("panic")),
        ("/expected", "404", None, None),
    ] {
        let (receiver, _) = received_by(test, "http/protobuf", &[("ROUTE", path)], || {
            let path = std::env::var("ROUTE").unwrap();
            running("failures", |runtime| {
                let answer = ask(serve(runtime, app()), &format!("GET {path}"), &[]);
                let id = header(&answer, "x-request-id").unwrap();
                let panicked = answer.contains("internal server error");
                assert_eq!(panicked, path == "/panic", "{answer}");
                assert!(
                    !panicked || answer.ends_with(&format!("request id: {id}\n")),
                    "{answer}"
                );
                assert!(
                    !answer.contains("out of order"),
                    "nothing of what went wrong"
                );
            });
        });
        let errors = errors(&receiver);
        assert_eq!(
            errors.len(),
            usize::from(message.is_some()),
            "{path} {errors:#?}"
        );
        let spans = spans(&receiver);
        let span = &spans[0];
        let of_span = span.status.clone().unwrap_or_default();
        assert_eq!(of(span, "http.response.status_code").unwrap(), status);
        assert_eq!(
            of_span.code,
            if message.is_some() { 2 } else { 0 },
            "{path}"
        );
        let Some(error) = errors.first() else {
            assert_eq!(of(span, "error.type"), None);
            continue;
        };
        assert_eq!(error.message(), message);
        assert_eq!(error.trace_id(), Some(span.trace_id()));
        assert!(of(error, "request.id").is_some());
        let told = of(error, "exception.type");
        assert_eq!(told.is_some(), kind.is_some(), "{path}");
        assert!(
            told.unwrap_or_default().ends_with(kind.unwrap_or_default()),
            "{path}"
        );
        let error_type = of(span, "error.type").unwrap();
        let expected = match path {
            "/handed" | "/panic" => kind.unwrap(),
            _ => status,
        };
        assert!(error_type.ends_with(expected), "{path} {error_type}");
        let access = record(&receiver, "http.server.request");
        assert_eq!(of(&access, "error.type").unwrap(), error_type);
    }
}

/// Serves one connection with hyper alone.
fn serve_hyper(runtime: &tokio::runtime::Runtime) -> SocketAddr {
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        let (stream, peer) = listener.accept().await.unwrap();
        let service = ServiceBuilder::new()
            .layer(
                throughline::http::server()
                    .route(|parts| (parts.uri.path() != "/").then(|| "/given/{template}".into())),
            )
            .service(service_fn(|request: hyper::Request<Incoming>| async move {
                match request.uri().path() {
                    "/fails" => Err(no_stock()),
                    _ => Ok(hyper::Response::new(Full::new(Bytes::from("by hyper")))),
                }
            }));
        let service = hyper::service::service_fn(move |mut request| {
            request.extensions_mut().insert(PeerAddress(peer));
            tower::ServiceExt::oneshot(service.clone(), request)
        });
        let io = hyper_util::rt::TokioIo::new(stream);
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(io, service)
            .await;
    });
    address
}

#[test]
fn a_services_own_error_is_told_and_passed_on() {
    let test = "a_services_own_error_is_told_and_passed_on";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        running("failures", |runtime| {
            let answer = ask(serve_hyper(runtime), "GET /a", &["X-Request-Id: mine"]);
            assert!(answer.ends_with("by hyper"), "{answer}");
            assert_eq!(
                header(&answer, "x-request-id"),
                Some("mine"),
                "a known peer"
            );
            let answer = ask(serve_hyper(runtime), "GET /fails", &[]);
            assert_eq!(answer, "", "no answer");
            let boxed = ServiceBuilder::new()
                .layer(throughline::http::server())
                .service(service_fn(|_: axum::extract::Request| async {
                    let error: Box<dyn std::error::Error + Send + Sync> = Box::new(no_stock());
                    Err::<Response, _>(error)
                }));
            let request = axum::extract::Request::new(axum::body::Body::empty());
            let answer = runtime.block_on(tower::ServiceExt::oneshot(boxed, request));
            assert_eq!(answer.unwrap_err().to_string(), no_stock().to_string());
        });
    });
    let spans = spans(&receiver);
    assert_eq!(spans[0].name, "GET /given/{template}");
    for failed in &spans[1..] {
        let status = of(failed, "http.response.status_code");
        assert_eq!(status, None, "none was sent");
        assert_eq!(failed.status.as_ref().unwrap().code, 2);
    }
    let kinds = spans[1..]
        .iter()
        .map(|span| of(span, "error.type").unwrap());
    let kinds: Vec<_> = kinds.collect();
    assert!(kinds[0].ends_with("::NoStock"), "{kinds:?}");
    assert_eq!(kinds[1], "_OTHER", "a box has no type");
    let errors = records(&receiver, "http.server.exception");
    assert_eq!(errors.len(), 2);
    let of_box = &errors[1];
    let message = of(of_box, "exception.message").unwrap();
    assert_eq!(message, no_stock().to_string());
    assert!(
        of(of_box, "exception.stacktrace")
            .unwrap()
            .contains("invalid digit")
    );
}

#[test]
fn a_body_that_fails_or_panics_ends_the_connection_and_is_told_once() {
    let test = "a_body_that_fails_or_panics_ends_the_connection_and_is_told_once";
    for (how, kind) in [("fails", "_OTHER"), ("panics", "panic")] {
        let (receiver, _) = received_by(test, "http/protobuf", &[("HOW", how)], || {
            running("failures", |runtime| {
                let app = Router::new()
                    .route(
                        "/stream",
                        get(|| async {
                            let frames = futures::stream::unfold(0, |at| async move {
                                // What is there already is sent first.
                                tokio::task::yield_now().await;
                                match at {
                                    0 => Some((Ok("first ".to_owned()), 1)),
                                    _ if std::env::var("HOW").unwrap() == "panics" => {
                                        panic!("no more")
                                    }
                                    1 => Some((Err(std::io::Error::other("no more")), 2)),
                                    _ => None,
                                }
                            });
                            axum::body::Body::from_stream(frames)
                        }),
                    )
                    .layer(throughline::http::server());
                let answer = ask(serve(runtime, app), "GET /stream", &[]);
                assert!(answer.contains("first "), "{answer}");
                assert!(!answer.ends_with("0\r\n\r\n"), "broken off: {answer}");
            });
        });
        let errors = errors(&receiver);
        assert_eq!(errors.len(), 1, "{errors:#?}");
        let spans = spans(&receiver);
        assert_eq!(of(&spans[0], "error.type").unwrap(), kind);
        assert_eq!(
            of(&spans[0], "http.response.status_code").unwrap(),
            "200",
            "it was sent"
        );
        assert_eq!(of(&spans[0], "http.response.body.size").unwrap(), "6");
        assert_eq!(spans[0].status.as_ref().unwrap().code, 2);
    }
}

#[test]
fn a_panic_before_there_is_a_future_is_answered_too() {
    let test = "a_panic_before_there_is_a_future_is_answered_too";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        running("failures", |runtime| {
            let service = ServiceBuilder::new()
                .layer(throughline::http::server())
                .service(service_fn(
                |_: axum::extract::Request| -> std::future::Ready<Result<Response, Infallible>> {
                    panic!("at once")
                },
            ));
            let request = axum::extract::Request::new(axum::body::Body::empty());
            let answer = runtime
                .block_on(tower::ServiceExt::oneshot(service, request))
                .unwrap();
            assert_eq!(answer.status(), 500);
            let body = runtime.block_on(http_body_util::BodyExt::collect(answer.into_body()));
            assert!(
                body.unwrap()
                    .to_bytes()
                    .starts_with(b"internal server error\n")
            );
        });
    });
    assert_eq!(errors(&receiver).len(), 1);
    assert_eq!(of(&spans(&receiver)[0], "error.type").unwrap(), "panic");
}
