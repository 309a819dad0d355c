//! Files that a program writes and the repository keeps: each equals what its generator
//! makes now.

use std::process::Command;

use anyhow::Result;

use super::tally::Tally;
use crate::{images, process, venv, workspace};

pub(super) fn check() -> Tally {
    let mut tally = Tally::default();
    tally.add(
        "the collector's sources have the modules of collector/builder.yaml",
        images::collector::check(),
    );
    tally.add(
        "the dashboards are what their generator makes",
        dashboards(),
    );
    tally
}

fn dashboards() -> Result<()> {
    let folder = workspace::root().join("dashboards/grafana");
    let programs = venv::ensure("dashboards", &folder.join("requirements.txt"))?;
    process::run(
        Command::new(programs.join("python"))
            .current_dir(workspace::root())
            .arg(folder.join("generate.py"))
            .arg("--check"),
    )
}
