//! The tests of the viewer: in a real browser, and by the clients of others. They need no
//! containers.

use anyhow::Result;

use super::rust::test_program;
use super::tally::Tally;
use crate::cargo::cargo;
use crate::viewer;

pub(super) fn check() -> Result<Tally> {
    // The tests would do it too, but nobody would see why the first takes so long.
    viewer::Browser::ensure()?;
    viewer::python()?;
    test_program(cargo().args([
        "test",
        "--package=throughline-viewer-tests",
        "--locked",
        "--no-fail-fast",
    ]))
}
