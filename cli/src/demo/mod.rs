//! `throughline demo`: a shop, its customers and the viewer in one command, so that the first
//! look at Throughline needs neither containers nor an account.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Args;
use jiff::SignedDuration;
use owo_colors::OwoColorize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    dev::{self, Dev, Running},
    store::Readers,
};

mod build;
mod process;
mod summary;
mod verdict;

use process::Process;

/// What the shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// End after this long, such as `30s` or `5m`, with an exit code that tells whether all arrived [default: at Ctrl-C]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    length: Option<Duration>,

    /// What the customers do, by number: the same seed is the same sequence of actions
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,

    /// Actions of customers a second
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,

    /// What goes wrong in the shop: name or name=rate, with commas between; a name that does not exist lists them
    #[arg(long, value_name = "FAULTS", default_value = "")]
    faults: String,

    #[command(flatten)]
    data: dev::DataDir,
}

fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| *duration >= Duration::from_secs(1))
        .ok_or_else(|| "expected a length of time of 1s or more, such as 30s or 5m".into())
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?
        .block_on(demo(options))
}

async fn demo(options: &Options) -> Result<ExitCode> {
    let mut stop = Stop::new()?;
    step("building the shop");
    let program = tokio::select! {
        program = build::shop() => program?,
        () = stop.wanted() => return Ok(ExitCode::from(INTERRUPTED)),
    };
    let (viewer, running) = viewer(&options.data).await?;
    // What the shop sells and to whom is of this run alone.
    let data = std::env::temp_dir().join(format!("throughline-demo-{}", std::process::id()));
    let outcome = shop(options, &program, &running, &data, &mut stop).await;
    std::fs::remove_dir_all(&data).ok();
    if let Some(viewer) = viewer {
        viewer.stop().await;
    }
    outcome
}

/// The viewer that runs here already, or one of our own, in memory.
async fn viewer(data: &dev::DataDir) -> Result<(Option<Dev>, Running)> {
    let folder = data.path()?;
    if let Some(running) = dev::running(&folder) {
        step("sending to the `throughline dev` that runs already");
        return Ok((None, running));
    }
    let ports = [4317, 4318, 8969].map(free_or_any);
    let viewer = Dev::start(&dev::Options::in_memory(data.clone(), ports)).await?;
    let running = viewer.running().clone();
    Ok((Some(viewer), running))
}

async fn shop(
    options: &Options,
    program: &Path,
    running: &Running,
    data: &Path,
    stop: &mut Stop,
) -> Result<ExitCode> {
    let begun = crate::store::now();
    let mut services = Vec::new();
    let started = async {
        let payments = Process::service(program, "payments", running, data, options, None)?;
        services.push(payments);
        let at = services[0].listens().await?;
        services.push(Process::service(
            program, "worker", running, data, options, None,
        )?);
        services[1].listens().await?;
        services.push(Process::service(
            program,
            "storefront",
            running,
            data,
            options,
            Some(&at),
        )?);
        services[2].listens().await
    };
    let storefront = tokio::select! {
        storefront = started => storefront?,
        () = stop.wanted() => return Ok(ExitCode::from(INTERRUPTED)),
    };
    let mut load = Process::load(program, &storefront, options)?;

    anstream::println!("\n  {}\n", running.page.cyan().bold());
    step(&format!(
        "a shop of three services at {storefront}, {} actions of its customers a second",
        options.rate
    ));
    match options.length {
        Some(length) => step(&format!("ends in {length:?}, or at Ctrl-C")),
        None => step("Ctrl-C ends it"),
    }

    let readers = Readers::new(&running.database);
    let interrupted = {
        let mut shown = summary::Live::new(&readers);
        let ends = options.length.map(|length| Instant::now() + length);
        tokio::select! {
            failed = process::any_that_ends(&mut services, &mut load) => return Err(failed),
            () = shown.until(ends) => false,
            () = stop.wanted() => true,
        }
    };

    step("ending the load, then the shop, which sends what it still holds");
    let done = load.stop().await?;
    let made = verdict::Made::read(&done)?;
    // The storefront first, as the others serve it.
    for service in services.iter_mut().rev() {
        service.stop().await?;
    }
    let verdict = readers
        .ask(move |reader| verdict::judge(reader, &made, begun))
        .await?;
    anstream::print!("\n{verdict}");
    Ok(if !verdict.is_good() {
        ExitCode::FAILURE
    } else if interrupted && options.length.is_some() {
        ExitCode::from(INTERRUPTED)
    } else {
        ExitCode::SUCCESS
    })
}

/// Ctrl-C or SIGTERM. Made once, so that none is missed in between.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?,
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
        })
    }

    async fn wanted(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The port on loopback, or any other where it is taken. Another process could take it before
/// it is listened on; that is then said.
fn free_or_any(port: u16) -> SocketAddr {
    let wanted = SocketAddr::from(([127, 0, 0, 1], port));
    match TcpListener::bind(wanted) {
        Ok(_) => wanted,
        Err(_) => SocketAddr::from(([127, 0, 0, 1], 0)),
    }
}

/// Progress goes to stderr, so that the verdict can be piped.
fn step(text: &str) {
    anstream::eprintln!("{} {text}", "▸".cyan().bold());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_read_with_its_unit() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1m"), Ok(Duration::from_secs(60)));
        assert!(duration("ten").unwrap_err().contains("30s"));
        assert!(duration("-1s").is_err());
    }
}
