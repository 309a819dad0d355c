//! A service of the shop as a child process.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const LISTENS_WITHIN: Duration = Duration::from_secs(60);

pub(crate) struct Service {
    child: Running,
    address: String,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

/// Does not outlive a test that fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has mostly ended by then.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// How a service ended, and all that it printed.
pub(crate) struct Ended {
    pub(crate) succeeded: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program, with nothing from the environment of who runs the tests.
pub(crate) fn shop(part: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    command.env_clear().arg(part);
    command
}

/// The load, to its end.
pub(crate) fn load(storefront: &Service, arguments: &[&str]) -> Output {
    let mut command = shop("load");
    command.args(["--storefront", storefront.address()]);
    command.args(arguments).output().unwrap()
}

impl Service {
    /// Starts it on a free port, and waits until it says which.
    pub(crate) fn start(mut command: Command, data: &Path) -> Self {
        let mut child = command
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (said, address) = mpsc::channel();
        let stdout = thread::spawn(move || {
            let mut text = String::new();
            BufReader::new(stdout).read_to_string(&mut text).unwrap();
            text
        });
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            for line in BufReader::new(stderr).lines() {
                let line = line.unwrap();
                if let Some((_, address)) = line.split_once("listening on ") {
                    said.send(address.to_owned()).unwrap();
                }
                text.push_str(&line);
                text.push('\n');
            }
            text
        });
        let child = Running(child);
        let Ok(address) = address.recv_timeout(LISTENS_WITHIN) else {
            drop(child);
            panic!("it did not listen; it said:\n{}", stderr.join().unwrap());
        };
        Self {
            child,
            address,
            stdout,
            stderr,
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Asks it to end as an orchestrator does, and waits until it has.
    pub(crate) fn end(mut self) -> Ended {
        let pid = Pid::from_raw(self.child.0.id().try_into().unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        Ended {
            succeeded: self.child.0.wait().unwrap().success(),
            stdout: self.stdout.join().unwrap(),
            stderr: self.stderr.join().unwrap(),
        }
    }
}
