//! When the stack can be used: conditions that are waited for, each with a deadline.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Server, Stack};
use crate::engine::Container;

/// A cold start on two slow cores, migrations of Bugsink's database included.
const READY_DEADLINE: Duration = Duration::from_secs(240);
/// The shop makes its tables and its users' passwords, on the same two cores.
const OPEN_DEADLINE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(250);
/// How often the containers are looked at while their servers are waited for.
const LOOK: Duration = Duration::from_secs(3);
/// A server that was restarted as often will not become ready any more.
const CRASH_LOOP: u64 = 5;

impl Stack {
    /// Waits until a service that runs once has run, and well.
    pub(super) fn wait_for_end(&self, service: &str) -> Result<()> {
        let start = Instant::now();
        loop {
            let container = self.container(service)?;
            match (container.state.as_str(), container.exit_code) {
                ("exited" | "stopped", 0) => return Ok(()),
                ("exited" | "stopped", code) => bail!(
                    "service {service} ended with exit code {code}; it said:\n{}",
                    self.logs(service, 30)?
                ),
                (state, _) if start.elapsed() > READY_DEADLINE => {
                    bail!("service {service} is still {state}, expected it to end")
                }
                _ => thread::sleep(POLL),
            }
        }
    }

    /// Waits until every server among the services answers.
    pub(super) fn wait_until_ready(&self, services: &[String]) -> Result<()> {
        let start = Instant::now();
        let mut waiting: Vec<Server> = Server::ALL
            .into_iter()
            .filter(|server| services.iter().any(|service| service == server.service()))
            .collect();
        // What was restarted before, by a fault in a test for one, does not count.
        let before: HashMap<String, u64> = self
            .containers()?
            .into_iter()
            .map(|container| (container.name, container.restarts))
            .collect();
        let restarts = |container: &Container| {
            container.restarts
                - before
                    .get(&container.name)
                    .unwrap_or(&0)
                    .min(&container.restarts)
        };
        let mut last_look = start;
        let mut suspect: Option<String> = None;
        loop {
            let mut reasons = Vec::new();
            waiting.retain(|server| match not_ready(*server, &self.url(*server)) {
                None => false,
                Some(reason) => {
                    reasons.push(format!("{}: {reason}", server.service()));
                    true
                }
            });
            if waiting.is_empty() {
                return Ok(());
            }
            if last_look.elapsed() > LOOK {
                last_look = Instant::now();
                let dead = self.containers()?.into_iter().find(|container| {
                    restarts(container) >= CRASH_LOOP
                        || matches!(container.state.as_str(), "exited" | "stopped")
                            && container.exit_code != 0
                });
                if let Some(dead) = &dead {
                    if restarts(dead) >= CRASH_LOOP {
                        bail!(
                            "service {} was restarted {} times; its last log lines:\n{}",
                            dead.service,
                            restarts(dead),
                            self.logs(&dead.service, 30)?
                        );
                    }
                    // A container between its end and its restart looks dead once, not twice.
                    if suspect.as_ref() == Some(&dead.service) {
                        bail!(
                            "service {} died with exit code {}; its last log lines:\n{}",
                            dead.service,
                            dead.exit_code,
                            self.logs(&dead.service, 30)?
                        );
                    }
                }
                suspect = dead.map(|dead| dead.service);
            }
            if start.elapsed() > READY_DEADLINE {
                let logs: Vec<String> = waiting
                    .iter()
                    .map(|server| {
                        let logs = self
                            .logs(server.service(), 30)
                            .unwrap_or_else(|error| format!("{error:#}"));
                        format!("== {}\n{logs}", server.service())
                    })
                    .collect();
                bail!(
                    "not ready after {} s: {}\n{}",
                    READY_DEADLINE.as_secs(),
                    reasons.join("; "),
                    logs.join("\n")
                );
            }
            thread::sleep(POLL);
        }
    }

    /// Waits until the shop's storefront answers, which it does when its database is set up.
    pub(super) fn wait_until_open(&self) -> Result<()> {
        let start = Instant::now();
        let url = format!("{}/readyz", self.shop_url());
        while let Some(reason) = no_success(&url) {
            let shop = self.shop()?;
            let restarted = shop.iter().any(|container| container.restarts > 0);
            if restarted || start.elapsed() > OPEN_DEADLINE {
                let logs = shop.iter().map(|container| {
                    let logs = self.logs(&container.service, 15);
                    let logs = logs.unwrap_or_else(|error| format!("{error:#}"));
                    format!("== {} ({})\n{logs}", container.service, container.state)
                });
                let logs: Vec<String> = logs.collect();
                bail!("the shop is not open: {reason}\n{}", logs.join("\n"));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

/// Why a server is not ready, or `None` when it is.
pub(super) fn not_ready(server: Server, base: &str) -> Option<String> {
    no_success(&format!("{base}{}", server.ready_path()))
}

fn no_success(url: &str) -> Option<String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(2)))
        .build()
        .into();
    match agent.get(url).call() {
        Ok(_) => None,
        Err(error) => Some(format!("{url} gave: {error}")),
    }
}
