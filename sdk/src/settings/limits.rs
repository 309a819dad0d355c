//! How much one span or record may carry:
//! <https://opentelemetry.io/docs/specs/otel/common/#attribute-limits>.
//!
//! What a model-specific variable leaves open the general one decides, as the specification
//! has it.

use opentelemetry_sdk::trace::SpanLimits;

use super::env::Env;

const COUNT: &str = "OTEL_ATTRIBUTE_COUNT_LIMIT";
const LENGTH: &str = "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT";
const DEFAULT: usize = 128;

#[derive(Clone, Copy, Debug)]
pub(crate) struct LimitSettings {
    pub(crate) spans: SpanLimits,
    /// Characters in the value of an attribute of a span, of its events and its links.
    pub(crate) span_value_length: Option<usize>,
    pub(crate) log_attributes: usize,
    /// Characters in the value of a log record's attribute.
    pub(crate) log_value_length: Option<usize>,
}

impl LimitSettings {
    pub(super) fn read(env: &Env<'_>) -> Self {
        // The SDK counts in u32, and `count` gives no more than i32::MAX.
        let count = |variables: &[&str]| {
            u32::try_from(env.count(variables, DEFAULT, 0)).unwrap_or(u32::MAX)
        };
        Self {
            spans: SpanLimits {
                max_attributes_per_span: count(&["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", COUNT]),
                max_events_per_span: count(&["OTEL_SPAN_EVENT_COUNT_LIMIT"]),
                max_links_per_span: count(&["OTEL_SPAN_LINK_COUNT_LIMIT"]),
                max_attributes_per_event: count(&["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", COUNT]),
                max_attributes_per_link: count(&["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", COUNT]),
            },
            span_value_length: length(env, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
            log_attributes: env.count(&["OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", COUNT], DEFAULT, 0),
            log_value_length: length(env, "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
        }
    }
}

fn length(env: &Env<'_>, variable: &str) -> Option<usize> {
    env.resolve(
        &[variable, LENGTH],
        None,
        "a whole number, 0 or more",
        |text| text.parse().ok().map(Some),
        |length| length.map_or_else(|| "no limit".to_owned(), |length| length.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_general_limit_decides_what_no_limit_of_its_own_does() {
        let env = Env::new(&|name| match name {
            COUNT => Some("10".to_owned()),
            LENGTH => Some("20".to_owned()),
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT" => Some("30".to_owned()),
            "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT" => Some("40".to_owned()),
            _ => None,
        });
        let limits = LimitSettings::read(&env);
        assert_eq!(limits.spans.max_attributes_per_span, 30);
        assert_eq!(limits.spans.max_attributes_per_event, 10);
        assert_eq!(limits.spans.max_events_per_span, 128, "no attribute");
        assert_eq!(limits.log_attributes, 10);
        assert_eq!(limits.span_value_length, Some(20));
        assert_eq!(limits.log_value_length, Some(40));
    }
}
