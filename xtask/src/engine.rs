//! The container engine: Docker where it answers, else Podman, which is installed if need be.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use serde_json::Value;

use crate::podman::Podman;
use crate::{debian, process, workspace};

/// Which program runs the containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Docker with its `compose` plugin.
    Docker,
    /// Podman with podman-compose.
    Podman,
}

/// A container engine that answers, with its compose program.
#[derive(Clone, Debug)]
pub enum Engine {
    /// `docker` and `docker compose`.
    Docker,
    /// `podman` and a podman-compose of our own.
    Podman(Podman),
}

/// A container of a compose project.
#[derive(Clone, Debug)]
pub struct Container {
    /// The engine's name for it.
    pub name: String,
    /// The service of the compose file that it runs.
    pub service: String,
    /// As the engine says it: `running`, `exited`, `restarting`, …
    pub state: String,
    /// The last exit code; 0 while it runs.
    pub exit_code: i64,
    /// How often its restart policy has brought it back.
    pub restarts: u64,
}

impl Engine {
    /// The wanted engine, or the first that answers. Podman is installed when there is
    /// neither.
    ///
    /// # Errors
    /// When the wanted engine does not answer or cannot be installed.
    pub fn find(wanted: Option<Kind>) -> Result<Self> {
        match wanted {
            Some(Kind::Docker) => {
                if docker_answers() {
                    return Ok(Self::Docker);
                }
                bail!(
                    "docker does not answer: check that `docker info` and `docker compose version` work, or use --engine podman"
                );
            }
            None if docker_answers() => Ok(Self::Docker),
            None | Some(Kind::Podman) => Podman::ensure().map(Self::Podman),
        }
    }

    /// Which engine this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Docker => Kind::Docker,
            Self::Podman(_) => Kind::Podman,
        }
    }

    /// `docker` or `podman`, with the environment that it needs here.
    #[must_use]
    pub fn command(&self) -> Command {
        match self {
            Self::Docker => Command::new("docker"),
            Self::Podman(podman) => podman.command(),
        }
    }

    /// `docker compose` or `podman-compose` on the compose file, for `project`.
    #[must_use]
    pub fn compose(&self, project: &str) -> Command {
        let mut command = match self {
            Self::Docker => {
                let mut command = Command::new("docker");
                command.arg("compose");
                command
            }
            Self::Podman(podman) => podman.compose(),
        };
        command.current_dir(workspace::root()).args([
            "--project-name",
            project,
            "--file",
            "docker-compose.yml",
        ]);
        command
    }

    /// The containers of a compose project, stopped ones too.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn containers(&self, project: &str) -> Result<Vec<Container>> {
        Ok(parse_containers(&self.describe(project)?))
    }

    /// The volumes without a name of a project's containers: those that an image declares
    /// and the compose file does not mention.
    pub(crate) fn nameless_volumes(&self, project: &str) -> Result<Vec<String>> {
        Ok(parse_nameless_volumes(&self.describe(project)?))
    }

    /// The named volumes of a project that are there.
    pub(crate) fn volumes(&self, project: &str) -> Result<Vec<String>> {
        let label = format!("label=com.docker.compose.project={project}");
        let names = process::output(
            self.command()
                .args(["volume", "ls", "--quiet", "--filter", &label]),
        )?;
        Ok(names.split_whitespace().map(str::to_owned).collect())
    }

    /// What the engine tells of each container of a project.
    fn describe(&self, project: &str) -> Result<Vec<Value>> {
        let label = format!("label=com.docker.compose.project={project}");
        let ids = process::output(
            self.command()
                .args(["ps", "--all", "--quiet", "--filter", &label]),
        )?;
        if ids.trim().is_empty() {
            return Ok(Vec::new());
        }
        let described = process::output(
            self.command()
                .args(["inspect", "--type", "container"])
                .args(ids.split_whitespace()),
        )?;
        serde_json::from_str(&described).context("the engine's `inspect` gave no JSON list")
    }

    /// The image's own name, which it keeps when its tag goes to another.
    pub(crate) fn image_id(&self, image: &str) -> Option<String> {
        process::output(
            self.command()
                .args(["image", "inspect", "--format", "{{.Id}}", image]),
        )
        .ok()
        .map(|id| id.trim().to_owned())
    }

    /// Whether the image is there: `Some` with its recipe label, empty for an image that
    /// was pulled.
    pub(crate) fn image_label(&self, image: &str, label: &str) -> Option<String> {
        let format = format!("{{{{index .Config.Labels \"{label}\"}}}}");
        process::output(
            self.command()
                .args(["image", "inspect", "--format", &format, image]),
        )
        .ok()
        // Docker prints `<no value>` for a missing label, Podman nothing.
        .map(|label| label.trim().replace("<no value>", ""))
    }
}

fn docker_answers() -> bool {
    const DEADLINE: Duration = Duration::from_secs(10);
    debian::has_program("docker")
        && process::succeeds(Command::new("docker").arg("info"), DEADLINE)
        && process::succeeds(
            Command::new("docker").args(["compose", "version"]),
            DEADLINE,
        )
}

fn parse_nameless_volumes(described: &[Value]) -> Vec<String> {
    described
        .iter()
        .filter_map(|container| container["Mounts"].as_array())
        .flatten()
        .filter(|mount| mount["Type"] == "volume")
        .filter_map(|mount| mount["Name"].as_str())
        // Both engines name them by 64 hexadecimal digits.
        .filter(|name| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .map(str::to_owned)
        .collect()
}

fn parse_containers(described: &[Value]) -> Vec<Container> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut containers: Vec<Container> = described
        .iter()
        .map(|container| Container {
            // Docker writes a leading slash.
            name: text(&container["Name"]).trim_start_matches('/').to_owned(),
            service: text(&container["Config"]["Labels"]["com.docker.compose.service"]),
            state: text(&container["State"]["Status"]),
            exit_code: container["State"]["ExitCode"].as_i64().unwrap_or_default(),
            restarts: container["RestartCount"].as_u64().unwrap_or_default(),
        })
        .collect();
    containers.sort_by(|a, b| a.service.cmp(&b.service));
    containers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_engines_descriptions_of_a_container_are_read() {
        let described: Vec<Value> = serde_json::from_str(
            r#"[{"Name": "/p-loki-1", "State": {"Status": "running", "ExitCode": 0},
                 "Config": {"Labels": {"com.docker.compose.service": "loki"}}},
                {"Name": "p_init_1", "State": {"Status": "exited", "ExitCode": 2},
                 "Config": {"Labels": {"com.docker.compose.service": "init"}}}]"#,
        )
        .expect("valid descriptions");
        let containers = parse_containers(&described);
        assert_eq!(containers[0].service, "init");
        assert_eq!(containers[0].exit_code, 2);
        assert_eq!(containers[1].name, "p-loki-1");
        assert_eq!(containers[1].state, "running");
    }
    #[test]
    fn only_volumes_without_a_name_are_listed() {
        let name = "c2912ce0f4de8dd70ffc03b46f53c5fcb5efe5ec9b8dbdaf7c04be4ada7a0494";
        let described = serde_json::json!([{"Mounts": [
            {"Type": "volume", "Name": name},
            {"Type": "volume", "Name": "p_loki"},
            {"Type": "bind", "Source": "/etc"},
        ]}]);
        let described = described.as_array().expect("a list");
        assert_eq!(parse_nameless_volumes(described), [name]);
    }
}
