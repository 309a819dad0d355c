//! The driver of Chromium as a child process, on a port that it chooses.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::output::Output;

const READY_WITHIN: Duration = Duration::from_secs(30);
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// What it prints, with the port behind, once it listens.
const READY: &str = "was started successfully on port ";

#[derive(Debug)]
pub(crate) struct Chromedriver {
    // Killed when this is dropped.
    _child: Child,
    port: u16,
}

impl Chromedriver {
    pub(crate) async fn start(tools: &xtask::viewer::Browser) -> Result<Self> {
        let mut child = Command::new(&tools.chromedriver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", tools.chromedriver.display()))?;
        let stdout = child.stdout.take().context("chromedriver has no output")?;
        let (output, mut lines) = Output::read_with_lines(stdout);
        let port = timeout(READY_WITHIN, async {
            while let Some(line) = lines.recv().await {
                if let Some(port) = port(&line) {
                    return Some(port);
                }
            }
            None
        });
        match port.await {
            Ok(Some(port)) => Ok(Self {
                _child: child,
                port,
            }),
            _ => bail!("chromedriver is not ready; it printed:\n{}", output.text()),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends a browser and waits for it, without a runtime.
    pub(crate) fn end(&self, session: &str) {
        let ended = ureq::delete(format!("{}/session/{session}", self.url()))
            .config()
            .timeout_global(Some(ENDS_WITHIN))
            .build()
            .call();
        if let Err(error) = ended {
            eprintln!("a browser may be left behind: {error}");
        }
    }
}

fn port(line: &str) -> Option<u16> {
    let (_, port) = line.split_once(READY)?;
    port.trim_end_matches('.').parse().ok()
}
