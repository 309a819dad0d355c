//! `throughline dev` as a process of its own, on free ports and in an empty folder.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    sync::OnceCell,
    time::{sleep, timeout},
};

use crate::{output::Output, stored::Database};

const READY_WITHIN: Duration = Duration::from_secs(20);
const EXIT_WITHIN: Duration = Duration::from_secs(20);

/// What is acknowledged is stored, but for what is counted and grouped afterwards.
const STORED_WITHIN: Duration = Duration::from_secs(20);

/// How often the database is asked again.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Where it listens, as it announces itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Addresses {
    /// The page, without a slash at its end: `http://127.0.0.1:8969`.
    pub page: String,
    pub otlp_grpc: String,
    pub otlp_http: String,
    pub sentry_dsn: String,
    /// The file that it keeps its data in.
    pub database: PathBuf,
}

/// A `throughline dev` that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Dev {
    child: Child,
    addresses: Addresses,
    stderr: Output,
    arguments: Vec<String>,
    data: Arc<TempDir>,
}

impl Dev {
    /// Starts it on free ports with a folder of its own and waits until it says where it is.
    /// `arguments` come behind: `&["--memory"]`.
    ///
    /// # Errors
    /// If it does not build, start or announce itself, with what it printed.
    pub async fn start(arguments: &[&str]) -> Result<Self> {
        let data = TempDir::new().context("cannot make a folder for the data")?;
        let arguments = arguments.iter().map(|&argument| argument.into()).collect();
        Self::start_over(Arc::new(data), arguments).await
    }

    async fn start_over(data: Arc<TempDir>, arguments: Vec<String>) -> Result<Self> {
        let mut command = throughline(&["dev"]).await?;
        for port in ["--otlp-grpc", "--otlp-http", "--page"] {
            command.args([port, "127.0.0.1:0"]);
        }
        command
            .arg("--data-dir")
            .arg(data.path())
            .args(["--announce", "json"])
            .args(&arguments);
        Self::launch(command, data, arguments).await
    }

    /// Starts a command that announces itself as `dev` does.
    async fn launch(
        mut command: Command,
        data: Arc<TempDir>,
        arguments: Vec<String>,
    ) -> Result<Self> {
        let mut child = command
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.as_std().get_program()))?;
        let mut stderr = Output::read(child.stderr.take().context("no standard error")?);
        let (mut stdout, mut lines) =
            Output::read_with_lines(child.stdout.take().context("no standard output")?);
        let announced = timeout(READY_WITHIN, async {
            while let Some(line) = lines.recv().await {
                if let Ok(addresses) = serde_json::from_str(&line) {
                    return Some(addresses);
                }
            }
            None
        })
        .await;
        let Ok(Some(addresses)) = announced else {
            child.start_kill().ok();
            let status = child.wait().await?;
            bail!(
                "throughline dev announced no addresses and ended with {status}; it printed:\n{}\n{}",
                stdout.rest().await,
                stderr.rest().await
            );
        };
        Ok(Self {
            child,
            addresses,
            stderr,
            arguments,
            data,
        })
    }

    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The address of a page: `dev.page("/traces?service=shop")`.
    #[must_use]
    pub fn page(&self, path: &str) -> String {
        format!("{}{path}", self.addresses.page)
    }

    /// Where it keeps its data.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// What it has stored, read past it.
    ///
    /// # Errors
    /// If its database cannot be opened.
    pub fn database(&self) -> Result<Database> {
        Database::open(&self.addresses.database)
    }

    /// Waits until what it has stored is as wanted.
    ///
    /// # Errors
    /// If it is not in time.
    pub async fn wait_until_stored(
        &self,
        what: &str,
        mut met: impl FnMut(&Database) -> Result<bool>,
    ) -> Result<()> {
        let start = Instant::now();
        while !met(&self.database()?)? {
            ensure!(
                start.elapsed() < STORED_WITHIN,
                "not within {STORED_WITHIN:?}: {what}; it printed:\n{}",
                self.stderr()
            );
            sleep(AGAIN_AFTER).await;
        }
        Ok(())
    }

    /// What it has printed to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// How much memory it has, in bytes, as the kernel counts it.
    ///
    /// # Errors
    /// If it is gone.
    pub fn resident_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid()?);
        let status = std::fs::read_to_string(&path).with_context(|| format!("no {path}"))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
            .context("no VmRSS")?;
        Ok(kilobytes.trim().parse::<u64>()? * 1024)
    }

    /// Ctrl-C, and waits for its end.
    ///
    /// # Errors
    /// If it does not end in time.
    pub async fn interrupt(mut self) -> Result<ExitStatus> {
        kill(self.pid()?, Signal::SIGINT)?;
        timeout(EXIT_WITHIN, self.child.wait())
            .await
            .with_context(|| format!("it did not end within {EXIT_WITHIN:?}:\n{}", self.stderr()))?
            .context("cannot wait for it")
    }

    /// `kill -9`, and a new one with the same arguments over the same folder, on other ports.
    ///
    /// # Errors
    /// If it does not start again, with what it printed.
    pub async fn kill_and_restart(mut self) -> Result<Self> {
        self.child.kill().await?;
        Self::start_over(Arc::clone(&self.data), self.arguments.clone()).await
    }

    fn pid(&self) -> Result<Pid> {
        let id = self.child.id().context("throughline dev has ended")?;
        Ok(Pid::from_raw(i32::try_from(id)?))
    }
}

