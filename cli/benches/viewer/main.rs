//! How quick `throughline dev` is, beside Jaeger's all-in-one on the same load in the same run:
//! spans a second, acknowledgement times, memory, start-up; and its pages with a million spans
//! stored. `docs/performance.md` has the figures.
//!
//! ```text
//! cargo bench -p throughline-cli --bench viewer                                 # all of it
//! cargo bench -p throughline-cli --bench viewer -- spans --seconds 10 --rounds 1
//! cargo bench -p throughline-cli --bench viewer -- signals                      # spans, records, points; gRPC and HTTP
//! cargo bench -p throughline-cli --bench viewer -- pages --spans 1000000
//! cargo bench -p throughline-cli --bench viewer -- pages --days 7               # spread over a week
//! ```
//!
//! Servers stay on the first core; the load and everything else of this program on the second.

#![allow(missing_docs)]

mod client;
mod jaeger;
mod load;
mod pages;
mod requests;
mod server;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

use client::Transport;
use load::{Outcome, Pace, Target, run};
use requests::{Requests, SPANS, Signal, Spread, trace_id};
use server::{Server, System, Usage};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Spans, beside Jaeger.
    Spans,
    /// Spans, records and points over each transport.
    Signals,
    Pages,
}

#[derive(Debug, Parser)]
struct Options {
    /// Only these parts
    part: Vec<Part>,
    /// How long each load lasts
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// How often each system is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Spans that are stored before the pages are asked for
    #[arg(long, default_value_t = 1_000_000)]
    spans: u64,
    /// Over how many days these are spread; not given, it is measured at once and over a week
    #[arg(long)]
    days: Option<u64>,
    /// This program is Jaeger; else it is taken out of the image of the stack
    #[arg(long)]
    jaeger: Option<PathBuf>,
    /// The viewer alone
    #[arg(long)]
    without_jaeger: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let mut second = CpuSet::new();
    second.set(1)?;
    sched_setaffinity(Pid::from_raw(0), &second).context("two cores are needed")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let wants = |part| options.part.is_empty() || options.part.contains(&part);
    let mut met = true;
    if wants(Part::Spans) {
        met &= runtime.block_on(spans(&options))?;
    }
    if wants(Part::Signals) {
        runtime.block_on(signals(&options))?;
    }
    if wants(Part::Pages) {
        let days = options.days.map_or(vec![0, 7], |days| vec![days]);
        for days in days {
            met &= runtime.block_on(pages_of_a_million(&options, days))?;
        }
    }
    Ok(if met {
        ExitCode::SUCCESS
    } else {
        println!("\nA target was missed.");
        ExitCode::FAILURE
    })
}

/// What one round with one system came to.
struct Round {
    ready: Duration,
    full: Outcome,
    full_cpu: f64,
    after: Usage,
    paced: Outcome,
    stored: u64,
    sent: u64,
    whole: usize,
    asked: usize,
}

async fn spans(options: &Options) -> Result<bool> {
    let program = match &options.jaeger {
        _ if options.without_jaeger => PathBuf::new(),
        Some(program) => program.clone(),
        None => jaeger::program()?,
    };
    let viewer = std::fs::metadata(env!("CARGO_BIN_EXE_throughline"))?.len();
    println!("## Spans\n");
    println!("Program: {:.1} MB.", viewer as f64 / 1e6);
    if let Ok(jaeger) = std::fs::metadata(&program) {
        println!("Jaeger's: {:.1} MB.", jaeger.len() as f64 / 1e6);
    }
    let requests = Arc::new(Requests::new(Signal::Spans));
    println!(
        "Requests of {} spans in {} bytes.\n",
        requests.items(),
        requests.bytes()
    );
    let mut systems = vec![
        System::ViewerMemory,
        System::JaegerMemory,
        System::ViewerDisk,
        System::JaegerBadger,
    ];
    if options.without_jaeger {
        systems.retain(|system| !system.is_jaeger());
    }
    println!(
        "| system | spans/s | p50, p99, longest ack, ms | CPU µs a span | at half: p50, p99, longest, ms | MB resident, peak | MB in files | stored of sent | whole of asked | ready, ms |"
    );
    println!("|---|---:|---|---:|---|---|---:|---|---|---:|");
    let mut rounds: Vec<(System, Round)> = Vec::new();
    for number in 0..options.rounds {
        // Each goes first in turn, so that what the machine does beside is shared out.
        for position in 0..systems.len() {
            let system = systems[(number + position) % systems.len()];
            let round = one_round(system, &program, &requests, options.seconds).await?;
            print_round(system, &round);
            rounds.push((system, round));
        }
    }
    Ok(options.without_jaeger || verdict(&rounds))
}

