//! What is read of the process and of its Tokio runtime, by OTLP and by the endpoint.

use crate::support::readings::{
    attribute, exports, free_port, numbers, scrape_text, scraped, total, value,
};
use crate::support::received_by;
#[cfg(target_os = "linux")]
use crate::support::semconv::{Instrument, Kind, Row, Shape, required};
use throughline_receiver::proto::metrics::v1::metric::Data;

/// <https://opentelemetry.io/docs/specs/semconv/system/process-metrics/>: those that we make.
#[cfg(target_os = "linux")]
const PROCESS: [Instrument; 6] = [
    of_process("process.cpu.time", "s", Shape::Counter, CPU_MODE),
    of_process("process.memory.usage", "By", Shape::UpDownCounter, &[]),
    of_process("process.memory.virtual", "By", Shape::UpDownCounter, &[]),
    of_process(
        "process.thread.count",
        "{thread}",
        Shape::UpDownCounter,
        &[],
    ),
    of_process(
        "process.unix.file_descriptor.count",
        "{file_descriptor}",
        Shape::UpDownCounter,
        &[],
    ),
    of_process("process.uptime", "s", Shape::Gauge, &[]),
];

#[cfg(target_os = "linux")]
const CPU_MODE: &[Row] = &[required(
    "cpu.mode",
    Kind::OneOf(&["user", "system", "wait"]),
)];

#[cfg(target_os = "linux")]
const fn of_process(
    name: &'static str,
    unit: &'static str,
    shape: Shape,
    table: &'static [Row],
) -> Instrument {
    Instrument {
        name,
        unit,
        shape,
        table,
    }
}

