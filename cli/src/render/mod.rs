//! What arrived, as text. Pure functions from received data to strings, styled always:
//! the stream that prints them strips the style where there is no terminal.

#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod log;
pub(crate) mod trace;
pub(crate) mod value;
