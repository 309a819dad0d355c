//! What the tests of the viewer share: a real browser ([`Browser`]), the program under test
//! ([`Dev`]), and the clients that others publish ([`clients`]).
//!
//! `cargo test -p throughline-viewer-tests` installs what is missing (Chromium, axe-core, the
//! Python SDKs) and needs no containers. Each test starts a browser and a `throughline dev` of
//! its own, on free ports and with an empty folder, so tests run beside each other.
//!
//! Nothing sleeps for a fixed time: [`Browser::wait_for`] and [`Browser::wait_until`] wait for a
//! condition with a deadline, and a failure shows the page as it was.

mod accessibility;
mod browser;
mod chromedriver;
pub mod clients;
mod console;
mod dev;
mod layout;
pub mod otlp;
mod output;
pub mod screenshots;
pub mod stored;

pub use accessibility::{Impact, Violation};
pub use browser::Browser;
pub use console::{Level, Message};
pub use dev::{Addresses, Dev, throughline};
pub use layout::Overflow;
/// Keys without a letter: `Key::Enter`, `Key::Escape`, `Key::Tab`.
pub use thirtyfour::Key;
