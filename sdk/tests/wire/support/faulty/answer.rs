//! What a request is told, by either transport.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::body::{Body, Frame};
use prost::Message;
use throughline_receiver::{Signal, Transport};
use tokio::sync::watch;
use tonic::{Code, Status};

#[derive(Clone, Debug)]
pub enum Answer {
    Accept,
    /// No answer until there is a new rule, which then decides.
    Hang,
    /// Accepted, after so long.
    Late(Duration),
    /// An HTTP status with these headers. By gRPC it is what a proxy says that does not know
    /// the protocol.
    Http(u16, Vec<(&'static str, String)>),
    /// A gRPC status, and when to come again, where an answer begins; only by gRPC.
    Grpc(Code, Option<Duration>),
    /// The same at the end of an answer that had begun well.
    GrpcAtTheEnd(Code, Option<Duration>),
    /// The same refusal by either transport.
    Refuse {
        http: u16,
        grpc: Code,
    },
    /// All but so many of the last items are accepted.
    Partial {
        rejected: usize,
        message: &'static str,
    },
    /// The connection ends without an answer.
    CutOff,
    /// The items are taken, and the connection ends in the middle of saying so.
    CutShort,
}

/// What the transports say after, or instead of, the message.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// `None` for an answer of trailers only, which is what servers refuse with by gRPC.
    pub(super) message: Option<Vec<u8>>,
    pub(super) trailers: Option<HeaderMap>,
    /// Of the last items, how many were not taken.
    pub(super) rejected: usize,
    pub(super) cut: bool,
}

impl Answer {
    pub(super) fn reply(&self, transport: Transport, signal: Signal) -> Reply {
        let reply = match (self, transport) {
            (Self::Http(status, headers), _) => refusal(*status, headers),
            (Self::Refuse { http, .. }, Transport::HttpProtobuf) => refusal(*http, &[]),
            (Self::Grpc(code, delay), Transport::Grpc) => trailers_only(*code, *delay),
            (Self::GrpcAtTheEnd(code, delay), Transport::Grpc) => {
                let mut reply = accepted(Transport::Grpc, &[]);
                reply.message = None;
                let mut trailers = HeaderMap::new();
                status(*code, *delay).add_header(&mut trailers).unwrap();
                // A header of the refusals that consist of nothing else.
                trailers.remove(CONTENT_TYPE);
                reply.trailers = Some(trailers);
                reply
            }
            (Self::Refuse { grpc, .. }, Transport::Grpc) => trailers_only(*grpc, None),
            (Self::Partial { rejected, message }, _) => Reply {
                rejected: *rejected,
                ..accepted(transport, &partial(*rejected, message))
            },
            (Self::CutShort, _) => Reply {
                cut: true,
                ..accepted(
                    transport,
                    &partial(0, "all is well, and here the line went dead"),
                )
            },
            (Self::Accept | Self::Late(_), _) => accepted(transport, &[]),
            (other, _) => panic!("{other:?} is not for {transport:?} and {signal}"),
        };
        debug_assert!(reply.rejected == 0 || signal != Signal::Metrics);
        reply
    }
}

fn accepted(transport: Transport, message: &[u8]) -> Reply {
    let (kind, message, trailers) = match transport {
        Transport::HttpProtobuf | Transport::HttpJson => {
            ("application/x-protobuf", message.to_vec(), None)
        }
        Transport::Grpc => {
            let mut framed = vec![0];
            framed.extend((message.len() as u32).to_be_bytes());
            framed.extend(message);
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            ("application/grpc", framed, Some(trailers))
        }
    };
    Reply {
        status: StatusCode::OK,
        headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]),
        message: Some(message),
        trailers,
        rejected: 0,
        cut: false,
    }
}

