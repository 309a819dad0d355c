//! Envelopes on the export runtime. Sentry's own transports bring a second HTTP stack and
//! run outside the suppression.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Uri};
use sentry_core::types::Dsn;
use sentry_core::{Envelope, Transport, TransportFactory, TransportOptions};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::InitError;
use crate::export::{Client, Destination, DropReason, Ledger};

/// Errors are rare and large; a burst beyond this is counted as dropped.
const QUEUE: usize = 256;
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Transports {
    client: Arc<Client>,
    destination: Arc<Destination>,
    runtime: Handle,
    ledger: Arc<Ledger>,
}

impl Transports {
    pub(super) fn new(dsn: &Dsn, runtime: Handle, ledger: Arc<Ledger>) -> Result<Self, InitError> {
        let url = dsn.envelope_api_url();
        let destination = Arc::new(Destination::sentry(url.origin().ascii_serialization()));
        let secure = url.scheme() == "https";
        let client =
            Client::plain(secure, TIMEOUT, Arc::clone(&destination)).map_err(|reason| {
                InitError::InvalidVariable {
                    variable: "SENTRY_DSN".to_owned(),
                    reason,
                    expected: "a DSN whose server can be reached from here",
                }
            })?;
        Ok(Self {
            client: Arc::new(client),
            destination,
            runtime,
            ledger,
        })
    }
}

impl TransportFactory for Transports {
    fn create_transport_with_options(&self, options: TransportOptions) -> Arc<dyn Transport> {
        let (queue, commands) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let sender = Sender {
            client: Arc::clone(&self.client),
            destination: Arc::clone(&self.destination),
            waiting: Arc::clone(&waiting),
            ledger: Arc::clone(&self.ledger),
            url: options
                .dsn
                .envelope_api_url()
                .as_str()
                .parse()
                .unwrap_or_default(),
            auth: auth(&options.dsn, &options.user_agent),
        };
        self.runtime.spawn(sender.run(commands));
        Arc::new(Queue {
            commands: queue,
            waiting,
            ledger: Arc::clone(&self.ledger),
        })
    }
}

fn auth(dsn: &Dsn, user_agent: &str) -> HeaderValue {
    let auth = dsn.to_auth(Some(user_agent)).to_string();
    let mut value =
        HeaderValue::try_from(auth).unwrap_or_else(|_| HeaderValue::from_static("Sentry"));
    value.set_sensitive(true);
    value
}

enum Command {
    Send(Box<Envelope>),
    Flush(SyncSender<()>),
}

struct Queue {
    commands: mpsc::UnboundedSender<Command>,
    /// Envelopes that wait or are being sent. The bound is kept here and not by the channel,
    /// so that a full queue still takes a flush.
    waiting: Arc<AtomicUsize>,
    ledger: Arc<Ledger>,
}

impl Transport for Queue {
    fn send_envelope(&self, envelope: Envelope) {
        self.ledger.emitted(1);
        let room = self.waiting.fetch_add(1, Ordering::Relaxed) < QUEUE;
        let command = Command::Send(Box::new(envelope));
        if !room || self.commands.send(command).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.ledger.dropped(DropReason::QueueFull, 1);
        }
    }

    fn flush(&self, timeout: Duration) -> bool {
        let (done, answer) = sync_channel(1);
        self.commands.send(Command::Flush(done)).is_ok() && answer.recv_timeout(timeout).is_ok()
    }
}

struct Sender {
    client: Arc<Client>,
    destination: Arc<Destination>,
    waiting: Arc<AtomicUsize>,
    ledger: Arc<Ledger>,
    url: Uri,
    auth: HeaderValue,
}

impl Sender {
    async fn run(self, mut commands: mpsc::UnboundedReceiver<Command>) {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Send(envelope) => {
                    self.send(&envelope).await;
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                }
                Command::Flush(done) => {
                    // Whoever asked may have stopped waiting.
                    let _ = done.try_send(());
                }
            }
        }
    }

    async fn send(&self, envelope: &Envelope) {
        let result = match self.request(envelope) {
            Ok(request) => match self.client.send(request).await {
                Ok(reply) if reply.status.is_success() => Ok(()),
                Ok(reply) => Err(format!("it answered {}", reply.status)),
                Err(failure) => Err(failure.why),
            },
            Err(reason) => Err(reason),
        };
        match result {
            Ok(()) => {
                self.ledger.delivered(1);
                self.destination.reached();
            }
            Err(reason) => {
                self.ledger.dropped(DropReason::ExportFailed, 1);
                self.destination.failed(&reason);
            }
        }
    }

    fn request(&self, envelope: &Envelope) -> Result<Request<Bytes>, String> {
        let mut body = Vec::new();
        envelope
            .to_writer(&mut body)
            .map_err(|error| error.to_string())?;
        Request::post(self.url.clone())
            .header("x-sentry-auth", self.auth.clone())
            .header(http::header::CONTENT_TYPE, "application/x-sentry-envelope")
            .body(Bytes::from(body))
            .map_err(|error| error.to_string())
    }
}
