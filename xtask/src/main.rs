//! `cargo xtask`: developer commands of this workspace.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::check::{self, Step};
use xtask::engine::{Engine, Kind};
use xtask::stack::{Stack, Volumes};
use xtask::{features, fuzz, images};

/// Developer commands of this workspace.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    /// Use this container engine; otherwise Docker if it answers, else Podman.
    #[arg(long, global = true, value_enum)]
    engine: Option<Kind>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Pull or build the images of docker-compose.yml.
    Images {
        /// Write the collector's sources again from collector/builder.yaml; build nothing.
        #[arg(long)]
        regenerate_collector: bool,
    },
    /// Run the stack of docker-compose.yml.
    Stack {
        /// The compose project; another name is another stack, with volumes of its own.
        #[arg(long, global = true, default_value = "throughline")]
        project: String,
        #[command(subcommand)]
        command: StackCommand,
    },
    /// Fuzz the parsers of outside input, guided by coverage.
    Fuzz {
        /// Only this target: a folder of fuzz/seeds.
        target: Option<String>,
        /// How long, for each target.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Measure what each of the SDK's features costs, for the table in the README.
    Features,
    /// Check everything: format, lints, docs, licences, tests, and the whole stack.
    Test {
        /// Run only this step; can be given several times.
        #[arg(long, value_enum)]
        only: Vec<Step>,
        /// Leave out all that needs containers.
        #[arg(long)]
        skip_e2e: bool,
    },
}

#[derive(Subcommand)]
enum StackCommand {
    /// Start every server and wait until all are ready.
    Up {
        /// Start the shop and its customers too.
        #[arg(long)]
        shop: bool,
    },
    /// Stop and remove the containers.
    Down {
        /// Delete the stored traces, logs, metrics and issues too.
        #[arg(long)]
        volumes: bool,
    },
    /// Show every service's state and address.
    Status,
    /// Print the logs so far, of one service or all.
    Logs {
        /// A service of docker-compose.yml.
        service: Option<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let engine = arguments.engine;
    match arguments.command {
        Command::Images {
            regenerate_collector: true,
        } => images::collector::regenerate()?,
        Command::Images { .. } => {
            let engine = Engine::find(engine)?;
            images::ensure_all(&engine, images::Priority::Normal)?;
        }
        Command::Stack { project, command } => {
            let stack = Stack::new(&project, engine)?;
            match command {
                StackCommand::Up { shop } => {
                    stack.up()?;
                    if shop {
                        stack.up_shop(&[])?;
                    }
                    stack.print_status()?;
                }
                StackCommand::Down { volumes: true } => stack.down(Volumes::Delete)?,
                StackCommand::Down { volumes: false } => stack.down(Volumes::Keep)?,
                StackCommand::Status => stack.print_status()?,
                StackCommand::Logs { service } => stack.print_logs(service.as_deref())?,
            }
        }
        Command::Features => features::measure()?,
        Command::Fuzz { target, seconds } => {
            let runs = fuzz::run(target.as_deref(), Duration::from_secs(seconds))?;
            if runs.iter().any(|run| run.inputs.is_err()) {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Test { only, skip_e2e } => {
            let all_passed = check::run(&check::Options {
                only,
                skip_e2e,
                engine,
            })?;
            if !all_passed {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
