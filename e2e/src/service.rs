//! A service as a child process, stopped by a signal as an orchestrator does it.

use std::{
    env,
    path::PathBuf,
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

/// Where a service is to send its telemetry; by default by gRPC, and errors to nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub protocol: Protocol,
    /// Whether errors go to Bugsink.
    pub sentry: bool,
}

/// A service that runs.
#[derive(Debug)]
pub struct Service {
    child: Child,
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

/// A program of this workspace that has been built, to be started under the run's names and
/// with OTLP to the collector.
///
/// # Errors
/// If the folder of this test's own program cannot be told.
pub fn command(program: &str, run: &Run, servers: &Servers, options: Options) -> Result<Command> {
    let (protocol, endpoint) = match options.protocol {
        Protocol::Grpc => ("grpc", &servers.otlp_grpc),
        Protocol::Http => ("http/protobuf", &servers.otlp_http),
    };
    let mut command = Command::new(path(program)?);
    command
        // Whoever runs the tests may want backtraces of them, which is not what is compared.
        .env("RUST_BACKTRACE", "0")
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
        .env("SENTRY_ENVIRONMENT", &run.environment);
    if options.sentry {
        command.env("SENTRY_DSN", servers.bugsink.dsn());
    }
    Ok(command)
}

impl Service {
    /// Starts it and waits until it answers `GET ready` with 200.
    ///
    /// # Errors
    /// If it does not start or answer, with what it printed.
    pub async fn start(mut command: Command, ready: &str) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.as_std().get_program()))?;
        let stdout = lines(child.stdout.take());
        let stderr = lines(child.stderr.take());
        let mut service = Self {
            child,
            stdout,
            stderr,
        };
        if let Err(error) = service.answers(ready).await {
            service.child.start_kill().ok();
            let exit = service.wait().await?;
            bail!(
                "{error:#}; it printed:\n{}\n{}",
                exit.stdout.join("\n"),
                exit.stderr.join("\n")
            );
        }
        Ok(service)
    }

    /// SIGTERM, as an orchestrator sends it.
    ///
    /// # Errors
    /// If the process is gone already.
    pub fn terminate(&self) -> Result<()> {
        let pid = self.child.id().context("the service has ended already")?;
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
            .with_context(|| format!("the service did not end within {EXIT_WITHIN:?}"))??;
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

    async fn answers(&mut self, ready: &str) -> Result<()> {
        let client = reqwest::Client::new();
        let answers = async {
            let mut probe = interval(Duration::from_millis(50));
            loop {
                probe.tick().await;
                if client
                    .get(ready)
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
                .with_context(|| format!("no 200 from GET {ready} within {READY_WITHIN:?}")),
            exit = self.child.wait() => bail!("the service ended by itself ({})", exit?),
        }
    }
}

impl Exit {
    /// # Errors
    /// If the exit code is not 0, with what the process printed to stderr.
    pub fn must_be_good(&self) -> Result<()> {
        ensure!(
            self.status.success(),
            "the service ended with {}; on stderr:\n{}",
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

/// `<target>/debug/<program>`, beside `<target>/debug/deps/<this test>`.
fn path(program: &str) -> Result<PathBuf> {
    let test = env::current_exe()?;
    let folder = test.ancestors().nth(2).context("this test has no folder")?;
    Ok(folder.join(program))
}
