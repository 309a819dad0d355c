//! The views as a browser asks for them, over a store of their own.

mod ranges;
mod signals;
mod streams;
