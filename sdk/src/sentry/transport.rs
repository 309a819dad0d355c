//! Envelopes on the export runtime. Sentry's own transports bring a second HTTP stack and
//! run outside the suppression.

use std::io::{self, Write};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri};
use sentry_core::client_report::{Reason, Recorder};
use sentry_core::types::Dsn;
use sentry_core::{Envelope, Transport, TransportFactory, TransportOptions};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::rate_limits::RateLimits;
use crate::InitError;
use crate::diagnostics::{self, Level};
use crate::export::{Client, Destination, DropReason, Ledger, Reply};
use crate::settings::SentrySettings;

/// Errors are rare and large; a burst beyond this is counted as dropped.
const QUEUE: usize = 256;
/// As they are sent. One may be larger, with its attachments, where nothing else waits.
const QUEUE_BYTES: usize = 8 << 20;
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Transports {
    client: Arc<Client>,
    destination: Arc<Destination>,
    runtime: Handle,
    ledger: Arc<Ledger>,
    debug: bool,
}

impl Transports {
    pub(super) fn new(
        settings: &SentrySettings,
        runtime: Handle,
        ledger: Arc<Ledger>,
    ) -> Result<Self, InitError> {
        let url = settings.dsn.envelope_api_url();
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
            debug: settings.debug,
        })
    }
}

impl TransportFactory for Transports {
    fn create_transport_with_options(&self, options: TransportOptions) -> Arc<dyn Transport> {
        let (queue, commands) = mpsc::unbounded_channel();
        let waiting = Arc::new(Waiting::default());
        let sender = Sender {
            client: Arc::clone(&self.client),
            destination: Arc::clone(&self.destination),
            waiting: Arc::clone(&waiting),
            ledger: Arc::clone(&self.ledger),
            limits: RateLimits::default(),
            lost: options.client_report_recorder.clone(),
            debug: self.debug,
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
            lost: options.client_report_recorder,
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
    /// With its bytes.
    Send(Box<Envelope>, usize),
    Flush(SyncSender<()>),
}

/// Envelopes that wait or are being sent, and their bytes.
#[derive(Debug, Default)]
struct Waiting(Mutex<(usize, usize)>);

impl Waiting {
    fn held(&self) -> MutexGuard<'_, (usize, usize)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for one more of this size, which is then taken.
    fn take(&self, size: usize) -> bool {
        let mut held = self.held();
        let (envelopes, bytes) = *held;
        let room = envelopes == 0 || (envelopes < QUEUE && bytes + size <= QUEUE_BYTES);
        if room {
            *held = (envelopes + 1, bytes + size);
        }
        room
    }

    fn give_back(&self, size: usize) {
        let mut held = self.held();
        held.0 -= 1;
        held.1 -= size;
    }
}

/// What an envelope takes when it is sent, which is about what it takes while it waits.
fn size(envelope: &Envelope) -> usize {
    struct Count(usize);

    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    // What cannot be written is found when it is sent.
    let _ = envelope.to_writer(&mut count);
    count.0
}

struct Queue {
    commands: mpsc::UnboundedSender<Command>,
    /// The bound is kept here and not by the channel, so that a full queue still takes a
    /// flush.
    waiting: Arc<Waiting>,
    ledger: Arc<Ledger>,
    lost: Recorder,
}

impl Transport for Queue {
    fn send_envelope(&self, envelope: Envelope) {
        // What was ignored or not sampled never comes here: nobody meant to send it.
        self.ledger.emitted(1);
        let size = size(&envelope);
        if !self.waiting.take(size) {
            self.ledger.dropped(DropReason::QueueFull, 1);
            self.lost.record_lost_data(&envelope, Reason::QueueOverflow);
        } else if self
            .commands
            .send(Command::Send(Box::new(envelope), size))
            .is_err()
        {
            self.waiting.give_back(size);
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
    waiting: Arc<Waiting>,
    ledger: Arc<Ledger>,
    limits: RateLimits,
    /// Tells the server, with a later envelope, what did not reach it.
    lost: Recorder,
    /// `SENTRY_DEBUG`.
    debug: bool,
    url: Uri,
    auth: HeaderValue,
}

impl Sender {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Send(envelope, size) => {
                    self.send(*envelope).await;
                    self.waiting.give_back(size);
                }
                Command::Flush(done) => {
                    // Whoever asked may have stopped waiting.
                    let _ = done.try_send(());
                }
            }
        }
    }

    async fn send(&mut self, envelope: Envelope) {
        let event = envelope.uuid().copied().unwrap_or_default();
        let admitted = self.limits.admit(envelope, Instant::now(), &self.lost);
        let result = match &admitted {
            Some(envelope) => self.exchange(envelope).await,
            None => Err("it asked to be left alone for a while".to_owned()),
        };
        if self.debug {
            let outcome = result
                .as_ref()
                .map_or_else(String::as_str, |()| "delivered");
            let message = format!("Sentry event {}: {outcome}", event.simple());
            diagnostics::say_at(Level::Info, &message);
        }
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

    async fn exchange(&mut self, envelope: &Envelope) -> Result<(), String> {
        let lost = |reason| self.lost.record_lost_data(envelope, reason);
        let request = self
            .request(envelope)
            .inspect_err(|_| lost(Reason::InternalError))?;
        let answer = match self.client.send(request.clone()).await {
            // Errors are rare, so that a server is often just leaving the connection that
            // was kept for the next; by its id it knows one that it has after all.
            Err(failure) if failure.cut => self.client.send(request).await,
            answer => answer,
        };
        let Reply {
            status, headers, ..
        } = answer.map_err(|failure| {
            lost(Reason::NetworkError);
            failure.why
        })?;
        // The server counts what it refuses for its own limits.
        if !status.is_success() && status != StatusCode::TOO_MANY_REQUESTS {
            lost(Reason::SendError);
        }
        self.limits.learn(status, &headers, Instant::now());
        if status.is_success() {
            Ok(())
        } else {
            Err(format!("it answered {status}"))
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
