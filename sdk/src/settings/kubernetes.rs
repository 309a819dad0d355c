//! What Kubernetes and the pod's manifest say of the pod. The names are those that
//! OpenTelemetry's operator and Helm charts give the downward API's values.

use super::env::Env;
use super::setting::Source;

/// Filled in a pod only, as `HOSTNAME` means nothing of the kind elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct KubernetesSettings {
    /// Whether this is a pod: every one has `KUBERNETES_SERVICE_HOST`.
    pub(crate) present: bool,
    pub(crate) host_name: Option<String>,
    /// Resource attributes, from the variables of the manifest.
    pub(crate) attributes: Vec<(&'static str, String)>,
}

/// Which variable gives which attribute.
pub(super) const DOWNWARD: [(&str, &str); 7] = [
    ("K8S_POD_NAME", "k8s.pod.name"),
    ("K8S_POD_UID", "k8s.pod.uid"),
    ("K8S_NAMESPACE_NAME", "k8s.namespace.name"),
    ("K8S_NODE_NAME", "k8s.node.name"),
    ("K8S_CONTAINER_NAME", "k8s.container.name"),
    ("K8S_DEPLOYMENT_NAME", "k8s.deployment.name"),
    ("K8S_CLUSTER_NAME", "k8s.cluster.name"),
];

impl KubernetesSettings {
    pub(super) fn read(env: &Env<'_>) -> Self {
        if env.get("KUBERNETES_SERVICE_HOST").is_none() {
            return Self::default();
        }
        let attributes = DOWNWARD.iter().filter_map(|(variable, attribute)| {
            let value = env.get(variable)?;
            env.decide(variable, &value, Source::Variable((*variable).to_owned()));
            Some((*attribute, value))
        });
        Self {
            present: true,
            host_name: env.get("HOSTNAME"),
            attributes: attributes.collect(),
        }
    }
}
