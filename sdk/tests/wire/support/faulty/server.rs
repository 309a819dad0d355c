//! The port, its connections, and the way of a request from one to the record.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::answer::{Answer, Spoken};
use super::request;
use super::{Door, Shared};

/// Keeps the port as the door stands, until the runtime ends.
pub(super) async fn serve(address: SocketAddr, shared: Arc<Shared>) {
    let mut doors = shared.door.subscribe();
    loop {
        let door = *doors.borrow_and_update();
        let listener = match door {
            Door::Closed => None,
            Door::Open | Door::Silent => Some(listen(address).await),
        };
        shared.standing.send_replace(Some(door));
        // Dropped when the door turns, which ends each connection.
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                turned = doors.changed() => {
                    if turned.is_err() {
                        return;
                    }
                    break;
                }
                stream = accepted(listener.as_ref()) => {
                    let shared = Arc::clone(&shared);
                    connections.spawn(async move {
                        if door == Door::Silent {
                            let _held = stream;
                            std::future::pending::<()>().await;
                        } else {
                            connection(stream, shared).await;
                        }
                    });
                }
            }
        }
        connections.shutdown().await;
    }
}

/// The port may be held for a moment by what is just ending.
async fn listen(address: SocketAddr) -> TcpListener {
    let mut tries = 0;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => assert!(tries < 200, "{address}: {error}"),
        }
        tries += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn accepted(listener: Option<&TcpListener>) -> TcpStream {
    match listener {
        Some(listener) => loop {
            if let Ok((stream, _)) = listener.accept().await {
                return stream;
            }
        },
        None => std::future::pending().await,
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let cut = watch::Sender::new(false);
    let mut was_cut = cut.subscribe();
    let service = service_fn(move |request| exchange(request, Arc::clone(&shared), cut.clone()));
    let builder = Builder::new(TokioExecutor::new());
    tokio::select! {
        // Clients end connections as they like.
        _ = builder.serve_connection(TokioIo::new(stream), service) => {}
        _ = was_cut.wait_for(|cut| *cut) => {}
    }
}

async fn exchange(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    connection: watch::Sender<bool>,
) -> Result<Response<Spoken>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let (arrival, metrics) = request::read(head.uri.path(), head.headers, &body)
        .unwrap_or_else(|error| panic!("what came cannot be read: {error}"));
    drop(body);
    {
        let mut record = shared.record.lock().unwrap();
        record.arrivals.push(arrival.clone());
        shared.changed.notify_all();
    }
    let mut rules = shared.rules.subscribe();
    let answer = loop {
        rules.borrow_and_update();
        let rule = Arc::clone(&*shared.rule.lock().unwrap());
        match rule(&arrival) {
            Answer::Hang => rules.changed().await.unwrap(),
            Answer::Late(delay) => {
                tokio::time::sleep(delay).await;
                break Answer::Accept;
            }
            Answer::CutOff => {
                connection.send_replace(true);
                std::future::pending::<Infallible>().await;
            }
            answer => break answer,
        }
    };
    let reply = answer.reply(arrival.transport, arrival.signal);
    if reply.status.is_success() && reply.message.is_some() {
        let taken = arrival.items.len() - reply.rejected;
        let mut record = shared.record.lock().unwrap();
        record.keep(arrival.signal, &arrival.items[..taken]);
        record.metrics.extend(metrics);
        shared.changed.notify_all();
    }
    Ok(reply.response(&connection))
}
