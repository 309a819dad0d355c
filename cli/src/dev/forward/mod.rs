//! Passes on what came, as it came, so that a team that moves to the whole stack changes
//! nothing in its services.
//!
//! What is to be passed on waits in the database, written with the data itself; it is taken out
//! when the other side has acknowledged it. A crash, here or there, loses nothing and may send
//! something twice.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::{sync::watch, task::JoinHandle};
use url::Url;

mod client;

use super::Options;
use crate::store::{OutboxKind, Readers, Store, Waiting};
use client::Client;

/// How many requests are taken from the outbox at once.
const BATCH: i64 = 16;

/// Between tries while the other side is away: the first pause, and the longest.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How it goes.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    inner: Arc<Mutex<Going>>,
}

/// Since the program began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Going {
    /// Where to: the addresses without secrets.
    pub(crate) to: Vec<String>,
    pub(crate) delivered: u64,
    /// Items that the other side refused for good.
    pub(crate) refused: u64,
    /// Why the last try failed, if it did.
    pub(crate) trouble: Option<String>,
}

impl Status {
    pub(crate) fn now(&self) -> Going {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Going> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What passes on.
pub(super) struct Forward {
    pub(super) status: Status,
    pub(super) task: JoinHandle<()>,
}

/// Where each kind goes.
struct Targets {
    client: Client,
    collector: Option<Url>,
    /// What the collector wants to know of who sends.
    headers: HeaderMap,
    sentry: Option<(Url, HeaderMap)>,
}

/// Begins to pass on, if there is anywhere to pass on to.
pub(super) fn start(
    options: &Options,
    store: &Arc<Store>,
    readers: &Readers,
    stop: watch::Receiver<bool>,
) -> Result<Option<Forward>> {
    if options.forward.is_none() && options.forward_sentry.is_none() {
        return Ok(None);
    }
    let sentry = options
        .forward_sentry
        .as_ref()
        .map(envelope_url)
        .transpose()?;
    let secure = [&options.forward, &options.forward_sentry]
        .into_iter()
        .flatten()
        .any(|url| url.scheme() == "https");
    let targets = Targets {
        client: Client::new(secure)?,
        collector: options.forward.clone(),
        headers: headers(&options.forward_header)?,
        sentry,
    };
    let to = [
        targets.collector.as_ref(),
        targets.sentry.as_ref().map(|(url, _)| url),
    ];
    let status = Status {
        inner: Arc::new(Mutex::new(Going {
            to: to.into_iter().flatten().map(without_secrets).collect(),
            ..Going::default()
        })),
    };
    let task = tokio::spawn(run(
        targets,
        Arc::clone(store),
        readers.clone(),
        status.clone(),
        stop,
    ));
    Ok(Some(Forward { status, task }))
}

async fn run(
    targets: Targets,
    store: Arc<Store>,
    readers: Readers,
    status: Status,
    mut stop: watch::Receiver<bool>,
) {
    let mut changes = store.changes();
    let mut pause = PAUSE;
    loop {
        // Seen before the outbox is read, so that nothing that comes meanwhile is missed.
        changes.mark_unchanged();
        let waiting = readers.ask(|reader| reader.waiting(BATCH)).await;
        let waiting = match waiting {
            Ok(waiting) if waiting.is_empty() => {
                tokio::select! {
                    _ = stop.wait_for(|stopped| *stopped) => return,
                    changed = changes.changed() => if changed.is_err() { return },
                }
                continue;
            }
            Ok(waiting) => waiting,
            Err(error) => {
                status.lock().trouble = Some(error.to_string());
                Vec::new()
            }
        };
        let mut done = Vec::new();
        let mut trouble = None;
        for request in waiting {
            match targets.send(&request).await {
                Ok(delivered) => {
                    done.push(request.id);
                    let items = request.items.unsigned_abs();
                    let mut status = status.lock();
                    let refused = delivered.refused.min(items);
                    status.delivered += items - refused;
                    status.refused += refused;
                    if let Some(reason) = delivered.reason {
                        status.trouble = Some(reason);
                    }
                }
                Err(error) => {
                    trouble = Some(format!("{error:#}"));
                    break;
                }
            }
        }
        let progress = !done.is_empty();
        if progress && let Err(error) = store.forwarded(done).await {
            trouble = Some(error.to_string());
        }
        if trouble.is_none() && progress {
            pause = PAUSE;
            continue;
        }
        if trouble.is_some() {
            status.lock().trouble = trouble;
        }
        tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What the other side did with a request that it answered for good.
#[derive(Default)]
struct Delivered {
    /// Items that it did not take.
    refused: u64,
    reason: Option<String>,
}

impl Delivered {
    fn nothing(reason: String) -> Self {
        Self {
            refused: u64::MAX,
            reason: Some(reason),
        }
    }

    /// Reads OTLP's answer, whose partial success has the same numbers for every signal.
    fn answered(answer: &[u8]) -> Self {
        let partial = ExportTraceServiceResponse::decode(answer)
            .ok()
            .and_then(|answer| answer.partial_success);
        let Some(partial) = partial.filter(|partial| partial.rejected_spans > 0) else {
            return Self::default();
        };
        Self {
            refused: partial.rejected_spans.unsigned_abs(),
            reason: Some(partial.error_message),
        }
    }
}

impl Targets {
    /// Sends one request. An error is one that may pass.
    async fn send(&self, request: &Waiting) -> Result<Delivered> {
        let otlp = |path: &str| {
            let mut url = self.collector.clone()?;
            let folder = url.path().trim_end_matches('/').to_owned();
            url.set_path(&format!("{folder}/v1/{path}"));
            Some((url, "application/x-protobuf", &self.headers))
        };
        let target = match request.kind {
            OutboxKind::Traces => otlp("traces"),
            OutboxKind::Metrics => otlp("metrics"),
            OutboxKind::Logs => otlp("logs"),
            OutboxKind::Envelope => self
                .sentry
                .as_ref()
                .map(|(url, headers)| (url.clone(), "application/x-sentry-envelope", headers)),
        };
        let Some((url, kind, headers)) = target else {
            // From a run that passed on, before this one that does not.
            return Ok(Delivered::nothing("it is not passed on any more".into()));
        };
        let (status, answer) = self
            .client
            .post(&url, kind, headers, request.body.clone())
            .await?;
        if status.is_success() {
            return Ok(match request.kind {
                OutboxKind::Envelope => Delivered::default(),
                _ => Delivered::answered(&answer),
            });
        }
        let text = String::from_utf8_lossy(&answer);
        let reason = format!("{status}: {}", text.chars().take(200).collect::<String>());
        let passes = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
            || matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::REQUEST_TIMEOUT
                    | StatusCode::NOT_FOUND
                    | StatusCode::UNAUTHORIZED
                    | StatusCode::FORBIDDEN
            );
        if passes {
            // What is set up wrongly there, too, is worth waiting for.
            anyhow::bail!(reason);
        }
        Ok(Delivered::nothing(reason))
    }
}

/// Where a DSN's envelopes go, and its key.
///
/// <https://develop.sentry.dev/sdk/foundations/transport/authentication/>
fn envelope_url(dsn: &Url) -> Result<(Url, HeaderMap)> {
    let wrong = || anyhow::anyhow!("--forward-sentry: expected a DSN such as https://KEY@HOST/1");
    let key = dsn.username().to_owned();
    let (folder, project) = dsn.path().rsplit_once('/').ok_or_else(wrong)?;
    if key.is_empty() || project.is_empty() {
        return Err(wrong());
    }
    let mut url = dsn.clone();
    url.set_username("").map_err(|()| wrong())?;
    url.set_password(None).map_err(|()| wrong())?;
    url.set_path(&format!("{folder}/api/{project}/envelope/"));
    url.set_query(None);
    let auth = format!("Sentry sentry_version=7, sentry_key={key}");
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-sentry-auth",
        HeaderValue::from_str(&auth).map_err(|_| wrong())?,
    );
    Ok((url, headers))
}

/// Reads `name=value`.
fn headers(given: &[String]) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for header in given {
        let read = header.split_once('=').and_then(|(name, value)| {
            let name: HeaderName = name.trim().parse().ok()?;
            let mut value: HeaderValue = value.trim().parse().ok()?;
            value.set_sensitive(true);
            Some((name, value))
        });
        // The value may be a secret, so that the message has none.
        let (name, value) = read.context("--forward-header: expected NAME=VALUE")?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn without_secrets(url: &Url) -> String {
    let mut url = url.clone();
    url.set_username("").ok();
    url.set_password(None).ok();
    url.set_query(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_in_part_is_counted_as_such() {
        use opentelemetry_proto::tonic::collector::logs::v1::{
            ExportLogsPartialSuccess, ExportLogsServiceResponse,
        };

        let answer = ExportLogsServiceResponse {
            partial_success: Some(ExportLogsPartialSuccess {
                rejected_log_records: 3,
                error_message: "too old".into(),
            }),
        };
        let delivered = Delivered::answered(&answer.encode_to_vec());
        assert_eq!(delivered.refused, 3);
        assert_eq!(delivered.reason.as_deref(), Some("too old"));
        assert_eq!(Delivered::answered(b"").refused, 0);
    }

    #[test]
    fn a_header_has_a_name_and_a_value_and_a_message_has_none() {
        let read = headers(&["authorization=Bearer a=b".into()]).unwrap();
        assert_eq!(read["authorization"], "Bearer a=b");
        assert!(read["authorization"].is_sensitive());
        let error = headers(&["s3cret".into()]).unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }

    #[test]
    fn a_dsn_tells_where_envelopes_go() {
        let of = |dsn: &str| envelope_url(&dsn.parse().unwrap());
        let (url, headers) = of("https://abc@o1.example.com/sub/42").unwrap();
        assert_eq!(url.as_str(), "https://o1.example.com/sub/api/42/envelope/");
        let auth = headers["x-sentry-auth"].to_str().unwrap();
        assert_eq!(auth, "Sentry sentry_version=7, sentry_key=abc");
        assert!(of("https://example.com/42").is_err());
        assert!(of("https://abc@example.com/").is_err());
    }
}
