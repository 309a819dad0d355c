//! What speaks Sentry's protocol, and keeps what it is sent.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use axum::Router;
use axum::routing::post;
use serde_json::Value;

#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) dsn: String,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Intake {
    pub(crate) fn start() -> Self {
        let bodies = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&bodies);
        let keep = move |body: String| async move {
            kept.lock().unwrap().push(body);
            r#"{"id":"0"}"#
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let routes = Router::new().fallback(post(keep));
                axum::serve(listener, routes).await.unwrap();
            });
        });
        Self {
            dsn: format!("http://0123456789abcdef0123456789abcdef@{address}/1"),
            bodies,
        }
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }

    /// The error reports of all envelopes, whose lines are a header, then a header and a
    /// payload for each item.
    pub(crate) fn events(&self) -> Vec<Value> {
        let mut events = Vec::new();
        for body in self.bodies() {
            let lines = body.lines().map(|line| serde_json::from_str(line).unwrap());
            let lines: Vec<Value> = lines.collect();
            for item in lines[1..].chunks(2) {
                if item[0]["type"] == "event" {
                    events.push(item[1].clone());
                }
            }
        }
        events
    }
}
