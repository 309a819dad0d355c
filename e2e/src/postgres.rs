//! A real PostgreSQL, for services that keep something: one for each test, in a folder of its
//! own, from the system's package.

use std::{
    env,
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, Uid},
};
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use tokio::time::sleep;
use uuid::Uuid;

const READY_WITHIN: Duration = Duration::from_secs(30);
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// A server that runs, and is gone with its folder when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    folder: Folder,
    process: std::process::Child,
    port: u16,
}

#[derive(Debug)]
struct Folder(PathBuf);

impl Postgres {
    /// Makes an empty database, and waits until it takes connections.
    ///
    /// # Errors
    /// If PostgreSQL is not installed, or does not start.
    pub async fn start() -> Result<Self> {
        let (initdb, postgres) = (program("initdb")?, program("postgres")?);
        let folder = Folder::make()?;
        let data = folder.0.join("data");
        let made = tokio::process::Command::from(unprivileged(&initdb))
            .args(["--no-sync", "--auth=trust", "--username=payments"])
            .args(["--encoding=UTF8", "-D"])
            .arg(&data)
            .current_dir(&folder.0)
            .output()
            .await?;
        ensure!(
            made.status.success(),
            "initdb ended with {}:\n{}",
            made.status,
            String::from_utf8_lossy(&made.stderr)
        );
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let log = fs::File::create(folder.0.join("log"))?;
        let process = unprivileged(&postgres)
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-k"])
            .arg(&folder.0)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .current_dir(&folder.0)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start PostgreSQL")?;
        let server = Self {
            folder,
            process,
            port,
        };
        server.answers().await?;
        Ok(server)
    }

    /// Where it is, as PostgreSQL's clients take it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://payments@127.0.0.1:{}/postgres", self.port)
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    async fn answers(&self) -> Result<()> {
        let options: PgConnectOptions = self.url().parse()?;
        let start = Instant::now();
        while let Err(error) = options.connect().await {
            if start.elapsed() > READY_WITHIN {
                let log = fs::read_to_string(self.folder.0.join("log"))?;
                bail!("no answer of PostgreSQL within {READY_WITHIN:?}: {error}; its log:\n{log}");
            }
            sleep(AGAIN_AFTER).await;
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // To PostgreSQL this is not to wait for clients.
        if let Ok(pid) = i32::try_from(self.process.id()) {
            kill(Pid::from_raw(pid), Signal::SIGINT).ok();
        }
        self.process.wait().ok();
    }
}

impl Folder {
    /// One that the server's own user may write to.
    fn make() -> Result<Self> {
        let path = env::temp_dir().join(format!("throughline-e2e-{}", Uuid::new_v4().simple()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let folder = Self(path);
        fs::set_permissions(&folder.0, Permissions::from_mode(0o777))?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Debian keeps PostgreSQL's programs out of `PATH`, in a folder a version.
fn program(name: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut debians: Vec<PathBuf> = versions
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .collect();
    debians.sort();
    env::split_paths(&path)
        .chain(debians)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .with_context(|| format!("there is no {name}: `apt-get install postgresql`, or the like"))
}

/// PostgreSQL refuses to run as root, so there it runs as nobody.
fn unprivileged(program: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    if Uid::effective().is_root() {
        command = std::process::Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(program);
    }
    command.stdin(Stdio::null());
    command
}
