//! From the receiver to the store, with a count of what came and what became of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use throughline_receiver::{
    Accepted, BoxFuture, RawRequest, RawSink, Rejection, Signal, Transport,
};

use crate::{
    sentry::Envelope,
    store::{Store, StoreError, Taken},
};

/// A store that cannot write now may be able to soon: a disk that is full, above all.
const RETRY: Duration = Duration::from_secs(5);

/// Which way something came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    Traces,
    Metrics,
    Logs,
    Sentry,
}

/// What came one way, by one transport, since the program began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    /// Spans, points, records or events that were stored.
    pub(crate) items: u64,
    /// Of them, those that were refused and told so in the answer.
    pub(crate) refused_items: u64,
    /// Requests that were malformed.
    pub(crate) malformed: u64,
    /// Requests that were told to come again, as the store could not write.
    pub(crate) put_off: u64,
}

/// All counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    counts: Arc<Mutex<BTreeMap<(Way, &'static str), Tally>>>,
    sentry: Arc<Mutex<BTreeMap<String, u64>>>,
}

/// Kinds of items in envelopes that are told apart: a hostile client makes them up.
const KINDS: usize = 64;

impl Counts {
    pub(crate) fn of(&self, way: Way, transport: &'static str, add: impl FnOnce(&mut Tally)) {
        add(self.lock().entry((way, transport)).or_default());
    }

    pub(crate) fn all(&self) -> Vec<(Way, &'static str, Tally)> {
        self.lock()
            .iter()
            .map(|((way, transport), tally)| (*way, *transport, *tally))
            .collect()
    }

    /// Counts what an envelope brought that is not kept, and what its SDK says that it dropped.
    pub(super) fn sentry(&self, envelope: &Envelope) {
        let mut sentry = self.sentry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut add = |what: String, count: u64| {
            if sentry.len() < KINDS || sentry.contains_key(&what) {
                *sentry.entry(what).or_default() += count;
            }
        };
        for other in &envelope.others {
            add(format!("{} not kept", other.kind), other.count);
        }
        for check_in in &envelope.check_ins {
            add(format!("check-in of {}", check_in.monitor_slug), 1);
        }
        for item in &envelope.unreadable {
            add(format!("{} not readable", item.kind), 1);
        }
        for discarded in envelope
            .client_reports
            .iter()
            .flat_map(|report| &report.discarded)
        {
            add(
                format!(
                    "{} dropped by the SDK: {}",
                    discarded.category, discarded.reason
                ),
                discarded.quantity,
            );
        }
    }

    /// What came in envelopes besides errors, with how often.
    pub(crate) fn of_sentry(&self) -> Vec<(String, u64)> {
        let sentry = self.sentry.lock().unwrap_or_else(PoisonError::into_inner);
        sentry
            .iter()
            .map(|(what, count)| (what.clone(), *count))
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(Way, &'static str), Tally>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stores what the receiver takes, and lets it answer when that is committed.
pub(super) struct Intake {
    pub(super) store: Arc<Store>,
    pub(super) counts: Counts,
}

impl RawSink for Intake {
    fn receive(&self, request: RawRequest) -> BoxFuture<Result<Accepted, Rejection>> {
        let store = Arc::clone(&self.store);
        let counts = self.counts.clone();
        Box::pin(async move {
            let way = match request.info.signal {
                Signal::Traces => Way::Traces,
                Signal::Metrics => Way::Metrics,
                Signal::Logs => Way::Logs,
            };
            let transport = match request.info.transport {
                Transport::Grpc => "gRPC",
                Transport::HttpProtobuf => "HTTP/protobuf",
                Transport::HttpJson => "HTTP/JSON",
            };
            let stored = match request.info.signal {
                Signal::Traces => store.spans(&request.body).await,
                Signal::Metrics => store.points(&request.body).await,
                Signal::Logs => store.records(&request.body).await,
            };
            let answer = answer(stored);
            counts.of(way, transport, |tally| {
                tally.requests += 1;
                tally.bytes += request.body.len() as u64;
                match &answer {
                    Ok((taken, _)) => {
                        tally.items += taken.items.unsigned_abs();
                        tally.refused_items += taken.refused.unsigned_abs();
                    }
                    Err(Rejection::Unavailable { .. }) => tally.put_off += 1,
                    Err(_) => tally.malformed += 1,
                }
            });
            answer.map(|(_, accepted)| accepted)
        })
    }
}

fn answer(stored: Result<Taken, Arc<StoreError>>) -> Result<(Taken, Accepted), Rejection> {
    match stored {
        Ok(taken) => {
            let message = if taken.refused > 0 {
                format!("{} were refused: {}", taken.refused, taken.reason)
            } else {
                String::new()
            };
            let accepted = Accepted {
                rejected: taken.refused,
                message,
            };
            Ok((taken, accepted))
        }
        Err(error) => Err(match &*error {
            StoreError::Malformed(_) | StoreError::Metrics(_) => {
                Rejection::Invalid(error.to_string())
            }
            StoreError::TooMany(_) => Rejection::TooLarge(error.to_string()),
            _ => {
                tracing::warn!(%error, "cannot store what came");
                Rejection::Unavailable {
                    message: format!("it cannot be stored at the moment: {error}"),
                    retry_after: Some(RETRY),
                }
            }
        }),
    }
}
