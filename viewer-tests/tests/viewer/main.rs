//! The viewer in a real browser, and the clients of others. One program, as each links all of
//! the harness.

#![allow(clippy::unwrap_used)]

mod demo;
mod foreign_clients;
mod harness;
mod site;
mod stored_clients;
