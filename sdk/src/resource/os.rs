//! The operating system: <https://opentelemetry.io/docs/specs/semconv/resource/os/>.

use opentelemetry::KeyValue;

/// `release` is the text of `/etc/os-release`, empty where there is none.
pub(super) fn attributes(release: &str) -> Vec<KeyValue> {
    let kind = KeyValue::new("os.type", kind(std::env::consts::OS));
    let described = [
        ("os.name", "NAME"),
        ("os.version", "VERSION_ID"),
        ("os.description", "PRETTY_NAME"),
    ]
    .into_iter()
    .filter_map(|(attribute, key)| Some(KeyValue::new(attribute, field(release, key)?)));
    std::iter::once(kind).chain(described).collect()
}

/// Rust's name as the convention has it.
fn kind(rust: &'static str) -> &'static str {
    match rust {
        "macos" | "ios" => "darwin",
        "dragonfly" => "dragonflybsd",
        other => other,
    }
}

/// A field of os-release(5): `KEY=value`, in shell quotes where needed.
fn field(release: &str, key: &str) -> Option<String> {
    let value = release.lines().find_map(|line| {
        let (name, value) = line.trim().split_once('=')?;
        (name == key).then_some(value)
    })?;
    let quoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    let value = match quoted('"') {
        Some(inner) => inner
            .replace("\\\"", "\"")
            .replace("\\$", "$")
            .replace("\\\\", "\\"),
        None => quoted('\'').unwrap_or(value).to_owned(),
    };
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = r#"PRETTY_NAME="Debian GNU/Linux 13 (trixie)"
NAME="Debian GNU/Linux"
VERSION_ID="13"
VERSION="13 (trixie)"
VERSION_CODENAME=trixie
ID=debian
HOME_URL="https://www.debian.org/"
"#;

    const ALPINE: &str =
        "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.22.1\nPRETTY_NAME='Alpine Linux v3.22'\n";

    fn described(release: &str) -> Vec<(String, String)> {
        attributes(release)
            .into_iter()
            .skip(1)
            .map(|attribute| (attribute.key.to_string(), attribute.value.to_string()))
            .collect()
    }

    fn expected(name: &str, version: &str, description: &str) -> Vec<(String, String)> {
        [
            ("os.name", name),
            ("os.version", version),
            ("os.description", description),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec()
    }

    #[test]
    fn quoted_and_bare_values_are_read() {
        assert_eq!(
            described(DEBIAN),
            expected("Debian GNU/Linux", "13", "Debian GNU/Linux 13 (trixie)")
        );
        assert_eq!(
            described(ALPINE),
            expected("Alpine Linux", "3.22.1", "Alpine Linux v3.22")
        );
        assert_eq!(described(""), []);
        assert_eq!(
            field("NAME=\"a \\\"b\\\" \\$c\"", "NAME").unwrap(),
            "a \"b\" $c"
        );
    }

    #[test]
    fn systems_have_the_conventions_names() {
        assert_eq!(kind("macos"), "darwin");
        assert_eq!(kind("linux"), "linux");
    }
}
