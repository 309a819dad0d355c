//! The page's own files: part of the program, so that it runs where there is nothing else.
//!
//! A file's address has a hash of its content, so a browser may keep it for ever and still
//! never mixes two versions of the program.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

struct Asset {
    /// What follows `/assets/`.
    file: String,
    content_type: &'static str,
    content: &'static [u8],
}

impl Asset {
    fn new(
        name: &str,
        extension: &str,
        content_type: &'static str,
        content: &'static [u8],
    ) -> Self {
        let hash: String = Sha256::digest(content)
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            file: format!("{name}-{hash}.{extension}"),
            content_type,
            content,
        }
    }

    fn href(&self) -> String {
        format!("/assets/{}", self.file)
    }
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "page",
        "css",
        "text/css; charset=utf-8",
        include_bytes!("../../assets/page.css"),
    )
});
static ICON: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "icon",
        "svg",
        "image/svg+xml",
        include_bytes!("../../assets/icon.svg"),
    )
});
/// Chooses the theme before anything is painted.
static THEME: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "theme",
        "js",
        SCRIPT,
        include_bytes!("../../assets/theme.js"),
    )
});
/// What runs once the page is there: keys and small comforts, drawings, and live updates.
static DEFERRED: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        Asset::new("page", "js", SCRIPT, include_bytes!("../../assets/page.js")),
        Asset::new("draw", "js", SCRIPT, include_bytes!("../../assets/draw.js")),
        Asset::new("live", "js", SCRIPT, include_bytes!("../../assets/live.js")),
    ]
});

/// The addresses that the shell links to.
#[derive(Clone, Debug)]
pub(super) struct Links {
    pub(super) style: String,
    pub(super) icon: String,
    pub(super) theme: String,
    pub(super) scripts: Vec<String>,
}

pub(super) static LINKS: LazyLock<Links> = LazyLock::new(|| Links {
    style: STYLE.href(),
    icon: ICON.href(),
    theme: THEME.href(),
    scripts: DEFERRED.iter().map(Asset::href).collect(),
});

pub(super) async fn serve(Path(file): Path<String>) -> Response {
    let mut assets = [&*STYLE, &*ICON, &*THEME]
        .into_iter()
        .chain(DEFERRED.iter());
    match assets.find(|asset| asset.file == file) {
        Some(asset) => (
            [
                (header::CONTENT_TYPE, asset.content_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            asset.content,
        )
            .into_response(),
        None => (StatusCode::NOT_FOUND, "no such file\n").into_response(),
    }
}
