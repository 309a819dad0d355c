//! A server under test, on a core of its own, and what it takes of the machine.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::load::now;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    ViewerMemory,
    JaegerMemory,
    ViewerDisk,
    JaegerBadger,
}

impl System {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ViewerMemory => "throughline dev --memory",
            Self::JaegerMemory => "Jaeger, in memory",
            Self::ViewerDisk => "throughline dev",
            Self::JaegerBadger => "Jaeger, Badger",
        }
    }

    pub(crate) const fn is_jaeger(self) -> bool {
        matches!(self, Self::JaegerMemory | Self::JaegerBadger)
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) system: System,
    child: Child,
    folder: PathBuf,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    /// The viewer's page, or Jaeger's.
    pub(crate) page: SocketAddr,
    telemetry: SocketAddr,
    /// From the start of the process to the first request that it acknowledged.
    pub(crate) ready: Duration,
}

/// What a process has taken so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident: u64,
    pub(crate) peak: u64,
    /// What it keeps in files: on disk, or in the file system in memory.
    pub(crate) files: u64,
}

impl Server {
    pub(crate) fn start(system: System, jaeger: &Path) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("throughline-bench-{}", now()));
        fs::create_dir_all(&folder)?;
        let [grpc, http, page, telemetry] = free_ports()?;
        // The other core is the load's.
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]);
        if system.is_jaeger() {
            let config = folder.join("jaeger.yaml");
            fs::write(
                &config,
                jaeger_config(system, &folder, grpc, http, page, telemetry)?,
            )?;
            command
                .arg(jaeger)
                .arg(format!("--config={}", config.display()))
                // Else it traces itself into its own receiver.
                .env("OTEL_TRACES_SAMPLER", "always_off");
        } else {
            command
                .arg(env!("CARGO_BIN_EXE_throughline"))
                .args(["dev", "--announce", "json", "--data-dir"])
                .arg(folder.join("data"))
                .args(["--otlp-grpc", &grpc.to_string()])
                .args(["--otlp-http", &http.to_string()])
                .args(["--page", &page.to_string()]);
            if system == System::ViewerMemory {
                command.arg("--memory");
            } else {
                // All is to be there in the end, and counted.
                command.args(["--max-size", "50GB"]);
            }
        }
        let log = fs::File::create(folder.join("log"))?;
        let start = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the server by taskset (util-linux)")?;
        let mut server = Self {
            system,
            child,
            folder,
            grpc,
            http,
            page,
            telemetry,
            ready: Duration::ZERO,
        };
        server.wait(start)?;
        server.ready = start.elapsed();
        Ok(server)
    }

    /// Until an empty request is acknowledged.
    fn wait(&mut self, start: Instant) -> Result<()> {
        while start.elapsed() < Duration::from_secs(60) {
            if request(self.http, "POST", "/v1/traces").is_ok_and(|(status, _)| status == 200) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}: {}", self.system.name(), self.log());
            }
            thread::sleep(Duration::from_millis(1));
        }
        bail!("{} is not ready: {}", self.system.name(), self.log())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        let pid = self.child.id();
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let kilobytes = |name: &str| {
            status
                .lines()
                .find_map(|line| {
                    line.strip_prefix(name)?
                        .trim()
                        .strip_suffix(" kB")?
                        .parse()
                        .ok()
                })
                .map_or(0, |kilobytes: u64| kilobytes * 1024)
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let ticks: u64 = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|ticks| ticks.parse::<u64>().ok())
            .sum();
        Ok(Usage {
            // Linux tells user programs of a hundred ticks a second whatever its own are.
            cpu_seconds: ticks as f64 / 100.0,
            resident: kilobytes("VmRSS:"),
            peak: kilobytes("VmHWM:"),
            files: match self.database() {
                Some(database) => allocated(database.parent().unwrap_or(&self.folder))?,
                None => allocated(&self.folder)?,
            },
        })
    }

    /// The viewer's database.
    fn database(&self) -> Option<PathBuf> {
        let state = fs::read(self.folder.join("data/dev.json")).ok()?;
        let state: serde_json::Value = serde_json::from_slice(&state).ok()?;
        Some(state.get("database")?.as_str()?.into())
    }

    /// How many items the server says that it has stored, once it has nothing left to do.
    pub(crate) fn stored(&self, table: &str) -> Result<u64> {
        if self.system.is_jaeger() {
            let mut last = 0;
            for _ in 0..60 {
                let (_, text) = request(self.telemetry, "GET", "/metrics")?;
                let sent = text
                    .lines()
                    .filter(|line| line.starts_with("otelcol_exporter_sent_spans"))
                    .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                    .sum::<f64>() as u64;
                if sent == last && sent > 0 {
                    break;
                }
                last = sent;
                thread::sleep(Duration::from_millis(500));
            }
            return Ok(last);
        }
        let database = self.database().context("no dev.json")?;
        let connection = rusqlite::Connection::open_with_flags(
            database,
            rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
        )?;
        let count: i64 =
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get(0)
            })?;
        Ok(count.unsigned_abs())
    }

    /// Of this trace, how many spans the server gives back.
    pub(crate) fn spans_of(&self, trace: [u8; 16]) -> Result<usize> {
        if self.system.is_jaeger() {
            let hex: String = trace.iter().map(|byte| format!("{byte:02x}")).collect();
            let (status, text) = request(self.page, "GET", &format!("/api/traces/{hex}"))?;
            ensure!(
                matches!(status, 200 | 404),
                "Jaeger answers {status}: {text}"
            );
            let json: serde_json::Value = serde_json::from_str(&text)?;
            return Ok(json["data"][0]["spans"].as_array().map_or(0, Vec::len));
        }
        let database = self.database().context("no dev.json")?;
        let connection = rusqlite::Connection::open_with_flags(
            database,
            rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
        )?;
        let mut low = [0; 8];
        low.copy_from_slice(&trace[8..]);
        let count: i64 = connection.query_row(
            "SELECT count(*) FROM span WHERE trace = ?1",
            [i64::from_be_bytes(low)],
            |row| row.get(0),
        )?;
        Ok(count as usize)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, Signal::SIGTERM).ok();
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(20) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

