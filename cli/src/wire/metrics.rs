//! How much memory a request of metrics would take once it is decoded.
//!
//! Points are few beside spans and records, so that they are decoded into objects, and a
//! request of millions of empty ones must be known before.

use super::{Fields, Malformed, Wire};

/// Bytes of a field that are counted as one object: what a value in a list takes at least.
const BYTES: usize = 16;

/// About how many objects an `ExportMetricsServiceRequest` decodes to.
pub(crate) fn objects(request: &[u8]) -> Result<usize, Malformed> {
    // Request, resource, scope, metric, its data, its points: each in these fields of the one
    // before.
    const PATH: [&[u32]; 5] = [&[1], &[2], &[2], &[5, 7, 9, 10, 11], &[1]];
    count(request, &PATH)
}

fn count(message: &[u8], path: &[&[u32]]) -> Result<usize, Malformed> {
    let mut objects = 1;
    let mut fields = Fields::new(message);
    while let Some((field, wire)) = fields.next()? {
        objects += match (wire, path) {
            (Wire::Bytes(inner), [here, rest @ ..]) if here.contains(&field) => count(inner, rest)?,
            (Wire::Bytes(inner), _) => 1 + inner.len() / BYTES,
            _ => 0,
        };
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::{
        collector::metrics::v1::ExportMetricsServiceRequest,
        metrics::v1::{
            Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
        },
    };
    use prost::Message;

    use super::*;

    #[test]
    fn empty_points_are_counted_though_they_are_two_bytes_each() {
        let metric = Metric {
            data: Some(Data::Gauge(Gauge {
                data_points: vec![NumberDataPoint::default(); 5000],
            })),
            ..Metric::default()
        };
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                scope_metrics: vec![ScopeMetrics {
                    metrics: vec![metric],
                    ..ScopeMetrics::default()
                }],
                ..ResourceMetrics::default()
            }],
        };
        let counted = objects(&request.encode_to_vec()).unwrap();
        assert!((5000..5010).contains(&counted), "{counted}");
    }
}
