//! What Grafana is provisioned with, read as Grafana reads it: the dashboards' queries and
//! variables, and the data sources' links. Running these against the servers shows that
//! panels and links work wherever Grafana itself is not to be had.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The lines that Grafana asks Loki for unless a query says otherwise.
const LINES: u64 = 1000;

/// A dashboard's JSON.
#[derive(Clone, Debug)]
pub struct Dashboard {
    pub file: String,
    pub model: Value,
}

/// One query of a panel.
#[derive(Clone, Debug)]
pub struct Query {
    pub panel: String,
    /// The data source's type: `prometheus`, `loki`, `jaeger`.
    pub source: String,
    pub expression: String,
    /// Whether Grafana asks for exemplars as well.
    pub exemplars: bool,
    /// How many lines of logs Grafana asks for.
    pub lines: u64,
}

/// A variable that is filled from `label_values`.
#[derive(Clone, Debug)]
pub struct Variable {
    pub name: String,
    pub source: String,
    pub selector: String,
    pub label: String,
    /// What stands for "All".
    pub all: String,
}

/// What is put in for a variable's name.
pub type Values<'a> = BTreeMap<&'a str, String>;

/// Every dashboard that is provisioned.
///
/// # Errors
/// If there is none, or one is no JSON.
pub fn dashboards() -> Result<Vec<Dashboard>> {
    let folder = grafana().join("dashboards");
    let mut dashboards = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let file = path.display().to_string();
            let model = serde_json::from_str(&fs::read_to_string(&path)?)
                .with_context(|| format!("{file} is no JSON"))?;
            dashboards.push(Dashboard { file, model });
        }
    }
    ensure!(
        !dashboards.is_empty(),
        "no dashboard in {}",
        folder.display()
    );
    Ok(dashboards)
}

/// The provisioned data sources by their uid.
///
/// # Errors
/// If the file is not as Grafana expects it, or names a variable that `environment` lacks.
pub fn data_sources(environment: &Values<'_>) -> Result<BTreeMap<String, Value>> {
    let mut sources = BTreeMap::new();
    let folder = grafana().join("provisioning/datasources");
    for entry in fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))? {
        let file = entry?.path();
        let mut read: Value = serde_saphyr::from_str(&fs::read_to_string(&file)?)
            .with_context(|| format!("{} is no YAML", file.display()))?;
        expand(&mut read, environment)?;
        for source in read["datasources"].as_array().into_iter().flatten() {
            let uid = source["uid"]
                .as_str()
                .context("a data source without a uid")?;
            sources.insert(uid.to_owned(), source.clone());
        }
    }
    Ok(sources)
}

fn grafana() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../dashboards/grafana")
}