async fn one_round(
    system: System,
    program: &Path,
    requests: &Arc<Requests>,
    seconds: u64,
) -> Result<Round> {
    let server = Server::start(system, program)?;
    let target = Target {
        address: server.grpc,
        transport: Transport::Grpc,
    };
    let next = Arc::new(AtomicU64::new(0));
    // Caches and heaps fill.
    let warm = run(
        target,
        requests,
        &next,
        Pace::Closed(Duration::from_secs(2)),
    )
    .await?;
    let before = server.usage()?;
    let full = run(
        target,
        requests,
        &next,
        Pace::Closed(Duration::from_secs(seconds)),
    )
    .await?;
    let after = server.usage()?;
    let pace = Pace::Paced {
        rate: full.rate() / 2.0,
        time: Duration::from_secs(seconds.div_ceil(2)),
    };
    let paced = run(target, requests, &next, pace).await?;
    let sent = warm.items + full.items + paced.items;
    let stored = server.stored("span")?;
    // Of the newest requests that surely were acknowledged; what has a bound drops the oldest.
    let last = next.load(Ordering::Relaxed).saturating_sub(200);
    let asked = 100;
    let mut whole = 0;
    for number in 0..asked {
        let request = last.saturating_sub(number as u64 * 7);
        whole += usize::from(server.spans_of(trace_id(request, number as u64 % 20))? == SPANS);
    }
    Ok(Round {
        ready: server.ready,
        full_cpu: after.cpu_seconds - before.cpu_seconds,
        full,
        after: server.usage().map(|usage| Usage {
            resident: after.resident,
            ..usage
        })?,
        paced,
        stored,
        sent,
        whole,
        asked,
    })
}

fn print_round(system: System, round: &Round) {
    let latencies = |outcome: &Outcome| {
        format!(
            "{:.1}, {:.1}, {:.0}",
            outcome.latency(500),
            outcome.latency(990),
            outcome.latency(1000)
        )
    };
    let mega = |bytes: u64| bytes as f64 / 1e6;
    println!(
        "| {} | {:.0} | {} | {:.2} | {} | {:.0}, {:.0} | {:.0} | {} of {} | {} of {} | {:.0} |",
        system.name(),
        round.full.rate(),
        latencies(&round.full),
        round.full_cpu * 1e6 / round.full.items as f64,
        latencies(&round.paced),
        mega(round.after.resident),
        mega(round.after.peak),
        mega(round.after.files),
        round.stored,
        round.sent,
        round.whole,
        round.asked,
        round.ready.as_secs_f64() * 1e3,
    );
}

