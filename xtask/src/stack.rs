//! The whole stack of `docker-compose.yml`, started and stopped as a user would, waited
//! for until every server answers.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};

pub use self::ports::{Ports, Server};
use self::ready::not_ready;
use crate::engine::{Container, Engine, Kind};
use crate::{images, process, workspace};

mod environment;
mod ports;
mod ready;

/// The service that gives each volume its owner and ends.
const VOLUMES_INIT: &str = "volumes-init";

/// The profile of the shop, whose services begin with its name.
const SHOP: &str = "shop";

/// The one service of the shop that people visit.
const STOREFRONT: &str = "shop-storefront";

/// What becomes of the named volumes when the stack goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volumes {
    /// Keep traces, logs, metrics and issues for the next start.
    Keep,
    /// Start empty the next time.
    Delete,
}

/// A compose project of this checkout's `docker-compose.yml`.
#[derive(Clone, Debug)]
pub struct Stack {
    engine: Engine,
    project: String,
    ports: Ports,
    /// Whether only the compose file's defaults count, apart from the ports: a developer's
    /// own webhook or passwords must not change what the tests see.
    defaults_only: bool,
}

impl Stack {
    /// The stack under a project name; its ports come from the environment's variables
    /// (`JAEGER_PORT`, …) or the compose file's defaults.
    ///
    /// # Errors
    /// When no container engine can be had, or a port variable is no port.
    pub fn new(project: &str, engine: Option<Kind>) -> Result<Self> {
        Ok(Self {
            engine: Engine::find(engine)?,
            project: project.to_owned(),
            ports: Ports::from_environment()?,
            defaults_only: false,
        })
    }

    /// The stack that the tests use: its own project on its own ports, so that it runs
    /// beside one that a developer started.
    ///
    /// # Errors
    /// When no container engine can be had.
    pub fn for_tests() -> Result<Self> {
        Self::for_tests_with(None)
    }

    pub(crate) fn for_tests_with(engine: Option<Kind>) -> Result<Self> {
        Ok(Self {
            engine: Engine::find(engine)?,
            project: "throughline-test".to_owned(),
            ports: Ports::for_tests(),
            defaults_only: true,
        })
    }

    /// The container engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The ports that the servers have on 127.0.0.1.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The base address of a server, without a trailing slash: `http://127.0.0.1:16686`.
    #[must_use]
    pub fn url(&self, server: Server) -> String {
        format!("http://127.0.0.1:{}", self.ports.get(server))
    }