fn free_ports() -> Result<[SocketAddr; 4]> {
    let listeners = [0; 4].map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
    let mut ports = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); 4];
    for (port, listener) in ports.iter_mut().zip(listeners) {
        *port = listener?.local_addr()?;
    }
    Ok(ports)
}

/// Bytes that the files of a folder take; Badger's are longer than what is in them.
fn allocated(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A file may be gone again.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        bytes += if metadata.is_dir() {
            allocated(&entry.path())?
        } else {
            metadata.blocks() * 512
        };
    }
    Ok(bytes)
}

/// A request of HTTP/1.1 on a connection of its own: its status and its body.
pub(crate) fn request(address: SocketAddr, method: &str, target: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(200))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"
    )?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("no status line")?;
    let mut chunked = false;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        chunked |= line
            .to_ascii_lowercase()
            .starts_with("transfer-encoding: chunked");
    }
    let mut body = Vec::new();
    if chunked {
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let length = usize::from_str_radix(line.trim(), 16)?;
            let mut chunk = vec![0; length + 2];
            reader.read_exact(&mut chunk)?;
            if length == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..length]);
        }
    } else {
        reader.read_to_end(&mut body)?;
    }
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// Jaeger's published configuration of the all-in-one, with and without Badger, on free ports.
fn jaeger_config(
    system: System,
    folder: &Path,
    grpc: SocketAddr,
    http: SocketAddr,
    page: SocketAddr,
    telemetry: SocketAddr,
) -> Result<String> {
    let storage = if system == System::JaegerMemory {
        // As the all-in-one has it.
        "memory: {max_traces: 100000}".to_owned()
    } else {
        let folder = folder.join("badger");
        format!(
            "badger: {{ephemeral: false, ttl: {{spans: 48h}}, directories: {{keys: {0}/keys, values: {0}/values}}}}",
            folder.display()
        )
    };
    let [spare, ..] = free_ports()?;
    Ok(format!(
        "service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {{receivers: [otlp], processors: [batch], exporters: [jaeger_storage_exporter]}}
  telemetry:
    metrics:
      level: detailed
      readers: [{{pull: {{exporter: {{prometheus: {{host: {}, port: {}}}}}}}}}]
    logs: {{level: warn}}
extensions:
  jaeger_storage:
    backends:
      traces: {{{storage}}}
  jaeger_query:
    storage: {{traces: traces}}
    http: {{endpoint: \"{page}\"}}
    grpc: {{endpoint: \"{spare}\"}}
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: \"{grpc}\"}}
      http: {{endpoint: \"{http}\"}}
processors:
  batch: {{}}
exporters:
  jaeger_storage_exporter: {{trace_storage: traces}}
",
        telemetry.ip(),
        telemetry.port()
    ))
}
