//! `docs/conventions.md`, the README, the code and what Loki is told say the same.

use std::collections::{BTreeMap, BTreeSet};

use throughline::conventions::{
    ATTRIBUTES, EVENTS, Former, METRICS, MetricKind, Place, Requirement, STREAMS, SetBy, Stream,
};
use throughline::reexport::tracing::Level;
use throughline::{Support, VARIABLES};

const DOCUMENT: &str = include_str!("../../../docs/conventions.md");
const LOKI: &str = include_str!("../../../dashboards/loki/loki.yaml");

/// The text of a section, from its heading to the next of the same depth.
fn section(heading: &str) -> &'static str {
    let start = DOCUMENT
        .find(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no section {heading:?}"));
    let body = &DOCUMENT[start + heading.len() + 2..];
    let depth = heading.bytes().take_while(|byte| *byte == b'#').count();
    let ends = |line: &&str| {
        let marks = line.bytes().take_while(|byte| *byte == b'#').count();
        (1..=depth).contains(&marks)
    };
    let next = body.lines().find(ends).and_then(|line| body.find(line));
    &body[..next.unwrap_or(body.len())]
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

/// The table as the code has it and as the document does, row by row in their order.
fn compare(heading: &str, code: impl Iterator<Item = String>) {
    let code: Vec<String> = code.collect();
    let document: Vec<&str> = section(heading)
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .collect();
    for (code, document) in code.iter().zip(&document) {
        assert_eq!(code, document, "{heading}");
    }
    assert_eq!(code.len(), document.len(), "rows of {heading}");
}

fn former(names: &[Former]) -> String {
    let names: Vec<String> = names
        .iter()
        .map(|former| format!("{} `{}`", former.system, former.name))
        .collect();
    or_dash(names.join(", "))
}

fn or_dash(text: String) -> String {
    if text.is_empty() {
        "–".to_owned()
    } else {
        text
    }
}

fn quoted(names: impl IntoIterator<Item = &'static str>) -> Vec<String> {
    names.into_iter().map(|name| format!("`{name}`")).collect()
}

fn category(stream: &Stream) -> String {
    match stream.category {
        "" => "(none)".to_owned(),
        category => format!("`{category}`"),
    }
}

#[test]
fn the_table_of_streams_is_the_code_s() {
    let rows = STREAMS.iter().map(|stream| {
        let of = EVENTS
            .iter()
            .filter(|event| event.category == stream.category);
        let mut names = quoted(of.map(|event| event.name));
        if stream.free {
            names.push("free".to_owned());
        }
        format!(
            "| {} | {} | {} | {} days |",
            category(stream),
            names.join(", "),
            former(stream.formerly),
            stream.retention_days
        )
    });
    compare("### Streams", rows);
}

#[test]
fn the_table_of_events_is_the_code_s() {
    let rows = EVENTS.iter().map(|event| {
        let (name, category, means) = (event.name, event.category, event.means);
        let was = former(event.formerly);
        format!("| `{name}` | `{category}` | {means} | {was} |")
    });
    compare("### Events", rows);
    for event in EVENTS {
        let of = STREAMS
            .iter()
            .filter(|stream| stream.category == event.category);
        assert_eq!(of.count(), 1, "{} is of no stream", event.name);
        let same = EVENTS.iter().filter(|other| other.name == event.name);
        assert_eq!(same.count(), 1, "{} has two rows", event.name);
    }
}

#[test]
fn the_table_of_what_events_carry_is_the_code_s() {
    let names = |requires: &[Requirement]| {
        let names = requires.iter().map(|one| {
            let names = one.iter().map(|name| format!("`{name}`"));
            names.collect::<Vec<_>>().join(" or ")
        });
        or_dash(names.collect::<Vec<_>>().join(", "))
    };
    let streams = STREAMS
        .iter()
        .filter(|stream| !stream.requires.is_empty())
        .map(|stream| {
            let level = match stream.category {
                "security" => "by severity",
                _ => "INFO",
            };
            let (category, carries) = (category(stream), names(stream.requires));
            format!("| {category}: all | {level} | {carries} |")
        });
    let events = EVENTS
        .iter()
        .filter(|event| !event.requires.is_empty() || event.level != Level::INFO)
        .map(|event| {
            let (name, level, carries) = (event.name, event.level, names(event.requires));
            format!("| `{name}` | {level} | {carries} |")
        });
    compare("### What an event carries", streams.chain(events));

    let known = |name: &&str| ATTRIBUTES.iter().any(|attribute| attribute.name == *name);
    let of_streams = STREAMS.iter().flat_map(|stream| stream.requires);
    let of_events = EVENTS.iter().flat_map(|event| event.requires);
    for name in of_streams.chain(of_events).copied().flatten() {
        assert!(known(name), "{name} has no row");
    }
}

#[test]
fn the_table_of_attributes_is_the_code_s() {
    let rows = ATTRIBUTES.iter().map(|attribute| {
        let places: Vec<&str> = attribute
            .places
            .iter()
            .map(|place| match place {
                Place::Resource => "resource",
                Place::Span => "span",
                Place::Record => "record",
                Place::RecordField => "field of the record",
                other => panic!("{other:?} has no word"),
            })
            .collect();
        let by = match attribute.set_by {
            SetBy::Sdk => "the SDK",
            _ => "the service",
        };
        let (name, places, was) = (
            attribute.name,
            places.join(", "),
            former(attribute.formerly),
        );
        format!("| `{name}` | {places} | {by} | {was} |")
    });
    compare("### Attributes", rows);
    let names: BTreeSet<&str> = ATTRIBUTES.iter().map(|attribute| attribute.name).collect();
    assert_eq!(names.len(), ATTRIBUTES.len(), "one row an attribute");
}

#[test]
fn the_tables_of_metrics_are_the_code_s() {
    let mut documented = BTreeMap::new();
    for row in rows(section("## Metrics")) {
        let [names, kind, unit, attributes] = row[..] else {
            panic!("four cells: {row:?}");
        };
        for name in names.split(", ") {
            let name = name.trim_matches('`');
            let known = documented.insert(name, (kind, unit.trim_matches('`'), attributes));
            assert_eq!(known, None, "{name} has two rows");
        }
    }
    for metric in METRICS {
        let (kind, unit, attributes) = documented
            .remove(metric.name)
            .unwrap_or_else(|| panic!("{} has no row", metric.name));
        let expected = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::UpDownCounter => "up-down counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
            other => panic!("{other:?} has no word"),
        };
        assert_eq!((kind, unit), (expected, metric.unit), "{}", metric.name);
        // Values of an attribute stand there too, in brackets.
        let without_values: String = attributes
            .split('(')
            .map(|part| part.split_once(')').map_or(part, |(_, rest)| rest))
            .collect();
        let named: Vec<&str> = without_values.split('`').skip(1).step_by(2).collect();
        assert_eq!(named, metric.attributes, "{}", metric.name);
    }
    assert!(
        documented.is_empty(),
        "the code knows none of {documented:?}"
    );
}

