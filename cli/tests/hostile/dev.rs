//! A `throughline dev` of its own for each test, as a process, and a connection to its database.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

/// A debug build on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program, to be given more arguments.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_throughline"))
}

/// A running viewer. Dropped, it is killed.
pub(crate) struct Dev {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) page: SocketAddr,
    database: PathBuf,
}

impl Dev {
    /// On free ports, with its data in `folder`.
    pub(crate) fn start(folder: &Path, more: &[&str]) -> Self {
        Self::start_by(program(), folder, more)
    }

    /// The same, where `command` is what starts the program.
    pub(crate) fn start_by(mut command: Command, folder: &Path, more: &[&str]) -> Self {
        let mut child = command
            .args(["dev", "--announce", "json"])
            .args(["--otlp-grpc", "127.0.0.1:0"])
            .args(["--otlp-http", "127.0.0.1:0"])
            .args(["--page", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let running: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("it announced {line:?}"));
        let address = |name: &str| {
            let url = running[name].as_str().unwrap();
            url.strip_prefix("http://").unwrap().parse().unwrap()
        };
        Self {
            grpc: address("otlp_grpc"),
            http: address("otlp_http"),
            page: address("page"),
            database: running["database"].as_str().unwrap().into(),
            child,
            _stdout: stdout,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as the kernel does when memory is short: nothing is written any more.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn stop(mut self) -> ExitStatus {
        kill(Pid::from_raw(self.pid().cast_signed()), Signal::SIGTERM).unwrap();
        self.child.wait().unwrap()
    }

    pub(crate) fn database_path(&self) -> &Path {
        &self.database
    }

    pub(crate) fn database(&self) -> Connection {
        open(&self.database)
    }

    /// Bytes of the database's files, the log included.
    pub(crate) fn bytes_in_files(&self) -> u64 {
        fs::read_dir(self.database.parent().unwrap())
            .unwrap()
            .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
            .sum()
    }

    /// The most memory that it ever had, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak.unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn open(database: &Path) -> Connection {
    let connection =
        Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection.busy_timeout(PATIENCE).unwrap();
    connection
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// One number out of a database.
pub(crate) fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Whether a table of counts says so much by ten seconds, by five minutes and by the hour.
pub(crate) fn says(connection: &Connection, table: &str, count: i64) -> bool {
    let mut sums = connection
        .prepare(&format!("SELECT sum(count) FROM {table} GROUP BY width"))
        .unwrap();
    let sums: Vec<i64> = sums
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    sums == [count; 3] || (sums.is_empty() && count == 0)
}

/// Waits until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs the program to its end: its exit code, and what it said on stderr.
pub(crate) fn ended(command: &mut Command) -> (Option<i32>, String) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    (child.wait().unwrap().code(), said)
}
