//! Started twice, or where something else listens: what to do is said, and all else left alone.

use std::net::TcpListener;

use crate::{
    dev::{Dev, ended, folder, program},
    http::get,
};

const ANY: &str = "127.0.0.1:0";

#[test]
fn the_second_of_a_folder_says_where_the_first_is_and_leaves_it_alone() {
    let folder = folder();
    let dev = Dev::start(folder.path(), &[]);
    let (code, said) = ended(
        program()
            .args(["dev", "--otlp-grpc", ANY, "--otlp-http", ANY, "--page", ANY])
            .arg("--data-dir")
            .arg(folder.path()),
    );
    assert_eq!(code, Some(1));
    assert!(said.contains("already runs"), "{said}");
    assert!(said.contains(&format!("process {}", dev.pid())), "{said}");
    assert!(said.contains(&format!("http://{}", dev.page)), "{said}");
    assert!(said.contains("--data-dir"), "{said}");
    assert_eq!(get(dev.page, "/readyz").status, 200);
    assert!(dev.stop().success());
    // What it held is free again.
    let again = Dev::start(folder.path(), &[]);
    assert_eq!(get(again.page, "/readyz").status, 200);
}

#[test]
fn what_a_killed_one_left_in_memory_goes_and_that_of_a_running_one_stays() {
    let (one, other, third) = (folder(), folder(), folder());
    let killed = Dev::start(one.path(), &["--memory"]);
    let left = killed.database_path().to_owned();
    let running = Dev::start(other.path(), &["--memory"]);
    assert!(left.is_file() && running.database_path().is_file());
    killed.kill();
    assert!(left.is_file());
    let next = Dev::start(third.path(), &["--memory"]);
    assert!(!left.parent().unwrap().exists(), "{left:?} is there still");
    assert!(running.database_path().is_file() && next.database_path().is_file());
    assert_eq!(get(running.page, "/traces").status, 200);
    let path = next.database_path().to_owned();
    assert!(next.stop().success());
    assert!(!path.exists());
}

#[test]
fn a_port_that_is_taken_is_named_with_the_option_for_another() {
    let taken = TcpListener::bind(ANY).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for option in ["--otlp-grpc", "--otlp-http", "--page"] {
        let folder = folder();
        let mut command = program();
        command.arg("dev").arg("--data-dir").arg(folder.path());
        for other in ["--otlp-grpc", "--otlp-http", "--page"] {
            let address = if other == option { &address } else { ANY };
            command.args([other, address]);
        }
        let (code, said) = ended(&mut command);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&address), "{option}: {said}");
        assert!(said.contains(option), "{option}: {said}");
    }
}

#[test]
fn a_file_that_is_no_database_is_told_and_left_as_it_is() {
    let folder = folder();
    let path = folder.path().join("telemetry.db");
    let text = "this is somebody's letter, not a database, and long enough to be one\n".repeat(200);
    std::fs::write(&path, &text).unwrap();
    let (code, said) = ended(
        program()
            .args(["dev", "--otlp-grpc", ANY, "--otlp-http", ANY, "--page", ANY])
            .arg("--data-dir")
            .arg(folder.path()),
    );
    assert_eq!(code, Some(1));
    assert!(said.contains("telemetry.db"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}
