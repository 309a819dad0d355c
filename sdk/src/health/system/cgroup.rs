//! What a container may use and does, by control groups of version 2 and 1:
//! <https://docs.kernel.org/admin-guide/cgroup-v2.html>.

use std::fs;
use std::path::{Path, PathBuf};

/// A limit above this is none: version 1 writes the largest number there is, in pages.
const NO_LIMIT: u64 = 1 << 60;

/// The groups of this process. A limit may be set on any of the groups around its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cgroup {
    version: Version,
    /// From its own to the topmost that can be seen.
    memory: Vec<PathBuf>,
    cpu: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Cgroup {
    pub(super) fn own() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        Self::of(&own, Path::new("/sys/fs/cgroup"))
    }

    fn of(own: &str, root: &Path) -> Option<Self> {
        let version = if root.join("cgroup.controllers").exists() {
            Version::Two
        } else {
            Version::One
        };
        let groups = |controller: &str| match version {
            Version::Two => Some(chain(root, path(own, "")?)),
            Version::One => Some(chain(&root.join(controller), path(own, controller)?)),
        };
        Some(Self {
            version,
            memory: groups("memory")?,
            cpu: groups("cpu")?,
        })
    }

    /// Bytes used and the limit, of the group that has the least left. `None` without a limit.
    pub(super) fn memory(&self) -> Option<(u64, u64)> {
        let (limit, usage, inactive) = match self.version {
            Version::Two => ("memory.max", "memory.current", "inactive_file"),
            Version::One => (
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            ),
        };
        let group = |group: &PathBuf| {
            let limit = number(&group.join(limit)).filter(|limit| *limit < NO_LIMIT)?;
            let used = number(&group.join(usage))?;
            // What the kernel keeps of files and gives back when asked, which is also what
            // an orchestrator leaves out before it kills.
            let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
            let kept = entry(&stat, inactive).unwrap_or(0);
            Some((used.saturating_sub(kept), limit))
        };
        let left = |(used, limit): &(u64, u64)| limit.saturating_sub(*used);
        self.memory.iter().filter_map(group).min_by_key(left)
    }

    /// Seconds of processor time used, and how many a second the group with the smallest
    /// limit may use. `None` without a limit.
    pub(super) fn cpu(&self) -> Option<(f64, f64)> {
        let group = |group: &PathBuf| {
            let cores = match self.version {
                Version::Two => {
                    let max = fs::read_to_string(group.join("cpu.max")).ok()?;
                    let (quota, period) = max.trim().split_once(' ')?;
                    quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?
                }
                Version::One => {
                    // -1 is no limit.
                    let quota = number(&group.join("cpu.cfs_quota_us"))?;
                    quota as f64 / number(&group.join("cpu.cfs_period_us"))? as f64
                }
            };
            let used = match self.version {
                Version::Two => {
                    let stat = fs::read_to_string(group.join("cpu.stat")).ok()?;
                    entry(&stat, "usage_usec")? as f64 / 1e6
                }
                // Mounted with `cpu` in most systems; elsewhere the host's is told.
                Version::One => number(&group.join("cpuacct.usage"))? as f64 / 1e9,
            };
            (cores > 0.0 && cores.is_finite()).then_some((used, cores))
        };
        let all = self.cpu.iter().filter_map(group);
        all.min_by(|(_, one), (_, other)| one.total_cmp(other))
    }
}

/// This process's group for the controller; of version 2 there is one for all.
fn path<'p>(own: &'p str, controller: &str) -> Option<&'p str> {
    own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        controllers
            .split(',')
            .any(|one| one == controller)
            .then_some(path)
    })
}

