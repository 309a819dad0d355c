//! Whether a page fits the window: its size, and what sticks out.

use anyhow::Result;
use serde::Deserialize;
use serde_json::json;

use crate::Browser;

/// A page that is wider than the window, so that it must be pushed sideways to be read.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Overflow {
    /// The width that the page takes, in CSS pixels.
    pub page: u32,
    /// The width that there is.
    pub window: u32,
    /// What reaches over the edge, from the outside in.
    pub elements: Vec<String>,
}

/// An element that scrolls or clips by itself may hold what is wider: a table, a waterfall.
const MEASURE: &str = "
    const root = document.documentElement;
    const window_width = root.clientWidth;
    const page = Math.max(root.scrollWidth, document.body ? document.body.scrollWidth : 0);
    if (page <= window_width) return null;
    const contained = element => {
        for (let box = element.parentElement; box && box !== document.body; box = box.parentElement) {
            if (getComputedStyle(box).overflowX !== 'visible'
                && box.getBoundingClientRect().right <= window_width + 0.5) return true;
        }
        return false;
    };
    const name = element => element.tagName.toLowerCase()
        + (element.id ? '#' + element.id : '')
        + [...element.classList].map(word => '.' + word).join('');
    const elements = [...document.body.querySelectorAll('*')]
        .filter(element => element.getBoundingClientRect().right > window_width + 0.5)
        .filter(element => !contained(element))
        .slice(0, 10)
        .map(element => name(element) + ' to ' + Math.ceil(element.getBoundingClientRect().right));
    return { page, window: window_width, elements };
";

impl Browser {
    /// Sets the size of the page's window in CSS pixels, at one device pixel each: `(390, 844)`
    /// is a telephone. Holds until it is set again.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn set_viewport(&self, width: u32, height: u32) -> Result<()> {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size)
            .await
    }

    /// Prefers dark colours, or light ones. Holds until it is set again.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn emulate_dark(&self, dark: bool) -> Result<()> {
        let value = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.devtools("Emulation.setEmulatedMedia", features).await
    }

    /// What makes the page wider than its window, if anything does.
    ///
    /// # Errors
    /// If the page cannot be asked.
    pub async fn horizontal_overflow(&self) -> Result<Option<Overflow>> {
        let found = self.driver().execute(MEASURE, Vec::new()).await?;
        Ok(serde_json::from_value(found.json().clone())?)
    }
}
