//! Developer commands of this workspace, as a library: the end-to-end tests start the
//! same stack from the same compose file through [`stack`], so its wiring exists once.

pub mod check;
pub mod engine;
pub mod features;
pub mod fuzz;
pub mod images;
pub mod postgres;
pub mod stack;
pub mod viewer;

mod cargo;
mod debian;
mod golang;
mod podman;
mod process;
mod venv;
mod workspace;
