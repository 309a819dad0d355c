//! The processes of the shop.

use std::{
    collections::VecDeque,
    env,
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
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use super::Options;
use crate::dev::Running;

const READY_WITHIN: Duration = Duration::from_secs(20);
/// Above the service's own limit for its shutdown, which is 5 s.
const STOP_WITHIN: Duration = Duration::from_secs(15);
/// How much of the service's output is shown when something goes wrong.
const LINES_KEPT: usize = 20;

/// One of the shop's processes.
pub(super) struct Process {
    name: &'static str,
    child: Child,
    output: Output,
}

impl Process {
    /// Starts one of the three services.
    pub(super) fn service(
        program: &Path,
        name: &'static str,
        running: &Running,
        data: &Path,
        options: &Options,
        payments: Option<&str>,
    ) -> Result<Self> {
        let mut command = command(program, name);
        command
            .args(["--listen", "127.0.0.1:0", "--faults", &options.faults])
            .arg("--data")
            .arg(data)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &running.otlp_grpc)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
            .env("SENTRY_DSN", &running.sentry_dsn)
            .env("THROUGHLINE_LOG_FORMAT", "json")
            // Whoever watches the page is not to wait for a batch to fill.
            .env("OTEL_BSP_SCHEDULE_DELAY", "500")
            .env("OTEL_BLRP_SCHEDULE_DELAY", "500")
            .env("OTEL_METRIC_EXPORT_INTERVAL", "2000");
        if let Some(payments) = payments {
            command.args(["--payments", payments]);
            // The customers come from everywhere, which their requests say in a header.
            command.env("THROUGHLINE_TRUSTED_PROXIES", "127.0.0.1");
        }
        Self::start(name, command)
    }

    /// Starts the customers.
    pub(super) fn load(program: &Path, storefront: &str, options: &Options) -> Result<Self> {
        let mut command = command(program, "load");
        command
            .args(["--storefront", storefront, "--summary", "json"])
            .args(["--seed", &options.seed.to_string()])
            .args(["--rate", &options.rate.to_string()]);
        Self::start("load", command)
    }

    fn start(name: &'static str, mut command: Command) -> Result<Self> {
        let mut child = command
            // Ctrl-C goes to the whole group; each is to end in its turn, by us.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start the shop's {name}"))?;
        let mut output = Output::default();
        output.keep(child.stdout.take());
        output.keep(child.stderr.take());
        Ok(Self {
            name,
            child,
            output,
        })
    }

    /// Waits until the service says where it listens, and tells.
    pub(super) async fn listens(&mut self) -> Result<String> {
        let mut said = self.output.said.subscribe();
        let lines = Arc::clone(&self.output.lines);
        let address = async move {
            loop {
                let found = lock(&lines).iter().find_map(|line| {
                    let (_, address) = line.split_once(": listening on ")?;
                    address.starts_with("http://").then(|| address.to_owned())
                });
                if let Some(address) = found {
                    return address;
                }
                said.changed().await.ok();
            }
        };
        tokio::select! {
            address = timeout(READY_WITHIN, address) => match address {
                Ok(address) => Ok(address),
                Err(_) => Err(self.failure(&format!("did not listen within {READY_WITHIN:?}"))),
            },
            exit = self.child.wait() => {
                let status = exit.context("cannot wait for a process of the shop")?;
                self.output.finish().await;
                Err(self.failure(&format!("ended by itself ({status})")))
            }
        }
    }

    /// Asks it to stop, as an orchestrator would, waits until it has, and gives the last that
    /// it printed.
    pub(super) async fn stop(&mut self) -> Result<Vec<String>> {
        if let Some(pid) = self.child.id() {
            let pid = i32::try_from(pid).context("a process id is out of range")?;
            kill(Pid::from_raw(pid), Signal::SIGTERM)
                .with_context(|| format!("cannot signal the shop's {}", self.name))?;
        }
        match timeout(STOP_WITHIN, self.child.wait()).await {
            Ok(exit) => {
                let status = exit.context("cannot wait for a process of the shop")?;
                self.output.finish().await;
                if !status.success() {
                    return Err(self.failure(&format!("did not end well ({status})")));
                }
                Ok(self.output.lines())
            }
            Err(_) => Err(self.failure(&format!("did not end within {STOP_WITHIN:?} of SIGTERM"))),
        }
    }

    fn failure(&self, what: &str) -> anyhow::Error {
        let name = self.name;
        let lines = self.output.lines();
        if lines.is_empty() {
            anyhow!("the shop's {name} {what}; it printed nothing")
        } else {
            anyhow!(
                "the shop's {name} {what}; the last that it printed:\n  {}",
                lines.join("\n  ")
            )
        }
    }

    /// Waits until it ends, which nobody has asked it to.
    async fn ends(&mut self) -> anyhow::Error {
        match self.child.wait().await {
            Ok(status) => {
                self.output.finish().await;
                self.failure(&format!("ended by itself ({status})"))
            }
            Err(error) => anyhow!(error).context("cannot wait for a process of the shop"),
        }
    }
}