/// Prints the ratios of the medians, and tells whether the targets are met.
fn verdict(rounds: &[(System, Round)]) -> bool {
    let median = |system: System, value: fn(&Round) -> f64| {
        let mut values: Vec<f64> = rounds
            .iter()
            .filter(|(of, _)| *of == system)
            .map(|(_, round)| value(round))
            .collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let mut met = true;
    println!();
    for (viewer, jaeger) in [
        (System::ViewerMemory, System::JaegerMemory),
        (System::ViewerDisk, System::JaegerBadger),
    ] {
        let ratio = |value: fn(&Round) -> f64| median(viewer, value) / median(jaeger, value);
        let rate = ratio(|round| round.full.rate());
        // What lies in the file system in memory is memory too.
        let memory = if viewer == System::ViewerMemory {
            median(viewer, |round| {
                (round.after.peak + round.after.files) as f64
            }) / median(jaeger, |round| round.after.peak as f64)
        } else {
            ratio(|round| round.after.peak as f64)
        };
        let ready = median(viewer, |round| round.ready.as_secs_f64() * 1e3);
        println!(
            "{} to {}: {rate:.2} of its rate, {memory:.2} of its peak memory, {:.2} of its CPU a span, ready in {ready:.0} ms.",
            viewer.name(),
            jaeger.name(),
            ratio(|round| round.full_cpu / round.full.items as f64),
        );
        met &= rate >= 1.0 && memory <= 1.0 && ready < 200.0;
    }
    met
}

async fn signals(options: &Options) -> Result<()> {
    println!("\n## Signals\n");
    println!(
        "| signal | transport | items/s | p50, p99, longest ack, ms | CPU µs an item | MB resident | bytes in files an item |"
    );
    println!("|---|---|---:|---|---:|---:|---:|");
    for signal in [Signal::Spans, Signal::Records, Signal::Points] {
        let requests = Arc::new(Requests::new(signal));
        for transport in [Transport::Grpc, Transport::Http, Transport::HttpGzip] {
            let server = Server::start(System::ViewerDisk, Path::new(""))?;
            let target = Target {
                address: match transport {
                    Transport::Grpc => server.grpc,
                    _ => server.http,
                },
                transport,
            };
            let next = Arc::new(AtomicU64::new(0));
            let warm = run(
                target,
                &requests,
                &next,
                Pace::Closed(Duration::from_secs(1)),
            )
            .await?;
            let before = server.usage()?;
            let time = Duration::from_secs(options.seconds.div_ceil(2));
            let outcome = run(target, &requests, &next, Pace::Closed(time)).await?;
            let after = server.usage()?;
            let table = match signal {
                Signal::Spans => "span",
                Signal::Records => "record",
                Signal::Points => "point",
            };
            let (stored, sent) = (server.stored(table)?, warm.items + outcome.items);
            // Two points of a series at the same nanosecond are one.
            if signal != Signal::Points {
                ensure!(
                    stored == sent,
                    "{stored} of {sent} {} stored",
                    signal.noun()
                );
            }
            println!(
                "| {} | {} | {:.0} | {:.1}, {:.1}, {:.0} | {:.2} | {:.0} | {:.0} |",
                signal.noun(),
                match transport {
                    Transport::Grpc => "gRPC",
                    Transport::Http => "HTTP",
                    Transport::HttpGzip => "HTTP, gzip",
                },
                outcome.rate(),
                outcome.latency(500),
                outcome.latency(990),
                outcome.latency(1000),
                (after.cpu_seconds - before.cpu_seconds) * 1e6 / outcome.items as f64,
                after.resident as f64 / 1e6,
                after.files as f64 / sent as f64,
            );
        }
    }
    Ok(())
}

async fn pages_of_a_million(options: &Options, days: u64) -> Result<bool> {
    match days {
        0 => println!("\n## Pages\n"),
        days => println!("\n## Pages, of {days} days\n"),
    }
    let server = Server::start(System::ViewerDisk, Path::new(""))?;
    let target = Target {
        address: server.grpc,
        transport: Transport::Grpc,
    };
    for (signal, items) in [
        (Signal::Points, options.spans / 10),
        (Signal::Records, options.spans * 3 / 10),
        (Signal::Spans, options.spans),
    ] {
        let mut requests = Requests::new(signal);
        if days > 0 {
            let length = days * 86_400 * 1_000_000_000;
            let number = items.div_ceil(requests.items() as u64);
            requests = requests.spread(Spread {
                from: load::now() - length,
                length,
                requests: number,
            });
        }
        let requests = Arc::new(requests);
        let next = Arc::new(AtomicU64::new(0));
        let outcome = run(target, &requests, &next, Pace::Items(items)).await?;
        println!(
            "{} {} in {:.1} s.",
            outcome.items,
            signal.noun(),
            outcome.seconds
        );
    }
    // The counts are written and the log is folded in within a second or two.
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("{:.0} MB in files.\n", server.usage()?.files as f64 / 1e6);
    let quick = pages::measure(server.page)?;
    println!("\n{:.0} MB at the most.", server.usage()?.peak as f64 / 1e6);
    Ok(quick)
}
