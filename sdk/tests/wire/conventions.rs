//! `docs/conventions.md`, the README and the code say the same.

use std::collections::{BTreeMap, BTreeSet};

use throughline::{Support, VARIABLES};

const DOCUMENT: &str = include_str!("../../../docs/conventions.md");

/// The text of a section, from its heading to the next of the same depth.
fn section(heading: &str) -> &'static str {
    let start = DOCUMENT
        .find(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no section {heading:?}"));
    let body = &DOCUMENT[start + heading.len() + 2..];
    &body[..body.find("\n## ").unwrap_or(body.len())]
}

/// The cells of each row that begins with a name in backticks.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
}

fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split("<br>").map(|name| name.trim().trim_matches('`'))
}

#[test]
fn the_table_of_variables_is_the_code_s() {
    let mut documented = BTreeMap::new();
    for row in rows(section("## Variables")) {
        let [variables, _, _, effect] = row[..] else {
            panic!("four cells: {row:?}");
        };
        for name in names(variables) {
            let known = documented.insert(name, effect);
            assert_eq!(known, None, "{name} has two rows");
        }
    }
    for variable in VARIABLES {
        let effect = documented
            .remove(variable.name)
            .unwrap_or_else(|| panic!("{} has no row", variable.name));
        match variable.support {
            Support::Not(because) => {
                assert_eq!(
                    effect,
                    format!("not, because {because}"),
                    "{}",
                    variable.name
                );
            }
            _ => assert!(
                effect.starts_with("honoured"),
                "{}: {effect}",
                variable.name
            ),
        }
    }
    assert!(
        documented.is_empty(),
        "the code knows none of {documented:?}"
    );
}

#[test]
fn the_readmes_features_are_the_manifests() {
    let readme = include_str!("../../../README.md");
    let readme = &readme[readme.find("\n### Features\n").unwrap()..];
    let readme = &readme[..readme.find("\n## ").unwrap()];
    let documented: BTreeSet<&str> = rows(readme).map(|row| row[0].trim_matches('`')).collect();

    let manifest = include_str!("../../Cargo.toml");
    let manifest = &manifest[manifest.find("\n[features]\n").unwrap()..];
    let manifest = &manifest[..manifest.find("\n[dependencies]\n").unwrap()];
    let features: BTreeMap<&str, &str> = manifest
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .collect();
    let mut declared: BTreeSet<&str> = features.keys().copied().collect();
    declared.remove("default");
    assert_eq!(documented, declared);

    let by_default: BTreeSet<&str> = features["default"]
        .split('"')
        .filter(|name| declared.contains(name))
        .collect();
    let (_, said) = readme.split_once("| the default |").unwrap();
    let said: BTreeSet<&str> = said
        .lines()
        .next()
        .unwrap()
        .split('`')
        .filter(|name| declared.contains(name))
        .collect();
    assert_eq!(said, by_default);
}
