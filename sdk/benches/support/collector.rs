//! The receiver that all sides send to. It counts what arrives by service, so that a side
//! that is quick because it throws records away is found out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use throughline_receiver::proto::common::v1::any_value::Value;
use throughline_receiver::proto::resource::v1::Resource;
use throughline_receiver::{Addresses, ExportRequest, Payload, Server};

/// Spans and records that have arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    pub spans: u64,
    pub records: u64,
}

pub struct Collector {
    server: Server,
    arrived: Arc<Mutex<HashMap<String, Arrived>>>,
}

impl Collector {
    pub fn start() -> Self {
        let arrived = Arc::new(Mutex::new(HashMap::new()));
        let counts = Arc::clone(&arrived);
        let server = Server::start(Addresses::default(), move |request: ExportRequest| {
            count(&mut counts.lock().unwrap(), &request.payload);
            Ok(())
        })
        .unwrap();
        Self { server, arrived }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`, with the protocol `grpc`.
    pub fn endpoint(&self) -> String {
        self.server.grpc_endpoint()
    }

    pub fn arrived(&self, service: &str) -> Arrived {
        let arrived = self.arrived.lock().unwrap();
        arrived.get(service).copied().unwrap_or_default()
    }
}

fn count(arrived: &mut HashMap<String, Arrived>, payload: &Payload) {
    match payload {
        Payload::Traces(traces) => {
            for of_resource in &traces.resource_spans {
                let spans: usize = of_resource
                    .scope_spans
                    .iter()
                    .map(|it| it.spans.len())
                    .sum();
                let service = service(of_resource.resource.as_ref());
                arrived.entry(service).or_default().spans += spans as u64;
            }
        }
        Payload::Logs(logs) => {
            for of_resource in &logs.resource_logs {
                let scopes = of_resource.scope_logs.iter();
                let records: usize = scopes.map(|it| it.log_records.len()).sum();
                let service = service(of_resource.resource.as_ref());
                arrived.entry(service).or_default().records += records as u64;
            }
        }
        Payload::Metrics(_) => {}
    }
}

fn service(resource: Option<&Resource>) -> String {
    let attributes = resource.iter().flat_map(|resource| &resource.attributes);
    attributes
        .filter(|attribute| attribute.key == "service.name")
        .find_map(
            |attribute| match attribute.value.as_ref()?.value.as_ref()? {
                Value::StringValue(name) => Some(name.clone()),
                _ => None,
            },
        )
        .unwrap_or_default()
}
