//! What each image is made of. The hash of a recipe covers its folder's files and the
//! parameters below, so that any change to either builds the image again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::BUSYBOX;
use crate::workspace;

pub(crate) const COLLECTOR: &str = "docker.io/otel/opentelemetry-collector-contrib:0.158.0";
pub(crate) const PROMETHEUS: &str = "docker.io/prom/prometheus:v3.15.0";
pub(crate) const ALERTMANAGER: &str = "docker.io/prom/alertmanager:v0.31.1";
pub(crate) const LOKI: &str = "docker.io/grafana/loki:3.7.8";
pub(crate) const GRAFANA: &str = "docker.io/grafana/grafana:13.3.0";
/// Also what `throughline dev` is measured beside.
pub const JAEGER: &str = "docker.io/jaegertracing/jaeger:2.13.0";
const BUGSINK: &str = "docker.io/bugsink/bugsink:2.6.1";
/// In no registry: built here, one way or the other.
const SHOP: &str = "localhost/throughline/shop:latest";

/// Raised when code that lays out the images changes what is in them.
const LAYOUT: &str = "1";

/// One image of the compose file.
#[derive(Debug)]
pub(super) struct Image {
    /// Also the name of its folder under `xtask/images`.
    pub(super) name: &'static str,
    pub(super) reference: &'static str,
    pub(super) source: Source,
}

#[derive(Debug)]
pub(super) enum Source {
    Go(Go),
    Busybox,
    Bugsink,
    /// This workspace's own program.
    Shop,
    /// Only the official image.
    None,
}

/// Programs built from a Go module.
#[derive(Debug)]
pub(super) struct Go {
    /// The module whose own files (default configuration) belong into the image.
    pub(super) module: Option<&'static str>,
    /// A patch of the recipe, applied to a copy of the module in `_src`.
    pub(super) patch: Option<&'static str>,
    pub(super) tags: &'static str,
    pub(super) ldflags: &'static str,
    /// `tool` for the tools that the recipe's `go.mod` lists, `.` for the recipe itself.
    pub(super) packages: &'static str,
    /// Name of the program that the build makes, and its path in the image.
    pub(super) programs: &'static [(&'static str, &'static str)],
    /// Path in the module, and the path in the build's context.
    pub(super) files: &'static [(&'static str, &'static str)],
    pub(super) userland: Userland,
}

/// What surrounds the programs, as in the official image: more would hide a need that the
/// official image does not meet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Userland {
    /// Certificate authorities and nothing else.
    Certificates,
    /// Accounts and `/tmp` too.
    Distroless,
    /// A shell and the usual small tools too.
    Busybox,
}

pub(super) const IMAGES: &[Image] = &[
    Image {
        name: "busybox",
        reference: BUSYBOX,
        source: Source::Busybox,
    },
    Image {
        name: "collector",
        reference: COLLECTOR,
        source: Source::Go(Go {
            module: None,
            patch: None,
            tags: "",
            ldflags: "-s -w",
            packages: ".",
            programs: &[("collector", "otelcol-contrib")],
            files: &[],
            userland: Userland::Certificates,
        }),
    },
    Image {
        name: "jaeger",
        reference: JAEGER,
        source: Source::Go(Go {
            module: Some("github.com/jaegertracing/jaeger"),
            patch: Some("collector-0.142.patch"),
            tags: "",
            ldflags: "-s -w -X github.com/jaegertracing/jaeger/internal/version.latestVersion=v2.13.0",
            packages: "tool",
            programs: &[("jaeger", "cmd/jaeger/jaeger-linux")],
            files: &[(
                "cmd/jaeger/sampling-strategies.json",
                "root/cmd/jaeger/sampling-strategies.json",
            )],
            userland: Userland::Busybox,
        }),
    },
    Image {
        name: "prometheus",
        reference: PROMETHEUS,
        source: Source::Go(Go {
            module: Some("github.com/prometheus/prometheus"),
            patch: None,
            // The clients of every cloud's service discovery triple the build; the compose
            // file's services are static.
            tags: "netgo,remove_all_sd",
            ldflags: "-s -w -X github.com/prometheus/common/version.Version=3.15.0",
            packages: "tool",
            programs: &[
                ("prometheus", "bin/prometheus"),
                ("promtool", "bin/promtool"),
            ],
            files: &[(
                "documentation/examples/prometheus.yml",
                "config/prometheus.yml",
            )],
            userland: Userland::Busybox,
        }),
    },
    Image {
        name: "loki",
        reference: LOKI,
        source: Source::Go(Go {
            module: Some("github.com/grafana/loki/v3"),
            patch: None,
            tags: "",
            ldflags: "-s -w -X github.com/grafana/loki/v3/pkg/util/build.Version=3.7.8",
            packages: "tool",
            programs: &[("loki", "usr/bin/loki")],
            files: &[(
                "cmd/loki/loki-docker-config.yaml",
                "config/local-config.yaml",
            )],
            userland: Userland::Distroless,
        }),
    },
    Image {
        name: "alertmanager",
        reference: ALERTMANAGER,
        source: Source::Go(Go {
            module: Some("github.com/prometheus/alertmanager"),
            patch: None,
            tags: "",
            ldflags: "-s -w -X github.com/prometheus/common/version.Version=0.31.1",
            packages: "tool",
            programs: &[
                ("alertmanager", "bin/alertmanager"),
                ("amtool", "bin/amtool"),
            ],
            files: &[("examples/ha/alertmanager.yml", "config/alertmanager.yml")],
            userland: Userland::Busybox,
        }),
    },
    Image {
        name: "bugsink",
        reference: BUGSINK,
        source: Source::Bugsink,
    },
    Image {
        name: "grafana",
        reference: GRAFANA,
        source: Source::None,
    },
    Image {
        name: "shop",
        reference: SHOP,
        source: Source::Shop,
    },
];

impl Image {
    /// The folder with its recipe.
    pub(super) fn folder(&self) -> PathBuf {
        workspace::root().join("xtask/images").join(self.name)
    }

    /// The hash of its recipe.
    pub(super) fn hash(&self) -> Result<String> {
        let mut hasher = Sha256::new();
        hasher.update(LAYOUT);
        hasher.update(format!("{:?}", self.source));
        if !matches!(self.source, Source::None) {
            for path in files(&self.folder())? {
                let content =
                    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                // The lengths keep two files from reading as one.
                hasher.update(format!("\n{name} {}\n", content.len()));
                hasher.update(content);
            }
        }
        Ok(hasher
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }
}

/// The files of a recipe's folder, in a fixed order.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect()
        })
        .with_context(|| format!("cannot read {}", folder.display()))?;
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compose_file_and_the_recipes_name_the_same_images() {
        let compose = include_str!("../../../docker-compose.yml");
        let mut in_compose: Vec<&str> = compose
            .lines()
            .filter_map(|line| line.trim().strip_prefix("image: "))
            .collect();
        let mut in_recipes: Vec<&str> = IMAGES.iter().map(|image| image.reference).collect();
        in_compose.sort_unstable();
        in_compose.dedup();
        in_recipes.sort_unstable();
        assert_eq!(in_compose, in_recipes);
    }

    #[test]
    fn two_recipes_never_have_the_same_hash() {
        let mut hashes: Vec<String> = IMAGES
            .iter()
            .map(|image| image.hash().expect("a readable recipe"))
            .collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), IMAGES.len());
    }
}