    /// Starts every service, makes images that are missing and cannot be pulled, and waits
    /// until every server is ready. Services that run already are left alone.
    ///
    /// # Errors
    /// When an image cannot be made, a container dies, or a server is not ready in time;
    /// the error carries the last log lines of the service at fault.
    pub fn up(&self) -> Result<()> {
        images::ensure(&self.engine, images::Priority::Normal)?;
        let services = self.services()?;
        let start = Instant::now();
        if self.engine.kind() == Kind::Podman {
            // podman-compose makes `depends_on` a dependency that has to run, and Podman
            // restarts no container whose dependency has ended: so the step that gives
            // each volume its owner goes first, on its own.
            self.start(&["--no-deps", VOLUMES_INIT])?;
            self.wait_for_end(VOLUMES_INIT)?;
            let others = services.iter().filter(|service| *service != VOLUMES_INIT);
            let mut arguments = vec!["--no-deps"];
            arguments.extend(others.map(String::as_str));
            self.start(&arguments)?;
        } else {
            self.start(&services.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        self.wait_until_ready(&services)?;
        println!("stack: ready in {} s", start.elapsed().as_secs());
        Ok(())
    }

    fn start(&self, arguments: &[&str]) -> Result<()> {
        self.start_by(self.compose()?, arguments)
    }

    fn start_by(&self, mut compose: Command, arguments: &[&str]) -> Result<()> {
        process::logged(
            compose.args(["up", "--detach"]).args(arguments),
            &workspace::log(&format!("up-{}", self.project))?,
            |elapsed| println!("stack: starting, {} s", elapsed.as_secs()),
        )
    }

    /// Starts the shop's profile beside the servers, with `variables` of the compose file,
    /// and waits until its storefront answers.
    ///
    /// # Errors
    /// When its image cannot be made, one of its containers dies, or it does not answer in
    /// time; the error carries what its containers said last.
    pub fn up_shop(&self, variables: &[(&str, &str)]) -> Result<()> {
        images::ensure_shop(&self.engine)?;
        let start = Instant::now();
        let listed = process::output(self.compose_shop()?.args(["config", "--services"]))?;
        let services = listed
            .split_whitespace()
            .filter(|service| service.starts_with(SHOP));
        let mut arguments = vec!["--no-deps"];
        arguments.extend(services);
        let mut compose = self.compose_shop()?;
        compose.envs(variables.iter().copied());
        self.start_by(compose, &arguments)?;
        self.wait_until_open()?;
        println!("shop: open in {} s", start.elapsed().as_secs());
        Ok(())
    }

    /// Asks each service of the shop to end, and waits for it in its own time.
    ///
    /// # Errors
    /// When the engine fails to.
    pub fn stop_shop(&self) -> Result<()> {
        self.to_shop("stop")
    }

    /// Ends the shop, and removes its containers. What it kept stays until the whole stack
    /// goes, as the container of the step that owns its volume holds that.
    ///
    /// # Errors
    /// When the engine fails to.
    pub fn down_shop(&self) -> Result<()> {
        self.to_shop("stop")?;
        self.to_shop("rm")
    }

    fn to_shop(&self, verb: &str) -> Result<()> {
        let names = self.shop()?.into_iter().map(|container| container.name);
        let names: Vec<String> = names.collect();
        if !names.is_empty() {
            process::output(self.engine.command().arg(verb).args(names))?;
        }
        Ok(())
    }

    /// The containers of the shop, stopped ones too.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn shop(&self) -> Result<Vec<Container>> {
        let mut containers = self.containers()?;
        containers.retain(|container| container.service.starts_with(SHOP));
        Ok(containers)
    }

    /// Where its storefront is, without a trailing slash.
    #[must_use]
    pub fn shop_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.shop)
    }

    /// [`Stack::up`], but at no cost when every server answers already.
    ///
    /// # Errors
    /// As [`Stack::up`].
    pub fn ensure_up(&self) -> Result<()> {
        let running = self.engine.containers(&self.project)?;
        let unready = |server: &Server| {
            !running
                .iter()
                .any(|found| found.service == server.service())
                || not_ready(*server, &self.url(*server)).is_some()
        };
        let mut expected = Server::ALL.iter().filter(|server| self.has_image(**server));
        if expected.any(unready) {
            return self.up();
        }
        Ok(())
    }

    /// Stops and removes the containers.
    ///
    /// # Errors
    /// When the engine fails to.
    pub fn down(&self, volumes: Volumes) -> Result<()> {
        let nameless = self.engine.nameless_volumes(&self.project)?;
        let log = workspace::log(&format!("down-{}", self.project))?;
        // With the profile, or a shop that runs would keep the network.
        let mut command = self.compose_shop()?;
        command.arg("down");
        if volumes == Volumes::Delete {
            command.arg("--volumes");
        }
        process::logged(&mut command, &log, |elapsed| {
            println!("stack: stopping, {} s", elapsed.as_secs());
        })?;
        let mut left = nameless;
        if volumes == Volumes::Delete {
            left.extend(self.engine.volumes(&self.project)?);
        }
        if !left.is_empty() {
            // podman-compose leaves the volumes that an image declares, which would pile up
            // since the next containers get new ones, and those that it did not make.
            let mut command = self.engine.command();
            process::output(command.args(["volume", "rm", "--force"]).args(left))?;
        }
        Ok(())
    }

    /// Makes the project's named volumes as Docker leaves them where an image has no such
    /// folder: owned by root, and here not empty either. Podman gives a new volume to the
    /// container's user, which would hide a missing change of owner in the compose file.
    ///
    /// # Errors
    /// When the engine fails to.
    pub fn create_volumes_owned_by_root(&self) -> Result<()> {
        for volume in self.volumes()? {
            let name = format!("{}_{volume}", self.project);
            process::output(self.engine.command().args([
                "volume",
                "create",
                "--label",
                &format!("com.docker.compose.project={}", self.project),
                "--label",
                &format!("com.docker.compose.volume={volume}"),
                &name,
            ]))?;
            process::output(self.engine.command().args([
                "run",
                "--rm",
                "--user",
                "0:0",
                "--volume",
                &format!("{name}:/volume"),
                images::BUSYBOX,
                "sh",
                "-c",
                "touch /volume/.made-by-root && chown -R 0:0 /volume && chmod 0755 /volume",
            ]))?;
        }
        Ok(())
    }

    /// The last `lines` log lines of a service, both outputs.
    ///
    /// # Errors
    /// When the service has no container.
    pub fn logs(&self, service: &str, lines: usize) -> Result<String> {
        let name = self.container(service)?.name;
        let mut command = self.engine.command();
        command.args(["logs", "--tail", &lines.to_string(), &name]);
        let both = command.output().context("cannot read a container's logs")?;
        Ok(String::from_utf8_lossy(&both.stdout).into_owned()
            + &String::from_utf8_lossy(&both.stderr))
    }

    /// Prints the logs so far, of one service or of all.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn print_logs(&self, service: Option<&str>) -> Result<()> {
        for container in self.engine.containers(&self.project)? {
            if service.is_none_or(|wanted| wanted == container.service) {
                println!("== {}", container.service);
                process::run(self.engine.command().args(["logs", &container.name]))?;
            }
        }
        Ok(())
    }

    /// The container that runs a service, for faults: `pause`, `kill`, `restart` through
    /// [`Engine::command`].
    ///
    /// # Errors
    /// When there is none.
    pub fn container(&self, service: &str) -> Result<Container> {
        self.containers()?
            .into_iter()
            .find(|container| container.service == service)
            .with_context(|| {
                format!(
                    "project {} has no container for service {service}: start it with `cargo xtask stack up`",
                    self.project
                )
            })
    }

    /// Every container of the project, stopped ones too.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn containers(&self) -> Result<Vec<Container>> {
        self.engine.containers(&self.project)
    }

    /// The table of addresses and states.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn print_status(&self) -> Result<()> {
        let containers = self.containers()?;
        if containers.is_empty() {
            println!(
                "project {} is down; start it with `cargo xtask stack up`",
                self.project
            );
            return Ok(());
        }
        println!(
            "{:<15} {:<11} {:<8} address",
            "service", "container", "ready"
        );
        for container in containers {
            let server = Server::ALL
                .iter()
                .find(|server| server.service() == container.service);
            let ready = server.map_or("", |server| match not_ready(*server, &self.url(*server)) {
                None => "yes",
                Some(_) => "no",
            });
            let state = match container.state.as_str() {
                "exited" => format!("exited {}", container.exit_code),
                state => state.to_owned(),
            };
            let address = match server {
                Some(server) => self.addresses(*server),
                None if container.service == STOREFRONT => self.shop_url(),
                None => String::new(),
            };
            println!("{:<15} {state:<11} {ready:<8} {address}", container.service);
        }
        Ok(())
    }

    fn addresses(&self, server: Server) -> String {
        if server == Server::Collector {
            return format!(
                "OTLP gRPC http://127.0.0.1:{}, OTLP HTTP http://127.0.0.1:{}",
                self.ports.otlp_grpc, self.ports.otlp_http
            );
        }
        self.url(server)
    }

    /// The compose program with the ports in its environment.
    pub(crate) fn compose(&self) -> Result<Command> {
        let mut command = self.engine.compose(&self.project);
        if self.defaults_only {
            let compose = compose_file()?;
            for name in environment::names(&compose) {
                command.env_remove(name);
            }
            command.args(["--env-file", "/dev/null"]);
        }
        command.envs(self.ports.variables());
        Ok(command)
    }

    /// The same with the shop's profile, so with every service.
    pub(crate) fn compose_shop(&self) -> Result<Command> {
        let mut command = self.compose()?;
        command.args(["--profile", SHOP]);
        Ok(command)
    }

    /// The services to start: all, except those whose image cannot be had here.
    fn services(&self) -> Result<Vec<String>> {
        let listed = process::output(self.compose()?.args(["config", "--services"]))?;
        let mut services: Vec<String> = listed.split_whitespace().map(str::to_owned).collect();
        if !self.has_image(Server::Grafana) {
            println!(
                "grafana is left out: its image cannot be pulled here and has no stand-in; every other server starts"
            );
            services.retain(|service| service != Server::Grafana.service());
        }
        Ok(services)
    }

    fn has_image(&self, server: Server) -> bool {
        server != Server::Grafana || images::has_grafana(&self.engine)
    }

    fn volumes(&self) -> Result<Vec<String>> {
        Ok(keys_of_section(&compose_file()?, "volumes"))
    }
}

fn compose_file() -> Result<String> {
    let path = workspace::root().join("docker-compose.yml");
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The keys one level below a top-level key of a compose file.
fn keys_of_section(text: &str, section: &str) -> Vec<String> {
    text.lines()
        .skip_while(|line| line.trim_end() != format!("{section}:"))
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with([' ', '#']))
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with([' ', '#']))
        .filter_map(|line| line.split_once(':'))
        .map(|(key, _)| key.trim_matches('"').to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_section_are_those_one_level_below() {
        let text = "services:\n  loki:\n    volumes:\n      - a:/b\nvolumes:\n  # why\n  loki-data:\n  \
                    jaeger-data: {}\n\nnetworks:\n  other:\n";
        assert_eq!(
            keys_of_section(text, "volumes"),
            ["loki-data", "jaeger-data"]
        );
        assert_eq!(keys_of_section(text, "services"), ["loki"]);
        assert!(keys_of_section(text, "configs").is_empty());
    }
}