/// Waits until one of them ends by itself, and tells what it said.
pub(super) async fn any_that_ends(services: &mut [Process], load: &mut Process) -> anyhow::Error {
    let all = services
        .iter_mut()
        .chain(std::iter::once(load))
        .map(|process| Box::pin(process.ends()));
    futures::future::select_all(all).await.0
}

fn command(program: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(name);
    // What the user's shell exports for real services must not redirect the demo's data.
    for (name, _) in env::vars_os() {
        let foreign = name.to_str().is_some_and(|name| {
            ["OTEL_", "SENTRY_", "SHOP_", "THROUGHLINE_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
                || matches!(name, "RUST_LOG" | "DATABASE_URL")
        });
        if foreign {
            command.env_remove(name);
        }
    }
    command
}

/// The last lines of stdout and stderr. Reading them is not optional either: a full pipe
/// would stop the service.
struct Output {
    lines: Arc<Mutex<VecDeque<String>>>,
    /// Changes with each line.
    said: watch::Sender<()>,
    readers: Vec<JoinHandle<()>>,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            lines: Arc::default(),
            said: watch::Sender::new(()),
            readers: Vec::new(),
        }
    }
}

impl Output {
    fn keep(&mut self, stream: Option<impl AsyncRead + Unpin + Send + 'static>) {
        let Some(stream) = stream else { return };
        let kept = Arc::clone(&self.lines);
        let said = self.said.clone();
        self.readers.push(tokio::spawn(async move {
            let mut stream = BufReader::new(stream).lines();
            while let Ok(Some(line)) = stream.next_line().await {
                {
                    let mut lines = lock(&kept);
                    if lines.len() == LINES_KEPT {
                        lines.pop_front();
                    }
                    lines.push_back(line);
                }
                said.send_replace(());
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
        lock(&self.lines).iter().cloned().collect()
    }
}

fn lock(lines: &Mutex<VecDeque<String>>) -> std::sync::MutexGuard<'_, VecDeque<String>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

    use tokio::sync::Mutex;

    use super::*;

    /// A program that another test's fork still holds open for writing cannot be started
    /// ("text file busy"), so these tests run one after another.
    static ALONE: Mutex<()> = Mutex::const_new(());

    /// A program that stands in for a service that goes wrong.
    fn program(name: &str, script: &str) -> PathBuf {
        let path = env::temp_dir().join(format!("throughline-{name}-{}", std::process::id()));
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    fn start(program: &Path) -> Process {
        Process::start("payments", command(program, "payments")).unwrap()
    }

    #[tokio::test]
    async fn a_service_that_dies_is_reported_with_what_it_said() {
        let _alone = ALONE.lock().await;
        let program = program("dies", "echo 'cannot listen' >&2; exit 3");
        let error = start(&program).listens().await.unwrap_err().to_string();
        fs::remove_file(program).unwrap();
        assert!(
            error.contains("payments ended by itself (exit status: 3)"),
            "{error}"
        );
        assert!(error.contains("cannot listen"), "{error}");
    }

    #[tokio::test]
    async fn a_service_that_ends_badly_is_reported_and_one_that_ends_well_is_not() {
        let _alone = ALONE.lock().await;
        for (name, code) in [("well", 0), ("badly", 4)] {
            // The line tells that the trap is set; before that, SIGTERM would just kill it.
            let script = format!(
                "trap 'echo bye; exit {code}' TERM; echo 'x: listening on http://127.0.0.1:9'; \
                 while :; do sleep 0.01; done"
            );
            let program = program(name, &script);
            let mut service = start(&program);
            assert_eq!(service.listens().await.unwrap(), "http://127.0.0.1:9");
            let stopped = service.stop().await;
            fs::remove_file(program).unwrap();
            match code {
                0 => assert_eq!(stopped.unwrap().last().map(String::as_str), Some("bye")),
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
