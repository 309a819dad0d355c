//! Who emits, as the receiver sees it.

use crate::support::{received_by, text};
use opentelemetry::KeyValue;
use throughline::reexport::opentelemetry;
use throughline_receiver::Receiver;

fn emit() {
    let telemetry = throughline::builder("checkout")
        .version("1.2.3")
        .resource([KeyValue::new("team", "payments")])
        .init()
        .unwrap();
    tracing::info!("working");
    telemetry.shutdown();
}

fn received(test: &str, variables: &[(&'static str, &str)]) -> Receiver {
    received_by(test, "grpc", variables, emit).0
}

/// The attribute as text; empty where there is none.
fn attribute(receiver: &Receiver, key: &str) -> String {
    let logs = receiver.logs();
    let value = logs[0].resource_attribute(key);
    value.map(|_| text(value)).unwrap_or_default()
}

#[test]
fn the_service_the_host_the_system_and_the_process_are_named() {
    let test = "the_service_the_host_the_system_and_the_process_are_named";
    let receiver = received(test, &[]);
    for (key, value) in [
        ("service.name", "checkout"),
        ("service.version", "1.2.3"),
        ("team", "payments"),
        ("process.runtime.name", "rustc"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.distro.name", "throughline"),
        ("telemetry.distro.version", env!("CARGO_PKG_VERSION")),
    ] {
        assert_eq!(attribute(&receiver, key), value, "{key}");
    }
    for key in [
        "service.instance.id",
        "host.name",
        "host.arch",
        "os.type",
        "process.pid",
        "process.executable.name",
        "process.executable.path",
        "process.runtime.version",
        "telemetry.sdk.version",
    ] {
        assert_ne!(attribute(&receiver, key), "", "{key}");
    }
    let version = attribute(&receiver, "process.runtime.version");
    assert!(version.starts_with("1."), "{version}");
}

#[test]
fn arguments_stay_here() {
    let test = "arguments_stay_here";
    let receiver = received(test, &[]);
    let logs = receiver.logs();
    // The child is run with `--nocapture`, which stands for a password here.
    for attribute in &logs[0].resource.attributes {
        let shown = format!("{attribute:?}");
        assert!(!shown.contains("nocapture"), "{shown}");
    }
}

#[test]
fn the_environment_adds_and_renames() {
    let test = "the_environment_adds_and_renames";
    let attributes = "team=web,service.namespace=shop,service.instance.id=replica-7,note=a%2Cb";
    let receiver = received(test, &[("OTEL_RESOURCE_ATTRIBUTES", attributes)]);
    assert_eq!(attribute(&receiver, "team"), "payments", "code wins");
    assert_eq!(attribute(&receiver, "service.namespace"), "shop");
    assert_eq!(attribute(&receiver, "service.instance.id"), "replica-7");
    assert_eq!(attribute(&receiver, "note"), "a,b");
}

#[test]
fn two_starts_on_one_machine_are_two_instances() {
    let test = "two_starts_on_one_machine_are_two_instances";
    let ids = [(); 2].map(|()| attribute(&received(test, &[]), "service.instance.id"));
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_pod_is_known_by_what_kubernetes_gives_it() {
    let test = "a_pod_is_known_by_what_kubernetes_gives_it";
    let receiver = received(
        test,
        &[
            ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
            ("HOSTNAME", "checkout-6c9f-x2x"),
            ("K8S_POD_UID", "9b8d2f0e-3c1a-4a55-8d4e-1f2a3b4c5d6e"),
            ("K8S_NODE_NAME", "node-7"),
        ],
    );
    assert_eq!(attribute(&receiver, "k8s.pod.name"), "checkout-6c9f-x2x");
    assert_eq!(attribute(&receiver, "k8s.node.name"), "node-7");
    assert_eq!(attribute(&receiver, "k8s.pod.uid").len(), 36);
    assert_eq!(attribute(&receiver, "host.id"), "", "not the image's");
}

#[test]
fn outside_a_pod_its_variables_mean_nothing() {
    let test = "outside_a_pod_its_variables_mean_nothing";
    let receiver = received(test, &[("HOSTNAME", "laptop"), ("K8S_POD_NAME", "x")]);
    assert_eq!(attribute(&receiver, "k8s.pod.name"), "");
}
