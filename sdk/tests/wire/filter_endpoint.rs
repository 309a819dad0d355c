//! The filter by HTTP: what an operator can do, and what nobody else can.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::readings::free_port;
use crate::support::{in_child, received_by};
use throughline::InitError;
use throughline_receiver::Attributes;

const ADDRESS: &str = "THROUGHLINE_FILTER_ADDRESS";

/// The status and the body that this process's endpoint answers.
fn ask(method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(std::env::var(ADDRESS).unwrap()).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, body.to_owned())
}

const LOCAL: &str = "host: localhost:9465\r\n";

fn get() -> String {
    let (status, body) = ask("GET", "/filter", LOCAL, "");
    assert_eq!(status, 200);
    body
}

fn put(directives: &str) -> (u16, String) {
    ask("PUT", "/filter", LOCAL, directives)
}

fn emit(round: u64) {
    tracing::info!(round, "info");
    tracing::debug!(round, "debug");
    log::debug!("debug of log in round {round}");
    tracing::debug!(target: "other", round, "debug of another target");
}

#[test]
fn debug_records_appear_once_they_are_asked_for() {
    let test = "debug_records_appear_once_they_are_asked_for";
    let address = format!("127.0.0.1:{}", free_port());
    let (receiver, outcome) = received_by(test, "grpc", &[(ADDRESS, &address)], || {
        let telemetry = throughline::init("controlled").unwrap();
        assert_eq!(get(), "info\n");
        emit(1);
        let (status, body) = put("info,wire::filter_endpoint=debug\n");
        assert_eq!(status, 200, "{body}");
        assert_eq!(get(), body);
        assert!(body.contains("wire::filter_endpoint=debug"), "{body}");
        emit(2);
        let (status, body) = put("info,wire::filter_endpoint=loud");
        assert_eq!(status, 400);
        assert!(body.contains("wire::filter_endpoint=loud"), "{body}");
        assert!(body.contains("such as `info,my_crate=debug`"), "{body}");
        assert!(get().contains("wire::filter_endpoint=debug"), "as it was");
        emit(3);
        telemetry.set_filter("warn").unwrap();
        assert_eq!(get(), "warn\n");
        emit(4);
        assert!(telemetry.shutdown().is_lossless());
    });
    let of = |message: &str| -> Vec<String> {
        let logs = receiver.logs();
        let found = logs.iter().filter(|log| log.message() == Some(message));
        found
            .map(|log| crate::support::text(log.attribute("round")))
            .collect()
    };
    assert_eq!(of("info"), ["1", "2", "3"]);
    assert_eq!(of("debug"), ["2", "3"]);
    assert_eq!(of("debug of another target"), [""; 0]);
    let messages: Vec<String> = receiver
        .logs()
        .iter()
        .filter_map(|log| log.message().map(str::to_owned))
        .collect();
    for round in 1..=4 {
        let logged = messages.contains(&format!("debug of log in round {round}"));
        assert_eq!(logged, [2, 3].contains(&round), "{round}");
    }
    let said = outcome.diagnostics().join("\n");
    assert!(
        said.contains("the filter was changed by its endpoint"),
        "{said}"
    );
}

#[test]
fn neither_a_page_nor_a_foreign_name_nor_a_flood_gets_through() {
    let test = "neither_a_page_nor_a_foreign_name_nor_a_flood_gets_through";
    let address = format!("127.0.0.1:{}", free_port());
    in_child(test, &[(ADDRESS, &address)], || {
        let _telemetry = throughline::builder("guarded").init().unwrap();
        let own = format!("host: {}\r\n", std::env::var(ADDRESS).unwrap());
        for headers in [
            "host: rebound.example:9465\r\n",
            "",
            "host: localhost\r\nhost: localhost\r\n",
            "host: localhost\r\norigin: http://localhost:9465\r\n",
            "host: localhost\r\nOrigin: null\r\n",
        ] {
            for (method, body) in [("PUT", "trace"), ("GET", "")] {
                let (status, said) = ask(method, "/filter", headers, body);
                // One without a Host may not get past the server itself.
                assert!([400, 403].contains(&status), "{headers:?}: {status} {said}");
                assert!(!said.contains("info"), "{said}");
            }
        }
        let (status, _) = ask("PUT", "http://rebound.example/filter", LOCAL, "trace");
        assert_eq!(status, 403);
        assert_eq!(ask("POST", "/filter", LOCAL, "trace").0, 405);
        assert_eq!(ask("PUT", "/", LOCAL, "trace").0, 404);
        assert_eq!(put(" \n").0, 400, "nothing is no filter");
        assert_eq!(put(&"a=info,".repeat(3000)).0, 413);
        assert_eq!(get(), "info\n");
        assert_eq!(ask("PUT", "/filter", &own, "trace").0, 200);
        assert_eq!(get(), "trace\n");
    });
}

#[test]
fn it_listens_on_loopback_or_init_says_why_not() {
    let test = "it_listens_on_loopback_or_init_says_why_not";
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let cases = [
        (ADDRESS, "0.0.0.0:9465"),
        (ADDRESS, "192.168.1.7:9465"),
        (ADDRESS, "on"),
        ("TAKEN", taken.as_str()),
    ];
    if crate::support::is_child(test) {
        in_child(test, &[], || {
            if let Ok(taken) = std::env::var("TAKEN") {
                let taken: std::net::SocketAddr = taken.parse().unwrap();
                let builder = throughline::builder("refused").filter_address(taken);
                let error = builder.init().unwrap_err();
                assert!(matches!(error, InitError::FilterBind { .. }), "{error:?}");
                assert!(error.to_string().contains(ADDRESS), "{error}");
                let public = throughline::builder("refused").filter_address(([0, 0, 0, 0], 0));
                let error = public.init().unwrap_err().to_string();
                assert!(error.contains("filter_address"), "{error}");
                assert!(error.contains("127.0.0.1:9465"), "{error}");
                return;
            }
            let error = throughline::init("refused").unwrap_err();
            assert!(
                matches!(error, InitError::InvalidVariable { .. }),
                "{error:?}"
            );
            let said = error.to_string();
            assert!(said.contains(ADDRESS), "{said}");
            assert!(said.contains("127.0.0.1:9465"), "{said}");
        });
    }
    for (variable, value) in cases {
        in_child(test, &[(variable, value)], || ());
    }
}
