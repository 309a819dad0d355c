//! Chromium as a user has it, without a window: pages, clicks, keys, and what the page shows.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{
    By, ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel, TypingData, WebDriver,
    WebElement,
};
use tokio::time::sleep;

use crate::{
    chromedriver::Chromedriver,
    console::{Level, Message},
};

/// Long enough for a page on a machine that compiles meanwhile.
const DEADLINE: Duration = Duration::from_secs(20);

/// How often a page is asked again.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

const ARGUMENTS: [&str; 11] = [
    "--headless=new",
    // As root Chromium has no sandbox; it sees only pages of the tests.
    "--no-sandbox",
    "--disable-gpu",
    // `/dev/shm` is small in a container.
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1280,800",
];

/// A browser with an empty profile. It ends when this is dropped.
#[derive(Debug)]
pub struct Browser {
    // In this order: the driver ends, then the profile goes.
    driver: WebDriver,
    chromedriver: Chromedriver,
    _profile: TempDir,
    tools: xtask::viewer::Browser,
}

impl Browser {
    /// Starts it at 1280 by 800 pixels in light colours, installing it when it is missing.
    ///
    /// # Errors
    /// If it cannot be had or does not start.
    pub async fn start() -> Result<Self> {
        let tools = tokio::task::spawn_blocking(xtask::viewer::Browser::ensure).await??;
        let chromedriver = Chromedriver::start(&tools).await?;
        let profile = TempDir::new().context("cannot make a folder for the profile")?;
        let mut capabilities = DesiredCapabilities::chrome();
        let binary = tools.chromium.to_str().context("a path is not UTF-8")?;
        capabilities.set_binary(binary)?;
        for argument in ARGUMENTS {
            capabilities.add_arg(argument)?;
        }
        capabilities.add_arg(&format!("--user-data-dir={}", profile.path().display()))?;
        capabilities.set_browser_log_level(LoggingPrefsLogLevel::All)?;
        let driver = WebDriver::new(chromedriver.url(), capabilities)
            .await
            .context("Chromium does not start")?;
        let browser = Self {
            driver,
            chromedriver,
            _profile: profile,
            tools,
        };
        browser.set_viewport(1280, 800).await?;
        browser.emulate_dark(false).await?;
        Ok(browser)
    }

    /// Opens an address and waits until it is loaded.
    ///
    /// # Errors
    /// If nothing answers there.
    pub async fn goto(&self, url: &str) -> Result<()> {
        self.driver
            .goto(url)
            .await
            .with_context(|| format!("cannot open {url}"))
    }

    /// The page's address as it is now, with its query.
    ///
    /// # Errors
    /// If the browser is gone.
    pub async fn url(&self) -> Result<String> {
        Ok(self.driver.current_url().await?.to_string())
    }

    /// # Errors
    /// If the browser is gone.
    pub async fn title(&self) -> Result<String> {
        Ok(self.driver.title().await?)
    }

    /// One step back, as by the button.
    ///
    /// # Errors
    /// If the browser is gone.
    pub async fn back(&self) -> Result<()> {
        Ok(self.driver.back().await?)
    }

    /// # Errors
    /// If the browser is gone.
    pub async fn reload(&self) -> Result<()> {
        Ok(self.driver.refresh().await?)
    }

    /// The visible text of the first element that a selector finds, once there is one.
    ///
    /// # Errors
    /// If there is none in time.
    pub async fn text(&self, css: &str) -> Result<String> {
        Ok(self.element(css).await?.text().await?)
    }