fn refusal(status: u16, headers: &[(&'static str, String)]) -> Reply {
    let body = RpcStatus {
        code: Code::Unknown.into(),
        message: "refused on purpose".to_owned(),
        details: Vec::new(),
    };
    let headers = headers.iter().map(|(name, value)| {
        let value = HeaderValue::from_str(value).unwrap();
        (HeaderName::from_static(name), value)
    });
    let mut reply = accepted(Transport::HttpProtobuf, &body.encode_to_vec());
    reply.status = StatusCode::from_u16(status).unwrap();
    reply.headers.extend(headers);
    reply
}

fn status(code: Code, delay: Option<Duration>) -> Status {
    let message = "refused on purpose";
    match delay {
        None => Status::new(code, message),
        Some(delay) => Status::with_details(code, message, retry_info(code, message, delay)),
    }
}

fn trailers_only(code: Code, delay: Option<Duration>) -> Reply {
    let mut reply = accepted(Transport::Grpc, &[]);
    reply.message = None;
    reply.trailers = None;
    status(code, delay).add_header(&mut reply.headers).unwrap();
    reply
}

/// `ExportTracePartialSuccess`, which has the same shape for each signal, in its response.
fn partial(rejected: usize, message: &str) -> Vec<u8> {
    #[derive(Clone, PartialEq, Message)]
    struct Partial {
        #[prost(int64, tag = "1")]
        rejected: i64,
        #[prost(string, tag = "2")]
        message: String,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Export {
        #[prost(message, optional, tag = "1")]
        partial: Option<Partial>,
    }
    let partial = Partial {
        rejected: rejected as i64,
        message: message.to_owned(),
    };
    let export = Export {
        partial: Some(partial),
    };
    export.encode_to_vec()
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.Status` with a `google.rpc.RetryInfo`.
fn retry_info(code: Code, message: &str, delay: Duration) -> Bytes {
    #[derive(Clone, PartialEq, Message)]
    struct Delay {
        #[prost(int64, tag = "1")]
        seconds: i64,
        #[prost(int32, tag = "2")]
        nanos: i32,
    }
    #[derive(Clone, PartialEq, Message)]
    struct RetryInfo {
        #[prost(message, optional, tag = "1")]
        delay: Option<Delay>,
    }
    let delay = Delay {
        seconds: delay.as_secs() as i64,
        nanos: delay.subsec_nanos() as i32,
    };
    let info = RetryInfo { delay: Some(delay) };
    let status = RpcStatus {
        code: code.into(),
        message: message.to_owned(),
        details: vec![Any {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
            value: info.encode_to_vec(),
        }],
    };
    status.encode_to_vec().into()
}

/// A body that says what it has, and may then take the connection with it.
pub(super) struct Spoken {
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
    /// Ends the connection once what is said so far has left.
    cut: Option<(Pin<Box<tokio::time::Sleep>>, watch::Sender<bool>)>,
}

impl Reply {
    pub(super) fn response(self, connection: &watch::Sender<bool>) -> Response<Spoken> {
        let mut message = Bytes::from(self.message.unwrap_or_default());
        let mut response = Response::new(());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if self.cut {
            let whole = HeaderValue::from(message.len());
            response.headers_mut().insert("content-length", whole);
            message.truncate(message.len() / 2);
        }
        let cut = self.cut.then(|| {
            // Long enough for the half that was said to be written.
            let written = tokio::time::sleep(Duration::from_millis(10));
            (Box::pin(written), connection.clone())
        });
        response.map(|()| Spoken {
            message: Some(message).filter(|message| !message.is_empty()),
            trailers: self.trailers,
            cut,
        })
    }
}

impl Body for Spoken {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let spoken = self.get_mut();
        if let Some(message) = spoken.message.take() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        if let Some((written, connection)) = &mut spoken.cut {
            if written.as_mut().poll(context).is_ready() {
                connection.send_replace(true);
            }
            return Poll::Pending;
        }
        let trailers = spoken.trailers.take();
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.message.is_none() && self.trailers.is_none() && self.cut.is_none()
    }
}
