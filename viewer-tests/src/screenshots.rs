//! Pictures of pages for the documentation: each in light and dark, on a desk and on a
//! telephone, and small enough to be kept in the repository.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use color_quant::NeuQuant;

use crate::Browser;

/// What a picture may weigh at most.
const MAX_BYTES: usize = 100_000;

const WIDTHS: [(u32, u32); 2] = [(1280, 800), (390, 844)];

/// Takes the four pictures of one page, `NAME-1280-light.png` and so on, and returns where
/// they are.
///
/// # Errors
/// If the page cannot be shown, or a picture is too heavy or cannot be written.
pub async fn take(browser: &Browser, url: &str, name: &str, folder: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut taken = Vec::new();
    for (width, height) in WIDTHS {
        browser.set_viewport(width, height).await?;
        for dark in [false, true] {
            browser.emulate_dark(dark).await?;
            browser.goto(url).await?;
            browser
                .wait_until("document.readyState === 'complete'")
                .await?;
            let scheme = if dark { "dark" } else { "light" };
            let path = folder.join(format!("{name}-{width}-{scheme}.png"));
            let png = small(&browser.screenshot().await?)?;
            ensure!(
                png.len() <= MAX_BYTES,
                "{} has {} bytes, more than {MAX_BYTES}",
                path.display(),
                png.len()
            );
            fs::write(&path, png).with_context(|| format!("cannot write {}", path.display()))?;
            taken.push(path);
        }
    }
    Ok(taken)
}

/// The same picture in 256 colours: a page of text, lines and few shades has hardly more, and
/// takes a third of the space.
///
/// # Errors
/// If `png` is no PNG.
pub fn small(png: &[u8]) -> Result<Vec<u8>> {
    const COLORS: usize = 256;
    /// Of each that many pixels one teaches the palette: 1 is the best and slowest.
    const SAMPLED: i32 = 3;

    let (pixels, width, height) = rgba(png)?;
    let palette = NeuQuant::new(SAMPLED, COLORS, &pixels);
    // The search for the nearest colour is slow, and most pixels are the page's ground.
    let mut nearest = HashMap::new();
    let mut indexed = Vec::with_capacity(pixels.len() / 4);
    for pixel in pixels.chunks_exact(4) {
        let index = *nearest
            .entry(pixel)
            .or_insert_with(|| palette.index_of(pixel));
        indexed.push(u8::try_from(index)?);
    }

    let mut small = Vec::new();
    let mut encoder = png::Encoder::new(&mut small, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.color_map_rgb());
    encoder.set_compression(png::Compression::High);
    // Neighbouring numbers of a palette are no neighbouring colours.
    encoder.set_filter(png::Filter::NoFilter);
    encoder.write_header()?.write_image_data(&indexed)?;
    Ok(small)
}

fn rgba(png: &[u8]) -> Result<(Vec<u8>, u32, u32)> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(
        png::Transformations::normalize_to_color8() | png::Transformations::ALPHA,
    );
    let mut reader = decoder.read_info().context("no PNG")?;
    let size = reader.output_buffer_size().context("too large a picture")?;
    let mut pixels = vec![0; size];
    let info = reader.next_frame(&mut pixels)?;
    ensure!(
        info.color_type == png::ColorType::Rgba,
        "a picture in {:?}",
        info.color_type
    );
    pixels.truncate(info.buffer_size());
    Ok((pixels, info.width, info.height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_few_colours_stays_as_it_is() {
        let colors = [[255, 255, 255, 255], [20, 20, 30, 255], [200, 40, 40, 255]];
        let pixels: Vec<u8> = (0..64 * 64).flat_map(|at| colors[at / 8 % 3]).collect();
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, 64, 64);
        encoder.set_color(png::ColorType::Rgba);
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&pixels))
            .unwrap();

        let (again, width, height) = rgba(&small(&png).unwrap()).unwrap();
        assert_eq!((width, height), (64, 64));
        let furthest = pixels.iter().zip(&again).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(furthest.unwrap() <= 4, "{furthest:?} away");
    }
}
