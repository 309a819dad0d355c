//! What axe-core finds in the page that is shown.

use std::{fmt, fs};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::Browser;

/// How much a violation hinders, by axe-core's own scale.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Impact {
    Minor,
    Moderate,
    Serious,
    Critical,
}

/// A rule that the page breaks, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub impact: Impact,
    /// The rule: `color-contrast`, `label`, `button-name`.
    pub id: String,
    pub help: String,
    /// Each element at fault: its selector, and its beginning.
    pub nodes: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}", self.impact, self.id, self.help)?;
        for node in &self.nodes {
            write!(f, "\n    {node}")?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Finding {
    impact: Option<Impact>,
    id: String,
    help: String,
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    target: Vec<Value>,
    html: String,
    #[serde(rename = "failureSummary", default)]
    summary: String,
}

/// Run beside the page's own scripts, but through the driver, where its policy does not count.
const RUN: &str = "
    const done = arguments[arguments.length - 1];
    axe.run(document, { resultTypes: ['violations'] })
        .then(results => done(JSON.stringify({ violations: results.violations })))
        .catch(error => done(JSON.stringify({ error: String(error) })));
";

impl Browser {
    /// All rules of axe-core that the page breaks as it is shown now: in this size, this colour
    /// scheme, and with what is open.
    ///
    /// # Errors
    /// If axe-core cannot run in the page.
    pub async fn axe(&self) -> Result<Vec<Violation>> {
        let path = &self.tools().axe;
        let script =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        self.driver().execute(script, Vec::new()).await?;
        let answer: String = self
            .driver()
            .execute_async(RUN, Vec::new())
            .await?
            .convert()?;
        let answer: Value = serde_json::from_str(&answer)?;
        if let Some(error) = answer["error"].as_str() {
            bail!("axe-core failed: {error}");
        }
        let findings: Vec<Finding> = serde_json::from_value(answer["violations"].clone())
            .context("axe-core's answer is not as expected")?;
        Ok(findings.into_iter().map(Violation::from).collect())
    }
}

impl From<Finding> for Violation {
    fn from(finding: Finding) -> Self {
        Self {
            // A rule that does not say counts, rather than slips through.
            impact: finding.impact.unwrap_or(Impact::Serious),
            id: finding.id,
            help: finding.help,
            nodes: finding.nodes.iter().map(described).collect(),
        }
    }
}

fn described(node: &Node) -> String {
    const SHOWN: usize = 120;
    let target: Vec<String> = node
        .target
        .iter()
        .map(|part| {
            part.as_str()
                .map_or_else(|| part.to_string(), str::to_owned)
        })
        .collect();
    let html: String = node.html.chars().take(SHOWN).collect();
    let reason = node.summary.lines().nth(1).unwrap_or_default().trim();
    format!("{} {html} {reason}", target.join(" "))
}
