//! The process: <https://opentelemetry.io/docs/specs/semconv/resource/process/>.
//!
//! The command line is left out, as secrets stand in arguments more often than anywhere.

use std::path::Path;

use opentelemetry::KeyValue;

/// `status` and `passwd` are the texts of `/proc/self/status` and `/etc/passwd`.
pub(super) fn attributes(executable: Option<&Path>, status: &str, passwd: &str) -> Vec<KeyValue> {
    let name = executable.and_then(|path| path.file_name()?.to_str());
    let path = executable.and_then(Path::to_str);
    [
        Some(KeyValue::new("process.pid", i64::from(std::process::id()))),
        name.map(|name| KeyValue::new("process.executable.name", name.to_owned())),
        path.map(|path| KeyValue::new("process.executable.path", path.to_owned())),
        owner(status, passwd).map(|name| KeyValue::new("process.owner", name.to_owned())),
        Some(KeyValue::new("process.runtime.name", "rustc")),
        option_env!("THROUGHLINE_RUSTC_VERSION")
            .map(|version| KeyValue::new("process.runtime.version", version)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The name of the effective user, the second number of the line `Uid:`.
fn owner<'a>(status: &str, passwd: &'a str) -> Option<&'a str> {
    let uid = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))?
        .split_ascii_whitespace()
        .nth(1)?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_the_effective_user() {
        let status = "Name:\tcheckout\nUid:\t0\t1000\t0\t0\nGid:\t0\t0\t0\t0\n";
        let passwd = "root:x:0:0:root:/root:/bin/bash\nshop:x:1000:1000::/home/shop:/bin/sh\n";
        assert_eq!(owner(status, passwd), Some("shop"));
        assert_eq!(owner(status, "root:x:0:0:root:/root:/bin/bash\n"), None);
        assert_eq!(owner("", passwd), None);
    }

    #[test]
    fn arguments_are_left_out() {
        let found = attributes(Some(Path::new("/srv/checkout")), "", "");
        let keys: Vec<&str> = found.iter().map(|a| a.key.as_str()).collect();
        assert!(keys.contains(&"process.executable.path"));
        assert!(!keys.iter().any(|key| key.contains("command")), "{keys:?}");
    }
}
