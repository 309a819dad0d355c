//! A real store with what a test sends, and its pages as a browser gets them.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use opentelemetry_proto::tonic::{common::v1::KeyValue, logs::v1::LogRecord, trace::v1::Span};
use tower::ServiceExt;

use super::{App, router};
use crate::{
    dev::{Counts, Running},
    store::{self, Bounds, Outbox, Readers, Store},
    wire::fixture::{self as otlp, attribute, text},
};

/// What must never be in a page as it is.
pub(super) const HOSTILE: &str = "<script>alert('x')</script>\"><img src=x>";

pub(super) struct Fixture {
    pub(super) app: App,
    router: Router,
    folder: PathBuf,
}

impl Fixture {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let folder = std::env::temp_dir().join(format!(
            "throughline-views-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        ));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("telemetry.db");
        let bounds = Bounds {
            bytes: 1 << 30,
            age: Duration::from_secs(3600),
        };
        let store = Store::open(&path, bounds, Outbox::new(false, false)).unwrap();
        let app = App {
            store: Arc::new(store),
            readers: Readers::new(&path),
            counts: Counts::default(),
            running: Running {
                pid: 1,
                page: "http://127.0.0.1:8969".into(),
                otlp_grpc: "http://127.0.0.1:4317".into(),
                otlp_http: "http://127.0.0.1:4318".into(),
                sentry_dsn: "http://throughline@127.0.0.1:8969/1".into(),
                database: path,
            },
            bounds,
            forward: None,
            outbox_dropped: Arc::default(),
        };
        Self {
            router: router(app.clone()),
            app,
            folder,
        }
    }

    /// Stores records, and waits until they are counted too.
    pub(super) async fn records(&self, service: &str, records: Vec<LogRecord>) {
        let body = otlp::logs(service, records);
        self.app.store.records(&body).await.unwrap();
        self.counted().await;
    }

    pub(super) async fn spans(&self, service: &str, spans: Vec<Span>) {
        let body = otlp::traces(service, spans);
        self.app.store.spans(&body).await.unwrap();
        self.counted().await;
    }

    async fn counted(&self) {
        let began = Instant::now();
        loop {
            let lag = self
                .app
                .readers
                .ask(crate::store::Reader::lag)
                .await
                .unwrap();
            if lag.uncounted == 0 {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{lag:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The answer's status, where it leads to, and its text.
    pub(super) async fn ask(&self, path: &str) -> (StatusCode, String, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let location = response.headers().get(header::LOCATION);
        let location = location.map_or("", |to| to.to_str().unwrap()).to_owned();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, location, String::from_utf8(body.to_vec()).unwrap())
    }

    /// A page that has to be there and to be harmless.
    pub(super) async fn page(&self, path: &str) -> String {
        let (status, _, html) = self.ask(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {html}");
        assert!(!html.contains("<script>alert"), "{path}: {html}");
        assert!(!html.contains("<img"), "{path}: {html}");
        html
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

fn texts(attributes: &[(&str, &str)]) -> Vec<KeyValue> {
    attributes
        .iter()
        .map(|(key, value)| attribute(key, value))
        .collect()
}

/// So many seconds ago.
pub(super) fn ago(seconds: u64) -> u64 {
    store::now().unsigned_abs() - seconds * 1_000_000_000
}

/// A record of a stream, a minute old.
pub(super) fn record(
    stream: &str,
    event: &str,
    severity: i32,
    message: &str,
    attributes: &[(&str, &str)],
) -> LogRecord {
    let mut all = texts(attributes);
    if !stream.is_empty() {
        all.push(attribute("log.category", stream));
    }
    LogRecord {
        time_unix_nano: ago(60),
        severity_number: severity,
        event_name: event.into(),
        body: Some(text(message)),
        attributes: all,
        ..LogRecord::default()
    }
}

/// A server's span, a minute old and 20 ms long.
pub(super) fn span(trace: u8, id: u8, name: &str, attributes: &[(&str, &str)]) -> Span {
    let start = ago(60);
    Span {
        trace_id: vec![trace; 16],
        span_id: vec![id; 8],
        name: name.into(),
        kind: 2,
        start_time_unix_nano: start,
        end_time_unix_nano: start + 20_000_000,
        attributes: texts(attributes),
        ..Span::default()
    }
}

/// The address of the first link whose text is this.
pub(super) fn link(html: &str, text: &str) -> String {
    let text = format!(">{text}<");
    let href = html
        .match_indices(&text)
        .filter_map(|(at, _)| {
            let tag = html[..at].rfind("<a ")?;
            let within = !html[tag..at].contains("</a>");
            let href = html[tag..].split("href=\"").nth(1)?;
            within.then(|| href.split('"').next())?
        })
        .next()
        .unwrap_or_else(|| panic!("no link {text:?} in {html}"));
    href.replace("&amp;", "&")
        .replace("&#38;", "&")
        .replace("&quot;", "\"")
}
