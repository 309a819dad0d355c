//! `sdk/examples/http_server.rs` shows what it says.

use std::process::Command;

use super::*;
use crate::support::towards;

#[test]
fn the_example_serves_itself_and_sends_what_it_did() {
    let receiver = Receiver::start().unwrap();
    // The examples are built with the tests, beside them.
    let mut program = std::env::current_exe().unwrap();
    program.pop();
    program.pop();
    program.push("examples/http_server");
    assert!(
        program.exists(),
        "`cargo test` builds {}",
        program.display()
    );
    let output = Command::new(program)
        .envs(towards(&receiver, "http/protobuf"))
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{output:?}");
    assert!(said.contains("/orders/7: HTTP/1.1 200 OK"), "{said}");

    let names: Vec<String> = spans(&receiver)
        .iter()
        .map(|span| span.name.clone())
        .collect();
    assert_eq!(
        names,
        ["GET /orders/{id}", "GET /who", "GET /broken", "GET"]
    );
    let access = records(&receiver, "http.server.request");
    let told: Vec<_> = access
        .iter()
        .map(|record| {
            (
                of(record, "http.response.status_code").unwrap(),
                of(record, "user.id"),
            )
        })
        .collect();
    let expected = [
        ("200", Some("ada")),
        ("200", None),
        ("500", None),
        ("404", None),
    ];
    let expected = expected.map(|(status, user)| (status.to_owned(), user.map(str::to_owned)));
    assert_eq!(told, expected);
    let error = record(&receiver, "http.server.exception");
    assert_eq!(
        of(&error, "exception.type").unwrap(),
        "http_server::NoOrder"
    );
}
