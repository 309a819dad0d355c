//! `service.instance.id`: tells the replicas of a service apart.
//! <https://opentelemetry.io/docs/specs/semconv/registry/attributes/service/#service-instance-id>
//!
//! Each new id is a new set of series in the metrics store, so a replica that restarts in
//! its place should keep its own. Where the place has an identity, the pod's uid or the
//! container's id, the id is derived from that and from the service's name; anywhere else it
//! is random, since two processes of one service on one machine must never share it.

use uuid::Uuid;

/// The namespace that the convention names for ids that are derived.
const NAMESPACE: Uuid = Uuid::from_u128(0x4d63_009a_8d0f_11ee_aad7_4c79_6ed8_e320);

/// The place that a process runs in, of which it is the main process.
#[derive(Debug, Default)]
pub(super) struct Place<'a> {
    pub(super) pod: Option<&'a str>,
    /// The container's name inside of the pod.
    pub(super) container_name: Option<&'a str>,
    pub(super) container_id: Option<&'a str>,
}

pub(super) fn id(service: &str, place: &Place<'_>) -> String {
    let place = match (place.pod, place.container_name) {
        (Some(pod), Some(container)) => format!("pod/{pod}/{container}"),
        (Some(pod), None) => format!("pod/{pod}"),
        (None, _) => match place.container_id {
            Some(container) => format!("container/{container}"),
            None => return Uuid::new_v4().to_string(),
        },
    };
    Uuid::new_v5(&NAMESPACE, format!("{place}/{service}").as_bytes()).to_string()
}

/// Whether the place is this process's alone: it is the container's first process, or was
/// started by that (an init such as tini), or by the engine itself. A shell in a container
/// may start the same service twice.
pub(super) fn is_main(pid: u32, parent: u32) -> bool {
    pid == 1 || parent <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(uid: &'static str, container: &'static str) -> Place<'static> {
        Place {
            pod: Some(uid),
            container_name: Some(container),
            container_id: None,
        }
    }

    #[test]
    fn a_replica_that_restarts_in_its_place_keeps_its_id() {
        let first = id("checkout", &pod("9b8d", "main"));
        assert_eq!(first, id("checkout", &pod("9b8d", "main")));
        for other in [
            id("checkout", &pod("77aa", "main")),
            id("checkout", &pod("9b8d", "sidecar")),
            id("cart", &pod("9b8d", "main")),
        ] {
            assert_ne!(first, other);
        }
        assert_eq!(Uuid::parse_str(&first).unwrap().get_version_num(), 5);
    }

    #[test]
    fn a_container_without_a_pod_is_a_place_too() {
        let place = Place {
            container_id: Some("dc64"),
            ..Place::default()
        };
        assert_eq!(id("checkout", &place), id("checkout", &place));
    }

    #[test]
    fn without_a_place_each_start_has_an_id_of_its_own() {
        let first = id("checkout", &Place::default());
        assert_ne!(first, id("checkout", &Place::default()));
        assert_eq!(Uuid::parse_str(&first).unwrap().get_version_num(), 4);
    }

    #[test]
    fn only_the_main_process_owns_the_place() {
        assert!(is_main(1, 0), "the container's first process");
        assert!(is_main(7, 1), "behind an init");
        assert!(is_main(7, 0), "in a pod whose containers share processes");
        assert!(!is_main(412, 388), "from a shell");
    }
}
