//! One `throughline dev` a data folder, and where others find it.

use std::{
    fs::{self, File, TryLockError},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// Held while the program runs; the system lets go of it whatever way the program ends.
const LOCK: &str = "dev.lock";
/// What runs, for whoever looks.
const STATE: &str = "dev.json";
const DATABASE: &str = "telemetry.db";
/// How the folders in memory begin.
const MEMORY: &str = "throughline-";

/// Where a running `throughline dev` is.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Running {
    pub(crate) pid: u32,
    pub(crate) page: String,
    pub(crate) otlp_grpc: String,
    pub(crate) otlp_http: String,
    pub(crate) sentry_dsn: String,
    pub(crate) database: PathBuf,
}

/// The right to be the one that writes in a data folder.
#[derive(Debug)]
pub(super) struct Instance {
    folder: PathBuf,
    /// Of this process alone, and deleted at its end.
    memory: Option<Memory>,
    _lock: File,
}

/// A folder in memory, and what is held as long as it is used.
#[derive(Debug)]
struct Memory {
    folder: PathBuf,
    _lock: File,
}

impl Memory {
    fn take() -> Result<Self> {
        sweep(&memory_folder());
        let name = format!("{MEMORY}{}-{:x}", std::process::id(), crate::store::now());
        let folder = memory_folder().join(name);
        make_private(&folder)?;
        let path = folder.join(LOCK);
        let lock = File::create(&path)
            .and_then(|lock| Ok(lock.try_lock().map(|()| lock)?))
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }
}

/// Deletes what killed ones left in memory, whatever their data folder was: nobody else would
/// find it.
fn sweep(memory: &Path) {
    for entry in fs::read_dir(memory).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(MEMORY)
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        // One that is just starting has no lock yet, and is left alone.
        let left =
            ours && File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if left {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

impl Instance {
    /// Takes the folder, which it makes where there is none.
    pub(super) fn take(folder: &Path, memory: bool) -> Result<Self> {
        make_private(folder)?;
        let path = folder.join(LOCK);
        let lock =
            File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => match read(folder) {
                Some(running) => bail!(
                    "throughline dev already runs (process {}) and shows {}\n\
                     open that page, or stop it first, or start another beside it with --data-dir and other ports",
                    running.pid,
                    running.page
                ),
                None => bail!(
                    "another throughline dev is just starting in {}: wait a moment, or give another --data-dir",
                    folder.display()
                ),
            },
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        // Who ran before and was killed left these.
        if let Some(before) = read(folder) {
            forget_memory(&before.database);
        }
        fs::remove_file(folder.join(STATE)).ok();
        let memory = memory.then(Memory::take).transpose()?;
        Ok(Self {
            folder: folder.to_owned(),
            memory,
            _lock: lock,
        })
    }

    pub(super) fn database(&self) -> PathBuf {
        let memory = self.memory.as_ref().map(|memory| &memory.folder);
        memory.unwrap_or(&self.folder).join(DATABASE)
    }

    /// Tells others where it runs.
    pub(super) fn announce(&self, running: &Running) -> Result<()> {
        let path = self.folder.join(STATE);
        let new = self.folder.join("dev.json.new");
        let mut file =
            File::create(&new).with_context(|| format!("cannot write {}", new.display()))?;
        serde_json::to_writer(&mut file, running)?;
        file.flush()?;
        fs::rename(&new, &path).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        fs::remove_file(self.folder.join(STATE)).ok();
        if let Some(memory) = &self.memory {
            fs::remove_dir_all(&memory.folder).ok();
        }
    }
}

/// The `throughline dev` that runs in this folder, if one does.
pub(crate) fn running(folder: &Path) -> Option<Running> {
    let lock = File::open(folder.join(LOCK)).ok()?;
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => read(folder),
        _ => None,
    }
}

/// The database to read: of the program that runs in this folder, or left by the last.
pub(crate) fn database(folder: &Path) -> Result<PathBuf> {
    let path = running(folder).map_or_else(|| folder.join(DATABASE), |running| running.database);
    if path.is_file() {
        Ok(path)
    } else {
        bail!(
            "nothing is stored in {}: start `throughline dev` and send it something, or give the --data-dir that it was started with",
            folder.display()
        )
    }
}

fn read(folder: &Path) -> Option<Running> {
    serde_json::from_slice(&fs::read(folder.join(STATE)).ok()?).ok()
}

/// Linux has a file system in memory for every user; elsewhere the folder for temporary files.
fn memory_folder() -> PathBuf {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() {
        shared.into()
    } else {
        std::env::temp_dir()
    }
}

/// Deletes the folder in memory of a program that was killed.
fn forget_memory(database: &Path) {
    let folder = database.parent().filter(|folder| {
        folder.parent() == Some(&memory_folder())
            && folder
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(MEMORY))
    });
    if let Some(folder) = folder {
        fs::remove_dir_all(folder).ok();
    }
}

/// Telemetry is for its owner only.
fn make_private(folder: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder
        .create(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))
}
