//! A request's body, read and decompressed within the limits.
//!
//! Not by a layer of decompression before a layer of limits: nothing of a body may be held
//! that is not counted, neither what waits to be decompressed nor what came out of it.

use std::{
    io::{self, Read, Write},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::{options::Limits, refusal::Refusal, sink::Rejection};

/// The window that a zstd body may ask for, as a power of two: 8 MiB, which RFC 9659 sets
/// for zstd in HTTP. The library's own limit is 128 MiB.
const ZSTD_WINDOW_LOG: u32 = 23;
/// How much of the in-flight budget decompression takes at a time.
const STEP: usize = 64 * 1024;
/// What is still read of a body after its refusal, since a client that is cut off while it
/// writes may never read the answer.
const DRAINED_BYTES: usize = 64 * 1024 * 1024;
const BUSY_FOR: Duration = Duration::from_secs(1);

/// How a body was compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// From the value of `content-encoding` or `grpc-encoding`.
    pub(crate) fn named(name: &str) -> Result<Self, Refusal> {
        match name.to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            _ => Err(Refusal::Unsupported(format!(
                "compression is {name:?}, expected gzip, zstd or identity"
            ))),
        }
    }
}

/// Bytes of the budget that one request holds. Given back when it is dropped.
pub(crate) struct Lease {
    budget: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Lease {
    fn extend(&mut self, bytes: usize) -> Result<(), Refusal> {
        let permit = u32::try_from(bytes)
            .ok()
            .and_then(|bytes| Arc::clone(&self.budget).try_acquire_many_owned(bytes).ok())
            .ok_or_else(|| Rejection::Unavailable {
                message: "too many bytes of other requests are in flight, try again".to_owned(),
                retry_after: Some(BUSY_FOR),
            })?;
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        Ok(())
    }
}

/// Reads bodies for both transports.
#[derive(Clone)]
pub(crate) struct Intake {
    limits: Arc<Limits>,
    budget: Arc<Semaphore>,
}

impl Intake {
    pub(crate) fn new(limits: Limits) -> Self {
        let bytes = limits.in_flight_bytes.min(Semaphore::MAX_PERMITS);
        Self {
            limits: Arc::new(limits),
            budget: Arc::new(Semaphore::new(bytes)),
        }
    }

    /// Reads the whole body, which may be `overhead` bytes longer than a message.
    pub(crate) async fn read<B>(&self, body: B, overhead: usize) -> Result<(Bytes, Lease), Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: std::fmt::Display,
    {
        let deadline = Instant::now() + self.limits.body_timeout;
        let mut body = pin!(body);
        let mut drained = 0;
        let reading = self.collect(body.as_mut(), overhead);
        match timeout_at(deadline, reading).await {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(refusal)) => {
                let drain = async {
                    while let Some(Ok(frame)) = body.frame().await {
                        drained += frame.data_ref().map_or(0, Bytes::len);
                        if drained > DRAINED_BYTES {
                            break;
                        }
                    }
                };
                // Too slow or not, the answer is the refusal.
                timeout_at(deadline, drain).await.ok();
                Err(refusal)
            }
            Err(_) => Err(Refusal::TooSlow(format!(
                "the body took longer than {:?}",
                self.limits.body_timeout
            ))),
        }
    }

    async fn collect<B>(
        &self,
        mut body: std::pin::Pin<&mut B>,
        overhead: usize,
    ) -> Result<(Bytes, Lease), Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: std::fmt::Display,
    {
        let limit = self.limits.request_bytes + overhead;
        if body.size_hint().lower() > limit as u64 {
            return Err(self.too_large());
        }
        let mut lease = self.lease();
        let mut first = Bytes::new();
        // Stays empty for the short body that comes in one frame.
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Refusal::invalid(format!("body: {error}")))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if first.len() + rest.len() + data.len() > limit {
                return Err(self.too_large());
            }
            lease.extend(data.len())?;
            if first.is_empty() && rest.is_empty() {
                first = data;
            } else {
                rest.extend_from_slice(&std::mem::take(&mut first));
                rest.extend_from_slice(&data);
            }
        }
        let whole = if rest.is_empty() {
            first
        } else {
            rest.freeze()
        };
        Ok((whole, lease))
    }

    /// Decompresses what [`read`](Self::read) returned, adding to its lease.
    pub(crate) fn decompress(
        &self,
        compression: Compression,
        body: Bytes,
        lease: &mut Lease,
    ) -> Result<Bytes, Refusal> {
        let mut out = Bounded {
            bytes: Vec::new(),
            leased: 0,
            limit: self.limits.request_bytes,
            lease,
            refusal: None,
        };
        // All at once, not as the frames come: the window of a half-read zstd body would be
        // memory that nobody counts, times the number of requests.
        let copied = match compression {
            Compression::None => return Ok(body),
            Compression::Gzip => copy(flate2::read::MultiGzDecoder::new(&body[..]), &mut out),
            Compression::Zstd => zstd::Decoder::with_buffer(&body[..]).and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                copy(decoder, &mut out)
            }),
        };
        match (copied, out.refusal) {
            (Ok(()), _) => Ok(Bytes::from(out.bytes)),
            (Err(_), Some(Overrun::Limit)) => Err(self.too_large()),
            (Err(_), Some(Overrun::Budget(refusal))) => Err(refusal),
            (Err(error), None) => Err(Refusal::invalid(format!(
                "body is not what its compression says: {error}"
            ))),
        }
    }

    /// Counts a message that took the place of the body.
    pub(crate) fn admit(&self, bytes: usize, lease: &mut Lease) -> Result<(), Refusal> {
        if bytes > self.limits.request_bytes {
            return Err(self.too_large());
        }
        lease.extend(bytes)
    }

    fn lease(&self) -> Lease {
        Lease {
            budget: Arc::clone(&self.budget),
            held: None,
        }
    }

    fn too_large(&self) -> Refusal {
        Refusal::Sink(Rejection::TooLarge(format!(
            "the request is longer than {} bytes",
            self.limits.request_bytes
        )))
    }
}

fn copy(mut from: impl Read, to: &mut Bounded<'_>) -> io::Result<()> {
    io::copy(&mut from, to).map(|_| ())
}

enum Overrun {
    Limit,
    Budget(Refusal),
}

/// Takes no byte more than the limit, and none that the budget does not grant.
struct Bounded<'a> {
    bytes: Vec<u8>,
    leased: usize,
    limit: usize,
    lease: &'a mut Lease,
    refusal: Option<Overrun>,
}

impl Write for Bounded<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let length = self.bytes.len() + data.len();
        if length > self.limit {
            self.refusal = Some(Overrun::Limit);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if length > self.leased {
            let step = STEP.max(length - self.leased);
            if let Err(refusal) = self.lease.extend(step) {
                self.refusal = Some(Overrun::Budget(refusal));
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            self.leased += step;
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
