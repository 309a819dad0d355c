//! The viewer in a real browser, and the clients of others. One program, as each links all of
//! the harness.

#![allow(clippy::unwrap_used)]

mod demo;
mod errors;
mod first_run;
mod foreign_clients;
mod harness;
mod hostile;
mod keyboard;
mod live;
mod origin;
mod scene;
mod search;
mod site;
mod stored_clients;
mod without_scripts;
