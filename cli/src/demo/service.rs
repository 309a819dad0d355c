//! The quickstart as a child process.

use std::{
    collections::VecDeque,
    env,
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::{interval, timeout},
};

const READY_WITHIN: Duration = Duration::from_secs(20);
/// Above the service's own limit for its shutdown, which is 5 s.
const STOP_WITHIN: Duration = Duration::from_secs(15);
const PROBE_EVERY: Duration = Duration::from_millis(50);
/// How much of the service's output is shown when something goes wrong.
const LINES_KEPT: usize = 20;

pub(super) struct Service {
    child: Child,
    address: SocketAddr,
    output: Output,
}

impl Service {
    pub(super) fn start(
        program: &Path,
        address: SocketAddr,
        protocol: &str,
        endpoint: &str,
    ) -> Result<Self> {
        let mut command = Command::new(program);
        // What the user's shell exports for real services must not redirect the demo's data.
        for (name, _) in env::vars_os() {
            let foreign = name.to_str().is_some_and(|name| {
                ["OTEL_", "SENTRY_", "THROUGHLINE_"]
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
                    || name == "RUST_LOG"
            });
            if foreign {
                command.env_remove(name);
            }
        }
        let mut child = command
            .env("QUICKSTART_ADDR", address.to_string())
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            // Ctrl-C goes to the whole group; the service is to end after the load, by us.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut output = Output::default();
        output.keep(child.stdout.take());
        output.keep(child.stderr.take());
        Ok(Self {
            child,
            address,
            output,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the service answers.
    pub(super) async fn ready(&mut self) -> Result<()> {
        let health = format!("http://{}/healthz", self.address);
        let client = reqwest::Client::new();
        let answers = async {
            let mut probe = interval(PROBE_EVERY);
            loop {
                probe.tick().await;
                if client
                    .get(&health)
                    .send()
                    .await
                    .is_ok_and(|answer| answer.status().is_success())
                {
                    return;
                }
            }
        };
        match self.unless_it_exits(timeout(READY_WITHIN, answers)).await? {
            Ok(()) => Ok(()),
            Err(_) => Err(self.failure(&format!(
                "the quickstart did not answer {health} with 200 within {READY_WITHIN:?}"
            ))),
        }
    }

    /// Runs `work`, or fails with what the service said if it exits before that is done.
    pub(super) async fn unless_it_exits<T>(&mut self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            done = work => Ok(done),
            exit = self.child.wait() => {
                let status = exit.context("cannot wait for the quickstart")?;
                self.output.finish().await;
                Err(self.failure(&format!("the quickstart ended by itself ({status})")))
            }
        }
    }

    /// Asks the service to stop, as an orchestrator would, and waits until it has.
    pub(super) async fn stop(&mut self) -> Result<()> {
        if let Some(pid) = self.child.id() {
            let pid = i32::try_from(pid).context("the quickstart's process id is out of range")?;
            kill(Pid::from_raw(pid), Signal::SIGTERM).context("cannot signal the quickstart")?;
        }
        match timeout(STOP_WITHIN, self.child.wait()).await {
            Ok(exit) => {
                let status = exit.context("cannot wait for the quickstart")?;
                if !status.success() {
                    self.output.finish().await;
                    return Err(
                        self.failure(&format!("the quickstart did not end well ({status})"))
                    );
                }
                Ok(())
            }
            Err(_) => Err(self.failure(&format!(
                "the quickstart did not end within {STOP_WITHIN:?} of SIGTERM"
            ))),
        }
    }

    fn failure(&self, what: &str) -> anyhow::Error {
        let lines = self.output.lines();
        if lines.is_empty() {
            anyhow!("{what}; it printed nothing")
        } else {
            anyhow!(
                "{what}; the last that it printed:\n  {}",
                lines.join("\n  ")
            )
        }
    }
}

/// The last lines of stdout and stderr. Reading them is not optional either: a full pipe
/// would stop the service.
#[derive(Default)]
struct Output {
    lines: Arc<Mutex<VecDeque<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Output {
    fn keep(&mut self, stream: Option<impl AsyncRead + Unpin + Send + 'static>) {
        let Some(stream) = stream else { return };
        let lines = Arc::clone(&self.lines);
        self.readers.push(tokio::spawn(async move {
            let mut stream = BufReader::new(stream).lines();
            while let Ok(Some(line)) = stream.next_line().await {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() == LINES_KEPT {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
        }));
    }

    /// Reads to the end, which comes when the process is gone.
    async fn finish(&mut self) {
        for reader in std::mem::take(&mut self.readers) {
            reader.await.ok();
        }
    }

    fn lines(&self) -> Vec<String> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

    use tokio::sync::Mutex;

    use super::*;

    /// A program that another test's fork still holds open for writing cannot be started
    /// ("text file busy"), so these tests run one after another.
    static ALONE: Mutex<()> = Mutex::const_new(());

    /// A program that stands in for a quickstart that goes wrong.
    fn program(name: &str, script: &str) -> PathBuf {
        let path = env::temp_dir().join(format!("throughline-{name}-{}", std::process::id()));
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    fn start(program: &Path) -> Service {
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        Service::start(program, address, "grpc", "http://127.0.0.1:9").unwrap()
    }

    #[tokio::test]
    async fn a_service_that_dies_is_reported_with_what_it_said() {
        let _alone = ALONE.lock().await;
        let program = program("dies", "echo 'cannot listen' >&2; exit 3");
        let error = start(&program).ready().await.unwrap_err().to_string();
        fs::remove_file(program).unwrap();
        assert!(
            error.contains("ended by itself (exit status: 3)"),
            "{error}"
        );
        assert!(error.contains("cannot listen"), "{error}");
    }

    #[tokio::test]
    async fn a_service_that_ends_badly_is_reported_and_one_that_ends_well_is_not() {
        let _alone = ALONE.lock().await;
        for (name, code) in [("well", 0), ("badly", 4)] {
            // The line tells that the trap is set; before that, SIGTERM would just kill it.
            let script =
                format!("trap 'exit {code}' TERM; echo ready; while :; do sleep 0.01; done");
            let program = program(name, &script);
            let mut service = start(&program);
            while service.output.lines().is_empty() {
                tokio::task::yield_now().await;
            }
            let stopped = service.stop().await;
            fs::remove_file(program).unwrap();
            match code {
                0 => stopped.unwrap(),
                _ => assert!(
                    stopped
                        .unwrap_err()
                        .to_string()
                        .contains("did not end well (exit status: 4)")
                ),
            }
        }
    }
}
