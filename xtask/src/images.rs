//! The images of `docker-compose.yml`: pulled where a registry answers, else stand-ins of
//! the same names and versions, built from the servers' public sources.
//!
//! A stand-in carries the hash of its recipe as a label, and that label is the cache: an
//! image is built again only when its recipe changed. The shop's recipe is its program too.

use std::fs::{self, File};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use self::recipe::{Image, Source};
use crate::engine::Engine;
use crate::{process, workspace};

pub mod collector;

mod bugsink;
mod context;
mod recipe;
mod servers;
mod shop;

/// Shell, `httpd`, `chown`: the small tools of the compose file.
pub const BUSYBOX: &str = "docker.io/library/busybox:1.35.0";
pub use self::recipe::JAEGER;
pub(crate) use self::recipe::{ALERTMANAGER, COLLECTOR, GRAFANA, LOKI, PROMETHEUS};

const LABEL: &str = "org.throughline.recipe";

/// Whether a build may take the processor from what runs beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Someone waits for it.
    Normal,
    /// It runs beside the Rust build.
    Background,
}

/// Has every server's image in the engine's store, except Grafana's where no registry
/// answers. Two runs at the same time wait for each other.
///
/// # Errors
/// When an image can be neither pulled nor built; the error carries the end of its log.
pub fn ensure(engine: &Engine, priority: Priority) -> Result<()> {
    // Who starts no shop need not compile it.
    ensure_those(engine, priority, |image| !is_shop(image))
}

/// [`ensure`], and the shop's image as well, unless compose can build it: then it is compose's.
///
/// # Errors
/// As [`ensure`], and when the shop does not compile.
pub fn ensure_all(engine: &Engine, priority: Priority) -> Result<()> {
    ensure_those(engine, priority, |_| true)
}

/// Has the shop's image alone, on the same condition.
///
/// # Errors
/// As [`ensure_all`].
pub(crate) fn ensure_shop(engine: &Engine) -> Result<()> {
    ensure_those(engine, Priority::Normal, is_shop)
}

fn is_shop(image: &Image) -> bool {
    matches!(image.source, Source::Shop)
}

fn ensure_those(
    engine: &Engine,
    priority: Priority,
    wanted: impl Fn(&Image) -> bool,
) -> Result<()> {
    let mut registry = Registry::Untried;
    let _lock = lock()?;
    let mut present = Vec::new();
    for image in recipe::IMAGES.iter().filter(|image| wanted(image)) {
        let presence = ensure_one(engine, image, priority, &mut registry)
            .with_context(|| format!("no image {}", image.reference))?;
        if presence == Presence::Present {
            present.push(image.name);
        }
    }
    if !present.is_empty() {
        println!("images: {} were there", present.join(", "));
    }
    Ok(())
}

/// Whether Grafana's image is there; it has no stand-in.
pub(crate) fn has_grafana(engine: &Engine) -> bool {
    engine.image_label(GRAFANA, LABEL).is_some()
}

/// Whether images can be pulled. Tried once a run, on the smallest image: without a
/// network each try can last until its time limit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Registry {
    Untried,
    Answers,
    Silent,
}

/// What a run had to do for an image.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// Nothing: it was pulled, or built from this recipe, before.
    Present,
    Pulled,
    Built,
    /// It cannot be had here, or is somebody else's to build.
    LeftOut,
}

fn ensure_one(
    engine: &Engine,
    image: &Image,
    priority: Priority,
    registry: &mut Registry,
) -> Result<Presence> {
    let label = engine.image_label(image.reference, LABEL);
    match (label.as_deref(), &image.source) {
        // No label: the official image, or what compose built from the Dockerfile.
        (Some(""), _) => return Ok(Presence::Present),
        (Some(_), _) => {}
        (None, Source::Shop) => {
            if registry.answers(engine) {
                println!(
                    "{}: left to compose, which builds its Dockerfile",
                    image.name
                );
                return Ok(Presence::LeftOut);
            }
        }
        (None, source) => {
            if pull(engine, image, registry) {
                return Ok(Presence::Pulled);
            }
            if matches!(source, Source::None) {
                println!("{}: left out, for it has no stand-in", image.name);
                return Ok(Presence::LeftOut);
            }
        }
    }
    let program = match image.source {
        Source::Shop => Some(shop::program(priority)?),
        _ => None,
    };
    let recipe = match &program {
        Some(program) => format!("{}-{}", image.hash()?, shop::hash(program)?),
        None => image.hash()?,
    };
    if label.as_deref() == Some(&recipe) {
        return Ok(Presence::Present);
    }
    if label.is_some() {
        println!("{}: its recipe changed", image.name);
    }
    let replaced = engine.image_id(image.reference);
    let start = Instant::now();
    let log = workspace::log(image.name)?;
    File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    println!(
        "{}: building a stand-in for {}",
        image.name, image.reference
    );
    let work = context::Work::new(image, engine, priority, &log)?;
    match &image.source {
        Source::Go(program) => servers::build(&work, program)?,
        Source::Busybox => context::add_busybox(&work.root())?,
        Source::Bugsink => bugsink::build(&work)?,
        Source::Shop => {
            let program = program.as_deref().context("the shop was not compiled")?;
            shop::build(&work, program)?;
        }
        Source::None => return Ok(Presence::LeftOut),
    }
    work.commit(&format!("{LABEL}={recipe}"))?;
    if let Some(replaced) = replaced {
        // A container may still use it; then it stays until that is gone.
        let mut remove = engine.command();
        process::succeeds(
            remove.args(["image", "rm", &replaced]),
            Duration::from_secs(60),
        );
    }
    println!(
        "{}: done in {} s, {}",
        image.name,
        start.elapsed().as_secs(),
        size(engine, image.reference)
    );
    Ok(Presence::Built)
}

impl Registry {
    fn answers(&mut self, engine: &Engine) -> bool {
        if *self == Self::Untried {
            let probe = process::succeeds(
                engine.command().args(["pull", "--quiet", BUSYBOX]),
                Duration::from_secs(30),
            );
            *self = if probe {
                Self::Answers
            } else {
                println!("no image registry answers, so what is missing is built here");
                Self::Silent
            };
        }
        *self == Self::Answers
    }
}

/// Whether the official image is there now.
fn pull(engine: &Engine, image: &Image, registry: &mut Registry) -> bool {
    registry.answers(engine) && {
        println!("{}: pulling {}", image.name, image.reference);
        process::succeeds(
            engine.command().args(["pull", "--quiet", image.reference]),
            Duration::from_secs(900),
        )
    }
}

fn size(engine: &Engine, reference: &str) -> String {
    process::output(
        engine
            .command()
            .args(["image", "inspect", "--format", "{{.Size}}", reference]),
    )
    .ok()
    .and_then(|bytes| bytes.trim().parse::<u64>().ok())
    .map_or_else(String::new, |bytes| format!("{} MB", bytes / 1_000_000))
}

fn lock() -> Result<File> {
    let path = workspace::state("images.lock");
    fs::create_dir_all(workspace::state("")).context("cannot make target/xtask")?;
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    if file.try_lock().is_err() {
        println!("waiting for another run that builds images");
        file.lock().context("cannot lock the image builds")?;
    }
    Ok(file)
}
