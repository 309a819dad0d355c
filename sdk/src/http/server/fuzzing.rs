//! What must hold of a request, whatever its client says of itself; see [`crate::fuzzing`].

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context as Waiting, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use tower_layer::Layer;
use tower_service::Service;

use super::caller::{self, Caller};
use super::forwarded::{Claim, Claims};
use super::{PeerAddress, RequestId, grpc, request_id, server};
use crate::fuzzing::header_map;
use crate::network::is_near_address;
use crate::redaction;
use crate::settings::TrustInbound;
use crate::settings::inbound::{self, InboundSettings};
use crate::testing::Capture;

/// The proxies on the first line, the peer on the second, and headers: the client is the peer,
/// or the right-most address of a header that is not a proxy's.
pub(crate) fn forwarded(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let proxies = String::from_utf8_lossy(line());
    let peer = String::from_utf8_lossy(line());
    let peer: Option<SocketAddr> = peer.trim().parse().ok();
    let headers = header_map(line());
    let address = peer.map(|peer| peer.ip().to_canonical());
    for trust in [TrustInbound::None, TrustInbound::Private, TrustInbound::All] {
        let settings = InboundSettings::of(trust, &proxies);
        let is_proxy = |address| settings.is_proxy(address);
        let caller = Caller::of(peer, &headers, &settings);
        assert_eq!(caller.by_proxy, address.is_some_and(is_proxy));
        match trust {
            TrustInbound::None => assert!(!caller.trusted),
            TrustInbound::All => assert!(caller.trusted),
            TrustInbound::Private => {
                assert!(!caller.trusted || caller.client.is_some_and(is_near_address));
            }
        }
        if !caller.by_proxy {
            assert_eq!(caller.client, address, "only proxies are believed");
            continue;
        }
        let claims = Claims::of(&headers, is_proxy);
        let claimed = [claims.forwarded, claims.x_forwarded_for];
        for (name, claim) in ["forwarded", "x-forwarded-for"].into_iter().zip(claimed) {
            if let Claim::Client(client) = claim {
                is_the_right_most(client, &headers, name, is_proxy);
            }
        }
        if claimed == [Claim::Absent; 2] {
            assert_eq!(caller.client, address);
        } else if let Some(client) = caller.client {
            assert!(claimed.contains(&Claim::Client(client)), "{claimed:?}");
        }
    }
}

#[track_caller]
fn is_the_right_most(
    client: IpAddr,
    headers: &HeaderMap,
    name: &str,
    is_proxy: impl Fn(IpAddr) -> bool,
) {
    let lines: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|line| String::from_utf8_lossy(line.as_bytes()))
        .collect();
    let list = lines.join(",");
    let elements: Vec<Vec<IpAddr>> = list
        .split(',')
        .filter(|element| !element.trim_matches([' ', '\t']).is_empty())
        .map(addresses)
        .collect();
    let right = if is_proxy(client) {
        assert!(elements[0].contains(&client), "{client} in {list:?}");
        &elements[1..]
    } else {
        let at = elements.iter().rposition(|them| them.contains(&client));
        &elements[at.unwrap_or_else(|| panic!("{client} is not in {list:?}")) + 1..]
    };
    let passed = |them: &Vec<IpAddr>| them.iter().any(|address| is_proxy(*address));
    assert!(right.iter().all(passed), "{client} in {list:?}");
}

/// Whatever in this text could be an address.
fn addresses(text: &str) -> Vec<IpAddr> {
    text.split(|letter: char| !(letter.is_ascii_hexdigit() || ":.".contains(letter)))
        .filter_map(|part| {
            let port = || Some(part.parse::<SocketAddr>().ok()?.ip());
            part.parse::<IpAddr>().ok().or_else(port)
        })
        .map(|address| address.to_canonical())
        .collect()
}

/// Each line is sent as an id: one is taken if it is the only one, as it is, and can stand
/// anywhere.
pub(crate) fn request_ids(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(request_id::HEADER, value);
        }
    }
    let Some(id) = request_id::given(&headers) else {
        return;
    };
    assert_eq!(headers.len(), 1, "{headers:?}");
    assert_eq!(headers[request_id::HEADER].as_bytes(), id.as_bytes());
    is_an_id(&id);
    assert_eq!(*redaction::known_value("request.id", &id), *id);
}

#[track_caller]
fn is_an_id(id: &str) {
    assert!((1..=128).contains(&id.len()), "{id:?}");
    let stands = |byte: u8| byte.is_ascii_graphic() && !b"\"'\\<>,;%&`{}()[]".contains(&byte);
    assert!(id.bytes().all(stands), "{id:?}");
}

/// The end of a call is a code that there is.
pub(crate) fn call_status(headers: &HeaderMap) {
    if let Some(code) = grpc::Code::of(headers) {
        assert!(headers.contains_key("grpc-status"));
        assert!(
            code.name()
                .bytes()
                .all(|it| it.is_ascii_uppercase() || it == b'_')
        );
    }
}

/// Requests of clients of whom none is trusted: nothing of theirs is taken over.
pub(crate) fn strangers(data: &[u8]) {
    static FIRST: LazyLock<()> = LazyLock::new(|| trust(TrustInbound::None));
    *FIRST;
    let Some(sent) = Sent::read(data) else { return };
    let seen = sent.answered();
    assert!(uuid::Uuid::parse_str(&seen.id).is_ok(), "{}", seen.id);
    assert_eq!(seen.baggage, 0, "a stranger's baggage");
    if sent.remote.is_valid() {
        assert_ne!(seen.span.trace_id(), sent.remote.trace_id());
    }
    assert_eq!(seen.parent, None);
}

