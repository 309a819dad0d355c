//! What the tests of the viewer run that cargo does not bring: a real browser with its
//! driver, axe-core, and the published clients of OpenTelemetry and Sentry for Python.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};

use crate::{debian, process, venv, workspace};

/// The pins of all that is installed here.
const PINS: &str = "viewer-tests/tools";

/// A program, and the Debian package that brings it.
type Program = (&'static str, &'static str);

const CHROMIUM: Program = ("chromium", "chromium");
const CHROMEDRIVER: Program = ("chromedriver", "chromium-driver");
const NPM: Program = ("npm", "npm");

/// Tests run beside each other, and none must see a half of an installation.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A browser, and what looks at its pages.
#[derive(Clone, Debug)]
pub struct Browser {
    /// Chromium.
    pub chromium: PathBuf,
    /// Its WebDriver.
    pub chromedriver: PathBuf,
    /// The script of axe-core, to be run in a page.
    pub axe: PathBuf,
}

impl Browser {
    /// Finds it, and installs what is missing.
    ///
    /// # Errors
    /// If something is missing and cannot be installed.
    pub fn ensure() -> Result<Self> {
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        // Debian splits them, and a driver of another version would refuse the browser.
        install_missing(
            &[CHROMIUM, CHROMEDRIVER],
            "a browser for the viewer's tests",
        )?;
        Ok(Self {
            chromium: find(CHROMIUM.0)?,
            chromedriver: find(CHROMEDRIVER.0)?,
            axe: axe()?,
        })
    }
}

/// A Python that has the published SDKs, as their users install them.
///
/// # Errors
/// If it is missing and cannot be made.
pub fn python() -> Result<PathBuf> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let requirements = workspace::root().join(PINS).join("requirements.txt");
    Ok(venv::ensure("viewer", &requirements)?.join("python"))
}

/// axe-core's script, installed by npm from the pins when it is missing or was made from others.
fn axe() -> Result<PathBuf> {
    let folder = workspace::state("npm/viewer");
    let script = folder.join("node_modules/axe-core/axe.min.js");
    let pins = workspace::root().join(PINS).join("package-lock.json");
    let stamp = folder.join("installed-from.json");
    let wanted =
        fs::read_to_string(&pins).with_context(|| format!("cannot read {}", pins.display()))?;
    if script.is_file() && fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == wanted) {
        return Ok(script);
    }
    install_missing(&[NPM], "axe-core, which is published for Node.js")?;
    println!("installing axe-core");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for name in ["package.json", "package-lock.json"] {
        copy(&workspace::root().join(PINS).join(name), &folder.join(name))?;
    }
    process::logged(
        Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder),
        &workspace::log("npm-viewer")?,
        |_| {},
    )?;
    ensure!(
        script.is_file(),
        "npm installed no {}: has axe-core moved it?",
        script.display()
    );
    // Written last: an installation that was cut short is made again.
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(script)
}

fn install_missing(programs: &[Program], reason: &str) -> Result<()> {
    let missing: Vec<&str> = programs
        .iter()
        .filter(|(program, _)| !debian::has_program(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    debian::install(&missing, reason)
}

fn find(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .with_context(|| format!("`{program}` was installed and is not in PATH"))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}