#[test]
fn loki_keeps_each_stream_as_long_as_is_said() {
    let default = LOKI.split("retention_period: ").nth(1).unwrap();
    let mut told = BTreeMap::from([("", days(default))]);
    for stream in LOKI.split("log_category=\"").skip(1) {
        let name = &stream[..stream.find('"').unwrap()];
        told.insert(name, days(stream.split("period: ").nth(1).unwrap()));
    }
    let said: BTreeMap<&str, u16> = STREAMS
        .iter()
        .map(|stream| (stream.category, stream.retention_days))
        .collect();
    assert_eq!(told, said);
}

fn days(text: &str) -> u16 {
    text[..text.find('d').unwrap()].parse().unwrap()
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

/// The functions of a test's file, by the path that the table gives it.
fn tests_of(path: &str) -> Option<String> {
    let folder = if path.contains("tests/") {
        "../"
    } else {
        "tests/wire/"
    };
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(format!("{folder}{path}.rs"))).ok()
}

#[test]
fn each_feature_of_the_five_systems_has_its_place_and_a_test_that_exists() {
    let rows: Vec<Vec<&str>> = section("## The five systems")
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    for row in &rows {
        let [feature, named_by, here, shown] = row[..] else {
            panic!("four cells: {row:?}");
        };
        let whole = [feature, named_by, here, shown]
            .iter()
            .all(|cell| !cell.is_empty());
        assert!(whole, "{row:?}");
        // What is left for later says for which part, and what is no telemetry says so.
        let later = shown.ends_with("later");
        assert!(
            !later || here.contains("later:") || here.contains("Alertmanager"),
            "{row:?}"
        );
        let tests: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        assert!(
            later || shown == "by nature" || !tests.is_empty(),
            "{row:?}"
        );
        for test in tests {
            let (file, name) = test.rsplit_once("::").unwrap_or_else(|| panic!("{test}"));
            let code = tests_of(file).unwrap_or_else(|| panic!("no file for {test}"));
            assert!(code.contains(&format!("fn {name}(")), "no {test}");
        }
    }
    for system in ["billing", "cosmo", "derrakht", "fastapi", "freshbytes"] {
        let named = |row: &&Vec<&str>| row[1] == "all" || row[1].contains(system);
        assert!(rows.iter().filter(named).count() >= 20, "{system}");
    }
}
