//! What must hold of what is told of a suspicious request; see [`crate::fuzzing`].

use http::Uri;

use super::evidence::LONGEST;
use super::inspect::{Rules, inspect};
use super::kind::Attack;
use crate::event::escape::is_unsafe;
use crate::fuzzing::header_map;

/// The target on the first line, then headers: there is little evidence, and each of one line.
pub(crate) fn attacks(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let Ok(target) = Uri::try_from(parts.next().unwrap_or_default()) else {
        return;
    };
    let headers = header_map(parts.next().unwrap_or_default());
    let found = inspect(&target, &headers, &Rules::default());
    assert!(found.len() <= Attack::ALL.len());
    for evidence in &found {
        assert!(evidence.text.chars().count() <= LONGEST, "{evidence:?}");
        assert!(!evidence.text.chars().any(is_unsafe), "{evidence:?}");
        assert!(evidence.rule.len() <= 64, "{evidence:?}");
        assert!(!evidence.rule.chars().any(is_unsafe), "{evidence:?}");
    }
}
