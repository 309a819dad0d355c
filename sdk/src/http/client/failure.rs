//! Why a request had no answer: `error.type`, in a few words that every client shares.

use std::error::Error;
use std::io;

use super::grpc;

/// A request that ended without a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// `error.type`
    pub(super) kind: &'static str,
    /// The root cause in its own words. The errors around it repeat the address, and what
    /// secret it holds.
    pub(super) description: String,
}

pub(super) const TIMEOUT: &str = "timeout";
pub(super) const CANCELLED: &str = "cancelled";
pub(super) const NAME_RESOLUTION: &str = "name_resolution_error";
const REFUSED: &str = "connection_refused";
const RESET: &str = "connection_reset";
const CONNECTION: &str = "connection_error";
/// More redirects than reqwest follows.
#[cfg(feature = "reqwest")]
pub(super) const REDIRECT: &str = "too_many_redirects";
#[cfg(feature = "tls")]
const TLS: &str = "secure_connection_error";
const OTHER: &str = "_OTHER";

impl Failure {
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut kind = None;
        let mut connection = false;
        let mut cause = error;
        loop {
            kind = kind.or_else(|| kind_of(cause));
            connection |= is_connection(cause);
            match cause_of(cause) {
                Some(next) => cause = next,
                None => break,
            }
        }
        let otherwise = if connection { CONNECTION } else { OTHER };
        Self {
            kind: kind.unwrap_or(otherwise),
            description: cause.to_string(),
        }
    }

    /// What a gRPC client makes of it.
    pub(super) fn grpc_status(&self) -> &'static str {
        match self.kind {
            TIMEOUT => grpc::DEADLINE_EXCEEDED,
            CANCELLED => grpc::CANCELLED,
            OTHER => grpc::UNKNOWN,
            _ => grpc::UNAVAILABLE,
        }
    }
}

/// The next error of the chain. An `io::Error` around another one gives the other's source as
/// its own, and so hides it.
fn cause_of<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    if let Some(inner) = error.downcast_ref().and_then(io::Error::get_ref) {
        return Some(inner);
    }
    error.source()
}

fn kind_of(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return match error.kind() {
            io::ErrorKind::TimedOut => Some(TIMEOUT),
            io::ErrorKind::ConnectionRefused => Some(REFUSED),
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Some(RESET),
            _ => None,
        };
    }
    if error.is::<tokio::time::error::Elapsed>() {
        return Some(TIMEOUT);
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return error.is_timeout().then_some(TIMEOUT);
    }
    #[cfg(feature = "tls")]
    if error.is::<rustls::Error>() {
        return Some(TLS);
    }
    by_words(error)
}

/// Errors whose types are private, or of crates that are not ours to depend on.
fn by_words(error: &(dyn Error + 'static)) -> Option<&'static str> {
    match error.to_string().as_str() {
        // hyper-util's resolver.
        "dns error" => Some(NAME_RESOLUTION),
        // tower's and reqwest's timeouts.
        "request timed out" | "operation timed out" => Some(TIMEOUT),
        _ => None,
    }
}

fn is_connection(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
        return error.is_connect();
    }
    error.downcast_ref::<hyper::Error>().is_some_and(|error| {
        error.is_closed() || error.is_incomplete_message() || error.is_canceled()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Around(&'static str, #[source] io::Error);

    #[test]
    fn the_first_cause_with_a_name_gives_the_type_and_the_last_the_words() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        for (error, kind) in [
            (Around("tcp connect error", refused()), "connection_refused"),
            (
                Around("dns error", io::Error::other("no such name")),
                "name_resolution_error",
            ),
            (
                Around("request timed out", io::Error::other("late")),
                "timeout",
            ),
            (
                Around("x", io::Error::from(io::ErrorKind::TimedOut)),
                "timeout",
            ),
            (
                Around("x", io::Error::from(io::ErrorKind::BrokenPipe)),
                "connection_reset",
            ),
            (
                Around("x", io::Error::other(refused())),
                "connection_refused",
            ),
            (Around("x", io::Error::other("x")), "_OTHER"),
        ] {
            assert_eq!(Failure::of(&error).kind, kind, "{error:?}");
        }
        let failure = Failure::of(&Around(
            "for http://u:p@a/",
            io::Error::other("no such name"),
        ));
        assert_eq!(failure.description, "no such name");
    }

    #[test]
    fn a_call_that_never_arrived_is_unavailable() {
        let status = |kind| {
            let description = String::new();
            Failure { kind, description }.grpc_status()
        };
        assert_eq!(status(REFUSED), "UNAVAILABLE");
        assert_eq!(status(TIMEOUT), "DEADLINE_EXCEEDED");
        assert_eq!(status(CANCELLED), "CANCELLED");
        assert_eq!(status(OTHER), "UNKNOWN");
    }
}
