//! Which port each server has, and the variable of the compose file that moves it.

use anyhow::{Context as _, Result};

use super::environment;

/// A server of the stack that answers over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// OpenTelemetry Collector; its HTTP address is the health check.
    Collector,
    /// Jaeger: traces.
    Jaeger,
    /// Loki: logs.
    Loki,
    /// Prometheus: metrics and alert rules.
    Prometheus,
    /// Alertmanager: routes of alerts.
    Alertmanager,
    /// Grafana: dashboards.
    Grafana,
    /// Bugsink: errors, by Sentry's protocol.
    Bugsink,
    /// The webhook that alerts reach.
    Alerts,
}

impl Server {
    /// Every server, in the order that the data passes.
    pub const ALL: [Self; 8] = [
        Self::Collector,
        Self::Jaeger,
        Self::Loki,
        Self::Prometheus,
        Self::Alertmanager,
        Self::Grafana,
        Self::Bugsink,
        Self::Alerts,
    ];

    /// Its name in the compose file.
    #[must_use]
    pub fn service(self) -> &'static str {
        match self {
            Self::Collector => "collector",
            Self::Jaeger => "jaeger",
            Self::Loki => "loki",
            Self::Prometheus => "prometheus",
            Self::Alertmanager => "alertmanager",
            Self::Grafana => "grafana",
            Self::Bugsink => "bugsink",
            Self::Alerts => "alerts",
        }
    }

    /// The path that answers 200 once the server can be used.
    pub(crate) fn ready_path(self) -> &'static str {
        match self {
            Self::Collector => "/",
            Self::Alerts => "/cgi-bin/alerts",
            Self::Jaeger => "/api/services",
            Self::Loki => "/ready",
            Self::Prometheus | Self::Alertmanager => "/-/ready",
            Self::Grafana => "/api/health",
            Self::Bugsink => "/health/ready",
        }
    }
}

/// The published ports, all on 127.0.0.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// `OTLP_GRPC_PORT`, 4317.
    pub otlp_grpc: u16,
    /// `OTLP_HTTP_PORT`, 4318.
    pub otlp_http: u16,
    /// `COLLECTOR_HEALTH_PORT`, 13133.
    pub collector_health: u16,
    /// `COLLECTOR_METRICS_PORT`, 8888: the collector's metrics about itself.
    pub collector_metrics: u16,
    /// `JAEGER_PORT`, 16686.
    pub jaeger: u16,
    /// `LOKI_PORT`, 3100.
    pub loki: u16,
    /// `PROMETHEUS_PORT`, 9090.
    pub prometheus: u16,
    /// `ALERTMANAGER_PORT`, 9093.
    pub alertmanager: u16,
    /// `GRAFANA_PORT`, 3000.
    pub grafana: u16,
    /// `BUGSINK_PORT`, 8000.
    pub bugsink: u16,
    /// `ALERTS_PORT`, 9095: the webhook that alerts reach.
    pub alerts: u16,
    /// `SHOP_PORT`, 8080: the storefront of the profile `shop`.
    pub shop: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            otlp_grpc: 4317,
            otlp_http: 4318,
            collector_health: 13133,
            collector_metrics: 8888,
            jaeger: 16686,
            loki: 3100,
            prometheus: 9090,
            alertmanager: 9093,
            grafana: 3000,
            bugsink: 8000,
            alerts: 9095,
            shop: 8080,
        }
    }
}

impl Ports {
    /// The compose file's defaults plus 20000, below which Linux hands out ports to
    /// clients (from 32768) for all but Jaeger's and the health check's; those two are
    /// moved by 10000.
    #[must_use]
    pub fn for_tests() -> Self {
        let mut ports = Self::default();
        for (_, port) in ports.entries() {
            *port += if *port > 12_000 { 10_000 } else { 20_000 };
        }
        ports
    }

    /// The defaults, moved by the variables that are set.
    pub(crate) fn from_environment() -> Result<Self> {
        let mut ports = Self::default();
        for (variable, port) in ports.entries() {
            if let Some(value) = environment::value(variable) {
                *port = value
                    .parse()
                    .with_context(|| format!("{variable} is {value:?}, expected a port number"))?;
            }
        }
        Ok(ports)
    }

    pub(crate) fn get(&self, server: Server) -> u16 {
        match server {
            Server::Collector => self.collector_health,
            Server::Jaeger => self.jaeger,
            Server::Loki => self.loki,
            Server::Prometheus => self.prometheus,
            Server::Alertmanager => self.alertmanager,
            Server::Grafana => self.grafana,
            Server::Bugsink => self.bugsink,
            Server::Alerts => self.alerts,
        }
    }

    /// The variables of the compose file with their values.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        self.clone()
            .entries()
            .into_iter()
            .map(|(variable, port)| (variable, port.to_string()))
            .collect()
    }

    fn entries(&mut self) -> [(&'static str, &mut u16); 12] {
        [
            ("OTLP_GRPC_PORT", &mut self.otlp_grpc),
            ("OTLP_HTTP_PORT", &mut self.otlp_http),
            ("COLLECTOR_HEALTH_PORT", &mut self.collector_health),
            ("COLLECTOR_METRICS_PORT", &mut self.collector_metrics),
            ("JAEGER_PORT", &mut self.jaeger),
            ("LOKI_PORT", &mut self.loki),
            ("PROMETHEUS_PORT", &mut self.prometheus),
            ("ALERTMANAGER_PORT", &mut self.alertmanager),
            ("GRAFANA_PORT", &mut self.grafana),
            ("BUGSINK_PORT", &mut self.bugsink),
            ("ALERTS_PORT", &mut self.alerts),
            ("SHOP_PORT", &mut self.shop),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_ports_stay_below_the_range_for_clients_and_differ() {
        let mut ports: Vec<u16> = Ports::for_tests()
            .entries()
            .into_iter()
            .map(|(_, port)| *port)
            .collect();
        assert!(ports.iter().all(|port| *port < 32_768), "{ports:?}");
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 12);
    }

    #[test]
    fn the_compose_file_publishes_every_port_by_its_variable_and_default() {
        let compose = include_str!("../../../docker-compose.yml");
        for (variable, value) in Ports::default().variables() {
            let published = format!("127.0.0.1:${{{variable}:-{value}}}:");
            assert!(
                compose.contains(&published),
                "no `{published}` in the compose file"
            );
        }
    }
}
