//! Where things are, so that every command works from any folder of the checkout.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The checkout's root: the folder with `docker-compose.yml`.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// What these commands keep between runs. It stays in the checkout's own `target`, whatever
/// `CARGO_TARGET_DIR` says, so that changing that variable never rebuilds the images.
pub(crate) fn state(path: &str) -> PathBuf {
    root().join("target/xtask").join(path)
}

/// The log file of one step; its folder is made on the way.
pub(crate) fn log(name: &str) -> Result<PathBuf> {
    let folder = state("logs");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder.join(format!("{name}.log")))
}
