//! The quickstart as a process, as a user would run it.

use std::{
    env,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::OnceCell,
    task::JoinHandle,
    time::{interval, timeout},
};

use crate::{run::Run, stack::Servers};

const READY_WITHIN: Duration = Duration::from_secs(20);
const EXIT_WITHIN: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    #[default]
    Grpc,
    Http,
}

/// What a test wants of it; by default gRPC, and errors to nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub protocol: Protocol,
    /// Whether errors go to Bugsink.
    pub sentry: bool,
}

#[derive(Debug)]
pub struct Quickstart {
    child: Child,
    address: SocketAddr,
    stdout: JoinHandle<Vec<String>>,
    stderr: JoinHandle<Vec<String>>,
}

/// How the process ended, and all that it printed.
#[derive(Debug)]
pub struct Exit {
    pub status: ExitStatus,
    pub stdout: Vec<String>,
    pub stderr: Vec<String>,
}

impl Quickstart {
    /// Starts it under the run's names, with OTLP to the collector, and waits until it
    /// answers.
    ///
    /// # Errors
    /// If it does not build, start or answer, with what it printed.
    pub async fn start(run: &Run, servers: &Servers, options: Options) -> Result<Self> {
        let program = program().await?;
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let (protocol, endpoint) = match options.protocol {
            Protocol::Grpc => ("grpc", &servers.otlp_grpc),
            Protocol::Http => ("http/protobuf", &servers.otlp_http),
        };
        let mut command = Command::new(program);
        command
            .env("QUICKSTART_ADDR", address.to_string())
            .env("OTEL_SERVICE_NAME", &run.service)
            .env(
                "OTEL_RESOURCE_ATTRIBUTES",
                format!("deployment.environment.name={}", run.environment),
            )
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            // Often enough for a rate over a minute to have samples while a test waits.
            .env("OTEL_METRIC_EXPORT_INTERVAL", "2000")
            .env("SENTRY_RELEASE", &run.release)
            .env("SENTRY_ENVIRONMENT", &run.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if options.sentry {
            command.env("SENTRY_DSN", servers.bugsink.dsn());
        }
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = lines(child.stdout.take());
        let stderr = lines(child.stderr.take());
        let mut quickstart = Self {
            child,
            address,
            stdout,
            stderr,
        };
        if let Err(error) = quickstart.ready().await {
            quickstart.child.start_kill().ok();
            let exit = quickstart.wait().await?;
            bail!(
                "{error:#}; it printed:\n{}\n{}",
                exit.stdout.join("\n"),
                exit.stderr.join("\n")
            );
        }
        Ok(quickstart)
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
        let pid = self
            .child
            .id()
            .context("the quickstart has ended already")?;
        kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it does not come in time.
    pub async fn wait(mut self) -> Result<Exit> {
        let status = timeout(EXIT_WITHIN, self.child.wait())
            .await
            .with_context(|| format!("the quickstart did not end within {EXIT_WITHIN:?}"))??;
        Ok(Exit {
            status,
            stdout: self.stdout.await?,
            stderr: self.stderr.await?,
        })
    }

    /// SIGTERM, and waits for a good end.
    ///
    /// # Errors
    /// If it does not end in time and with exit code 0.
    pub async fn stop(self) -> Result<Exit> {
        self.terminate()?;
        let exit = self.wait().await?;
        exit.must_be_good()?;
        Ok(exit)
    }

    async fn ready(&mut self) -> Result<()> {
        let health = format!("http://{}/healthz", self.address);
        let client = reqwest::Client::new();
        let answers = async {
            let mut probe = interval(Duration::from_millis(50));
            loop {
                probe.tick().await;
                if client
                    .get(&health)
                    .send()
                    .await
                    .is_ok_and(|answer| answer.status() == 200)
                {
                    return;
                }
            }
        };
        tokio::select! {
            answered = timeout(READY_WITHIN, answers) => answered
                .with_context(|| format!("no 200 from GET {health} within {READY_WITHIN:?}")),
            exit = self.child.wait() => bail!("the quickstart ended by itself ({})", exit?),
        }
    }
}

impl Exit {
    /// # Errors
    /// If the exit code is not 0, with what the process printed to stderr.
    pub fn must_be_good(&self) -> Result<()> {
        ensure!(
            self.status.success(),
            "the quickstart ended with {}; on stderr:\n{}",
            self.status,
            self.stderr.join("\n")
        );
        Ok(())
    }

    /// The records on stdout: each line is one JSON object.
    ///
    /// # Errors
    /// At the first line that is none.
    pub fn records(&self) -> Result<Vec<Value>> {
        self.stdout
            .iter()
            .map(|line| {
                serde_json::from_str(line).with_context(|| format!("not a JSON line: {line}"))
            })
            .collect()
    }
}

fn lines(stream: Option<impl AsyncRead + Unpin + Send + 'static>) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut kept = Vec::new();
        if let Some(stream) = stream {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                kept.push(line);
            }
        }
        kept
    })
}

/// Builds the quickstart once and finds its program beside this test's own.
async fn program() -> Result<&'static Path> {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    let program = PROGRAM
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
            // <target>/debug/deps/<this test> beside <target>/debug/quickstart.
            let test = env::current_exe()?;
            let folder = test.ancestors().nth(2).context("this test has no folder")?;
            Ok(folder.join("quickstart"))
        })
        .await?;
    Ok(program)
}
