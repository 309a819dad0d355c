//! Child processes, run so that a failure names the command and shows what it said.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How often a child that runs beside a deadline or a heartbeat is looked at.
const POLL: Duration = Duration::from_millis(100);

/// How much of a log a failure shows; the whole of it stays in its file.
const TAIL: usize = 40;

/// Runs with the terminal's output and fails on a non-zero exit.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| not_started(command))?;
    require(status, command)
}

/// Runs silently and returns standard output; a failure carries standard error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| not_started(command))?;
    if !status.success() {
        bail!(
            "`{}` ended with {status}: {}",
            line(command),
            String::from_utf8_lossy(&stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// Whether the command exists and ends well, within the deadline.
pub(crate) fn succeeds(command: &mut Command, deadline: Duration) -> bool {
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    matches!(wait(command, Some(deadline), |_| {}), Ok(Some(status)) if status.success())
}

/// Runs with both outputs in `log`, calling `beat` with the elapsed time every 15 seconds.
/// A failure shows the log's last lines.
pub(crate) fn logged(command: &mut Command, log: &Path, beat: impl FnMut(Duration)) -> Result<()> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot write {}", log.display()))?;
    // What earlier commands wrote into the same log is not this one's failure.
    let before = file.metadata().map_or(0, |file| file.len());
    command
        .stdout(file.try_clone().context("cannot share the log file")?)
        .stderr(file);
    let status = wait(command, None, beat)?;
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => bail!(
            "`{}` ended with {status}; the last lines of {}:\n{}",
            line(command),
            log.display(),
            tail(&since(log, before), TAIL)
        ),
        None => bail!("`{}` was not waited for", line(command)),
    }
}

/// What a log holds from a position on.
fn since(log: &Path, position: u64) -> String {
    let content = fs::read(log).unwrap_or_default();
    let start = usize::try_from(position).unwrap_or(0).min(content.len());
    String::from_utf8_lossy(&content[start..]).into_owned()
}

/// Waits for the child to end. `None` says that the deadline passed first and the child
/// was killed.
fn wait(
    command: &mut Command,
    deadline: Option<Duration>,
    mut beat: impl FnMut(Duration),
) -> Result<Option<ExitStatus>> {
    const HEARTBEAT: Duration = Duration::from_secs(15);
    let start = Instant::now();
    let mut next_beat = HEARTBEAT;
    let mut child = command
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| not_started(command))?;
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a child")? {
            return Ok(Some(status));
        }
        let elapsed = start.elapsed();
        if deadline.is_some_and(|deadline| elapsed >= deadline) {
            child.kill().context("cannot stop a child")?;
            child.wait().context("cannot wait for a child")?;
            return Ok(None);
        }
        if elapsed >= next_beat {
            beat(elapsed);
            next_beat += HEARTBEAT;
        }
        thread::sleep(POLL);
    }
}

/// Fails unless the status is a success, naming the command.
fn require(status: ExitStatus, command: &Command) -> Result<()> {
    if !status.success() {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(())
}

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        if argument.is_empty() || argument.contains(char::is_whitespace) {
            let _ = write!(line, " '{argument}'");
        } else {
            let _ = write!(line, " {argument}");
        }
    }
    line
}

fn not_started(command: &Command) -> String {
    format!(
        "cannot start `{}`: is {} installed and in PATH?",
        line(command),
        command.get_program().to_string_lossy()
    )
}

/// The last `count` lines.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_a_short_text_is_the_text() {
        assert_eq!(tail("a\nb", 5), "a\nb");
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
    }

    #[test]
    fn an_argument_with_a_space_is_quoted() {
        assert_eq!(
            line(Command::new("go").args(["build", "-ldflags", "-s -w"])),
            "go build -ldflags '-s -w'"
        );
    }

    #[test]
    fn a_child_past_its_deadline_is_not_a_success() {
        assert!(!succeeds(
            Command::new("sleep").arg("30"),
            Duration::from_millis(200)
        ));
        assert!(succeeds(&mut Command::new("true"), Duration::from_secs(5)));
    }

    #[test]
    fn a_failure_shows_only_its_own_part_of_a_shared_log() {
        let log = std::env::temp_dir().join(format!("xtask-log-{}", std::process::id()));
        logged(Command::new("echo").arg("earlier"), &log, |_| {}).expect("echo works");
        let failure = logged(
            Command::new("sh").args(["-c", "echo later; exit 1"]),
            &log,
            |_| {},
        )
        .expect_err("exit 1 is a failure")
        .to_string();
        fs::remove_file(&log).expect("the log was written");
        assert!(
            failure.contains("\nlater") && !failure.contains("earlier"),
            "{failure}"
        );
    }

    #[test]
    fn a_failure_carries_what_the_command_said() {
        let failure = output(Command::new("sh").args(["-c", "echo wrong >&2; exit 3"]))
            .expect_err("exit 3 is a failure")
            .to_string();
        assert!(
            failure.contains("wrong") && failure.contains('3'),
            "{failure}"
        );
    }
}