/// `$NAME` is a variable of the container's environment, `$$` a dollar.
fn expand(value: &mut Value, environment: &Values<'_>) -> Result<()> {
    match value {
        Value::String(text) => {
            let parts: Vec<_> = text
                .split("$$")
                .map(|part| interpolate(part, environment))
                .collect();
            for part in &parts {
                ensure!(
                    !part.contains('$'),
                    "unknown variable of the environment in {text:?}"
                );
            }
            *text = parts.join("$");
        }
        Value::Array(values) => {
            for value in values {
                expand(value, environment)?;
            }
        }
        Value::Object(values) => {
            for value in values.values_mut() {
                expand(value, environment)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

impl Dashboard {
    /// Every query of every panel, those within collapsed rows too.
    ///
    /// # Errors
    /// If a query has no expression or no data source.
    pub fn queries(&self) -> Result<Vec<Query>> {
        let mut queries = Vec::new();
        for panel in self.panels() {
            let title = panel["title"].as_str().unwrap_or_default();
            for target in panel["targets"].as_array().into_iter().flatten() {
                let source = target["datasource"]["type"]
                    .as_str()
                    .or(panel["datasource"]["type"].as_str())
                    .with_context(|| format!("panel {title:?} has no data source"))?;
                let expression = target["expr"]
                    .as_str()
                    .with_context(|| format!("a query of panel {title:?} has no expression"))?;
                queries.push(Query {
                    panel: title.to_owned(),
                    source: source.to_owned(),
                    expression: expression.to_owned(),
                    exemplars: target["exemplar"] == true,
                    lines: target["maxLines"].as_u64().unwrap_or(LINES),
                });
            }
        }
        Ok(queries)
    }

    /// The addresses that a click on a panel's series leads to.
    #[must_use]
    pub fn links(&self) -> Vec<String> {
        let links = self.panels().into_iter().flat_map(|panel| {
            let of_series = panel["fieldConfig"]["defaults"]["links"].as_array();
            of_series
                .into_iter()
                .chain(panel["links"].as_array())
                .flatten()
        });
        links
            .filter_map(|link| link["url"].as_str().map(str::to_owned))
            .collect()
    }

    /// The variables, in the order in which they depend on each other.
    ///
    /// # Errors
    /// If one is filled by anything but `label_values(selector, label)`.
    pub fn variables(&self) -> Result<Vec<Variable>> {
        let list = self.model["templating"]["list"]
            .as_array()
            .into_iter()
            .flatten();
        list.filter(|variable| variable["type"] == "query")
            .map(|variable| {
                let name = variable["name"]
                    .as_str()
                    .context("a variable without a name")?;
                let query = variable["query"]
                    .as_str()
                    .or(variable["query"]["query"].as_str());
                let (selector, label) = query
                    .and_then(|query| query.strip_prefix("label_values(")?.strip_suffix(')'))
                    .and_then(|arguments| arguments.rsplit_once(','))
                    .with_context(|| format!("variable {name:?} is not filled by label_values"))?;
                Ok(Variable {
                    name: name.to_owned(),
                    source: variable["datasource"]["type"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                    selector: selector.trim().to_owned(),
                    label: label.trim().to_owned(),
                    all: variable["allValue"].as_str().unwrap_or(".*").to_owned(),
                })
            })
            .collect()
    }

    fn panels(&self) -> Vec<&Value> {
        fn collect<'a>(panels: &'a Value, all: &mut Vec<&'a Value>) {
            for panel in panels.as_array().into_iter().flatten() {
                all.push(panel);
                collect(&panel["panels"], all);
            }
        }
        let mut all = Vec::new();
        collect(&self.model["panels"], &mut all);
        all
    }
}

/// Puts values in for `$name`, `${name}`, `${name:format}` and `[[name]]`. Names that are
/// not known stay, as they do in Grafana.
#[must_use]
pub fn interpolate(text: &str, values: &Values<'_>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(['$', '[']) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let found = reference(rest).filter(|(name, _)| values.contains_key(name));
        let taken = match found {
            Some((name, length)) => {
                out.push_str(&values[name]);
                length
            }
            None => {
                out.push_str(&rest[..1]);
                1
            }
        };
        rest = &rest[taken..];
    }
    out + rest
}

/// The name that a text begins to refer to, and how long the reference is.
fn reference(text: &str) -> Option<(&str, usize)> {
    for (open, close) in [("${", "}"), ("[[", "]]")] {
        if let Some(inner) = text.strip_prefix(open) {
            let end = inner.find(close)?;
            let name = inner[..end].split(':').next()?;
            return Some((name, open.len() + end + close.len()));
        }
    }
    let name = text.strip_prefix('$')?;
    let end = name
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(name.len());
    Some((&name[..end], 1 + end))
}

/// A chosen value as Grafana writes it into a regular expression within a PromQL or LogQL
/// string.
#[must_use]
pub fn regex_in_string(value: &str) -> String {
    let mut out = String::new();
    for character in value.chars() {
        if r"\^$*+?.()|[]{}".contains(character) {
            out.push_str(r"\\");
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_reference_is_filled_in_and_others_stay() {
        let values = Values::from([
            ("service", "shop".to_owned()),
            ("__range", "30m".to_owned()),
        ]);
        let cases = [
            (r#"{s=~"$service"}"#, r#"{s=~"shop"}"#),
            ("rate(a[$__range])", "rate(a[30m])"),
            ("${service:regex} [[service]]", "shop shop"),
            ("$services ${other} [5m] $", "$services ${other} [5m] $"),
        ];
        for (text, expected) in cases {
            assert_eq!(interpolate(text, &values), expected);
        }
    }

    #[test]
    fn a_chosen_route_matches_itself() {
        assert_eq!(regex_in_string("/orders/{id}"), r"/orders/\\{id\\}");
    }

    #[test]
    fn a_doubled_dollar_survives_provisioning() {
        let environment = Values::from([("BUGSINK_URL", "http://bugs".to_owned())]);
        let mut value = Value::from("$BUGSINK_URL/?q=$${__value.raw}");
        expand(&mut value, &environment).unwrap();
        assert_eq!(value, "http://bugs/?q=${__value.raw}");
        assert!(expand(&mut Value::from("$MISSING"), &environment).is_err());
    }
}
