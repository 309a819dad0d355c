//! What each of the SDK's features costs whoever depends on it, measured for the table in the
//! README: nobody can see from a feature's name that it brings thirty crates.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::cargo::{Features, cargo, features};
use crate::{process, workspace};

/// Measures every feature and prints the README's table, with the words that stand there.
///
/// # Errors
/// When the README cannot be read or a build fails.
pub fn measure() -> Result<()> {
    let readme = workspace::root().join("README.md");
    let readme = fs::read_to_string(readme).context("cannot read README.md")?;
    process::run(cargo().args(["fetch", "--locked"]))?;

    let base = Cost::of(&Features::Without)?;
    let mut rows = vec![base.row("none", &readme, None)];
    for feature in features()? {
        let cost = Cost::of(&Features::Alone(feature.clone()))?;
        rows.push(cost.row(&format!("`{feature}`"), &readme, Some(&base)));
    }
    rows.push(Cost::of(&Features::Default)?.row("the default", &readme, None));
    rows.push(Cost::of(&Features::All)?.row("all", &readme, None));

    println!("\n| feature | brings | crates | cold build, s |\n|---|---|---|---|");
    for row in rows {
        println!("{row}");
    }
    Ok(())
}

struct Cost {
    crates: BTreeSet<String>,
    seconds: u64,
}

impl Cost {
    fn of(features: &Features) -> Result<Self> {
        let tree = process::output(
            cargo()
                .args(["tree", "--package=throughline", "--edges=normal"])
                .args(["--prefix=none", "--locked"])
                .args(features.arguments()),
        )?;
        let target = Target::new()?;
        let start = Instant::now();
        process::run(
            cargo()
                .args(["build", "--quiet", "--package=throughline", "--lib"])
                .args(["--locked", "--offline", "--target-dir"])
                .arg(&target.0)
                .args(features.arguments()),
        )?;
        let cost = Self {
            crates: crates(&tree),
            seconds: start.elapsed().as_secs_f64().round() as u64,
        };
        println!(
            "{features}: {} crates, {} s",
            cost.crates.len(),
            cost.seconds
        );
        Ok(cost)
    }

    /// What it costs, or what it adds to another.
    fn row(&self, name: &str, readme: &str, beyond: Option<&Self>) -> String {
        let brings = brings(readme, name).unwrap_or("");
        let (crates, seconds) = match beyond {
            None => (self.crates.len().to_string(), self.seconds.to_string()),
            Some(base) => (
                format!("+{}", self.crates.difference(&base.crates).count()),
                // Two builds of the same are never equally quick.
                format!("+{}", self.seconds.saturating_sub(base.seconds)),
            ),
        };
        format!("| {name} | {brings} | {crates} | {seconds} |")
    }
}

/// A folder to build in that is gone afterwards.
struct Target(PathBuf);

impl Target {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("throughline-{}", std::process::id()));
        // Left by a run that was interrupted.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Name and version of each crate of a tree, without the SDK itself.
fn crates(tree: &str) -> BTreeSet<String> {
    tree.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            Some(format!("{} {}", words.next()?, words.next()?))
        })
        .filter(|name| !name.starts_with("throughline "))
        .collect()
}

/// The second cell of the README's row of that name.
fn brings<'a>(readme: &'a str, name: &str) -> Option<&'a str> {
    readme.lines().find_map(|line| {
        let rest = line.strip_prefix("| ")?.strip_prefix(name)?;
        rest.strip_prefix(" | ")?.split(" |").next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_counts_once_a_version_however_often_it_is_shown() {
        let tree = "throughline v0.1.0 (/somewhere)\nring v0.17.14\nsyn v2.0.1\n\
                    syn v2.0.1 (*)\nsyn v1.0.9\ntokio-macros v2.0.0 (proc-macro)\n\n";
        assert_eq!(crates(tree).len(), 4);
    }

    #[test]
    fn the_words_of_the_table_stay_as_the_readme_has_them() {
        let readme = "| `tls` | https | +9 | +4 |\n| `tls-x` | other | +9 | +4 |\n";
        assert_eq!(brings(readme, "`tls`"), Some("https"));
        assert_eq!(brings(readme, "none"), None);
    }

    #[test]
    fn a_feature_is_told_by_what_it_adds() {
        let cost = |crates: &[&str], seconds| Cost {
            crates: crates.iter().map(|name| (*name).to_owned()).collect(),
            seconds,
        };
        let base = cost(&["a 1", "b 1"], 40);
        let more = cost(&["a 1", "b 1", "c 1"], 52);
        let readme = "| `x` | more |";
        assert_eq!(
            more.row("`x`", readme, Some(&base)),
            "| `x` | more | +1 | +12 |"
        );
        assert_eq!(base.row("none", readme, None), "| none |  | 2 | 40 |");
    }
}