    /// The visible text of each element that a selector finds now.
    ///
    /// # Errors
    /// If the selector is none.
    pub async fn texts(&self, css: &str) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for element in self.driver.find_all(By::Css(css)).await? {
            texts.push(element.text().await?);
        }
        Ok(texts)
    }

    /// How many elements a selector finds now.
    ///
    /// # Errors
    /// If the selector is none.
    pub async fn count(&self, css: &str) -> Result<usize> {
        Ok(self.driver.find_all(By::Css(css)).await?.len())
    }

    /// An attribute of the first element that a selector finds, as the page wrote it.
    ///
    /// # Errors
    /// If there is no such element in time.
    pub async fn attribute(&self, css: &str, name: &str) -> Result<Option<String>> {
        Ok(self.element(css).await?.attr(name).await?)
    }

    /// Clicks on the first element that a selector finds, once it can be clicked on, and waits
    /// for the page that it leads to, if any.
    ///
    /// # Errors
    /// If there is none, or something lies over it until the deadline.
    pub async fn click(&self, css: &str) -> Result<()> {
        let start = Instant::now();
        loop {
            let clicked = match self.element(css).await {
                Ok(element) => element.click().await,
                Err(error) => return Err(error),
            };
            match clicked {
                Ok(()) => return Ok(()),
                // A page that renews itself may have replaced it between the two.
                Err(_) if start.elapsed() < DEADLINE => sleep(AGAIN_AFTER).await,
                Err(error) => bail!("cannot click on {css}: {error}\n{}", self.seen().await),
            }
        }
    }

    /// Replaces what is in a field by typing.
    ///
    /// # Errors
    /// If there is no such field, or it takes no text.
    pub async fn type_into(&self, css: &str, text: &str) -> Result<()> {
        let field = self.element(css).await?;
        field.clear().await?;
        Ok(field.send_keys(text).await?)
    }

    /// Chooses the entry of a list that begins so.
    ///
    /// # Errors
    /// If there is no such list, or nothing can be chosen there.
    pub async fn choose(&self, css: &str, entry: &str) -> Result<()> {
        Ok(self.element(css).await?.send_keys(entry).await?)
    }

    /// Presses keys where the focus is: `"j"`, `Key::Enter`, `Key::Control + "a"`.
    ///
    /// # Errors
    /// If the browser is gone.
    pub async fn press(&self, keys: impl Into<TypingData>) -> Result<()> {
        let focused = self.driver.active_element().await?;
        Ok(focused.send_keys(keys).await?)
    }

    /// A script's value in the page: `"document.activeElement.id"`. Not stopped by the page's
    /// content-security policy.
    ///
    /// # Errors
    /// If it throws.
    pub async fn eval(&self, expression: &str) -> Result<Value> {
        let value = self
            .driver
            .execute(format!("return ({expression});"), Vec::new())
            .await
            .with_context(|| format!("`{expression}` failed in the page"))?;
        Ok(value.json().clone())
    }

    /// Waits until a selector finds a visible element.
    ///
    /// # Errors
    /// If it does not in time, with what the page shows.
    pub async fn wait_for(&self, css: &str) -> Result<()> {
        let selector = serde_json::to_string(css)?;
        self.wait_until(&format!(
            "[...document.querySelectorAll({selector})].some(element => element.checkVisibility())"
        ))
        .await
    }

    /// Waits until the page shows a text, anywhere.
    ///
    /// # Errors
    /// If it does not in time, with what the page shows.
    pub async fn wait_for_text(&self, text: &str) -> Result<()> {
        let text = serde_json::to_string(text)?;
        self.wait_until(&format!("document.body.innerText.includes({text})"))
            .await
    }

    /// Waits until a script's value is true: `"location.search.includes('level=warn')"`.
    ///
    /// # Errors
    /// If it is not in time, with what the page shows.
    pub async fn wait_until(&self, condition: &str) -> Result<()> {
        let start = Instant::now();
        loop {
            // A page that is just being left has no answer.
            let last = match self.eval(condition).await {
                Ok(Value::Bool(true)) => return Ok(()),
                Ok(value) => anyhow!("it is {value}"),
                Err(error) => error,
            };
            if start.elapsed() > DEADLINE {
                bail!(
                    "not within {DEADLINE:?}: {condition}: {last:#}\n{}",
                    self.seen().await
                );
            }
            sleep(AGAIN_AFTER).await;
        }
    }

    /// All that the console got since the last time it was asked.
    ///
    /// # Errors
    /// If the browser is gone.
    pub async fn console(&self) -> Result<Vec<Message>> {
        let entries = self.driver.browser_log().await?;
        Ok(entries.into_iter().map(Message::from).collect())
    }

    /// The same without what is only told: warnings, errors, uncaught exceptions, failed
    /// answers, and breaches of the content-security policy.
    ///
    /// # Errors
    /// If the browser is gone.
    pub async fn complaints(&self) -> Result<Vec<Message>> {
        let mut messages = self.console().await?;
        messages.retain(|message| message.level >= Level::Warning);
        Ok(messages)
    }

    /// What is shown now as a PNG, in the window's size.
    ///
    /// # Errors
    /// If the browser is gone.
    pub async fn screenshot(&self) -> Result<Vec<u8>> {
        let shot = self
            .driver
            .cdp()
            .send_raw("Page.captureScreenshot", json!({ "format": "png" }))
            .await?;
        let data = shot["data"].as_str().context("the picture has no data")?;
        Ok(BASE64_STANDARD.decode(data)?)
    }

    /// The same into a file.
    ///
    /// # Errors
    /// If the browser is gone, or the file cannot be written.
    pub async fn save_screenshot(&self, path: &Path) -> Result<()> {
        let png = self.screenshot().await?;
        std::fs::write(path, png).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Runs no script of the pages that are opened from now on, as where somebody has switched
    /// JavaScript off. [`Browser::eval`] still asks the page.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn switch_scripts_off(&self) -> Result<()> {
        let off = json!({ "value": true });
        self.devtools("Emulation.setScriptExecutionDisabled", off)
            .await
    }

    /// A command of the browser's own protocol, for what WebDriver cannot do.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Result<()> {
        self.driver
            .cdp()
            .send_raw(command, parameters)
            .await
            .map(drop)
            .with_context(|| format!("the browser refuses {command}"))
    }

    pub(crate) fn driver(&self) -> &WebDriver {
        &self.driver
    }

    pub(crate) fn tools(&self) -> &xtask::viewer::Browser {
        &self.tools
    }

    async fn element(&self, css: &str) -> Result<WebElement> {
        let start = Instant::now();
        loop {
            match self.driver.find(By::Css(css)).await {
                Ok(element) => return Ok(element),
                Err(_) if start.elapsed() < DEADLINE => sleep(AGAIN_AFTER).await,
                Err(error) => bail!("no {css}: {error}\n{}", self.seen().await),
            }
        }
    }

    /// The page for the message of a failure: where, what it says, and a picture.
    async fn seen(&self) -> String {
        const SHOWN: usize = 1500;
        let url = self.url().await.unwrap_or_default();
        let text = self
            .eval("document.body.innerText")
            .await
            .unwrap_or_default();
        let text: String = text
            .as_str()
            .unwrap_or_default()
            .chars()
            .take(SHOWN)
            .collect();
        let picture = self.failure_picture().await.map_or_else(
            |error| format!("no picture: {error:#}"),
            |path| format!("as seen in {}", path.display()),
        );
        format!("the page was {url}, {picture}, and said:\n{text}")
    }

    async fn failure_picture(&self) -> Result<PathBuf> {
        let file = tempfile::Builder::new()
            .prefix("throughline-viewer-")
            .suffix(".png")
            .tempfile()?;
        let (_, path) = file.keep()?;
        self.save_screenshot(&path).await?;
        Ok(path)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium outlives a driver that is only killed. `WebDriver` would ask for its end by
        // itself, but over connections of the runtime that it blocks meanwhile, until each has
        // timed out after a minute.
        if self.driver.clone().leak().is_ok() {
            self.chromedriver.end(&self.driver.session_id().to_string());
        }
    }
}
