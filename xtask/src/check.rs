//! The whole check, step by step. A step that fails does not stop those that do not
//! depend on it; the summary at the end counts tests and checks together.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use clap::ValueEnum;

use self::tally::Tally;
use crate::engine::{Engine, Kind};
use crate::images;

mod advisories;
mod e2e;
mod features;
mod fuzz;
mod generated;
mod rust;
mod servers;
mod tally;
mod viewer;

/// A step of the whole check, in the order that they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// `cargo fmt --check`.
    Fmt,
    /// `cargo clippy`, warnings denied.
    Clippy,
    /// `cargo doc`, warnings denied.
    Doc,
    /// Licences, sources and advisories of all dependencies, by cargo-deny.
    Deny,
    /// The SDK as it would be published.
    Package,
    /// Unit, wire-level and documentation tests, with all features.
    Test,
    /// The SDK's lints with no feature, each alone and the default, and its tests with none and
    /// the default.
    Features,
    /// The viewer in a real browser, and the clients of others against it.
    Viewer,
    /// Each parser of outside input under a coverage-guided fuzzer, for some seconds.
    Fuzz,
    /// Generated files equal what their generators make.
    Generated,
    /// The images of the stack, which were being built meanwhile.
    Images,
    /// The servers' own checks of their configurations, and of the compose file.
    Servers,
    /// The stack and the tests over the real servers.
    E2e,
}

impl Step {
    fn needs_containers(self) -> bool {
        matches!(self, Self::Images | Self::Servers | Self::E2e)
    }

    fn title(self) -> &'static str {
        match self {
            Self::Fmt => "format",
            Self::Clippy => "lints",
            Self::Doc => "documentation",
            Self::Deny => "licences and advisories",
            Self::Package => "package of the SDK",
            Self::Test => "unit and wire-level tests",
            Self::Features => "sets of features",
            Self::Viewer => "viewer and foreign clients",
            Self::Fuzz => "fuzzing",
            Self::Generated => "generated files",
            Self::Images => "images",
            Self::Servers => "server configurations",
            Self::E2e => "end-to-end tests",
        }
    }
}

/// What to check.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only these steps; empty means all.
    pub only: Vec<Step>,
    /// Leave out what needs containers.
    pub skip_e2e: bool,
    /// The container engine, or the first that answers.
    pub engine: Option<Kind>,
}

impl Options {
    fn steps(&self) -> Vec<Step> {
        Step::value_variants()
            .iter()
            .copied()
            .filter(|step| self.only.is_empty() || self.only.contains(step))
            .filter(|step| !self.skip_e2e || !step.needs_containers())
            .collect()
    }
}

struct Outcome {
    step: Step,
    took: Duration,
    tally: Tally,
}

/// Runs the steps and prints the summary; `Ok(false)` when one failed.
///
/// # Errors
/// When the check itself cannot go on.
pub fn run(options: &Options) -> Result<bool> {
    let start = Instant::now();
    let steps = options.steps();
    // The images take longest where they have to be compiled, so they start first and
    // run beside the Rust build, which has the processor's precedence.
    let mut images = steps.iter().any(|step| step.needs_containers()).then(|| {
        let wanted = options.engine;
        thread::spawn(move || -> Result<Engine> {
            let engine = Engine::find(wanted).and_then(|engine| {
                images::ensure_all(&engine, images::Priority::Background)?;
                Ok(engine)
            });
            if let Err(error) = &engine {
                println!("images: failed, going on without them: {error:#}");
            }
            engine
        })
    });
    let mut engine: Option<Engine> = None;

    let mut outcomes = Vec::new();
    for step in steps {
        let step_start = Instant::now();
        println!(
            "\n=== {} ({} s since the start)",
            step.title(),
            start.elapsed().as_secs()
        );
        if step.needs_containers()
            && let Some(builds) = images.take()
        {
            match builds
                .join()
                .unwrap_or_else(|_| Err(anyhow!("the image builds panicked")))
            {
                Ok(found) => engine = Some(found),
                Err(error) => outcomes.push(Outcome {
                    step: Step::Images,
                    took: step_start.elapsed(),
                    tally: show(Step::Images, Err(error)),
                }),
            }
        }
        if step == Step::Images && engine.is_none() {
            // Its failure was noted where the builds were waited for.
            continue;
        }
        let tally = show(step, run_step(step, engine.as_ref()));
        outcomes.push(Outcome {
            step,
            took: step_start.elapsed(),
            tally,
        });
    }
    Ok(summarize(&outcomes, start.elapsed()))
}

fn run_step(step: Step, engine: Option<&Engine>) -> Result<Tally> {
    let engine = || engine.context("not run: the images could not be had");
    match step {
        Step::Fmt => rust::fmt(),
        Step::Clippy => rust::clippy(),
        Step::Doc => rust::doc(),
        Step::Deny => advisories::check(),
        Step::Package => rust::package(),
        Step::Test => rust::test(),
        Step::Features => features::check(),
        Step::Viewer => viewer::check(),
        Step::Fuzz => fuzz::check(),
        Step::Generated => Ok(generated::check()),
        Step::Images => engine().map(|_| Tally::passed()),
        Step::Servers => servers::check(engine()?),
        Step::E2e => e2e::check(engine()?),
    }
}

/// Prints a failure at once, where its context is on the screen.
fn show(step: Step, result: Result<Tally>) -> Tally {
    let tally = result.unwrap_or_else(|error| Tally::failed(format!("{error:#}")));
    for failure in &tally.failures {
        println!("FAILED {}: {failure}", step.title());
    }
    tally
}

fn summarize(outcomes: &[Outcome], took: Duration) -> bool {
    let (mut passed, mut failed) = (0, 0);
    println!("\n=== summary");
    for Outcome { step, took, tally } in outcomes {
        let verdict = if tally.is_failure() { "FAILED" } else { "ok" };
        println!(
            "{verdict:<7} {:<26} {:>5} passed {:>3} failed {:>5} s",
            step.title(),
            tally.passed,
            tally.failed,
            took.as_secs()
        );
        passed += tally.passed;
        failed += tally.failed;
    }
    for outcome in outcomes {
        for note in &outcome.tally.notes {
            println!("note: {note}");
        }
        for failure in &outcome.tally.failures {
            let first = failure.lines().next().unwrap_or_default();
            println!("FAILED {}: {first}", outcome.step.title());
        }
    }
    println!("{} s", took.as_secs());
    println!("{passed} passed, {failed} failed");
    failed == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipping_the_containers_leaves_every_other_step() {
        let options = Options {
            skip_e2e: true,
            ..Options::default()
        };
        let steps = options.steps();
        assert!(steps.contains(&Step::Test) && !steps.contains(&Step::E2e));
        assert_eq!(
            Options::default().steps().len(),
            Step::value_variants().len()
        );
    }

    #[test]
    fn one_failure_makes_the_whole_check_fail() {
        let outcome = |tally| Outcome {
            step: Step::Fmt,
            took: Duration::ZERO,
            tally,
        };
        assert!(summarize(&[outcome(Tally::passed())], Duration::ZERO));
        assert!(!summarize(
            &[outcome(Tally::passed()), outcome(Tally::failed("x"))],
            Duration::ZERO
        ));
    }
}
