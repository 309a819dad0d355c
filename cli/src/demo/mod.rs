//! `throughline demo`: the quickstart, a load and a receiver in one command, so that the
//! first look at Throughline needs neither containers nor an account.

use std::{
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Args;
use jiff::SignedDuration;
use owo_colors::OwoColorize;
use throughline_receiver::Receiver;
use tokio::signal::unix::{SignalKind, signal};

use crate::render;

mod build;
mod load;
mod service;
mod verdict;

use service::Service;

/// What the shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How long to send requests, such as `10s` or `1m`; each route is called at least once
    #[arg(long = "for", value_name = "DURATION", default_value = "3s", value_parser = duration)]
    length: Duration,

    /// How many traces of each route to print; all are counted and checked
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    traces: usize,

    /// Send by OTLP over HTTP instead of gRPC
    #[arg(long)]
    http: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "expected a length of time such as 10s, 500ms or 1m".into())
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?
        .block_on(demo(options))
}

async fn demo(options: &Options) -> Result<ExitCode> {
    let mut interrupts = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let interrupted = Ok(ExitCode::from(INTERRUPTED));

    let (receiver, mut service) = tokio::select! {
        started = start(options) => started?,
        _ = interrupts.recv() => return interrupted,
    };

    step(&format!("sending requests for {:?}", options.length));
    let deadline = Instant::now() + options.length;
    let requests = load::drive(service.address(), deadline, interrupts.recv());
    let load = service.unless_it_exits(requests).await??;

    step("stopping it, which flushes what it still holds");
    tokio::select! {
        stopped = service.stop() => stopped?,
        _ = interrupts.recv() => return interrupted,
    }
    // The service has ended, so nothing is on its way any more.
    let received = receiver.contents();
    receiver.shutdown().await;

    let verdict = verdict::judge(&received, &load.answers);
    anstream::print!("\n{}", render::report(&received, options.traces));
    anstream::print!("{verdict}");
    if load.interrupted {
        return interrupted;
    }
    Ok(if verdict.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Everything up to the moment that the service answers.
async fn start(options: &Options) -> Result<(Receiver, Service)> {
    step("building the quickstart");
    let program = build::quickstart().await?;
    let receiver = Receiver::start()?;
    let (protocol, endpoint) = if options.http {
        ("http/protobuf", receiver.http_endpoint())
    } else {
        ("grpc", receiver.grpc_endpoint())
    };
    let address = free_address()?;
    step(&format!(
        "starting it on http://{address}, sending OTLP ({protocol}) to {endpoint}"
    ));
    let mut service = Service::start(&program, address, protocol, &endpoint)?;
    service.ready().await?;
    Ok((receiver, service))
}

/// A port that is free now. Another process could take it before the service does; the
/// service then says so.
fn free_address() -> Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .context("cannot find a free port on 127.0.0.1")
}

/// Progress goes to stderr, so that the report can be piped.
fn step(text: &str) {
    anstream::eprintln!("{} {text}", "▸".cyan().bold());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_load_is_read_with_its_unit() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert!(duration("ten").unwrap_err().contains("10s"));
        assert!(duration("-1s").is_err());
    }
}
