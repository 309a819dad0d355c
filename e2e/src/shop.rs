//! The profile `shop` of `docker-compose.yml`: four containers beside the servers, under an
//! environment of their own, with their faults to be switched.

use anyhow::{Context, Result, ensure};
use tokio::task;
use xtask::{engine::Container, stack::Stack};

use crate::{run::Run, stack::Servers};

/// How much of a container's output is looked through for its last words: requests that were
/// under way are told beside them.
const LINES: usize = 100;
/// How much of it a failure shows.
const SHOWN: usize = 5;

/// The shop, open, and gone when this is dropped.
#[derive(Debug)]
pub struct Shop {
    stack: Stack,
    run: Run,
    closed: bool,
}

impl Shop {
    /// Starts it, and waits until the storefront answers.
    ///
    /// # Errors
    /// If it does not start, with what its containers said.
    pub async fn open(servers: &Servers) -> Result<Self> {
        let mut run = Run::new("shop");
        run.environment.clone_from(&run.service);
        // From here on, so that a start that fails leaves nothing either.
        let shop = Self {
            stack: servers.stack.clone(),
            run,
            closed: false,
        };
        let (stack, environment) = (shop.stack.clone(), shop.run.environment.clone());
        task::spawn_blocking(move || {
            // What an earlier run left that was killed.
            stack.down_shop()?;
            stack.up_shop(&[("SHOP_ENVIRONMENT", &environment)])
        })
        .await??;
        Ok(shop)
    }

    /// One of its services in this run.
    #[must_use]
    pub fn run(&self, service: &str) -> Run {
        self.run.of(service)
    }

    /// What all that it sends is told to be from.
    #[must_use]
    pub fn environment(&self) -> &str {
        &self.run.environment
    }

    /// Switches faults as an operator does, by the program in the service's container.
    ///
    /// # Errors
    /// If the service refuses.
    pub async fn fault(&self, service: &'static str, faults: &'static str) -> Result<()> {
        let stack = self.stack.clone();
        let output = task::spawn_blocking(move || {
            let name = stack.container(service)?.name;
            let mut command = stack.engine().command();
            anyhow::Ok(
                command
                    .args(["exec", &name, "shop", "fault", faults])
                    .output()?,
            )
        })
        .await??;
        ensure!(
            output.status.success(),
            "cannot switch {faults} in {service}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Ends it as an orchestrator does, and sees that each process ended by itself and lost
    /// nothing.
    ///
    /// # Errors
    /// If one did not.
    pub async fn close(mut self) -> Result<()> {
        let stack = self.stack.clone();
        let ended = task::spawn_blocking(move || {
            stack.stop_shop()?;
            let said = stack.shop()?.into_iter().map(|container| {
                let logs = stack.logs(&container.service, LINES)?;
                anyhow::Ok((container, logs))
            });
            said.collect::<Result<Vec<_>>>()
        })
        .await??;
        ensure!(ended.len() == 4, "not four containers: {ended:?}");
        for (container, logs) in &ended {
            ended_well(container, logs)?;
        }
        let stack = self.stack.clone();
        task::spawn_blocking(move || stack.down_shop()).await??;
        self.closed = true;
        Ok(())
    }
}

/// The load has nothing to deliver.
fn ended_well(container: &Container, logs: &str) -> Result<()> {
    let Container {
        service,
        state,
        exit_code,
        ..
    } = container;
    ensure!(
        *exit_code == 0,
        "{service} is {state} with exit code {exit_code}; it said:\n{}",
        end(logs)
    );
    if service == "shop-load" {
        return Ok(());
    }
    let report = logs
        .lines()
        .rfind(|line| line.starts_with("shop "))
        .with_context(|| format!("{service} did not say what it delivered:\n{}", end(logs)))?;
    for signal in ["traces", "logs", "errors"] {
        // Not metrics: of an export that took too long, the next one has the totals.
        let (_, told) = report
            .split_once(&format!("{signal}: "))
            .with_context(|| format!("{service} does not tell of {signal}: {report}"))?;
        let words: Vec<_> = told.splitn(4, [' ', ',']).take(3).collect();
        ensure!(
            matches!(words[..], [some, "of", all] if some == all),
            "{service} lost {signal}: {report}"
        );
    }
    Ok(())
}

fn end(logs: &str) -> String {
    let lines: Vec<_> = logs.lines().rev().take(SHOWN).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

impl Drop for Shop {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        // A test failed: what the containers said goes with them.
        for container in self.stack.shop().unwrap_or_default() {
            let logs = self.stack.logs(&container.service, LINES);
            println!(
                "== {} ({})\n{}",
                container.service,
                container.state,
                logs.map_or_else(|error| format!("{error:#}"), |logs| end(&logs))
            );
        }
        if let Err(error) = self.stack.down_shop() {
            println!("the shop is still there: {error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(service: &str, exit_code: i64) -> Container {
        Container {
            name: service.to_owned(),
            service: service.to_owned(),
            state: "exited".to_owned(),
            exit_code,
            restarts: 0,
        }
    }

    #[test]
    fn what_is_lost_or_killed_is_noticed() {
        let worker = container("shop-worker", 0);
        let all = "shop worker: traces: 7 of 7 delivered, metrics: 1 of 2 delivered, 1 dropped \
                   (unconfirmed), logs: 3 of 3 delivered, errors: 0 of 0 delivered";
        ended_well(&worker, all).expect("all was delivered");
        let lost = all.replace(
            "7 of 7 delivered",
            "6 of 7 delivered, 1 dropped (unconfirmed)",
        );
        ended_well(&worker, &lost).expect_err("one was lost");
        let without = all.replace("errors", "");
        ended_well(&worker, &without).expect_err("it does not tell of errors");
        ended_well(&worker, "killed").expect_err("it said nothing");
        ended_well(&container("shop-load", 137), "").expect_err("it was killed");
    }
}
