//! The shop as it is: its processes, a load in front of them, and what reached a receiver.

#![allow(clippy::unwrap_used)]

mod day;
mod faults;
mod intake;
mod open;
mod process;
mod signals;
mod streams;
