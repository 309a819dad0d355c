//! A server that speaks Sentry's envelope protocol, and keeps what it is sent as it came. The
//! real servers are asked in the end-to-end tests; only here can every byte be looked at.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::AppendHeaders;
use axum::routing::post;
use serde_json::Value;

pub struct Intake {
    pub dsn: String,
    /// What OTLP over HTTP can be sent to; kept undecoded.
    pub endpoint: String,
    requests: Arc<Mutex<Vec<(String, Bytes)>>>,
}

impl Intake {
    pub fn start(status: StatusCode) -> Self {
        Self::answering(status, None)
    }

    /// With a header in each answer.
    pub fn answering(status: StatusCode, header: Option<(&'static str, &'static str)>) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let keep = move |State(kept): State<Arc<Mutex<Vec<_>>>>, uri: Uri, body: Bytes| async move {
            let otlp = uri.path().starts_with("/v1/");
            kept.lock().unwrap().push((uri.path().to_owned(), body));
            // An empty message is a full success by OTLP.
            let body = if otlp { "" } else { r#"{"id":"0"}"# };
            (status, AppendHeaders(header), body)
        };
        let routes = Router::new()
            .fallback(post(keep))
            .with_state(Arc::clone(&requests));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, routes).await.unwrap();
            });
        });
        Self {
            dsn: format!("http://0123456789abcdef0123456789abcdef@{address}/7"),
            endpoint: format!("http://{address}"),
            requests,
        }
    }

    /// Path and body of all requests.
    pub fn requests(&self) -> Vec<(String, Bytes)> {
        self.requests.lock().unwrap().clone()
    }

    /// The events of all envelopes.
    pub fn events(&self) -> Vec<Value> {
        self.items("event")
    }

    /// The items of one type, of all envelopes. An envelope is lines: its header, then for
    /// each item a header and a payload.
    pub fn items(&self, kind: &str) -> Vec<Value> {
        let mut items = Vec::new();
        for (path, body) in self.requests() {
            if !path.ends_with("/envelope/") {
                continue;
            }
            let text = std::str::from_utf8(&body).unwrap();
            let lines: Vec<Value> = text
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            for item in lines[1..].chunks(2) {
                let known = ["event", "client_report", "check_in"].map(Value::from);
                assert!(known.contains(&item[0]["type"]), "{item:?}");
                if item[0]["type"] == kind {
                    items.push(item[1].clone());
                }
            }
        }
        items
    }
}
