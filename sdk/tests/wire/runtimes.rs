//! Telemetry ends well on each runtime, from each place that a service may end it in.

use std::time::{Duration, Instant};

use crate::support::PROTOCOLS;
use crate::support::child::{Child, as_child, emit, given, say};
use crate::support::faulty::Faulty;
use throughline::Telemetry;
use throughline_receiver::Signal;
use tokio::runtime::{Builder, Runtime};

const RUNTIMES: [&str; 4] = ["current_thread", "one worker", "two workers", "none"];
const PLACES: [&str; 4] = ["main", "spawned task", "blocking task", "drop"];

fn runtime(name: &str) -> Option<Runtime> {
    let mut builder = match name {
        "current_thread" => Builder::new_current_thread(),
        "one worker" | "two workers" => Builder::new_multi_thread(),
        _ => return None,
    };
    builder.worker_threads(if name == "two workers" { 2 } else { 1 });
    Some(builder.enable_all().build().unwrap())
}

fn start() -> Telemetry {
    let telemetry = throughline::init("ending").unwrap();
    emit(0);
    metrics::counter!("work.done").increment(1);
    telemetry
}

fn end(telemetry: Telemetry) {
    let report = telemetry.shutdown();
    assert!(report.is_lossless(), "{report}");
    assert_eq!((report.traces.delivered, report.logs.delivered), (1, 1));
}

async fn inside(place: &str, telemetry: Telemetry) {
    match place {
        "main" => end(telemetry),
        "spawned task" => tokio::spawn(async { end(telemetry) }).await.unwrap(),
        "blocking task" => tokio::task::spawn_blocking(|| end(telemetry))
            .await
            .unwrap(),
        _ => drop(telemetry),
    }
}

fn without(place: &str, telemetry: Telemetry) {
    match place {
        "main" => end(telemetry),
        // A thread is what stands for a task here, and another executor for a runtime.
        "spawned task" => std::thread::spawn(|| end(telemetry)).join().unwrap(),
        "blocking task" => {
            let report = futures::executor::block_on(telemetry.shutdown_async());
            assert!(report.is_lossless(), "{report}");
        }
        _ => drop(telemetry),
    }
}

fn case() {
    let (runtime, place) = (runtime(&given("RUNTIME")), given("PLACE"));
    let ended = |start: Instant| say(&format!("took {}", start.elapsed().as_millis()));
    match runtime {
        Some(runtime) => runtime.block_on(async {
            let telemetry = start();
            let start = Instant::now();
            inside(&place, telemetry).await;
            ended(start);
        }),
        None => {
            let telemetry = start();
            let start = Instant::now();
            without(&place, telemetry);
            ended(start);
        }
    }
}

#[test]
fn everything_arrives_within_a_second_from_any_place_on_any_runtime() {
    let test = "everything_arrives_within_a_second_from_any_place_on_any_runtime";
    as_child(test, case);
    for protocol in PROTOCOLS {
        for runtime in RUNTIMES {
            let running = PLACES.map(|place| {
                let receiver = Faulty::start();
                let variables = [("RUNTIME", runtime), ("PLACE", place)];
                let child = Child::start(test, &receiver.variables(protocol, &variables));
                (place, receiver, child)
            });
            for (place, receiver, mut child) in running {
                let took = Duration::from_millis(child.hear("took").parse().unwrap());
                let case = format!("{protocol}, {runtime}, {place}: {took:?}");
                let ended = child.end();
                assert!(took < Duration::from_secs(1), "{case}");
                for signal in [Signal::Traces, Signal::Logs] {
                    assert_eq!(receiver.kept(signal), [(0, 1)].into(), "{signal}, {case}");
                }
                let metrics = receiver.with(|record| record.metrics.clone());
                let scopes = metrics
                    .iter()
                    .flat_map(|request| &request.resource_metrics)
                    .flat_map(|of_resource| &of_resource.scope_metrics);
                let names: Vec<_> = scopes
                    .flat_map(|of_scope| &of_scope.metrics)
                    .map(|metric| metric.name.as_str())
                    .collect();
                assert!(names.contains(&"work.done"), "{case}: {names:?}");
                let said = ended.outcome.diagnostics();
                assert!(said.is_empty(), "{case}: {said:?}");
            }
        }
    }
}
