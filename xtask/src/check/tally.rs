//! What a step counted, and how the counts are read from test programs.

use anyhow::Result;

/// Tests and checks that passed and failed in one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    /// What was run and what came back, for each failure.
    pub(super) failures: Vec<String>,
    /// What the reader of the summary must know though nothing failed.
    pub(super) notes: Vec<String>,
}

impl Tally {
    /// One check that passed.
    pub(super) fn passed() -> Self {
        Self {
            passed: 1,
            ..Self::default()
        }
    }

    /// One check that failed.
    pub(super) fn failed(what: impl Into<String>) -> Self {
        Self {
            failed: 1,
            failures: vec![what.into()],
            ..Self::default()
        }
    }

    pub(super) fn is_failure(&self) -> bool {
        self.failed > 0
    }

    /// Counts one check by its result.
    pub(super) fn add(&mut self, what: &str, result: Result<()>) {
        match result {
            Ok(()) => {
                println!("ok {what}");
                self.passed += 1;
            }
            Err(error) => {
                self.failed += 1;
                self.failures.push(format!("{what}: {error:#}"));
            }
        }
    }

    /// Adds what a part of the step counted.
    pub(super) fn merge(&mut self, part: Self) {
        self.passed += part.passed;
        self.failed += part.failed;
        self.failures.extend(part.failures);
        self.notes.extend(part.notes);
    }

    /// Counts a line `test result: ok. 3 passed; 0 failed; …`; other lines are ignored.
    pub(super) fn read_line(&mut self, line: &str) {
        let Some((_, counts)) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            match count.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_lines_of_test_programs_are_summed() {
        let mut tally = Tally::default();
        for line in [
            "running 2 tests",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
        ] {
            tally.read_line(line);
        }
        assert_eq!((tally.passed, tally.failed), (15, 2));
    }
}
