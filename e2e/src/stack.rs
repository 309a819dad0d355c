//! The servers, started through the same code as `cargo xtask stack`.

use anyhow::{Context, Result};
use tokio::{sync::OnceCell, task};
use xtask::stack::{Server, Stack};

use crate::{
    alertmanager::Alertmanager, alerts::Alerts, bugsink::Bugsink, jaeger::Jaeger, loki::Loki,
    prometheus::Prometheus,
};

/// The running stack with a client for each server.
#[derive(Debug)]
pub struct Servers {
    pub jaeger: Jaeger,
    pub loki: Loki,
    pub prometheus: Prometheus,
    pub alertmanager: Alertmanager,
    pub bugsink: Bugsink,
    pub alerts: Alerts,
    pub otlp_grpc: String,
    pub otlp_http: String,
    pub(crate) stack: Stack,
}

/// Starts the stack, or takes the one that is up.
///
/// # Errors
/// If it cannot be started, with the log of the service at fault.
pub async fn servers() -> Result<Servers> {
    static STACK: OnceCell<Stack> = OnceCell::const_new();
    let stack = STACK
        .get_or_try_init(async || {
            task::spawn_blocking(|| {
                let stack = Stack::for_tests()?;
                stack.ensure_up()?;
                anyhow::Ok(stack)
            })
            .await?
            .context("the stack is not up; `cargo xtask stack status` shows what is missing")
        })
        .await?;
    let local = |port: u16| format!("http://127.0.0.1:{port}");
    // New clients for each test: connections belong to the runtime that opened them.
    Ok(Servers {
        jaeger: Jaeger::new(stack.url(Server::Jaeger)),
        loki: Loki::new(stack.url(Server::Loki)),
        prometheus: Prometheus::new(stack.url(Server::Prometheus)),
        alertmanager: Alertmanager::new(stack.url(Server::Alertmanager)),
        bugsink: Bugsink::new(stack.ports().bugsink)?,
        alerts: Alerts::new(stack.url(Server::Alerts)),
        otlp_grpc: local(stack.ports().otlp_grpc),
        otlp_http: local(stack.ports().otlp_http),
        stack: stack.clone(),
    })
}

impl Servers {
    /// Does something to a service's container: `pause`, `unpause`, `kill`, `start`.
    ///
    /// # Errors
    /// If the engine refuses.
    pub async fn container(&self, service: &'static str, verb: &'static str) -> Result<()> {
        let stack = self.stack.clone();
        let output = task::spawn_blocking(move || {
            let name = stack.container(service)?.name;
            anyhow::Ok(stack.engine().command().args([verb, &name]).output()?)
        })
        .await??;
        anyhow::ensure!(
            output.status.success(),
            "cannot {verb} the container of {service}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Waits until every server answers again.
    ///
    /// # Errors
    /// If one does not in time.
    pub async fn ready(&self) -> Result<()> {
        let stack = self.stack.clone();
        task::spawn_blocking(move || stack.ensure_up()).await?
    }
}
