//! Which pod this is: <https://opentelemetry.io/docs/specs/semconv/resource/k8s/>.
//!
//! The manifest can say it through the downward API (`K8S_POD_NAME` …). What it leaves out
//! is found as far as a pod can know it: the namespace in the service account, the pod's
//! uid and the container's name in what the kubelet mounts.

use opentelemetry::KeyValue;

use crate::settings::KubernetesSettings;

/// `namespace` is the text of the service account's file of that name.
pub(super) fn attributes(
    settings: &KubernetesSettings,
    host_name: Option<&str>,
    namespace: &str,
    mountinfo: &str,
) -> Vec<KeyValue> {
    if !settings.present {
        return Vec::new();
    }
    let mounted = mounted(mountinfo);
    let namespace = Some(namespace.trim()).filter(|name| !name.is_empty());
    let found = [
        ("k8s.namespace.name", namespace),
        // With `hostNetwork` this is the node's name; the manifest then knows better.
        ("k8s.pod.name", settings.host_name.as_deref().or(host_name)),
        ("k8s.pod.uid", mounted.uid),
        ("k8s.container.name", mounted.container),
    ];
    let said = settings
        .attributes
        .iter()
        .map(|(key, value)| KeyValue::new(*key, value.clone()));
    found
        .into_iter()
        .filter(|(key, _)| !settings.attributes.iter().any(|(known, _)| known == key))
        .filter_map(|(key, value)| Some(KeyValue::new(key, value?.to_owned())))
        .chain(said)
        .collect()
}

#[derive(Debug, Default, PartialEq)]
struct Mounted<'a> {
    uid: Option<&'a str>,
    container: Option<&'a str>,
}

/// The kubelet mounts `…/pods/UID/etc-hosts` and `…/pods/UID/containers/NAME/HASH`, the
/// latter as the termination log.
fn mounted(mountinfo: &str) -> Mounted<'_> {
    let mut mounted = Mounted::default();
    for line in mountinfo.lines() {
        let Some((_, rest)) = line
            .split(' ')
            .nth(3)
            .and_then(|root| root.split_once("/pods/"))
        else {
            continue;
        };
        let mut parts = rest.split('/');
        let uid = parts
            .next()
            .filter(|uid| uuid::Uuid::try_parse(uid).is_ok());
        if uid.is_none() {
            continue;
        }
        mounted.uid = mounted.uid.or(uid);
        if parts.next() == Some("containers") {
            mounted.container = mounted.container.or(parts.next());
        }
    }
    mounted
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &str = "\
1437 1122 0:311 / / rw,relatime master:512 - overlay overlay rw
1524 1437 259:1 /var/lib/kubelet/pods/9b8d2f0e-3c1a-4a55-8d4e-1f2a3b4c5d6e/containers/checkout/7d1c2b3a /dev/termination-log rw,noatime - xfs /dev/nvme0n1p1 rw
1525 1437 259:1 /var/lib/kubelet/pods/9b8d2f0e-3c1a-4a55-8d4e-1f2a3b4c5d6e/etc-hosts /etc/hosts rw,noatime - xfs /dev/nvme0n1p1 rw
1531 1437 0:298 / /run/secrets/kubernetes.io/serviceaccount ro,relatime - tmpfs tmpfs rw
";

    fn found(settings: &KubernetesSettings) -> Vec<(String, String)> {
        attributes(settings, Some("from-the-system"), "shop\n", MOUNTINFO)
            .into_iter()
            .map(|attribute| (attribute.key.to_string(), attribute.value.to_string()))
            .collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_bare_pod_knows_its_namespace_name_uid_and_container() {
        let settings = KubernetesSettings {
            present: true,
            host_name: Some("checkout-6c9f-x2x".to_owned()),
            attributes: Vec::new(),
        };
        assert_eq!(
            found(&settings),
            pairs(&[
                ("k8s.namespace.name", "shop"),
                ("k8s.pod.name", "checkout-6c9f-x2x"),
                ("k8s.pod.uid", "9b8d2f0e-3c1a-4a55-8d4e-1f2a3b4c5d6e"),
                ("k8s.container.name", "checkout"),
            ])
        );
    }

    #[test]
    fn the_manifest_knows_better() {
        let settings = KubernetesSettings {
            present: true,
            host_name: Some("node-7".to_owned()),
            attributes: vec![
                ("k8s.pod.name", "checkout-6c9f-x2x".to_owned()),
                ("k8s.node.name", "node-7".to_owned()),
                ("k8s.container.name", "main".to_owned()),
            ],
        };
        assert_eq!(
            found(&settings),
            pairs(&[
                ("k8s.namespace.name", "shop"),
                ("k8s.pod.uid", "9b8d2f0e-3c1a-4a55-8d4e-1f2a3b4c5d6e"),
                ("k8s.pod.name", "checkout-6c9f-x2x"),
                ("k8s.node.name", "node-7"),
                ("k8s.container.name", "main"),
            ])
        );
    }

    #[test]
    fn outside_a_pod_there_is_nothing() {
        assert_eq!(found(&KubernetesSettings::default()), []);
        assert_eq!(
            mounted("1 2 8:1 /srv/pods/a/b /mnt rw - ext4 d rw"),
            Mounted::default()
        );
    }
}
