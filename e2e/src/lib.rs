//! What the end-to-end tests share: the stack of `docker-compose.yml`, the services as
//! processes (the quickstart under a counted load, the specimen, which emits one of each
//! thing by itself, and the pair, of which one calls the other), and one small client for each server.
//!
//! `cargo test -p throughline-e2e` starts the stack under its own project name and ports
//! and leaves it up, so that the next run starts at once; `cargo xtask stack` takes it down.
//! Each test runs its service under a name of its own, so runs do not mix.
//!
//! A failure says what was asked, of which server, and what came back: [`ask::Answer`]
//! carries all three. Nothing sleeps for a fixed time; [`wait::eventually`] waits for a
//! condition with a deadline.

pub mod alertmanager;
pub mod alerts;
pub mod ask;
pub mod bugsink;
pub mod failure;
pub mod grafana;
pub mod jaeger;
pub mod load;
pub mod loki;
pub mod pair;
pub mod prometheus;
pub mod quickstart;
pub mod run;
pub mod service;
pub mod shop;
pub mod specimen;
pub mod stack;
pub mod viewer;
pub mod wait;
