//! `throughline dev`: takes OTLP and Sentry's envelopes, keeps them, and shows them in one page.

mod forward;
mod instance;
mod intake;
mod options;
mod sentry;

use std::{io::Write, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use axum::Router;
use throughline_receiver::{
    Access, Addresses, Limits, Options as ReceiverOptions, Server, guard::GuardLayer,
};
use tokio::net::TcpListener;

pub(crate) use forward::{Going as ForwardGoing, Status as ForwardStatus};
pub(crate) use instance::{Running, database, running};
pub(crate) use intake::{Counts, Tally, Way};
pub(crate) use options::{Announce, DataDir, Options};

use crate::{
    store::{Bounds, Outbox, Readers, Store},
    views::{self, App},
};

/// How long requests that are under way get at the end.
const GRACE: Duration = Duration::from_secs(2);

/// Open files and connections: enough for any laptop, and within what macOS allows.
const DESCRIPTORS: u64 = 8_192;

/// A request of ours: as long as the collector's receivers take by default over HTTP.
const REQUEST_BYTES: usize = 20 * 1024 * 1024;

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let dev = Dev::start(options).await?;
        dev.announce(options)?;
        stop_signal().await?;
        dev.stop().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// A running viewer.
pub(crate) struct Dev {
    running: Running,
    receiver: Server,
    page: tokio::task::JoinHandle<()>,
    forward: Option<tokio::task::JoinHandle<()>>,
    stop: tokio::sync::watch::Sender<bool>,
    store: Arc<Store>,
    // The last, so that the folder is free only when all that wrote in it has ended.
    instance: instance::Instance,
}

impl Dev {
    /// Opens the store, and listens.
    pub(crate) async fn start(options: &Options) -> Result<Self> {
        let folder = options.data.path()?;
        let instance = instance::Instance::take(&folder, options.memory)?;
        let path = instance.database();
        let bounds = Bounds {
            bytes: options.max_bytes(),
            age: options.max_age,
        };
        let outbox = Outbox::new(options.forward.is_some(), options.forward_sentry.is_some());
        let dropped = Arc::clone(&outbox.dropped);
        let store = Store::open(&path, bounds, outbox)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let store = Arc::new(store);
        let readers = Readers::new(store.path());
        let counts = Counts::default();

        let access = |hint: &str| Access {
            hosts: options.allow_host.clone(),
            origins: options.allow_origin.clone(),
            hint: hint.into(),
        };
        let hint = "start `throughline dev` with --allow-host NAME or --allow-origin ORIGIN if it is yours";
        let receiver = Server::start_raw_on(
            &tokio::runtime::Handle::current(),
            Addresses {
                grpc: options.otlp_grpc,
                http: options.otlp_http,
            },
            intake::Intake {
                store: Arc::clone(&store),
                counts: counts.clone(),
            },
            ReceiverOptions {
                limits: Limits {
                    request_bytes: REQUEST_BYTES,
                    connections: descriptors() / 2,
                    ..Limits::default()
                },
                access: access(hint),
            },
        )
        .context("use --otlp-grpc and --otlp-http for other ports")?;
        let addresses = receiver.addresses();

        let listener = TcpListener::bind(options.page).await.with_context(|| {
            format!(
                "cannot listen for the page on {}: stop what listens there, or choose another port with --page, 0 for any",
                options.page
            )
        })?;
        let page_address = listener.local_addr()?;
        let running = Running {
            pid: std::process::id(),
            page: format!("http://{page_address}"),
            otlp_grpc: format!("http://{}", addresses.grpc),
            otlp_http: format!("http://{}", addresses.http),
            sentry_dsn: format!("http://throughline@{page_address}/1"),
            database: path,
        };

        let stop = tokio::sync::watch::Sender::new(false);
        let forward = forward::start(options, &store, &readers, stop.subscribe())?;
        let app = App {
            store: Arc::clone(&store),
            readers,
            counts: counts.clone(),
            running: running.clone(),
            bounds,
            forward: forward.as_ref().map(|forward| forward.status.clone()),
            outbox_dropped: dropped,
        };
        let router = views::router(app)
            .merge(sentry::router(Arc::clone(&store), counts.clone()))
            .layer(GuardLayer::new(access(hint), &[page_address]));
        let page = serve(listener, router, stop.subscribe());
        instance.announce(&running)?;
        Ok(Self {
            running,
            receiver,
            page,
            forward: forward.map(|forward| forward.task),
            stop,
            store,
            instance,
        })
    }

    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    fn announce(&self, options: &Options) -> Result<()> {
        let running = &self.running;
        let mut out = anstream::stdout().lock();
        match options.announce {
            Announce::Json => writeln!(out, "{}", serde_json::to_string(running)?)?,
            Announce::Text => {
                use owo_colors::OwoColorize;
                let kept = if options.memory {
                    "in memory, forgotten at the end".into()
                } else {
                    running.database.display().to_string()
                };
                writeln!(
                    out,
                    "{}  {}\n",
                    "Throughline".bold(),
                    running.page.cyan().bold()
                )?;
                for (name, value) in [
                    ("OTLP/gRPC", running.otlp_grpc.as_str()),
                    ("OTLP/HTTP", running.otlp_http.as_str()),
                    ("SENTRY_DSN", running.sentry_dsn.as_str()),
                    ("kept in", kept.as_str()),
                ] {
                    writeln!(out, "  {name:<11} {value}")?;
                }
                writeln!(
                    out,
                    "\nOpenTelemetry's SDKs send here without a setting; Ctrl-C ends it."
                )?;
            }
        }
        out.flush()?;
        Ok(())
    }

    /// Answers what is under way, writes what is left and closes the database.
    pub(crate) async fn stop(self) {
        let Self {
            receiver,
            page,
            forward,
            stop,
            store,
            instance,
            ..
        } = self;
        stop.send_replace(true);
        receiver.shutdown().await;
        for task in std::iter::once(page).chain(forward) {
            let abort = task.abort_handle();
            if tokio::time::timeout(GRACE, task).await.is_err() {
                abort.abort();
            }
        }
        // Its end waits for the writer, which waits for the disk.
        tokio::task::spawn_blocking(move || {
            drop(store);
            drop(instance);
        })
        .await
        .ok();
    }
}

/// How many files and connections this process may have open, raised as far as it may raise it
/// itself: a shell's usual 1,024 are soon idle connections.
fn descriptors() -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    let allowed = getrlimit(Resource::RLIMIT_NOFILE).map(|(soft, hard)| {
        let wanted = hard.min(DESCRIPTORS);
        if soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok() {
            wanted
        } else {
            soft.min(DESCRIPTORS)
        }
    });
    allowed
        .ok()
        .and_then(|allowed| usize::try_from(allowed).ok())
        .unwrap_or(1_024)
}

fn serve(
    listener: TcpListener,
    router: Router,
    mut stop: tokio::sync::watch::Receiver<bool>,
) -> tokio::task::JoinHandle<()> {
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move {
        let stopped = async move {
            stop.wait_for(|stopped| *stopped).await.ok();
        };
        axum::serve(listener, router)
            .with_graceful_shutdown(stopped)
            .await
            .ok();
    })
}

/// Waits for Ctrl-C or SIGTERM.
pub(crate) async fn stop_signal() -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("cannot wait for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot wait for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}
