//! What the comparisons with the stock crates share. Telemetry is global to a process, so
//! each side runs in a process of its own, all of them sending to one receiver.

// Each benchmark uses a part of this, and none exports it.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

pub mod affinity;
pub mod collector;
pub mod process;
pub mod side;
pub mod statistics;
mod stock;
