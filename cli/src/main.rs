//! The program `throughline`: see a service's traces, logs and metrics on a laptop.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use owo_colors::OwoColorize;

mod demo;
mod dev;
mod issue;
mod page;
mod render;
mod sentry;
mod store;
mod terminal;
mod views;
mod wire;

/// See what a service tells about itself, on this machine, with nothing else installed.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a shop of three services with its customers, and show in one page what they send
    Demo(demo::Options),
    /// Take OTLP and Sentry's envelopes on this machine, and show them in one page
    Dev(Box<dev::Options>),
    #[command(flatten)]
    Terminal(terminal::Command),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Demo(options) => demo::run(&options),
        Command::Dev(options) => dev::run(&options),
        Command::Terminal(command) => terminal::run(&command),
    };
    result.unwrap_or_else(|error| {
        anstream::eprintln!("{} {error:#}", "error:".red().bold());
        ExitCode::FAILURE
    })
}
