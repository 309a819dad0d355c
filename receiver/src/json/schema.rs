//! OTLP's messages as data: what each field is called in JSON and how protobuf writes it.
//!
//! <https://github.com/open-telemetry/opentelemetry-proto>

use Kind::{
    Base64, Bool, Double, Enum, Fixed32, Fixed64, Hex, Int32, Int64, Sfixed64, Sint32, Text,
    Uint32, Uint64,
};

/// The fields of a message.
pub(super) struct Schema {
    pub(super) fields: &'static [Field],
}

pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) number: u32,
    pub(super) kind: Kind,
    pub(super) repeated: bool,
    /// Written even where it is zero: a member of a `oneof`, or `optional`.
    pub(super) explicit: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Message(&'static Schema),
    Text,
    /// Trace and span ids, the one place where OTLP departs from protobuf's JSON.
    Hex,
    Base64,
    Bool,
    Double,
    /// The prefix of the values' names, and the values in their order from 0.
    Enum(&'static str, &'static [&'static str]),
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Fixed32,
    Fixed64,
    Sfixed64,
}

const fn one(number: u32, name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        number,
        kind,
        repeated: false,
        explicit: false,
    }
}

const fn many(number: u32, name: &'static str, kind: Kind) -> Field {
    Field {
        repeated: true,
        ..one(number, name, kind)
    }
}

const fn explicit(number: u32, name: &'static str, kind: Kind) -> Field {
    Field {
        explicit: true,
        ..one(number, name, kind)
    }
}

/// Each message a static, since `AnyValue` refers to itself.
macro_rules! schemas {
    ($($visibility:vis $name:ident = [$($field:expr),* $(,)?];)*) => {
        $($visibility static $name: Schema = Schema { fields: &[$($field),*] };)*
    };
}

const SPAN_KINDS: Kind = Enum(
    "SPAN_KIND_",
    &[
        "UNSPECIFIED",
        "INTERNAL",
        "SERVER",
        "CLIENT",
        "PRODUCER",
        "CONSUMER",
    ],
);
const STATUS_CODES: Kind = Enum("STATUS_CODE_", &["UNSET", "OK", "ERROR"]);
const TEMPORALITIES: Kind = Enum(
    "AGGREGATION_TEMPORALITY_",
    &["UNSPECIFIED", "DELTA", "CUMULATIVE"],
);
const SEVERITIES: Kind = Enum(
    "SEVERITY_NUMBER_",
    &[
        "UNSPECIFIED",
        "TRACE",
        "TRACE2",
        "TRACE3",
        "TRACE4",
        "DEBUG",
        "DEBUG2",
        "DEBUG3",
        "DEBUG4",
        "INFO",
        "INFO2",
        "INFO3",
        "INFO4",
        "WARN",
        "WARN2",
        "WARN3",
        "WARN4",
        "ERROR",
        "ERROR2",
        "ERROR3",
        "ERROR4",
        "FATAL",
        "FATAL2",
        "FATAL3",
        "FATAL4",
    ],
);

schemas! {
    pub(super) TRACES = [many(1, "resourceSpans", Kind::Message(&RESOURCE_SPANS))];
    pub(super) METRICS = [many(1, "resourceMetrics", Kind::Message(&RESOURCE_METRICS))];
    pub(super) LOGS = [many(1, "resourceLogs", Kind::Message(&RESOURCE_LOGS))];

    RESOURCE_SPANS = [
        one(1, "resource", Kind::Message(&RESOURCE)),
        many(2, "scopeSpans", Kind::Message(&SCOPE_SPANS)),
        one(3, "schemaUrl", Text),
    ];
    SCOPE_SPANS = [
        one(1, "scope", Kind::Message(&SCOPE)),
        many(2, "spans", Kind::Message(&SPAN)),
        one(3, "schemaUrl", Text),
    ];
    SPAN = [
        one(1, "traceId", Hex),
        one(2, "spanId", Hex),
        one(3, "traceState", Text),
        one(4, "parentSpanId", Hex),
        one(5, "name", Text),
        one(6, "kind", SPAN_KINDS),
        one(7, "startTimeUnixNano", Fixed64),
        one(8, "endTimeUnixNano", Fixed64),
        many(9, "attributes", Kind::Message(&KEY_VALUE)),
        one(10, "droppedAttributesCount", Uint32),
        many(11, "events", Kind::Message(&EVENT)),
        one(12, "droppedEventsCount", Uint32),
        many(13, "links", Kind::Message(&LINK)),
        one(14, "droppedLinksCount", Uint32),
        one(15, "status", Kind::Message(&STATUS)),
        one(16, "flags", Fixed32),
    ];
    EVENT = [
        one(1, "timeUnixNano", Fixed64),
        one(2, "name", Text),
        many(3, "attributes", Kind::Message(&KEY_VALUE)),
        one(4, "droppedAttributesCount", Uint32),
    ];
    LINK = [
        one(1, "traceId", Hex),
        one(2, "spanId", Hex),
        one(3, "traceState", Text),
        many(4, "attributes", Kind::Message(&KEY_VALUE)),
        one(5, "droppedAttributesCount", Uint32),
        one(6, "flags", Fixed32),
    ];
    STATUS = [one(2, "message", Text), one(3, "code", STATUS_CODES)];

    RESOURCE_LOGS = [
        one(1, "resource", Kind::Message(&RESOURCE)),
        many(2, "scopeLogs", Kind::Message(&SCOPE_LOGS)),
        one(3, "schemaUrl", Text),
    ];
    SCOPE_LOGS = [
        one(1, "scope", Kind::Message(&SCOPE)),
        many(2, "logRecords", Kind::Message(&LOG_RECORD)),
        one(3, "schemaUrl", Text),
    ];
    LOG_RECORD = [
        one(1, "timeUnixNano", Fixed64),
        one(2, "severityNumber", SEVERITIES),
        one(3, "severityText", Text),
        one(5, "body", Kind::Message(&ANY_VALUE)),
        many(6, "attributes", Kind::Message(&KEY_VALUE)),
        one(7, "droppedAttributesCount", Uint32),
        one(8, "flags", Fixed32),
        one(9, "traceId", Hex),
        one(10, "spanId", Hex),
        one(11, "observedTimeUnixNano", Fixed64),
        one(12, "eventName", Text),
    ];

    RESOURCE_METRICS = [
        one(1, "resource", Kind::Message(&RESOURCE)),
        many(2, "scopeMetrics", Kind::Message(&SCOPE_METRICS)),
        one(3, "schemaUrl", Text),
    ];
    SCOPE_METRICS = [
        one(1, "scope", Kind::Message(&SCOPE)),
        many(2, "metrics", Kind::Message(&METRIC)),
        one(3, "schemaUrl", Text),
    ];
    METRIC = [
        one(1, "name", Text),
        one(2, "description", Text),
        one(3, "unit", Text),
        one(5, "gauge", Kind::Message(&GAUGE)),
        one(7, "sum", Kind::Message(&SUM)),
        one(9, "histogram", Kind::Message(&HISTOGRAM)),
        one(10, "exponentialHistogram", Kind::Message(&EXPONENTIAL_HISTOGRAM)),
        one(11, "summary", Kind::Message(&SUMMARY)),
        many(12, "metadata", Kind::Message(&KEY_VALUE)),
    ];
    GAUGE = [many(1, "dataPoints", Kind::Message(&NUMBER_DATA_POINT))];
    SUM = [
        many(1, "dataPoints", Kind::Message(&NUMBER_DATA_POINT)),
        one(2, "aggregationTemporality", TEMPORALITIES),
        one(3, "isMonotonic", Bool),
    ];
    HISTOGRAM = [
        many(1, "dataPoints", Kind::Message(&HISTOGRAM_DATA_POINT)),
        one(2, "aggregationTemporality", TEMPORALITIES),
    ];
    EXPONENTIAL_HISTOGRAM = [
        many(1, "dataPoints", Kind::Message(&EXPONENTIAL_DATA_POINT)),
        one(2, "aggregationTemporality", TEMPORALITIES),
    ];
    SUMMARY = [many(1, "dataPoints", Kind::Message(&SUMMARY_DATA_POINT))];
    NUMBER_DATA_POINT = [
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        explicit(4, "asDouble", Double),
        many(5, "exemplars", Kind::Message(&EXEMPLAR)),
        explicit(6, "asInt", Sfixed64),
        many(7, "attributes", Kind::Message(&KEY_VALUE)),
        one(8, "flags", Uint32),
    ];
    HISTOGRAM_DATA_POINT = [
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        explicit(5, "sum", Double),
        many(6, "bucketCounts", Fixed64),
        many(7, "explicitBounds", Double),
        many(8, "exemplars", Kind::Message(&EXEMPLAR)),
        many(9, "attributes", Kind::Message(&KEY_VALUE)),
        one(10, "flags", Uint32),
        explicit(11, "min", Double),
        explicit(12, "max", Double),
    ];
    EXPONENTIAL_DATA_POINT = [
        many(1, "attributes", Kind::Message(&KEY_VALUE)),
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        explicit(5, "sum", Double),
        one(6, "scale", Sint32),
        one(7, "zeroCount", Fixed64),
        one(8, "positive", Kind::Message(&BUCKETS)),
        one(9, "negative", Kind::Message(&BUCKETS)),
        one(10, "flags", Uint32),
        many(11, "exemplars", Kind::Message(&EXEMPLAR)),
        explicit(12, "min", Double),
        explicit(13, "max", Double),
        one(14, "zeroThreshold", Double),
    ];
    BUCKETS = [one(1, "offset", Sint32), many(2, "bucketCounts", Uint64)];
    SUMMARY_DATA_POINT = [
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        one(5, "sum", Double),
        many(6, "quantileValues", Kind::Message(&QUANTILE)),
        many(7, "attributes", Kind::Message(&KEY_VALUE)),
        one(8, "flags", Uint32),
    ];
    QUANTILE = [one(1, "quantile", Double), one(2, "value", Double)];
    EXEMPLAR = [
        one(2, "timeUnixNano", Fixed64),
        explicit(3, "asDouble", Double),
        one(4, "spanId", Hex),
        one(5, "traceId", Hex),
        explicit(6, "asInt", Sfixed64),
        many(7, "filteredAttributes", Kind::Message(&KEY_VALUE)),
    ];

    RESOURCE = [
        many(1, "attributes", Kind::Message(&KEY_VALUE)),
        one(2, "droppedAttributesCount", Uint32),
        many(3, "entityRefs", Kind::Message(&ENTITY_REF)),
    ];
    ENTITY_REF = [
        one(1, "schemaUrl", Text),
        one(2, "type", Text),
        many(3, "idKeys", Text),
        many(4, "descriptionKeys", Text),
    ];
    SCOPE = [
        one(1, "name", Text),
        one(2, "version", Text),
        many(3, "attributes", Kind::Message(&KEY_VALUE)),
        one(4, "droppedAttributesCount", Uint32),
    ];
    KEY_VALUE = [
        one(1, "key", Text),
        one(2, "value", Kind::Message(&ANY_VALUE)),
        one(3, "keyStrindex", Int32),
    ];
    ANY_VALUE = [
        explicit(1, "stringValue", Text),
        explicit(2, "boolValue", Bool),
        explicit(3, "intValue", Int64),
        explicit(4, "doubleValue", Double),
        one(5, "arrayValue", Kind::Message(&ARRAY)),
        one(6, "kvlistValue", Kind::Message(&KEY_VALUE_LIST)),
        explicit(7, "bytesValue", Base64),
        explicit(8, "stringValueStrindex", Int32),
    ];
    ARRAY = [many(1, "values", Kind::Message(&ANY_VALUE))];
    KEY_VALUE_LIST = [many(1, "values", Kind::Message(&KEY_VALUE))];
}
