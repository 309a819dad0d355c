//! HTML that would run, by libinjection's reading of it in each place of a page.

use std::panic::{AssertUnwindSafe, catch_unwind};

use libinjectionrs::detect_xss;

/// What says that this decoded value would run in a page.
pub(super) fn rule(text: &[u8]) -> Option<&'static str> {
    if is_script_address(text) {
        return Some("script_address");
    }
    let worth_a_look = text.iter().any(|byte| matches!(byte, b'<' | b'=' | b'`'));
    // Who writes about `<script>` writes no code behind it.
    if !worth_a_look || !has_code(text) {
        return None;
    }
    let found = catch_unwind(AssertUnwindSafe(|| detect_xss(text))).ok()?;
    found.is_injection().then_some("html")
}

fn has_code(text: &[u8]) -> bool {
    let calls = text.iter().any(|byte| matches!(byte, b'(' | b'`'));
    // Without a tag or a quote it would have to stand in a tag that the page has, and
    // `onclick = function` stands in many a question.
    let opens = text.iter().any(|byte| matches!(byte, b'<' | b'"' | b'\''));
    calls
        || opens
            && (text.contains(&b'=') || text.windows(2).any(|pair| matches!(pair, b"//" | b"/*")))
}

/// `javascript:alert(1)` as a whole value, as where a link is taken from a parameter. Browsers
/// pass over white space and control characters within.
fn is_script_address(text: &[u8]) -> bool {
    let Some(colon) = text.iter().position(|byte| *byte == b':') else {
        return false;
    };
    let scheme = text[..colon].iter().filter(|byte| **byte > b' ');
    let scheme = scheme.map(u8::to_ascii_lowercase);
    let runs = scheme.clone().eq(*b"javascript") || scheme.eq(*b"vbscript");
    // A word about such addresses goes on with a space.
    runs && text.get(colon + 1).is_some_and(|next| *next != b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_script_is_one_however_it_is_written() {
        for text in [
            "javascript:alert(1)",
            " JaVaScRiPt:x",
            "java\nscript:x",
            "vbscript:x",
        ] {
            assert_eq!(rule(text.as_bytes()), Some("script_address"), "{text}");
        }
        for text in [
            "javascript: urls",
            "javascript",
            "javascript:",
            "about javascript:x",
            "",
        ] {
            assert_eq!(rule(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn who_writes_about_html_is_no_attacker() {
        assert_eq!(rule(b"how to use the <script> tag"), None);
        assert_eq!(rule(b"<script>alert(1)</script>"), Some("html"));
        assert_eq!(rule(b"\" onfocus=\"alert(1)"), Some("html"));
    }
}
