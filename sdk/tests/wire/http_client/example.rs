//! The example does what it shows.

use std::path::PathBuf;
use std::process::Command;

use super::{calls, text};
use crate::support::towards;
use throughline_receiver::{Attributes, Receiver};

/// Beside the folder of this test's own program, where `cargo test` builds the examples.
fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own.parent().and_then(std::path::Path::parent).unwrap();
    let program = profile.join("examples").join(name);
    assert!(program.exists(), "{} is not built", program.display());
    program
}

#[test]
fn the_example_sends_one_trace_and_tells_only_who_may_know() {
    let receiver = Receiver::start().unwrap();
    let mut command = Command::new(program("http_client"));
    for variable in [
        "OTEL_SERVICE_NAME",
        "OTEL_PROPAGATORS",
        "THROUGHLINE_PROPAGATE_TO",
    ] {
        command.env_remove(variable);
    }
    let output = command
        .envs(towards(&receiver, "http/protobuf"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("tenant.id=blue"), "{said}");
    let calls = calls(&receiver);
    let counts: Vec<_> = calls
        .iter()
        .map(|call| call.attribute_i64("http.request.resend_count"))
        .collect();
    assert_eq!(counts, [None, Some(1)]);
    assert!(calls.iter().all(|call| call.name == "GET /accounts/{id}"));
    assert!(
        calls
            .iter()
            .all(|call| text(call, "tenant.id").as_deref() == Some("blue"))
    );
    assert_eq!(calls[0].trace_id(), calls[1].trace_id());
}
