//! What the writer does between transactions: counts are written, small pieces are put together,
//! what is old goes, and the log is folded into the database.

use super::Writer;
use crate::store::{StoreError, chunk::Kind, traces};

/// The log of what is not in the database yet is folded into it when it is this long, in bytes, or
/// an eighth of the bound on the database. A longer one saves nothing, as most pages in it are
/// there again and again.
const LONGEST_LOG: u64 = 16 * 1024 * 1024;
const SHORTEST_LOG: u64 = 1024 * 1024;

/// How long the log may be with a bound on the database of so many bytes.
pub(super) fn longest_log(bound: u64) -> u64 {
    (bound / 8).clamp(SHORTEST_LOG, LONGEST_LOG)
}

impl Writer {
    pub(super) fn upkeep(&mut self) {
        let written = (|| {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            self.red.write(&self.connection)?;
            self.subjects.write(&self.connection)?;
            self.outbox.upkeep(&self.connection)?;
            self.connection.execute_batch("COMMIT")?;
            Ok::<_, StoreError>(())
        })();
        if let Err(error) = written {
            self.roll_back();
            tracing::warn!(%error, "cannot write the counts of what is stored");
        }
    }

    /// Puts small pieces together.
    pub(super) fn tidy(&mut self) {
        let tidied = (|| {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            traces::merge(Kind::Spans, &self.connection)?;
            traces::merge(Kind::Records, &self.connection)?;
            for merger in &mut self.mergers {
                merger.run(&self.connection)?;
            }
            self.connection.execute_batch("COMMIT")?;
            Ok::<_, StoreError>(())
        })();
        if let Err(error) = tidied {
            for merger in &mut self.mergers {
                merger.give_up();
            }
            self.roll_back();
            tracing::warn!(%error, "cannot put small pieces together");
        }
    }

    pub(super) fn delete(&mut self) {
        let deleted = (|| {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            let deleted = self.retention.run(&self.connection)?;
            self.connection.execute_batch("COMMIT")?;
            Ok::<_, StoreError>(deleted)
        })();
        match deleted {
            Ok(0) => {}
            Ok(deleted) => self
                .changes
                .send_modify(|changes| changes.deleted += deleted),
            Err(error) => {
                self.retention.give_up();
                self.roll_back();
                tracing::warn!(%error, "cannot delete what is old");
            }
        }
    }

    /// Folds the log into the database where it has become long. The thread of the checkpoints
    /// has done most of it, but never all of it while something is written, and only then the
    /// log begins anew.
    pub(super) fn fold(&mut self) {
        let length = self.log_bytes();
        if length <= self.longest_log {
            self.unfolded = 0;
        } else if length >= self.unfolded + self.longest_log / 4 {
            self.unfolded = length;
            self.connection
                .pragma(None, "wal_checkpoint", "passive", |_| Ok(()))
                .ok();
        }
    }

    fn log_bytes(&self) -> u64 {
        self.connection
            .path()
            .and_then(|path| std::fs::metadata(format!("{path}-wal")).ok())
            .map_or(0, |log| log.len())
    }
}
