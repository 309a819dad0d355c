//! Paths that are asked for on every host of the internet, in the hope that one has them.

use std::sync::LazyLock;

use regex::bytes::Regex;

/// The deepest part of a path that is looked at: forges and file servers have every name
/// further down.
const DEEPEST: usize = 3;

/// The longest name below.
const LONGEST: usize = 32;

/// Names that stand for themselves, wherever among the first parts of a path. Sorted.
const NAMES: [&str; 58] = [
    "+cscoe+",
    ".aws",
    ".bash_history",
    ".docker",
    ".ds_store",
    ".env",
    ".git",
    ".hg",
    ".htaccess",
    ".htpasswd",
    ".idea",
    ".kube",
    ".npmrc",
    ".pypirc",
    ".ssh",
    ".svn",
    ".vscode",
    "_all_dbs",
    "_ignition",
    "adminer.php",
    "boaform",
    "c99.php",
    "cgi-bin",
    "config.php",
    "dana-na",
    "elmah.axd",
    "eval-stdin.php",
    "global-protect",
    "goform",
    "gponform",
    "heapdump",
    "hnap1",
    "host-manager",
    "id_rsa",
    "info.php",
    "invoker",
    "jmx-console",
    "jolokia",
    "mifs",
    "phpinfo.php",
    "phpmyadmin",
    "phpunit",
    "pma",
    "reportserver",
    "server-info",
    "server-status",
    "setup.cgi",
    "shell.php",
    "trace.axd",
    "web-console",
    "web.config",
    "wls-wsat",
    "wlwmanifest.xml",
    "wp-admin",
    "wp-content",
    "wp-includes",
    "wp-login.php",
    "xmlrpc.php",
];

/// Names that only stand for an attack with what comes behind or before them.
const PLACES: [&str; 19] = [
    "/actuator/env",
    "/actuator/gateway",
    "/actuator/heapdump",
    "/actuator/jolokia",
    "/actuator/threaddump",
    "/administrator/index.php",
    "/autodiscover/autodiscover.",
    "/configuration.php",
    "/console/login/",
    "/ecp/current/",
    "/manager/html",
    "/owa/auth",
    "/remote/fgt_lang",
    "/sdk/vimservice",
    "/solr/admin/",
    "/telescope/requests",
    "/vpn/index.html",
    "/wp-config.php",
    "/wp-json/wp/v2/users",
];

/// Copies that were left in the root.
static COPIES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i-u)^/(?:backup|database|db|dump|mysql|site|www|wwwroot)\.(?:7z|bak|gz|rar|sql|sqlite3?|tar|tgz|zip)(?:\.gz|\.zip)?$",
    )
});

/// What has an effect in somebody else's program, in any part of a request.
static PROBES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i-u)\$\{(?:jndi:|\$\{)|\(\)\s*\{\s*:?\s*;|\binvokefunction\b|\ballow_url_include\b|\bauto_prepend_file\b",
    )
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant of the program, which the tests compile")
}

/// Compiles what the first suspicious request would otherwise wait for.
pub(super) fn prepare() {
    LazyLock::force(&COPIES);
    LazyLock::force(&PROBES);
}

/// What says that this decoded path is one that scanners ask for.
pub(super) fn of_path(path: &[u8]) -> Option<&'static str> {
    let parts = path
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty());
    for part in parts.take(DEEPEST) {
        if let Some(name) = known(part) {
            return Some(name);
        }
    }
    let begins = |place: &&&str| {
        path.get(..place.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(place.as_bytes()))
    };
    if let Some(place) = PLACES.iter().find(begins) {
        return Some(place);
    }
    // Each of them has a point in its only part.
    (path.contains(&b'.') && COPIES.is_match(path)).then_some("copy")
}

fn known(part: &[u8]) -> Option<&'static str> {
    if part.starts_with(b".env.") {
        return Some(".env");
    }
    let mut lower = [0; LONGEST];
    let lower = lower.get_mut(..part.len())?;
    lower.copy_from_slice(part);
    lower.make_ascii_lowercase();
    let found = NAMES.binary_search_by(|name| name.as_bytes().cmp(lower));
    found.ok().map(|at| NAMES[at])
}

/// What says that this decoded text is to run in somebody else's program.
pub(super) fn of_text(text: &[u8]) -> Option<&'static str> {
    let worth_a_look = text.iter().any(|byte| matches!(byte, b'{' | b'_' | b'\\'));
    (worth_a_look && PROBES.is_match(text)).then_some("probe")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_and_fit() {
        assert!(NAMES.is_sorted());
        assert!(NAMES.iter().all(|name| name.len() <= LONGEST));
        for name in NAMES.iter().chain(&PLACES) {
            assert_eq!(*name, name.to_ascii_lowercase());
        }
    }

    #[test]
    fn a_name_counts_near_the_root_and_in_any_case() {
        assert_eq!(of_path(b"/.ENV"), Some(".env"));
        assert_eq!(of_path(b"/app/.git/config"), Some(".git"));
        assert_eq!(of_path(b"/ada/engine/blob/main/.env"), None);
        assert_eq!(of_path(b"/ada/engine.git/info/refs"), None);
        assert_eq!(of_path(b"/actuator/health"), None);
        assert_eq!(of_path(b"/backup.zip"), Some("copy"));
        assert_eq!(of_path(b"/exports/backup.zip"), None);
        assert_eq!(of_path(&[b'/'; 4096]), None);
    }
}
