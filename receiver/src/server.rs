//! The two listeners and the runtime that they run on.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::{Semaphore, watch},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    connections::Port,
    exchange::Exchange,
    grpc,
    guard::GuardLayer,
    http,
    options::Options,
    sink::{Decoding, RawSink, Sink},
};

/// How long requests that are under way get when the server stops.
const GRACE: Duration = Duration::from_secs(2);

/// Where to listen. By default on 127.0.0.1, on ports that the system chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    pub grpc: SocketAddr,
    pub http: SocketAddr,
}

impl Addresses {
    /// The ports that OTLP clients use unless told otherwise: 4317 for gRPC, 4318 for HTTP.
    pub const STANDARD: Self = Self {
        grpc: loopback(4317),
        http: loopback(4318),
    };
}

impl Default for Addresses {
    fn default() -> Self {
        Self {
            grpc: loopback(0),
            http: loopback(0),
        }
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "cannot listen for OTLP/{protocol} on {address}: {source}; stop what listens there or choose another port, 0 for any"
    )]
    Listen {
        protocol: &'static str,
        address: SocketAddr,
        source: io::Error,
    },
    #[error("cannot start the receiver's thread: {0}")]
    Thread(#[source] io::Error),
}

/// An OTLP server that hands each request to a [`Sink`] or a [`RawSink`]. Dropping it stops
/// it at once; [`shutdown`](Self::shutdown) lets requests that are under way finish first.
#[derive(Debug)]
pub struct Server {
    addresses: Addresses,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    handle: Handle,
    /// If the server has one of its own. Taken only by `drop`.
    runtime: Option<Runtime>,
}

impl Server {
    /// Listens and serves, with the default [`Options`]. Blocks no longer than it takes to
    /// bind two sockets, so it may be called from async code.
    ///
    /// # Errors
    /// If an address cannot be listened on, or the thread cannot be started.
    pub fn start(addresses: Addresses, sink: impl Sink) -> Result<Self, StartError> {
        Self::start_raw(addresses, Decoding(sink), Options::default())
    }

    /// [`start`](Self::start) for a sink of bytes, with options.
    ///
    /// # Errors
    /// If an address cannot be listened on, or the thread cannot be started.
    pub fn start_raw(
        addresses: Addresses,
        sink: impl RawSink,
        options: Options,
    ) -> Result<Self, StartError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("otlp-receiver")
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let mut server = Self::start_raw_on(runtime.handle(), addresses, sink, options)?;
        server.runtime = Some(runtime);
        Ok(server)
    }

    /// [`start_raw`](Self::start_raw) without a thread of its own: on the caller's runtime,
    /// whose I/O and time have to be enabled.
    ///
    /// # Errors
    /// If an address cannot be listened on.
    pub fn start_raw_on(
        handle: &Handle,
        addresses: Addresses,
        sink: impl RawSink,
        options: Options,
    ) -> Result<Self, StartError> {
        let entered = handle.enter();
        let grpc = listen("gRPC", addresses.grpc)?;
        let http = listen("HTTP", addresses.http)?;
        drop(entered);
        let bound = Addresses {
            grpc: grpc.1,
            http: http.1,
        };

        let Options { limits, access } = options;
        let exchange = Exchange::new(Arc::new(sink), limits.clone());
        let guard = GuardLayer::new(access, &[bound.grpc, bound.http]);
        let connections = Arc::new(Semaphore::new(
            limits.connections.min(Semaphore::MAX_PERMITS),
        ));
        let stop = watch::Sender::new(false);
        let tasks = [
            (grpc.0, grpc::router(exchange.clone())),
            (http.0, http::router(exchange)),
        ]
        .map(|(listener, router)| {
            let port = Port::new(listener, router, &guard, &limits, &connections);
            handle.spawn(port.serve(stop.subscribe()))
        });
        Ok(Self {
            addresses: bound,
            stop,
            tasks: tasks.into(),
            handle: handle.clone(),
            runtime: None,
        })
    }

    /// Where it listens; the ports are those that the system chose if 0 was asked for.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT` with protocol `grpc`: `http://127.0.0.1:40001`.
    #[must_use]
    pub fn grpc_endpoint(&self) -> String {
        format!("http://{}", self.addresses.grpc)
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT` with protocol `http/protobuf`; exporters append
    /// `/v1/traces` and so on to it.
    #[must_use]
    pub fn http_endpoint(&self) -> String {
        format!("http://{}", self.addresses.http)
    }

    /// Stops listening and lets requests that are under way finish, for two seconds at most.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        for task in std::mem::take(&mut self.tasks) {
            let abort = task.abort_handle();
            if timeout(GRACE, task).await.is_err() {
                abort.abort();
            }
        }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        // A runtime that is dropped inside async code panics, unless it is told not to wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn listen(
    protocol: &'static str,
    address: SocketAddr,
) -> Result<(tokio::net::TcpListener, SocketAddr), StartError> {
    let bind = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok((tokio::net::TcpListener::from_std(listener)?, bound))
    };
    bind().map_err(|source| StartError::Listen {
        protocol,
        address,
        source,
    })
}
