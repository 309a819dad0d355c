//! What the layer of attack signals costs a request:
//! `cargo bench -p throughline --features attack --bench attack`.
//!
//! Each figure is the median of many rounds, in nanoseconds, of a service that answers at once
//! with the layer around it, less the same without. See `docs/performance.md`.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use http::{Request, Response, header};
use throughline::http::{ClientAddress, attack_signals};
use tower::{Layer, Service};

const ROUNDS: usize = 201;
const TIMES: u32 = 1_000;

const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

/// Answers at once.
#[derive(Clone)]
struct Answers;

impl Service<Request<()>> for Answers {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(())))
    }
}

fn request(target: &str) -> Request<()> {
    let mut request = Request::get(target)
        .header(header::USER_AGENT, BROWSER)
        .header(header::REFERER, "https://shop.example/orders?page=2")
        .body(())
        .unwrap_or_default();
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    request.extensions_mut().insert(ClientAddress(address));
    request
}

fn nanoseconds<S>(service: &mut S, target: &str) -> f64
where
    S: Service<Request<()>, Response = Response<()>, Error = Infallible>,
{
    let request = request(target);
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..TIMES {
                let answer = pin!(service.call(black_box(request.clone())));
                let _ = black_box(answer.poll(&mut Context::from_waker(Waker::noop())));
            }
            started.elapsed().as_nanos() as f64 / f64::from(TIMES)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn main() {
    let long = format!("/search?q={}", "it%27s+all+(or+most)+%3C+1+".repeat(300));
    let hostile = format!("/search?q={}", "%27%28%2F%2A%3C".repeat(540));
    let cases = [
        ("path alone", "/orders/1042/items"),
        (
            "plain query",
            "/api/v1/orders?status=open&sort=-created_at&page=2&limit=50",
        ),
        (
            "query of words",
            "/search?q=how+to+select+the+best+union&lang=en",
        ),
        (
            "query with an apostrophe",
            "/search?q=O%27Brien+%26+sons&lang=en",
        ),
        (
            "query of JSON",
            "/items?filter=%7B%22price%22%3A%7B%22%24lt%22%3A10%7D%7D",
        ),
        ("8 KiB of prose", &long),
        ("8 KiB of quotes, brackets and comments", &hostile),
    ];
    // More than a minute's records are never made of these, and no burst is meant.
    let mut bare = Answers;
    let mut layered = attack_signals()
        .requests(0, std::time::Duration::ZERO)
        .layer(Answers);
    let mut counting = attack_signals()
        .requests(u32::MAX, std::time::Duration::from_secs(10))
        .layer(Answers);
    for (name, target) in cases {
        let without = nanoseconds(&mut bare, target);
        let with = nanoseconds(&mut layered, target) - without;
        let counted = nanoseconds(&mut counting, target) - without;
        println!("{name:<40} {with:>9.0} ns, and bursts counted {counted:>9.0} ns");
    }
}
