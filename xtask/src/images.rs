//! The images of `docker-compose.yml`: pulled where a registry answers, else stand-ins of
//! the same names and versions, built from the servers' public sources.
//!
//! A stand-in carries the hash of its recipe as a label, and that label is the cache: an
//! image is built again only when its recipe changed.

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

/// Has every image of the compose file in the engine's store, except Grafana's where no
/// registry answers. Two runs at the same time wait for each other.
///
/// # Errors
/// When an image can be neither pulled nor built; the error carries the end of its log.
pub fn ensure(engine: &Engine, priority: Priority) -> Result<()> {
    let mut registry = Registry::Untried;
    let _lock = lock()?;
    let mut present = Vec::new();
    for image in recipe::IMAGES {
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
    /// It cannot be had here.
    LeftOut,
}

fn ensure_one(
    engine: &Engine,
    image: &Image,
    priority: Priority,
    registry: &mut Registry,
) -> Result<Presence> {
    let recipe = image.hash()?;
    match engine.image_label(image.reference, LABEL).as_deref() {
        // No label: the official image.
        Some("") => return Ok(Presence::Present),
        Some(label) if label == recipe => return Ok(Presence::Present),
        Some(_) => println!("{}: its recipe changed", image.name),
        None => {
            if pull(engine, image, registry) {
                return Ok(Presence::Pulled);
            }
            if matches!(image.source, Source::None) {
                println!("{}: left out, for it has no stand-in", image.name);
                return Ok(Presence::LeftOut);
            }
        }
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

/// Whether the official image is there now.
fn pull(engine: &Engine, image: &Image, registry: &mut Registry) -> bool {
    if *registry == Registry::Untried {
        let probe = process::succeeds(
            engine.command().args(["pull", "--quiet", BUSYBOX]),
            Duration::from_secs(30),
        );
        *registry = if probe {
            Registry::Answers
        } else {
            println!("no image registry answers, so what is missing is built here");
            Registry::Silent
        };
    }
    *registry == Registry::Answers && {
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