/// The program `throughline` of this workspace, built when it is not up to date.
///
/// # Errors
/// If it does not build.
pub async fn throughline(arguments: &[&str]) -> Result<Command> {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    let program = BUILT.get_or_try_init(build).await?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

async fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // Set for this test's package. Build scripts watch them, and would run again at each
    // change between this and a plain `cargo build`.
    for (name, _) in std::env::vars_os() {
        let of_package =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(of_package) {
            command.env_remove(name);
        }
    }
    let built = command
        .args(["build", "--quiet", "--package", "throughline-cli"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .await
        .context("cannot run cargo")?;
    ensure!(
        built.status.success(),
        "the program does not build:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    executable(&String::from_utf8_lossy(&built.stdout)).context("cargo built no program")
}

/// Cargo's own word on where the program is, whatever folder or profile it uses.
fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "throughline")
        .find_map(|message| Some(message["executable"].as_str()?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn launch(script: &str) -> Result<Dev> {
        // A check that runs in the background may have been started with interrupts ignored.
        let mut command = Command::new("env");
        command.args(["--default-signal=INT", "sh", "-c", script]);
        Dev::launch(command, Arc::new(TempDir::new()?), Vec::new()).await
    }

    #[tokio::test]
    async fn the_addresses_are_those_that_it_announces() {
        let dev = launch(
            r#"echo "a word before"
            echo '{"page":"http://127.0.0.1:1","otlp_grpc":"http://127.0.0.1:2","otlp_http":"http://127.0.0.1:3","sentry_dsn":"http://throughline@127.0.0.1:1/1","database":"/tmp/x"}'
            exec sleep 60"#,
        )
        .await
        .unwrap();
        assert_eq!(dev.page("/traces"), "http://127.0.0.1:1/traces");
        assert_eq!(dev.addresses().otlp_http, "http://127.0.0.1:3");
        assert!(dev.resident_bytes().unwrap() > 0);
        assert!(!dev.interrupt().await.unwrap().success());
    }

    #[tokio::test]
    async fn one_that_does_not_start_says_why() {
        let failure = launch("echo the port is taken >&2; exit 3")
            .await
            .unwrap_err();
        let failure = format!("{failure:#}");
        assert!(
            failure.contains("the port is taken") && failure.contains('3'),
            "{failure}"
        );
    }
}
