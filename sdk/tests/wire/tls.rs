//! Certificates: the receiver behind TLS, by both protocols.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::support::pki::Pki;
use crate::support::{Outcome, PROTOCOLS, built, in_child, is_child, received_by};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use throughline::InitError;
use throughline_receiver::Receiver;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Ends TLS and hands the bytes on, until the test's process ends.
fn front(pki: &Pki, protocol: &str, shows: &str, clients_too: bool, to: SocketAddr) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if clients_too {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(&pki.bytes("ca.pem")).unwrap();
        roots.add(authority).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![CertificateDer::from_pem_slice(&pki.bytes(&format!("{shows}.pem"))).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(&pki.bytes(&format!("{shows}.key"))).unwrap();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = match protocol {
        "grpc" => vec![b"h2".to_vec()],
        _ => vec![b"http/1.1".to_vec()],
    };
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (bound, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            bound.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A handshake that fails is what some of the tests want.
                    let Ok(mut inside) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut plain = TcpStream::connect(to).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut inside, &mut plain).await;
                });
            }
        });
    });
    address.recv().unwrap()
}

/// Runs the body against a receiver behind TLS, with these variables as files of the PKI.
fn behind_tls(
    test: &str,
    protocol: &'static str,
    clients_too: bool,
    files: &[(&'static str, &str)],
    body: fn(),
) -> (Receiver, Outcome) {
    behind(test, protocol, "server", clients_too, files, body)
}

/// The same, where the receiver shows this certificate.
fn behind(
    test: &str,
    protocol: &'static str,
    shows: &str,
    clients_too: bool,
    files: &[(&'static str, &str)],
    body: fn(),
) -> (Receiver, Outcome) {
    if is_child(test) {
        in_child(test, &[], body);
        unreachable!("the child ends in its body");
    }
    let protocol = built(protocol);
    let pki = Pki::new(test);
    let receiver = Receiver::start().unwrap();
    let plain = match protocol {
        "grpc" => receiver.addresses().grpc,
        _ => receiver.addresses().http,
    };
    let endpoint = format!(
        "https://{}",
        front(&pki, protocol, shows, clients_too, plain)
    );
    let mut variables = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
    ];
    variables.extend(files.iter().map(|(name, file)| (*name, pki.path(file))));
    let borrowed: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let outcome = in_child(test, &borrowed, body);
    (receiver, outcome)
}

fn emit_all() {
    let telemetry = throughline::init("secure").unwrap();
    tracing::info_span!("work").in_scope(|| tracing::info!("working"));
    metrics::counter!("work.done").increment(1);
    let report = telemetry.shutdown();
    assert!(report.is_lossless(), "{report}");
}

fn emit_and_lose() {
    let telemetry = throughline::init("insecure").unwrap();
    tracing::info!("working");
    // It would try for as long as it is given.
    let report = telemetry.shutdown_within(Duration::from_secs(1));
    assert_eq!(report.logs.delivered, 0, "{report}");
}

fn arrived(receiver: &Receiver) -> (usize, usize, bool) {
    let contents = receiver.contents();
    let metric = contents.metric("work.done").is_some();
    (contents.spans.len(), contents.logs.len(), metric)
}

#[test]
fn an_authority_of_ones_own_is_trusted() {
    let test = "an_authority_of_ones_own_is_trusted";
    for protocol in PROTOCOLS {
        let files = [("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem")];
        let (receiver, outcome) = behind_tls(test, protocol, false, &files, emit_all);
        assert_eq!(arrived(&receiver), (1, 1, true), "{protocol}");
        assert!(outcome.diagnostics().is_empty(), "{}", outcome.stderr);
    }
}

#[test]
fn another_authority_is_refused_and_the_diagnosis_says_so() {
    let test = "another_authority_is_refused_and_the_diagnosis_says_so";
    for protocol in PROTOCOLS {
        let files = [("OTEL_EXPORTER_OTLP_CERTIFICATE", "other-ca.pem")];
        let (receiver, outcome) = behind_tls(test, protocol, false, &files, emit_and_lose);
        assert_eq!(arrived(&receiver), (0, 0, false), "{protocol}");
        let said = outcome.diagnostics().join("\n");
        assert!(said.contains("UnknownIssuer"), "{protocol}: {said}");
        let advice = "name the authority of its certificate with OTEL_EXPORTER_OTLP_CERTIFICATE";
        assert!(said.contains(advice), "{protocol}: {said}");
        assert!(said.contains("https://127.0.0.1"), "{protocol}: {said}");
    }
}

/// The receiver's certificate will not do, and the diagnosis says why.
fn is_refused(test: &str, shows: &str, why: &str) {
    for protocol in PROTOCOLS {
        let files = [("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem")];
        let (receiver, outcome) = behind(test, protocol, shows, false, &files, emit_and_lose);
        assert_eq!(arrived(&receiver), (0, 0, false), "{protocol}");
        let said = outcome.diagnostics().join("\n");
        // Some say "not valid for name", some "NotValidForName".
        let plain = said.to_lowercase().replace(' ', "");
        assert!(plain.contains(why), "{protocol}: {said}");
        assert!(said.contains("https://127.0.0.1"), "{protocol}: {said}");
    }
}

#[test]
fn a_certificate_for_another_name_is_refused_and_the_diagnosis_says_so() {
    let test = "a_certificate_for_another_name_is_refused_and_the_diagnosis_says_so";
    is_refused(test, "elsewhere", "notvalidforname");
}

#[test]
fn an_expired_certificate_is_refused_and_the_diagnosis_says_so() {
    let test = "an_expired_certificate_is_refused_and_the_diagnosis_says_so";
    is_refused(test, "expired", "expired");
}

#[test]
fn a_client_shows_its_certificate_where_one_is_asked_for() {
    let test = "a_client_shows_its_certificate_where_one_is_asked_for";
    for protocol in PROTOCOLS {
        // One of them by a signal's own variable, which must not be mixed up.
        let files = [
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "client.pem"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "client.key"),
            ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", "client.key"),
        ];
        let (receiver, outcome) = behind_tls(test, protocol, true, &files, emit_all);
        assert_eq!(arrived(&receiver), (1, 1, true), "{protocol}");
        assert!(outcome.diagnostics().is_empty(), "{}", outcome.stderr);
    }
}

#[test]
fn a_client_without_a_certificate_is_turned_away() {
    let test = "a_client_without_a_certificate_is_turned_away";
    for protocol in PROTOCOLS {
        let files = [("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem")];
        let (receiver, outcome) = behind_tls(test, protocol, true, &files, emit_and_lose);
        assert_eq!(arrived(&receiver), (0, 0, false), "{protocol}");
        let said = outcome.diagnostics().join("\n");
        assert!(said.contains("cannot be delivered"), "{protocol}: {said}");
    }
}

#[test]
fn certificates_for_a_plain_endpoint_are_said_to_be_without_effect() {
    let test = "certificates_for_a_plain_endpoint_are_said_to_be_without_effect";
    let pki = (!is_child(test)).then(|| Pki::new(test));
    let file = pki.map(|pki| (pki.path("ca.pem"), pki));
    let path = file.as_ref().map_or("", |(path, _)| path.as_str());
    let variables = [("OTEL_EXPORTER_OTLP_CERTIFICATE", path)];
    let (receiver, outcome) = received_by(test, "grpc", &variables, emit_all);
    assert_eq!(arrived(&receiver), (1, 1, true));
    let said = outcome.diagnostics().join("\n");
    assert!(
        said.contains("the certificates for logs have no effect"),
        "{said}"
    );
}

/// `init` fails, and its message has these parts.
fn refused(test: &str, files: &[(&'static str, &str)], parts: &[&str]) {
    let (_, outcome) = behind_tls(test, "grpc", false, files, || {
        let error = throughline::init("refused").unwrap_err();
        assert!(
            matches!(error, InitError::InvalidVariable { .. }),
            "{error:?}"
        );
        println!("\nERROR {error}");
    });
    let mut lines = outcome.stdout.lines();
    let message = lines.find_map(|line| line.strip_prefix("ERROR ")).unwrap();
    for part in parts {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_file_that_is_not_there_is_an_error_of_init() {
    let files = [("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "nowhere.pem")];
    let parts = [
        "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE",
        "nowhere.pem",
        "cannot be read",
    ];
    refused(
        "a_file_that_is_not_there_is_an_error_of_init",
        &files,
        &parts,
    );
}

#[test]
fn a_file_without_a_certificate_is_an_error_of_init() {
    let files = [("OTEL_EXPORTER_OTLP_CERTIFICATE", "server.key")];
    let parts = ["OTEL_EXPORTER_OTLP_CERTIFICATE", "no certificate"];
    refused(
        "a_file_without_a_certificate_is_an_error_of_init",
        &files,
        &parts,
    );
}

#[test]
fn a_certificate_without_a_key_is_an_error_of_init() {
    let files = [("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "client.pem")];
    let parts = [
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "no key",
        "CLIENT_KEY",
    ];
    refused(
        "a_certificate_without_a_key_is_an_error_of_init",
        &files,
        &parts,
    );
}

#[test]
fn the_key_of_another_certificate_is_an_error_of_init() {
    let files = [
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "client.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "server.key"),
    ];
    let parts = ["OTEL_EXPORTER_OTLP_CLIENT_KEY", "cannot be used"];
    refused(
        "the_key_of_another_certificate_is_an_error_of_init",
        &files,
        &parts,
    );
}