/// Requests of clients that are all trusted: their trace goes on, and their id if it is one.
pub(crate) fn friends(data: &[u8]) {
    static FIRST: LazyLock<()> = LazyLock::new(|| trust(TrustInbound::All));
    *FIRST;
    let Some(sent) = Sent::read(data) else { return };
    let seen = sent.answered();
    if let Some(id) = request_id::given(&sent.headers) {
        assert_eq!(seen.id, *id);
    }
    if sent.remote.is_valid() && seen.span.is_valid() {
        assert_eq!(seen.span.trace_id(), sent.remote.trace_id());
        if !seen.quiet {
            assert_eq!(seen.parent, Some(sent.remote.span_id().to_string()));
        }
    }
    assert!(seen.baggage <= 64);
}

fn trust(trust: TrustInbound) {
    inbound::put_in_force(InboundSettings::of(trust, "10.0.0.0/8"));
    // The first one also makes the process's telemetry.
    drop(Capture::start());
}

/// `METHOD target` on the first line, the peer on the second, the answer's status on the
/// third, then headers.
struct Sent {
    method: Method,
    target: Uri,
    peer: Option<SocketAddr>,
    status: StatusCode,
    headers: HeaderMap,
    /// What the headers say of a trace.
    remote: SpanContext,
}

/// What a handler has seen, and what was told of it.
struct Seen {
    id: String,
    span: SpanContext,
    baggage: usize,
    parent: Option<String>,
    quiet: bool,
}

impl Sent {
    fn read(data: &[u8]) -> Option<Self> {
        let mut lines = data.splitn(4, |byte| *byte == b'\n');
        let line = lines.next()?;
        let space = line.iter().position(|byte| *byte == b' ')?;
        let method = Method::from_bytes(&line[..space]).ok()?;
        let target = Uri::try_from(&line[space + 1..]).ok()?;
        let mut text = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let peer = text().parse().ok();
        let status = text().parse().ok();
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let headers = header_map(lines.next().unwrap_or_default());
        let remote = caller::Sent::with(&headers, false).linked;
        Some(Self {
            method,
            target,
            peer,
            status: status.unwrap_or(StatusCode::OK),
            headers,
            remote: remote.unwrap_or(SpanContext::NONE),
        })
    }

    fn answered(&self) -> Seen {
        let capture = Capture::start();
        let seen = Arc::new(Mutex::new(None));
        let handler = Handler {
            status: self.status,
            seen: Arc::clone(&seen),
        };
        let attacks = crate::http::attack_signals();
        let mut service = server().layer(attacks.layer(handler));
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = self.headers.clone();
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(PeerAddress(peer));
        }
        let mut waiting = Waiting::from_waker(Waker::noop());
        let answer = {
            let answer = pin!(service.call(request));
            match answer.poll(&mut waiting) {
                Poll::Ready(Ok(answer)) => answer,
                Poll::Ready(Err(never)) => match never {},
                Poll::Pending => panic!("nothing was to be waited for"),
            }
        };
        let ids: Vec<&HeaderValue> = answer
            .headers()
            .get_all(request_id::HEADER)
            .iter()
            .collect();
        let [id] = ids[..] else { panic!("{ids:?}") };
        let id = id.to_str().expect("text").to_owned();
        is_an_id(&id);
        drop(answer);
        let (given, span, baggage) = seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .expect("nothing is blocked");
        assert_eq!(given, id, "the handler's and the answer's");
        let spans = capture.spans();
        assert!(spans.len() <= 1);
        for span in &spans {
            let method = span.attribute("http.request.method");
            let known = |it: &str| it == "_OTHER" || it == self.method.as_str();
            assert!(method.is_none_or(known), "{span:?}");
            let call = grpc::method(self.target.path()).unwrap_or(grpc::SYSTEM);
            let name = span.name.as_str();
            assert!(
                method.is_some() || name == call || name == grpc::SYSTEM,
                "{span:?}"
            );
            assert!(
                method.is_none_or(|it| it == name || name == "HTTP"),
                "{span:?}"
            );
            assert_eq!(span.attribute("request.id"), Some(&*id));
        }
        Seen {
            id,
            span,
            baggage,
            parent: spans.first().and_then(|span| span.parent_span_id.clone()),
            quiet: spans.is_empty(),
        }
    }
}

/// The handler's request id, its span and the size of its baggage.
type Known = (String, SpanContext, usize);

struct Handler {
    status: StatusCode,
    seen: Arc<Mutex<Option<Known>>>,
}

impl Service<Request<()>> for Handler {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Waiting<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let id = request
            .extensions()
            .get::<RequestId>()
            .map(ToString::to_string);
        let context = Context::current();
        let span = context.span().span_context().clone();
        let known = (id.unwrap_or_default(), span, context.baggage().len());
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        let mut answer = Response::new(Full::new(Bytes::from_static(b"answer")));
        *answer.status_mut() = self.status;
        // What a handler says of the id is not what counts.
        let theirs = HeaderValue::from_static("the handler's own");
        answer
            .headers_mut()
            .append(HeaderName::from_static("x-request-id"), theirs);
        ready(Ok(answer))
    }
}
