//! `throughline dev` as a process, and whoever means it ill: what is malformed, too much, foreign
//! or full of script, a kill in the middle, a disk that is full.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod access;
mod dev;
mod disk;
mod http;
mod killed;
mod malformed;
mod markup;
mod odd;
mod otlp;
mod size;
mod start;
