//! Takes the documentation's pictures from a viewer that runs:
//!
//! ```sh
//! cargo run -p throughline-viewer-tests --bin screenshots -- \
//!     --page http://127.0.0.1:8969 overview=/ traces=/traces logs=/logs errors=/errors
//! ```

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use throughline_viewer_tests::{Browser, screenshots};

/// Take small pictures of pages, light and dark, 1280 and 390 pixels wide.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where `throughline dev` has its page.
    #[arg(long, default_value = "http://127.0.0.1:8969")]
    page: String,
    /// The folder that gets them.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/screenshots"))]
    into: PathBuf,
    /// Each picture's name and path: `errors=/errors?status=new`.
    #[arg(required = true, value_name = "NAME=PATH")]
    pages: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let browser = Browser::start().await?;
    for page in &arguments.pages {
        let (name, path) = page
            .split_once('=')
            .with_context(|| format!("`{page}` is not NAME=PATH"))?;
        let url = format!("{}{path}", arguments.page.trim_end_matches('/'));
        for taken in screenshots::take(&browser, &url, name, &arguments.into).await? {
            println!("{}", taken.display());
        }
    }
    Ok(())
}
