//! The program `throughline`: see a service's traces, logs and metrics on a laptop.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use owo_colors::OwoColorize;

mod demo;
mod page;
mod render;

/// See what a service tells about itself, on this machine, with nothing else installed.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the quickstart service under a short load and print the traces, logs and metrics that arrive
    Demo(demo::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Demo(options) => demo::run(&options),
    };
    result.unwrap_or_else(|error| {
        anstream::eprintln!("{} {error:#}", "error:".red().bold());
        ExitCode::FAILURE
    })
}
