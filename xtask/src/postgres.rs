//! A real PostgreSQL for tests of what keeps something in one: a server for each that asks,
//! in a folder of its own, from the system's package.

use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::{debian, process};

const READY_WITHIN: Duration = Duration::from_secs(30);
const AGAIN_AFTER: Duration = Duration::from_millis(50);

const USER: &str = "ada";

/// A server that runs, and is gone with its folder when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    folder: TempDir,
    process: Child,
    port: u16,
}

impl Postgres {
    /// Makes an empty database, and waits until it takes connections. Installs PostgreSQL where
    /// it is missing.
    ///
    /// # Errors
    /// If PostgreSQL cannot be installed, or does not start.
    pub fn start() -> Result<Self> {
        ensure()?;
        let folder = tempfile::Builder::new()
            .prefix("throughline-postgresql-")
            .tempdir()
            .context("cannot make a folder for PostgreSQL")?;
        // The server's own user may write to it, whatever the umask is.
        fs::set_permissions(&folder, Permissions::from_mode(0o777))
            .context("cannot set the mode of PostgreSQL's folder")?;
        let data = folder.path().join("data");
        process::output(
            unprivileged(&program("initdb")?)?
                .args(["--no-sync", "--auth=trust", "--encoding=UTF8"])
                .arg(format!("--username={USER}"))
                .arg("-D")
                .arg(&data)
                .current_dir(&folder),
        )?;
        // Free again before the server takes it; nothing else asks for ports meanwhile.
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .context("there is no free port")?
            .port();
        let log = File::create(log(&folder)).context("cannot make a log for PostgreSQL")?;
        let process = unprivileged(&program("postgres")?)?
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-k"])
            .arg(folder.path())
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .current_dir(&folder)
            .stdout(log.try_clone().context("cannot share PostgreSQL's log")?)
            .stderr(log)
            .spawn()
            .context("cannot start PostgreSQL")?;
        let mut server = Self {
            folder,
            process,
            port,
        };
        server.answers()?;
        Ok(server)
    }

    /// Where it is, as PostgreSQL's clients take it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port)
    }

    /// The port that it has on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    fn answers(&mut self) -> Result<()> {
        let ready = program("pg_isready")?;
        let start = Instant::now();
        loop {
            let mut ask = Command::new(&ready);
            ask.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if process::succeeds(&mut ask, READY_WITHIN) {
                return Ok(());
            }
            let ended = self
                .process
                .try_wait()
                .context("cannot wait for PostgreSQL")?;
            if ended.is_some() || start.elapsed() > READY_WITHIN {
                let log = fs::read_to_string(log(&self.folder)).unwrap_or_default();
                bail!("PostgreSQL does not answer; it said:\n{log}");
            }
            thread::sleep(AGAIN_AFTER);
        }
    }
}

fn log(folder: &TempDir) -> PathBuf {
    folder.path().join("log")
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

/// Installs it where it is missing.
pub(crate) fn ensure() -> Result<()> {
    if program("initdb").is_ok() {
        return Ok(());
    }
    debian::install(&["postgresql"], "a server for the tests of databases")
}

/// Debian keeps PostgreSQL's programs out of `PATH`, in a folder a version.
fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut debians: Vec<PathBuf> = versions
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .collect();
    debians.sort();
    std::env::split_paths(&path)
        .chain(debians)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .with_context(|| format!("there is no {name}: `apt-get install postgresql`, or the like"))
}

/// PostgreSQL refuses to run as root, so there it runs as nobody.
fn unprivileged(program: &Path) -> Result<Command> {
    let mut command = if debian::is_root()? {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    command.stdin(Stdio::null());
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_answers_and_leaves_nothing() {
        let server = Postgres::start().unwrap();
        let folder = server.folder.path().to_owned();
        let mut ask = Command::new(program("psql").unwrap());
        ask.args(["--no-psqlrc", "--tuples-only", &server.url()]);
        let answer = process::output(ask.args(["-c", "SELECT 6 * 7"])).unwrap();
        assert_eq!(answer.trim(), "42");
        drop(server);
        assert!(!folder.exists());
    }
}
