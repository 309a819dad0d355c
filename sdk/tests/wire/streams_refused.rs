//! What the compiler says of a stream's event that is not as the conventions have it. That it
//! refuses is also in the macros' own examples; only here are its words looked at.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Events, and what is wrong with each.
const REFUSED: [(&str, &str); 14] = [
    (
        r#"security!("auth.logout", user.id = "ada")"#,
        "`auth.logout` lacks the field `event.severity`",
    ),
    (
        r#"security!("auth.logout", event.severity = "warning")"#,
        "`event.severity` is `warning`; expected `low`, `medium`, `high` or `critical`",
    ),
    (
        r#"security!("auth.login.fialed", event.severity = "low")"#,
        "`auth.login.fialed` is no event of the stream `security`; its events are `auth.login.succeeded`, ",
    ),
    (
        r#"security!("audit.created", event.severity = "low")"#,
        "`audit.created` is an event of the stream `audit`, not of `security`",
    ),
    (
        r#"audit!("audit.viewed", audit.action = "view", audit.resource.type = "a", audit.resource.id = 1, audit.outcome = "success")"#,
        "`audit.viewed` lacks the field `user.id` or `audit.actor`",
    ),
    (
        r#"audit!("audit.created", user.id = 1, audit.resource.type = "a", audit.resource.id = 1, audit.outcome = "success")"#,
        "`audit.created` lacks the field `audit.action`",
    ),
    (
        r#"audit!("audit.updated", user.id = 1, audit.action = "x", audit.resource.id = 1, audit.outcome = "success")"#,
        "`audit.updated` lacks the field `audit.resource.type`",
    ),
    (
        r#"audit!("audit.deleted", user.id = 1, audit.action = "x", audit.resource.type = "a", audit.outcome = "success")"#,
        "`audit.deleted` lacks the field `audit.resource.id`",
    ),
    (
        r#"audit!("role.granted", user.id = 1, audit.action = "x", audit.resource.type = "a", audit.resource.id = 1)"#,
        "`role.granted` lacks the field `audit.outcome`",
    ),
    (
        r#"business!("payment.status_changed", payment.id = 1)"#,
        "`payment.status_changed` lacks the field `payment.status`",
    ),
    (
        r#"business!("Order returned")"#,
        "`Order returned` is no name for an event; expected lower-case words",
    ),
    (
        r#"performance!("operation.stalled")"#,
        "`operation.stalled` is no event of the stream `performance`",
    ),
    (
        r#"analytics!("feature.used", feature.name = "x", (7))"#,
        "expected fields such as `order.id = 7`, and then perhaps a message",
    ),
    (
        r#"{ let level = "low"; security!("auth.logout", event.severity = level) }"#,
        "attempt to use a non-constant value in a constant",
    ),
];

/// One that is as it should be, so that what is refused is refused for its own sake.
const TAKEN: &str =
    r#"throughline::security!("auth.logout", event.severity = "low", "bye {}", 7);"#;

#[test]
fn the_compiler_says_what_is_missing() {
    assert_eq!(compiled("taken", TAKEN), "");
    for (index, (event, expected)) in REFUSED.into_iter().enumerate() {
        let event = event.replace("security!", "throughline::security!");
        let event = if event.starts_with('{') || event.starts_with("throughline") {
            format!("{event};")
        } else {
            format!("throughline::{event};")
        };
        let said = compiled(&format!("refused_{index}"), &event);
        assert!(said.contains(expected), "{event}\n{expected}\n{said}");
        assert!(said.starts_with("error"), "{said}");
    }
}

/// What the compiler says of this code in a function of its own; nothing where it is right.
fn compiled(name: &str, code: &str) -> String {
    let folder = std::env::temp_dir().join(format!("throughline-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let source = folder.join(format!("{name}.rs"));
    std::fs::write(&source, format!("pub fn emitted() {{ {code} }}\n")).unwrap();
    let dependencies = dependencies();
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler)
        .args(["--crate-type=lib", "--emit=metadata", "--edition=2024"])
        .arg("--extern")
        .arg(format!("throughline={}", library(&dependencies).display()))
        .arg("-L")
        .arg(format!("dependency={}", dependencies.display()))
        .arg("--out-dir")
        .arg(&folder)
        .arg(&source)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    String::from_utf8(output.stderr).unwrap()
}

/// Where the libraries are that this program was linked with.
fn dependencies() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.parent().unwrap().to_owned()
}

/// The library as it was last built; each set of features has one of its own, with the same
/// macros.
fn library(dependencies: &Path) -> PathBuf {
    std::fs::read_dir(dependencies)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("libthroughline-") && name.ends_with(".rlib")
        })
        .max_by_key(|path| path.metadata().unwrap().modified().unwrap())
        .expect("this program was linked with one")
}
