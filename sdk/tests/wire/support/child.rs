//! A child that its test talks with while it runs: "the port is closed now", "so is the
//! first batch sent". A word is a line, one way on standard output, the other on standard
//! input.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child as Process, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use throughline::{Delivery, ShutdownReport};

use super::{Outcome, command};

/// Before a word on standard output, where the harness and the console also write.
const WORD: &str = "@@ ";

/// No word takes longer, nor does an end.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct Child {
    process: Process,
    stdin: ChildStdin,
    words: Receiver<String>,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<()>,
    /// What was said on standard error so far.
    complaints: Arc<Mutex<String>>,
}

/// How a child ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub outcome: Outcome,
    /// The words that were not yet heard.
    pub words: Vec<String>,
}

/// If this process is the test's child, runs the body and ends.
pub fn as_child(test: &str, body: impl FnOnce()) {
    if super::is_child(test) {
        body();
        std::process::exit(0);
    }
}

impl Child {
    /// Starts the child of this test with these variables and no others of telemetry's.
    pub fn start(test: &str, variables: &[(String, String)]) -> Self {
        let mut process = command(test)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take().unwrap();
        let stdout = process.stdout.take().unwrap();
        let stderr = process.stderr.take().unwrap();
        let (say, words) = channel();
        let stdout = std::thread::spawn(move || {
            let mut all = String::new();
            for line in BufReader::new(stdout).lines() {
                let line = line.unwrap();
                // The harness may have begun the line with its own words.
                if let Some((_, word)) = line.split_once(WORD) {
                    // Nobody may be listening any more.
                    let _ = say.send(word.to_owned());
                } else {
                    all.push_str(&line);
                    all.push('\n');
                }
            }
            all
        });
        let complaints = Arc::new(Mutex::new(String::new()));
        let write = Arc::clone(&complaints);
        let stderr = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let mut all = write.lock().unwrap();
                all.push_str(&line.unwrap());
                all.push('\n');
            }
        });
        Self {
            process,
            stdin,
            words,
            stdout,
            stderr,
            complaints,
        }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for the next word of the child and gives back what follows its first part.
    pub fn hear(&mut self, word: &str) -> String {
        let heard = self.words.recv_timeout(PATIENCE);
        let Ok(heard) = heard else {
            let _ = self.process.kill();
            let complaints = self.complaints.lock().unwrap();
            panic!("the child never said {word:?}:\n{complaints}");
        };
        let rest = heard.strip_prefix(word);
        rest.unwrap_or_else(|| panic!("expected {word:?}, heard {heard:?}"))
            .trim_start()
            .to_owned()
    }

    /// Lets the child go on from [`listen`].
    pub fn tell(&mut self, word: &str) {
        writeln!(self.stdin, "{word}").unwrap();
        self.stdin.flush().unwrap();
    }

    pub fn kill(&mut self) {
        self.process.kill().unwrap();
    }

    /// Waits for the end, however it comes about.
    pub fn ended(mut self) -> Ended {
        drop(self.stdin);
        let status = self.process.wait().unwrap();
        let stdout = self.stdout.join().unwrap();
        self.stderr.join().unwrap();
        Ended {
            status,
            outcome: Outcome {
                success: status.success(),
                stdout,
                stderr: std::mem::take(&mut self.complaints.lock().unwrap()),
            },
            words: self.words.try_iter().collect(),
        }
    }

    /// Waits for the end, which must be a good one.
    pub fn end(self) -> Ended {
        let ended = self.ended();
        assert!(ended.status.success(), "the child failed:\n{ended:#?}");
        ended
    }
}

/// Says a word to the test; only in a child.
pub fn say(word: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{WORD}{word}").unwrap();
    stdout.flush().unwrap();
}

/// Waits until the test says this word; only in a child.
pub fn listen(word: &str) {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), word);
}

/// What [`say_report`] said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    pub traces: Books,
    pub logs: Books,
    pub timed_out: Vec<String>,
}

/// One signal's [`Delivery`], with the reasons as the metric and the log have them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Books {
    pub emitted: u64,
    pub delivered: u64,
    pub dropped: BTreeMap<String, u64>,
}

impl Books {
    pub fn lost(&self, reason: &str) -> u64 {
        self.dropped.get(reason).copied().unwrap_or_default()
    }

    /// All went well.
    pub fn whole(items: u64) -> Self {
        Self::with(items, &[])
    }

    /// All went well but for these.
    pub fn with(items: u64, dropped: &[(&str, u64)]) -> Self {
        let dropped: BTreeMap<_, _> = dropped
            .iter()
            .map(|(reason, count)| ((*reason).to_owned(), *count))
            .collect();
        Self {
            emitted: items,
            delivered: items - dropped.values().sum::<u64>(),
            dropped,
        }
    }

    pub fn balance(&self) -> bool {
        self.emitted == self.delivered + self.dropped.values().sum::<u64>()
    }
}

/// Tells the test what became of everything; only in a child.
pub fn say_report(report: &ShutdownReport) {
    let books = |delivery: &Delivery| {
        let dropped: BTreeMap<String, u64> = delivery
            .dropped
            .iter()
            .map(|(reason, items)| (reason.to_string(), *items))
            .collect();
        serde_json::json!([delivery.emitted, delivery.delivered, dropped])
    };
    let report = serde_json::json!([books(&report.traces), books(&report.logs), report.timed_out]);
    say(&format!("report {report}"));
}

impl Child {
    /// Waits for [`say_report`].
    pub fn report(&mut self) -> Report {
        type Told = (u64, u64, BTreeMap<String, u64>);
        let told = self.hear("report");
        let (traces, logs, timed_out): (Told, Told, Vec<String>) =
            serde_json::from_str(&told).unwrap();
        let books = |(emitted, delivered, dropped)| Books {
            emitted,
            delivered,
            dropped,
        };
        Report {
            traces: books(traces),
            logs: books(logs),
            timed_out,
        }
    }
}

/// A variable that the test gave its child, such as the case that it is.
pub fn given(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} was not given"))
}

/// One span and one record inside of it, both with this number.
pub fn emit(item: i64) {
    tracing::info_span!("work", item).in_scope(|| tracing::info!(item, "working"));
}
