//! The metrics as a table: the last value of each series.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use throughline_receiver::{
    Point, Received, latest_metrics,
    proto::metrics::v1::{Metric, number_data_point::Value},
};

use super::value;

pub(crate) fn table(metrics: &[Received<Metric>]) -> String {
    let mut rows: Vec<[String; 4]> = Vec::new();
    for metric in latest_metrics(metrics) {
        for point in metric.points() {
            rows.push([
                value::text(&metric.name),
                value::all_attributes(point.attributes()),
                reading(point),
                value::text(&metric.unit),
            ]);
        }
    }
    rows.sort_unstable();
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(["metric", "attributes", "value", "unit"]);
    for [name, attributes, reading, unit] in rows {
        let reading = Cell::new(reading).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(name),
            Cell::new(attributes),
            reading,
            Cell::new(unit),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}

fn reading(point: Point<'_>) -> String {
    match point {
        Point::Number(point) => match point.value {
            Some(Value::AsInt(value)) => value.to_string(),
            Some(Value::AsDouble(value)) => number(value),
            None => "none".into(),
        },
        Point::Histogram(point) => distribution(point.count, point.sum),
        Point::ExponentialHistogram(point) => distribution(point.count, point.sum),
        Point::Summary(point) => distribution(point.count, Some(point.sum)),
    }
}

fn distribution(count: u64, sum: Option<f64>) -> String {
    match sum {
        // A count above 2^53 would lose a digit of a mean that is shown with four.
        #[allow(clippy::cast_precision_loss)]
        Some(sum) if count > 0 => {
            format!(
                "{count} of mean {}, sum {}",
                number(sum / count as f64),
                number(sum)
            )
        }
        _ => count.to_string(),
    }
}

/// Up to four digits after the point, without the zeros that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "0" if value != 0.0 => format!("{value:e}"),
        short => short.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture::Fixture;

    #[test]
    fn the_table_has_the_last_value_of_each_series_in_a_stable_order() {
        let received = Fixture::default()
            .histogram("quickstart.order.items", "{item}", 4, 10.0)
            .counter("quickstart.orders", "{order}", 3)
            .counter("quickstart.orders", "{order}", 12)
            .contents();
        let lines: Vec<_> = table(&received.metrics)
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "metric attributes value unit",
                "quickstart.order.items http.route=/orders/{id} 4 of mean 2.5, sum 10 {item}",
                "quickstart.orders http.route=/orders/{id} 12 {order}",
            ]
        );
    }

    #[test]
    fn numbers_are_short_and_small_ones_do_not_become_zero() {
        let cases = [
            (10.0, "10"),
            (2.5, "2.5"),
            (0.123_456, "0.1235"),
            (0.0, "0"),
            (2e-6, "2e-6"),
        ];
        for (given, expected) in cases {
            assert_eq!(number(given), expected);
        }
    }
}