/// The group's folder and those around it. In a container the path is often the host's, of
/// which only the root is there.
fn chain(root: &Path, path: &str) -> Vec<PathBuf> {
    let mut chain = Vec::new();
    // A path that leads out of the tree that can be seen stands for the root.
    let relative = path.trim_start_matches('/');
    if !relative.is_empty() && !relative.split('/').any(|part| part == "..") {
        let own = root.join(relative);
        let groups = own.ancestors().take_while(|group| *group != root);
        chain.extend(groups.map(Path::to_owned));
    }
    chain.push(root.to_owned());
    chain
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn entry(stat: &str, name: &str) -> Option<u64> {
    stat.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of groups, as files in a folder of the test's own.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
            for (file, text) in files {
                let file = root.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            Self(root)
        }

        fn cgroup(&self, own: &str) -> Cgroup {
            Cgroup::of(own, &self.0).unwrap()
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn the_limit_of_a_group_around_counts_where_it_is_nearer() {
        let tree = Tree::new(
            "nearer",
            &[
                ("cgroup.controllers", "cpu memory"),
                ("pods/memory.max", "1000\n"),
                ("pods/memory.current", "900\n"),
                ("pods/memory.stat", "anon 1\ninactive_file 100\n"),
                ("pods/cpu.max", "50000 100000\n"),
                ("pods/cpu.stat", "usage_usec 2500000\nuser_usec 1\n"),
                ("pods/one/memory.max", "5000\n"),
                ("pods/one/memory.current", "700\n"),
                ("pods/one/cpu.max", "max 100000\n"),
                ("pods/one/cpu.stat", "usage_usec 7\n"),
            ],
        );
        let cgroup = tree.cgroup("0::/pods/one\n");
        assert_eq!(cgroup.memory(), Some((800, 1000)));
        assert_eq!(cgroup.cpu(), Some((2.5, 0.5)));
    }

    #[test]
    fn without_a_limit_there_is_nothing_to_say() {
        let files = [
            ("cgroup.controllers", "cpu memory"),
            ("a/memory.max", "max\n"),
            ("a/memory.current", "700\n"),
            ("a/cpu.max", "max 100000\n"),
            ("a/cpu.stat", "usage_usec 7\n"),
        ];
        let tree = Tree::new("unlimited", &files);
        let cgroup = tree.cgroup("0::/a\n");
        assert_eq!((cgroup.memory(), cgroup.cpu()), (None, None));
    }

    #[test]
    fn in_a_container_whose_path_is_the_hosts_the_root_counts() {
        let files = [
            ("cgroup.controllers", "cpu memory"),
            ("memory.max", "2000\n"),
            ("memory.current", "500\n"),
        ];
        let tree = Tree::new("container", &files);
        for own in ["0::/\n", "0::/kubepods/pod1/abc\n", "0::/../../abc\n"] {
            assert_eq!(tree.cgroup(own).memory(), Some((500, 2000)), "{own}");
        }
    }

    #[test]
    fn version_one_has_a_tree_for_each_controller() {
        let files = [
            ("memory/m/memory.limit_in_bytes", "4000\n"),
            ("memory/m/memory.usage_in_bytes", "1500\n"),
            ("memory/m/memory.stat", "total_inactive_file 500\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/memory.usage_in_bytes", "9000\n"),
            ("cpu/c/cpu.cfs_quota_us", "200000\n"),
            ("cpu/c/cpu.cfs_period_us", "100000\n"),
            ("cpu/c/cpuacct.usage", "3000000000\n"),
            ("cpu/cpu.cfs_quota_us", "-1\n"),
        ];
        let tree = Tree::new("one", &files);
        let cgroup = tree.cgroup("12:cpu,cpuacct:/c\n5:memory:/m\n0::/x\n");
        assert_eq!(cgroup.memory(), Some((1000, 4000)));
        assert_eq!(cgroup.cpu(), Some((3.0, 2.0)));
    }

    #[test]
    fn what_is_no_group_is_none() {
        assert_eq!(Cgroup::of("", Path::new("/nowhere")), None);
        assert_eq!(Cgroup::of("12:cpu:/c\n", Path::new("/nowhere")), None);
    }
}
