//! The folder that an image is built from, and the build itself.
//!
//! It holds `root` (the image's files), `config` (those that the server's user owns) and
//! `owned` (empty, for the server's data folder).

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Priority;
use super::recipe::{Image, files};
use crate::engine::{Engine, Kind};
use crate::{debian, process, workspace};

const CA_BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";
/// The official images that have a user database know these two and the superuser.
const PASSWD: &str =
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n";
const GROUP: &str = "root:x:0:\nnobody:x:65534:\n";

/// One image's build in progress.
pub(super) struct Work<'a> {
    pub(super) image: &'a Image,
    pub(super) engine: &'a Engine,
    pub(super) priority: Priority,
    pub(super) log: &'a Path,
    folder: PathBuf,
}

impl<'a> Work<'a> {
    /// Makes an empty context, with the recipe's files beside it in `source`.
    pub(super) fn new(
        image: &'a Image,
        engine: &'a Engine,
        priority: Priority,
        log: &'a Path,
    ) -> Result<Self> {
        let work = Self {
            image,
            engine,
            priority,
            log,
            folder: workspace::state("images").join(image.name),
        };
        if work.folder.exists() {
            remove(&work.folder)?;
        }
        for folder in [
            work.source(),
            work.root(),
            work.context("config"),
            work.context("owned"),
        ] {
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        // An image build runs under whatever umask the user has; servers run as others.
        fs::set_permissions(work.context("owned"), fs::Permissions::from_mode(0o775))
            .context("cannot set the mode of the data folder")?;
        if !matches!(image.source, super::Source::None) {
            for file in files(&image.folder())? {
                copy(
                    &file,
                    &work.source().join(file.file_name().unwrap_or_default()),
                )?;
            }
        }
        Ok(work)
    }

    /// The copy of the recipe's files.
    pub(super) fn source(&self) -> PathBuf {
        self.folder.join("source")
    }

    /// The image's own tree.
    pub(super) fn root(&self) -> PathBuf {
        self.context("root")
    }

    /// A path in the build's context.
    pub(super) fn context(&self, path: &str) -> PathBuf {
        self.folder.join("context").join(path)
    }

    /// Runs one step of the build, telling every 15 seconds that it goes on.
    pub(super) fn step(&self, what: &str, command: &mut Command) -> Result<()> {
        process::logged(command, self.log, |elapsed: Duration| {
            println!("{}: {what}, {} s", self.image.name, elapsed.as_secs());
        })
    }

    /// Builds the image from the context, then removes it: a few hundred megabytes that
    /// the engine's store has as well.
    pub(super) fn commit(&self, label: &str) -> Result<()> {
        self.build(&["--label", label])?;
        remove(&self.folder)
    }

    fn build(&self, arguments: &[&str]) -> Result<()> {
        let mut command = self.engine.command();
        command.arg("build");
        if self.engine.kind() == Kind::Podman {
            // No new namespaces: they are not to be had in many sandboxes. One layer: with
            // the vfs driver each is a full copy.
            command.args(["--isolation=chroot", "--layers=false"]);
        }
        if matches!(self.image.source, super::Source::Bugsink) {
            command.args(["--build-arg", &format!("BASE={}", super::bugsink::BASE)]);
        }
        command
            .args(arguments)
            .args(["--tag", self.image.reference, "--file"])
            .arg(self.source().join("Containerfile"))
            .arg(self.context(""));
        self.step("packing", &mut command)
    }
}

/// What every scratch image needs to be used as a system: accounts, certificates, `/tmp`.
pub(super) fn add_base(root: &Path) -> Result<()> {
    write(&root.join("etc/passwd"), PASSWD)?;
    write(&root.join("etc/group"), GROUP)?;
    add_certificates(root)?;
    let tmp = root.join("tmp");
    fs::create_dir_all(&tmp)
        .and_then(|()| fs::set_permissions(&tmp, fs::Permissions::from_mode(0o1777)))
        .with_context(|| format!("cannot make {}", tmp.display()))
}

/// This machine's bundle of certificate authorities.
pub(super) fn add_certificates(root: &Path) -> Result<()> {
    let bundle = Path::new("/").join(CA_BUNDLE);
    if !bundle.is_file() {
        debian::install(&["ca-certificates"], "the images' certificate authorities")?;
    }
    copy(&bundle, &root.join(CA_BUNDLE))
}

/// A static busybox with its applets as links, and the base.
pub(super) fn add_busybox(root: &Path) -> Result<()> {
    add_base(root)?;
    if !debian::has_program("busybox") || !is_static_busybox()? {
        debian::install(&["busybox-static"], "the shell of the small images")?;
    }
    let program = ["/usr/bin/busybox", "/bin/busybox"]
        .into_iter()
        .map(Path::new)
        .find(|path| path.is_file())
        .context("busybox-static is installed but there is no /usr/bin/busybox")?;
    let folder = root.join("bin");
    copy(program, &folder.join("busybox"))?;
    let applets = process::output(Command::new(program).arg("--list"))?;
    for applet in applets.split_whitespace().filter(|name| *name != "busybox") {
        symlink("busybox", folder.join(applet))
            .with_context(|| format!("cannot link the applet {applet}"))?;
    }
    Ok(())
}

/// Debian's plain `busybox` package is linked to a C library that the images lack.
fn is_static_busybox() -> Result<bool> {
    let banner = process::output(Command::new("busybox").arg("--list"))?;
    // Only the static package is built with the web server.
    Ok(banner.split_whitespace().any(|applet| applet == "httpd"))
}

/// Copies a file with its mode, making the folders on the way.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::copy(from, to)
        .map(|_| ())
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

pub(super) fn remove(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}
