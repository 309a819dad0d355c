//! Whether an issue that was resolved has come back.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// How it stands with an issue.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub(crate) enum Status {
    #[default]
    Unresolved,
    /// Somebody said that it is done with.
    Resolved {
        /// Nanoseconds since 1970.
        at: u64,
        /// From which release on; `None` is everywhere.
        in_release: Option<String>,
    },
    /// It was resolved, and happened again.
    Regressed,
}

impl Status {
    /// The status after an occurrence at `time` in `release`.
    ///
    /// One from before the issue was resolved may arrive late and changes nothing. Neither
    /// does one of a release older than that of the fix, which still runs somewhere. Where the
    /// two releases cannot be compared, a regression is assumed: one too many is looked at and
    /// closed, one too few is not seen.
    #[must_use]
    pub(crate) fn after(&self, time: u64, release: Option<&str>) -> Self {
        let Self::Resolved { at, in_release } = self else {
            return self.clone();
        };
        let older = match (in_release.as_deref(), release) {
            (Some(fixed), Some(release)) => compare(release, fixed) == Some(Ordering::Less),
            _ => false,
        };
        if time <= *at || older {
            self.clone()
        } else {
            Self::Regressed
        }
    }
}

/// Orders two releases of one package by their versions' numbers.
fn compare(one: &str, other: &str) -> Option<Ordering> {
    let (package, version) = parts(one);
    let (other_package, other_version) = parts(other);
    if package != other_package {
        return None;
    }
    let (numbers, pre_release) = numbers(version)?;
    let (other_numbers, other_pre_release) = self::numbers(other_version)?;
    let ordering = numbers.cmp(&other_numbers);
    Some(match (ordering, pre_release, other_pre_release) {
        (Ordering::Equal, Some(_), None) => Ordering::Less,
        (Ordering::Equal, None, Some(_)) => Ordering::Greater,
        (Ordering::Equal, Some(one), Some(other)) if one != other => return None,
        (ordering, ..) => ordering,
    })
}

/// `package@version`, or a version alone.
fn parts(release: &str) -> (Option<&str>, &str) {
    match release.rsplit_once('@') {
        Some((package, version)) => (Some(package), version),
        None => (None, release),
    }
}

/// `1.4.2-rc.1+build`: the numbers, and what comes before the release itself. A commit's hash
/// has no order.
fn numbers(version: &str) -> Option<([u64; 3], Option<&str>)> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let version = version.split('+').next().unwrap_or(version);
    let (version, pre_release) = match version.split_once('-') {
        Some((version, pre_release)) => (version, Some(pre_release)),
        None => (version, None),
    };
    if !version.contains('.') {
        return None;
    }
    let mut numbers = [0; 3];
    let mut places = numbers.iter_mut();
    for number in version.split('.') {
        *places.next()? = number.parse().ok()?;
    }
    Some((numbers, pre_release))
}
