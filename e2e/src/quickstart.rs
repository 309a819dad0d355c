//! The quickstart as a process, as a user would run it.

use std::{
    env,
    net::{SocketAddr, TcpListener},
};

use anyhow::{Context, Result, ensure};
use tokio::{process::Command, sync::OnceCell};

use crate::{
    load::{Load, Request, Route},
    run::Run,
    service::{self, Exit, Options, Service},
    stack::Servers,
};

#[derive(Debug)]
pub struct Quickstart {
    service: Service,
    address: SocketAddr,
}

impl Quickstart {
    /// Starts it under the run's names, with OTLP to the collector, and waits until it
    /// answers.
    ///
    /// # Errors
    /// If it does not build, start or answer, with what it printed.
    pub async fn start(run: &Run, servers: &Servers, options: Options) -> Result<Self> {
        build().await?;
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let mut command = service::command("quickstart", run, servers, options)?;
        command.env("QUICKSTART_ADDR", address.to_string());
        let service = Service::start(command, &format!("http://{address}/healthz")).await?;
        Ok(Self { service, address })
    }

    /// Starts it, drives `each` requests to each of `routes`, and stops it.
    ///
    /// # Errors
    /// If it does not start, answer each request as its route does, and end well.
    pub async fn driven(
        run: &Run,
        servers: &Servers,
        options: Options,
        routes: &[Route],
        each: usize,
    ) -> Result<(Vec<Request>, Exit)> {
        let quickstart = Self::start(run, servers, options).await?;
        let requests = Load::on(quickstart.address).drive(routes, each).await?;
        Ok((requests, quickstart.stop().await?))
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// SIGTERM, as an orchestrator sends it.
    ///
    /// # Errors
    /// If the process is gone already.
    pub fn terminate(&self) -> Result<()> {
        self.service.terminate()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it does not come in time.
    pub async fn wait(self) -> Result<Exit> {
        self.service.wait().await
    }

    /// SIGTERM, and waits for a good end.
    ///
    /// # Errors
    /// If it does not end in time and with exit code 0.
    pub async fn stop(self) -> Result<Exit> {
        self.service.stop().await
    }
}

/// Builds the quickstart once. Programs of other packages are not built for this one's tests.
async fn build() -> Result<()> {
    static BUILT: OnceCell<()> = OnceCell::const_new();
    BUILT
        .get_or_try_init(async || {
            let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let mut command = Command::new(cargo);
            // Set for this test's package. Build scripts watch them, and would run again at
            // each change between this and a plain `cargo build`.
            for (name, _) in env::vars_os() {
                let of_package = |name: &str| {
                    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
                };
                if name.to_str().is_some_and(of_package) {
                    command.env_remove(name);
                }
            }
            let build = command
                .args(["build", "--quiet", "--package", "quickstart"])
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .output()
                .await
                .context("cannot run cargo")?;
            ensure!(
                build.status.success(),
                "the quickstart does not build:\n{}",
                String::from_utf8_lossy(&build.stderr)
            );
            Ok(())
        })
        .await
        .copied()
}
