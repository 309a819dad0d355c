//! The semantic conventions' own tables, in the form in which what was sent is held against
//! them: which attributes there must be, which there may be, of what type and value.

use throughline_receiver::proto::common::v1::{AnyValue, KeyValue, any_value::Value};
use throughline_receiver::proto::metrics::v1::Metric;
use throughline_receiver::proto::metrics::v1::metric::Data;

/// The requirement level of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Required,
    /// Required under a condition; a test names those whose condition it has brought about.
    Conditional,
    /// Recommended or opt-in.
    Optional,
}

/// The type of an attribute, and its values where the conventions list them all.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Text,
    OneOf(&'static [&'static str]),
    Int,
    Double,
    Bool,
    Texts,
}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub name: &'static str,
    pub need: Need,
    pub kind: Kind,
}

pub const fn required(name: &'static str, kind: Kind) -> Row {
    let need = Need::Required;
    Row { name, need, kind }
}

pub const fn conditional(name: &'static str, kind: Kind) -> Row {
    let need = Need::Conditional;
    Row { name, need, kind }
}

pub const fn optional(name: &'static str, kind: Kind) -> Row {
    let need = Need::Optional;
    Row { name, need, kind }
}

/// Holds attributes against a table. `due` are the conditional ones that must be there in
/// this case; `ours` those that the table does not have and that may be there. A row whose
/// name ends in `.` and a `*` stands for all names that begin so.
#[track_caller]
pub fn hold(table: &[Row], attributes: &[KeyValue], due: &[&str], ours: &[&str]) {
    let has = |name: &str| attributes.iter().any(|attribute| attribute.key == name);
    for row in table {
        let expected = row.need == Need::Required || due.contains(&row.name);
        assert!(
            !expected || has(row.name),
            "no {}: {attributes:#?}",
            row.name
        );
    }
    for name in due {
        let known = table.iter().find(|row| row.name == *name);
        let known = known.unwrap_or_else(|| panic!("the table has no {name}"));
        assert_eq!(known.need, Need::Conditional, "{name}");
    }
    for (at, attribute) in attributes.iter().enumerate() {
        let key = attribute.key.as_str();
        let again = attributes[..at].iter().any(|before| before.key == key);
        assert!(!again, "{key} is there twice: {attributes:#?}");
        if ours.contains(&key) {
            continue;
        }
        let row = table.iter().find(|row| match row.name.strip_suffix('*') {
            Some(prefix) => key.starts_with(prefix),
            None => row.name == key,
        });
        let row = row.unwrap_or_else(|| panic!("{key} is not in the table"));
        let value = attribute.value.as_ref().and_then(|any| any.value.as_ref());
        let value = value.unwrap_or_else(|| panic!("{key} has no value"));
        assert!(
            fits(row.kind, value),
            "{key} is {value:?}, not {:?}",
            row.kind
        );
    }
}

fn fits(kind: Kind, value: &Value) -> bool {
    match (kind, value) {
        (Kind::Text, Value::StringValue(_))
        | (Kind::Int, Value::IntValue(_))
        | (Kind::Double, Value::DoubleValue(_))
        | (Kind::Bool, Value::BoolValue(_)) => true,
        (Kind::OneOf(values), Value::StringValue(text)) => values.contains(&text.as_str()),
        (Kind::Texts, Value::ArrayValue(array)) => array
            .values
            .iter()
            .all(|AnyValue { value, .. }| matches!(value, Some(Value::StringValue(_)))),
        _ => false,
    }
}

/// A metric of the conventions.
#[derive(Clone, Copy, Debug)]
pub struct Instrument {
    pub name: &'static str,
    pub unit: &'static str,
    pub shape: Shape,
    pub table: &'static [Row],
}

#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Counter,
    UpDownCounter,
    Gauge,
    /// With the boundaries that the conventions advise.
    Histogram(&'static [f64]),
}

/// The advised boundaries of the durations of requests and calls, in seconds.
pub const REQUEST_SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The status codes of gRPC, by their names.
pub const GRPC_CODES: Kind = Kind::OneOf(&[
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
]);

impl Instrument {
    /// Holds all points of a metric against this instrument; `due` as in [`hold`].
    #[track_caller]
    pub fn hold(&self, metric: &Metric, due: &[&str]) {
        assert_eq!(metric.name, self.name);
        assert_eq!(metric.unit, self.unit, "{}", self.name);
        let data = metric.data.as_ref().unwrap();
        let points: Vec<&[KeyValue]> = match (self.shape, data) {
            (Shape::Counter, Data::Sum(sum)) if sum.is_monotonic => sum
                .data_points
                .iter()
                .map(|it| &it.attributes[..])
                .collect(),
            (Shape::UpDownCounter, Data::Sum(sum)) if !sum.is_monotonic => sum
                .data_points
                .iter()
                .map(|it| &it.attributes[..])
                .collect(),
            // The facade has no up-down counter, and one that is set is a gauge.
            (Shape::Gauge | Shape::UpDownCounter, Data::Gauge(gauge)) => gauge
                .data_points
                .iter()
                .map(|it| &it.attributes[..])
                .collect(),
            (Shape::Histogram(bounds), Data::Histogram(histogram)) => {
                for point in &histogram.data_points {
                    assert_eq!(point.explicit_bounds, bounds, "{}", self.name);
                }
                let points = histogram.data_points.iter();
                points.map(|it| &it.attributes[..]).collect()
            }
            _ => panic!("{} is no {:?}: {data:?}", self.name, self.shape),
        };
        assert!(!points.is_empty(), "{} has no point", self.name);
        for attributes in points {
            hold(self.table, attributes, due, &[]);
        }
    }
}
