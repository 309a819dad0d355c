//! Which container this is: <https://opentelemetry.io/docs/specs/semconv/resource/container/>.
//!
//! No kernel interface tells. Where the container shares the host's view of control groups
//! the id stands in `/proc/self/cgroup`; with a view of its own (the rule with cgroup v2) it
//! is found in the source of the files that the engine mounts, in `/proc/self/mountinfo`.

/// The id, 64 hexadecimal digits, from the texts of the two files.
pub(crate) fn id<'a>(cgroup: &'a str, mountinfo: &'a str) -> Option<&'a str> {
    from_cgroup(cgroup).or_else(|| from_mountinfo(mountinfo))
}

/// A path's last part is `ID`, `docker-ID.scope`, `cri-containerd-ID.scope`,
/// `crio-ID.scope`, `libpod-ID.scope`, or `….slice:cri-containerd:ID`.
fn from_cgroup(cgroup: &str) -> Option<&str> {
    cgroup.lines().find_map(|line| {
        let path = line.splitn(3, ':').nth(2)?;
        path.split('/').rev().find_map(|part| {
            // The engine's own helper beside the container.
            if part.contains("conmon") {
                return None;
            }
            let part = part.strip_suffix(".scope").unwrap_or(part);
            part.rsplit(['-', ':']).next().and_then(whole_id)
        })
    })
}

/// The mounts by which engines give a container its files, the surest first: `.containerenv`
/// is the container's own also where it shares the other files with its pod.
const MOUNT_POINTS: [&str; 4] = [
    "/run/.containerenv",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
];

/// A source such as `/var/lib/docker/containers/ID/hostname` or
/// `…/overlay-containers/ID/userdata/.containerenv`. That of containerd in Kubernetes names
/// only the pod's sandbox (`…/sandboxes/ID/…`), which is no container of ours.
fn from_mountinfo(mountinfo: &str) -> Option<&str> {
    MOUNT_POINTS.iter().find_map(|point| {
        mountinfo.lines().find_map(|line| {
            // proc_pid_mountinfo(5): the fourth field is the source, the fifth the place.
            let mut fields = line.split(' ').skip(3);
            let (root, place) = (fields.next()?, fields.next()?);
            if place != *point {
                return None;
            }
            let (_, rest) = root
                .split_once("/containers/")
                .filter(|(_, rest)| first_part(rest).and_then(whole_id).is_some())
                .or_else(|| root.split_once("/overlay-containers/"))?;
            first_part(rest).and_then(whole_id)
        })
    })
}

fn first_part(path: &str) -> Option<&str> {
    path.split('/').next()
}

fn whole_id(text: &str) -> Option<&str> {
    let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == 64 && text.bytes().all(hexadecimal)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "dc64b5743252dbaef6e30521c34d6bbd1620c8ce65bdb7bf9e7143b61bb5b183";
    const POD: &str = "3a1b9c1e4d5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9";

    #[test]
    fn cgroup_v1_names_it_in_the_path() {
        for path in [
            "/docker/ID",
            "/system.slice/docker-ID.scope",
            "/kubepods/burstable/pod9b8d2f0e-3c1a-4a55-8d4e-1f2a3b4c5d6e/ID",
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod9b8d2f0e_3c1a.slice/cri-containerd-ID.scope",
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod2c.slice/crio-ID.scope",
            "/machine.slice/libpod-ID.scope",
            "/machine.slice/libpod-ID.scope/container",
            "/libpod_parent/libpod-ID",
            "/system.slice/containerd.service/kubepods-besteffort-pod2c.slice:cri-containerd:ID",
        ] {
            let path = path.replace("ID", ID);
            let cgroup = format!("12:pids:{path}\n11:cpu,cpuacct:{path}\n1:name=systemd:{path}\n");
            assert_eq!(id(&cgroup, ""), Some(ID), "{path}");
        }
    }

    #[test]
    fn cgroup_v2_names_it_where_the_host_s_view_is_shared() {
        let cgroup = format!("0::/system.slice/docker-{ID}.scope\n");
        assert_eq!(id(&cgroup, ""), Some(ID));
    }

    #[test]
    fn outside_a_container_there_is_none() {
        for cgroup in [
            "0::/\n",
            "0::/user.slice/user-1000.slice/session-2.scope\n",
            "9:name=systemd:/\n8:pids:/\n",
            "0::/system.slice/checkout.service\n",
            "",
        ] {
            assert_eq!(id(cgroup, ""), None, "{cgroup}");
        }
        let conmon = format!("0::/machine.slice/libpod-conmon-{ID}.scope\n");
        assert_eq!(id(&conmon, ""), None);
        let host = "23 28 0:21 / /proc rw,nosuid - proc proc rw\n28 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n";
        assert_eq!(id("0::/\n", host), None);
    }

    #[test]
    fn docker_on_cgroup_v2_shows_it_in_the_mounts() {
        let mountinfo = format!(
            "456 375 0:143 / / rw,relatime master:175 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/CBPR2ETR4Z3UMOOGIIRDVT2P27\n\
             471 456 254:1 /docker/containers/{ID}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw\n\
             473 456 254:1 /docker/containers/{ID}/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw\n\
             474 456 254:1 /docker/containers/{ID}/hosts /etc/hosts rw,relatime - ext4 /dev/vda1 rw\n"
        );
        assert_eq!(id("0::/\n", &mountinfo), Some(ID));
    }

    #[test]
    fn podman_also_without_root_shows_it_in_the_mounts() {
        for root in [
            "/containers/storage/overlay-containers",
            "/user/1000/containers/overlay-containers",
        ] {
            let mountinfo = format!(
                "983 961 0:56 {root}/{ID}/userdata/hostname /etc/hostname rw,nosuid - tmpfs tmpfs rw,size=3G\n\
                 984 961 0:56 {root}/{ID}/userdata/.containerenv /run/.containerenv rw,nosuid - tmpfs tmpfs rw\n"
            );
            assert_eq!(id("0::/\n", &mountinfo), Some(ID), "{root}");
        }
    }

    #[test]
    fn cri_o_shares_files_with_the_pod_and_has_one_of_its_own() {
        let root = "/containers/storage/overlay-containers";
        let mountinfo = format!(
            "1 2 0:24 {root}/{POD}/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw\n\
             2 2 0:24 {root}/{ID}/userdata/.containerenv /run/.containerenv rw - tmpfs tmpfs rw\n"
        );
        assert_eq!(id("0::/\n", &mountinfo), Some(ID));
    }

    #[test]
    fn a_sandbox_of_containerd_is_not_the_container() {
        let mountinfo = format!(
            "1525 1437 259:1 /var/lib/kubelet/pods/9b8d2f0e/etc-hosts /etc/hosts rw - xfs /dev/nvme0n1p1 rw\n\
             1526 1437 259:1 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{POD}/hostname /etc/hostname rw - xfs /dev/nvme0n1p1 rw\n"
        );
        assert_eq!(id("0::/\n", &mountinfo), None);
    }
}
