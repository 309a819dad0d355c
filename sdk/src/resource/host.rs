//! The machine: <https://opentelemetry.io/docs/specs/semconv/resource/host/>.

use opentelemetry::KeyValue;

/// `machine_id` is the text of `/etc/machine-id`, and empty where it means nothing: in a
/// container it is the image's, and so the same for all of them.
pub(super) fn attributes(host_name: Option<String>, machine_id: &str) -> Vec<KeyValue> {
    let name = host_name.map(|name| KeyValue::new("host.name", name));
    let id = id(machine_id).map(|id| KeyValue::new("host.id", id.to_owned()));
    let architecture = KeyValue::new("host.arch", architecture(std::env::consts::ARCH));
    [name, id, Some(architecture)]
        .into_iter()
        .flatten()
        .collect()
}

/// 32 hexadecimal digits. systemd writes `uninitialized` before the first boot.
fn id(machine_id: &str) -> Option<&str> {
    let id = machine_id.trim();
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// Rust's name as the convention has it.
fn architecture(rust: &'static str) -> &'static str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_id_is_taken_only_where_it_is_one() {
        let id_of = "0d7ff9ef5ad84e0f9a1f7d9e1b0b2c3d";
        assert_eq!(id(&format!("{id_of}\n")), Some(id_of));
        assert_eq!(id("uninitialized\n"), None);
        assert_eq!(id(""), None);
    }

    #[test]
    fn architectures_have_the_conventions_names() {
        assert_eq!(architecture("x86_64"), "amd64");
        assert_eq!(architecture("aarch64"), "arm64");
        assert_eq!(architecture("s390x"), "s390x");
    }
}
