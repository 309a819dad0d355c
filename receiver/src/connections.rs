//! Accepts connections, as many as are allowed, and closes those that bring no request.
//!
//! Not `axum::serve` nor tonic's server: neither bounds the number of connections nor the
//! time that a client takes for its headers.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::{Layer, ServiceExt};

use crate::{
    guard::{Guard, GuardLayer},
    options::Limits,
};

/// How long the listener rests after an error, which mostly is that the process has run out
/// of file descriptors.
const REST: Duration = Duration::from_millis(100);

/// What one port serves.
pub(crate) struct Port {
    pub(crate) listener: TcpListener,
    pub(crate) service: Guard<Router>,
    pub(crate) limits: Limits,
    /// Shared by all ports of a server.
    pub(crate) connections: Arc<Semaphore>,
}

impl Port {
    pub(crate) fn new(
        listener: TcpListener,
        router: Router,
        guard: &GuardLayer,
        limits: &Limits,
        connections: &Arc<Semaphore>,
    ) -> Self {
        Self {
            listener,
            service: guard.layer(router),
            limits: limits.clone(),
            connections: Arc::clone(connections),
        }
    }

    /// Serves until `stop`, then waits for the requests that are under way. Dropping the
    /// future ends them.
    pub(crate) async fn serve(self, mut stop: watch::Receiver<bool>) {
        let mut served = JoinSet::new();
        loop {
            while served.try_join_next().is_some() {}
            let accepted = async {
                let accepted = self.listener.accept().await;
                // Not before, or a port without connections would keep a place from another.
                let permit = Arc::clone(&self.connections).acquire_owned().await.ok();
                (accepted, permit)
            };
            let (accepted, permit) = tokio::select! {
                accepted = accepted => accepted,
                // An error means that the server was dropped: stop as well.
                _ = stop.wait_for(|stopped| *stopped) => break,
            };
            let Ok((stream, _)) = accepted else {
                sleep(REST).await;
                continue;
            };
            // Answers are short: waiting to fill a packet only delays them.
            stream.set_nodelay(true).ok();
            let connection = connection(
                stream,
                self.service.clone(),
                self.limits.clone(),
                stop.clone(),
            );
            served.spawn(async move {
                connection.await;
                drop(permit);
            });
        }
        drop(self.listener);
        while served.join_next().await.is_some() {}
    }
}

async fn connection(
    stream: TcpStream,
    service: Guard<Router>,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size((limits.header_bytes as usize).max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.header_bytes);

    let activity = watch::Sender::new(Activity::default());
    let counted = activity.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let under_way = UnderWay::begin(&counted);
        let service = service.clone();
        async move {
            let answer = service.oneshot(request).await;
            drop(under_way);
            answer
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let stopped = async {
        stop.wait_for(|stopped| *stopped).await.ok();
    };
    tokio::select! {
        // An error is the client's, who knows of it.
        _ = connection.as_mut() => return,
        () = idle(activity.subscribe(), &limits) => {}
        () = stopped => {}
    }
    connection.as_mut().graceful_shutdown();
    // A client that has not even begun has nothing to finish.
    if activity.borrow().requests > 0 || activity.borrow().under_way > 0 {
        timeout(limits.body_timeout, connection).await.ok();
    }
}

/// Returns when the connection has been without a request for too long.
async fn idle(mut activity: watch::Receiver<Activity>, limits: &Limits) {
    loop {
        let seen = *activity.borrow_and_update();
        let patience = match seen {
            Activity { under_way: 1.., .. } => Duration::MAX,
            // The detection of the protocol has no timeout of its own.
            Activity { requests: 0, .. } => limits.header_timeout,
            _ => limits.idle_timeout,
        };
        // The sender outlives this, so an end of the wait that is not the timeout's is news.
        if timeout(patience, activity.changed()).await.is_err() {
            return;
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Activity {
    /// Begun so far.
    requests: u64,
    under_way: usize,
}

/// Counts one request for as long as it lives.
struct UnderWay(watch::Sender<Activity>);

impl UnderWay {
    fn begin(activity: &watch::Sender<Activity>) -> Self {
        activity.send_modify(|activity| {
            activity.requests += 1;
            activity.under_way += 1;
        });
        Self(activity.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|activity| activity.under_way -= 1);
    }
}