/// How long this thread has run: on a busy machine that is less than what the clock says.
#[cfg(target_os = "linux")]
fn on_cpu() -> std::time::Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds = text.split_ascii_whitespace().next().unwrap();
    std::time::Duration::from_nanos(nanoseconds.parse().unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn process_metrics_follow_the_conventions_and_are_plausible() {
    let test = "process_metrics_follow_the_conventions_and_are_plausible";
    let port = free_port();
    let variables = [
        ("OTEL_METRICS_EXPORTER", "otlp,prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", port.as_str()),
    ];
    let (receiver, outcome) = received_by(test, "grpc", &variables, || {
        let telemetry = throughline::init("process").unwrap();
        let held: Vec<_> = (0..50)
            .map(|_| std::fs::File::open("/dev/null").unwrap())
            .collect();
        while on_cpu() < std::time::Duration::from_millis(60) {
            std::hint::spin_loop();
        }
        println!("\n{}", scrape_text());
        telemetry.shutdown();
        drop(held);
    });
    let contents = receiver.contents();
    for instrument in PROCESS {
        instrument.hold(contents.metric(instrument.name).unwrap(), &[]);
    }
    let within = |name: &str, unit: &str, low: f64, high: f64| {
        let metric = contents.metric(name).unwrap();
        assert_eq!(metric.unit, unit, "{name}");
        let value = total(metric);
        assert!((low..high).contains(&value), "{name} is {value}");
    };
    within("process.cpu.time", "s", 0.03, 60.0);
    within("process.memory.usage", "By", 1e6, 1e9);
    within("process.memory.virtual", "By", 1e7, 1e13);
    within("process.thread.count", "{thread}", 3.0, 100.0);
    within(
        "process.unix.file_descriptor.count",
        "{file_descriptor}",
        53.0,
        200.0,
    );
    within("process.uptime", "s", 0.05, 120.0);

    let cpu = contents.metric("process.cpu.time").unwrap();
    let modes: Vec<_> = numbers(cpu)
        .iter()
        .map(|point| attribute(&point.attributes, "cpu.mode").unwrap())
        .collect();
    assert!(modes.contains(&"user".to_owned()) && modes.contains(&"system".to_owned()));
    let memory = contents.metric("process.memory.usage").unwrap();
    assert!(matches!(&memory.data, Some(Data::Sum(sum)) if !sum.is_monotonic));

    let scraped = |series: &str| scraped(&outcome.stdout, series);
    let cpu = |mode| {
        scraped(&format!(
            "process_cpu_time_seconds_total{{cpu_mode=\"{mode}\"}}"
        ))
    };
    assert!(cpu("user") + cpu("system") > 0.0);
    assert!(scraped("process_memory_usage_bytes ") > 1e6);
    assert!(scraped("process_unix_file_descriptor_count ") >= 53.0);
}

#[test]
fn the_runtime_that_init_runs_in_is_measured() {
    let test = "the_runtime_that_init_runs_in_is_measured";
    let (receiver, _) = received_by(test, "grpc", &[], || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(3)
            .build()
            .unwrap();
        runtime.block_on(async {
            let telemetry = throughline::init("runtime").unwrap();
            let waiting: Vec<_> = (0..5)
                .map(|_| tokio::spawn(std::future::pending::<()>()))
                .collect();
            let busy = tokio::spawn(async {
                let begun = std::time::Instant::now();
                while begun.elapsed() < std::time::Duration::from_millis(50) {
                    std::hint::spin_loop();
                }
            });
            busy.await.unwrap();
            // A worker tells how busy it was when it next goes to sleep.
            let told = || {
                let metrics = tokio::runtime::Handle::current().metrics();
                let busy = (0..3).map(|worker| metrics.worker_total_busy_duration(worker));
                busy.sum::<std::time::Duration>() >= std::time::Duration::from_millis(50)
            };
            let begun = std::time::Instant::now();
            while !told() && begun.elapsed() < std::time::Duration::from_secs(20) {
                std::thread::yield_now();
            }
            let other = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .build()
                .unwrap();
            telemetry.observe_tokio("reports", other.handle());
            telemetry.shutdown_async().await;
            other.shutdown_background();
            drop(waiting);
        });
    });
    let metrics = receiver.metrics();
    let of_main = |name: &str, unit: &str| -> Vec<f64> {
        let metric = exports(&metrics, name)[0];
        assert_eq!(metric.unit, unit, "{name}");
        numbers(metric)
            .iter()
            .filter(|point| attribute(&point.attributes, "tokio.runtime.name").unwrap() == "main")
            .map(value)
            .collect()
    };
    assert_eq!(of_main("tokio.worker.count", "{worker}"), [3.0]);
    assert!(of_main("tokio.task.count", "{task}")[0] >= 5.0);
    assert_eq!(of_main("tokio.global_queue.size", "{task}").len(), 1);
    let busy = of_main("tokio.worker.busy.time", "s");
    assert_eq!(busy.len(), 3);
    assert!((0.04..30.0).contains(&busy.iter().sum::<f64>()), "{busy:?}");
    let parks = of_main("tokio.worker.park.count", "{park}");
    assert!(parks.iter().sum::<f64>() >= 1.0, "{parks:?}");
    let workers = exports(&metrics, "tokio.worker.count")[0];
    assert_eq!(total(workers), 4.0, "with the one that was added");
}

#[test]
fn both_are_absent_where_they_are_switched_off() {
    let test = "both_are_absent_where_they_are_switched_off";
    let (receiver, _) = received_by(test, "grpc", &[], || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let telemetry = throughline::builder("off")
                .process_metrics(false)
                .tokio_metrics(false)
                .init()
                .unwrap();
            metrics::counter!("jobs.done").increment(1);
            telemetry.shutdown_async().await;
        });
    });
    let names: Vec<_> = receiver
        .metrics()
        .iter()
        .map(|metric| metric.name.clone())
        .collect();
    assert!(names.contains(&"jobs.done".to_owned()));
    let unwanted = |name: &&String| name.starts_with("process.") || name.starts_with("tokio.");
    assert_eq!(names.iter().find(unwanted), None);
}
