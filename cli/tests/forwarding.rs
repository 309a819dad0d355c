//! Passing on by TLS, to a collector that wants to know who sends.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

const WITHIN: Duration = Duration::from_secs(20);

/// Killed when it is dropped.
struct Dev {
    child: Child,
    otlp_http: String,
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Dev {
    fn start(folder: &std::path::Path, to: &str, authority: &std::path::Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
        command.args(["dev", "--announce", "json", "--forward", to]);
        for port in ["--otlp-grpc", "--otlp-http", "--page"] {
            command.args([port, "127.0.0.1:0"]);
        }
        let mut child = command
            .arg("--data-dir")
            .arg(folder)
            .env(
                "THROUGHLINE_DEV_FORWARD_HEADER",
                "authorization=Bearer t0ken",
            )
            .env("SSL_CERT_FILE", authority)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let announced: serde_json::Value = serde_json::from_str(&line).unwrap();
        Self {
            otlp_http: announced["otlp_http"].as_str().unwrap().into(),
            child,
        }
    }
}

#[tokio::test]
async fn what_comes_is_passed_on_as_it_came_by_tls_with_the_header_that_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let issued = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
    let authority = folder.path().join("authority.pem");
    std::fs::write(&authority, issued.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!(
        "https://localhost:{}/intake/",
        listener.local_addr().unwrap().port()
    );
    let (sender, mut received) = mpsc::unbounded_channel();
    tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(tls)), sender));

    let dev = Dev::start(&folder.path().join("data"), &to, &authority);
    let sent = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: vec![Span {
                    trace_id: vec![1; 16],
                    span_id: vec![2; 8],
                    name: "GET /orders".into(),
                    ..Span::default()
                }],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
    .encode_to_vec();
    let answer = reqwest::Client::new()
        .post(format!("{}/v1/traces", dev.otlp_http))
        .header("content-type", "application/x-protobuf")
        .body(sent.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let (path, authorization, body) = timeout(WITHIN, received.recv()).await.unwrap().unwrap();
    assert_eq!(path, "/intake/v1/traces");
    assert_eq!(authorization, "Bearer t0ken");
    assert_eq!(body, sent);
}

type Received = (String, String, Vec<u8>);

async fn serve(listener: TcpListener, tls: TlsAcceptor, sender: mpsc::UnboundedSender<Received>) {
    use http_body_util::{BodyExt, Empty};

    while let Ok((connection, _)) = listener.accept().await {
        let (tls, sender) = (tls.clone(), sender.clone());
        tokio::spawn(async move {
            let connection = tls.accept(connection).await.unwrap();
            let answer = service_fn(|request: Request<Incoming>| {
                let sender = sender.clone();
                async move {
                    let path = request.uri().path().to_owned();
                    let authorization = &request.headers()["authorization"];
                    let authorization = authorization.to_str().unwrap().to_owned();
                    let body = request.into_body().collect().await?.to_bytes();
                    sender.send((path, authorization, body.to_vec())).ok();
                    Ok::<_, hyper::Error>(Response::new(Empty::<bytes::Bytes>::new()))
                }
            });
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(connection), answer)
                .await
                .ok();
        });
    }
}
