//! Ways out of the folder that is served.

/// Files that nobody asks for by their whole path but to show that they can.
const FILES: [&[u8]; 8] = [
    b"/etc/passwd",
    b"/etc/shadow",
    b"/etc/hosts",
    b"/etc/group",
    b"/proc/self/",
    b"win.ini",
    b"boot.ini",
    b"/windows/system32",
];

/// Schemes by which a program reads a file instead of asking another server.
const WRAPPERS: [&[u8]; 6] = [
    b"file:///",
    b"php://",
    b"expect://",
    b"zip://",
    b"phar://",
    b"compress.zlib://",
];

/// What says that this path, as it was sent and as it is decoded, leads out.
///
/// Clients resolve `..` before they ask, so one that leads above the root, or was encoded,
/// was written by hand. `/static/../css/site.css` is what a careless client sends.
pub(super) fn of_path(raw: &[u8], decoded: &[u8]) -> Option<&'static str> {
    if decoded.contains(&0) {
        return Some("nul");
    }
    let is_separator = |byte: &u8| matches!(byte, b'/' | b'\\');
    let mut depth = 0_i32;
    let mut climbs = false;
    for part in decoded.split(is_separator) {
        match part {
            b"" | b"." => {}
            b".." | b"..;" => {
                climbs = true;
                depth -= 1;
            }
            _ => depth += 1,
        }
        if depth < 0 {
            return Some("above_root");
        }
    }
    let sent = raw.split(|byte| *byte == b'/').any(|part| part == b"..");
    if climbs && !sent {
        return Some("encoded");
    }
    is_overlong(raw).then_some("encoded")
}

/// What says that this value is a path that leads out. A single step up is what links of a
/// site have.
pub(super) fn of_value(decoded: &[u8]) -> Option<&'static str> {
    if let [.., 0] | [0, ..] = decoded {
        return Some("nul");
    }
    if let Some(nul) = decoded.iter().position(|byte| *byte == 0)
        && decoded[..nul].contains(&b'/')
    {
        return Some("nul");
    }
    let steps = decoded
        .windows(3)
        .filter(|window| matches!(window, [b'.', b'.', b'/' | b'\\' | b';']))
        .count();
    if steps >= 2 {
        return Some("steps_up");
    }
    let begins = |start: &[u8]| {
        decoded
            .get(..start.len())
            .is_some_and(|text| text.eq_ignore_ascii_case(start))
    };
    if WRAPPERS.iter().any(|wrapper| begins(wrapper)) {
        return Some("wrapper");
    }
    let is_path = steps > 0 || matches!(decoded, [b'/', ..] | [_, b':', b'/' | b'\\', ..]);
    let has = |file: &&[u8]| {
        decoded
            .windows(file.len())
            .any(|window| window.eq_ignore_ascii_case(file))
    };
    (is_path && FILES.iter().any(has)).then_some("system_file")
}

/// A slash or a dot as UTF-8 in more bytes than it takes, which old decoders accepted.
fn is_overlong(raw: &[u8]) -> bool {
    raw.windows(6).any(|window| {
        window.eq_ignore_ascii_case(b"%c0%af")
            || window.eq_ignore_ascii_case(b"%c0%ae")
            || window.eq_ignore_ascii_case(b"%c1%9c")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_go_up_as_far_as_it_went_down() {
        let of = |path: &str| of_path(path.as_bytes(), path.as_bytes());
        assert_eq!(of("/static/../css/site.css"), None);
        assert_eq!(of("/compare/main...feature"), None);
        assert_eq!(of("/a/../../b"), Some("above_root"));
        assert_eq!(of_path(b"/a/%2e%2e/b", b"/a/../b"), Some("encoded"));
        assert_eq!(of_path(b"/a/..%5cb", b"/a/..\\b"), Some("encoded"));
        assert_eq!(of_path(b"/a%00b", b"/a\0b"), Some("nul"));
    }

    #[test]
    fn a_value_may_go_up_once() {
        assert_eq!(of_value(b"../images/logo.png"), None);
        assert_eq!(of_value(b"what is /etc/passwd"), None);
        assert_eq!(of_value(b"../../x"), Some("steps_up"));
        assert_eq!(of_value(b"/etc/passwd"), Some("system_file"));
        assert_eq!(of_value(b"C:\\windows\\WIN.INI"), Some("system_file"));
        assert_eq!(of_value(b"PHP://input"), Some("wrapper"));
        assert_eq!(of_value(b"a.php\0"), Some("nul"));
    }
}
