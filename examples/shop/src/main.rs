//! A shop of three services, each a process of its own, and the users that it has.
//!
//! `shop storefront` sells, `shop payments` takes the money, `shop worker` does what can wait,
//! and `shop load` is everybody in front of them. They are one program, so that it is linked
//! once.

mod database;
mod failure;
mod faults;
mod load;
mod measures;
mod money;
mod payments;
mod process;
mod queue;
mod schema;
mod settings;
mod storefront;
mod switching;
mod time;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "shop", version, about = "A shop that Throughline observes")]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// What the users see: catalogue, accounts, baskets, checkouts
    Storefront(storefront::Arguments),
    /// Takes and returns money
    Payments(payments::Arguments),
    /// Sends receipts and digests, fills up the stock
    Worker(worker::Arguments),
    /// The users: makes requests until it is told to end
    Load(load::Arguments),
    /// Switches what goes wrong in the service beside it
    Fault(switching::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let (name, ended) = match Arguments::parse().part {
        Part::Storefront(arguments) => ("storefront", storefront::run(arguments).await),
        Part::Payments(arguments) => ("payments", payments::run(arguments).await),
        Part::Worker(arguments) => ("worker", worker::run(arguments).await),
        Part::Load(arguments) => ("load", load::run(arguments).await),
        Part::Fault(arguments) => ("fault", switching::run(arguments).await),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            process::say(&format!("shop {name}: {error}\n"));
            ExitCode::FAILURE
        }
    }
}
