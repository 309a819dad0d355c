//! One line on the terminal that tells how much has arrived so far.

use std::{
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::store::{Reader, Readers, StoreError};

/// On a terminal the line is written over each second; in a file a line now and then is enough.
const ON_TERMINAL: Duration = Duration::from_secs(1);
const IN_FILE: Duration = Duration::from_secs(10);

pub(super) struct Live<'a> {
    readers: &'a Readers,
    terminal: bool,
    shown: bool,
}

impl<'a> Live<'a> {
    pub(super) fn new(readers: &'a Readers) -> Self {
        Self {
            readers,
            terminal: stderr().is_terminal(),
            shown: false,
        }
    }

    /// Shows the line until then; for ever, where there is no end.
    pub(super) async fn until(&mut self, ends: Option<Instant>) {
        let every = if self.terminal { ON_TERMINAL } else { IN_FILE };
        let begun = Instant::now();
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = async {
            match ends {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(end);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = &mut end => return,
            }
            // A database that cannot be read now shows in the verdict.
            if let Ok(line) = self.readers.ask(line).await {
                self.show(&format!("{:>4} s  {line}", begun.elapsed().as_secs()));
            }
        }
    }

    fn show(&mut self, line: &str) {
        let mut err = stderr();
        if self.terminal {
            write!(err, "\r\x1b[2K  {line}").ok();
        } else {
            writeln!(err, "  {line}").ok();
        }
        err.flush().ok();
        self.shown = true;
    }
}

impl Drop for Live<'_> {
    /// What follows begins on a line of its own.
    fn drop(&mut self) {
        if self.terminal && self.shown {
            writeln!(stderr()).ok();
        }
    }
}

fn line(reader: &Reader) -> Result<String, StoreError> {
    let sizes = reader.sizes()?;
    let points: i64 = reader
        .connection()
        .query_row("SELECT count(*) FROM point", [], |row| row.get(0))?;
    Ok(format!(
        "{} spans  {} records  {points} points  {} kinds of error",
        sizes.spans, sizes.records, sizes.issues
    ))
}
