//! Points in time, of which SDKs have three forms.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::Serializer;
use serde_json::Value;

/// Nanoseconds since 1970, as OTLP counts them.
pub(super) fn nanos(value: &Value) -> Option<u64> {
    match value {
        Value::Number(seconds) => match seconds.as_u64() {
            Some(seconds) => seconds.checked_mul(1_000_000_000),
            None => of_seconds(seconds.as_f64()?),
        },
        Value::String(text) => of_text(text.trim()),
        _ => None,
    }
}

/// To the microsecond: a double holds no more of today's date.
fn of_seconds(seconds: f64) -> Option<u64> {
    let micros = (seconds * 1e6).round();
    // Above, the year is beyond 2500; a cast would give the highest number.
    (0.0..1.8e16)
        .contains(&micros)
        .then(|| micros as u64 * 1_000)
}

fn of_text(text: &str) -> Option<u64> {
    let time = match text.parse::<Timestamp>() {
        Ok(time) => time,
        // Old SDKs leave the zone out, which is UTC's.
        Err(_) => match text.parse::<DateTime>() {
            Ok(time) => time.to_zoned(TimeZone::UTC).ok()?.timestamp(),
            Err(_) => return of_seconds(text.parse().ok()?),
        },
    };
    u64::try_from(time.as_nanosecond()).ok()
}

/// Writes what [`nanos`] reads back without loss.
pub(super) fn serialize<S: Serializer>(
    nanos: &Option<u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let time = nanos.and_then(|nanos| Timestamp::from_nanosecond(nanos.into()).ok());
    match time {
        Some(time) => serializer.collect_str(&time),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_is_read_in_each_form_that_sdks_write() {
        let expected = Some(1_795_297_358_009_674_000);
        for written in [
            json!(1_795_297_358.009_674),
            json!("2026-11-21T21:42:38.009674Z"),
            json!("2026-11-21T22:42:38.009674+01:00"),
            json!("2026-11-21T21:42:38.009674"),
            json!("1795297358.009674"),
        ] {
            assert_eq!(nanos(&written), expected, "{written}");
        }
        assert_eq!(
            nanos(&json!(1_795_297_358)),
            Some(1_795_297_358_000_000_000)
        );
        for nonsense in [
            json!(-1),
            json!("soon"),
            json!(1e300),
            json!(null),
            json!([1]),
        ] {
            assert_eq!(nanos(&nonsense), None, "{nonsense}");
        }
    }
}
