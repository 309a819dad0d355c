//! Suspicious requests as security events: each of the former systems wanted to know of
//! injections, scanners and guessed passwords, and each had its own few patterns for it.
//!
//! It is a signal, not a wall: it tells who tries what, and lets the request pass unless it is
//! told to [block](AttackSignals::block). What protects from SQL injection is a bound
//! parameter.

mod builder;
mod decode;
mod evidence;
#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod inspect;
mod kind;
mod layer;
mod record;
mod scanner;
mod sql;
mod traversal;
mod user_agent;
mod visitors;
mod window;
mod xss;

#[cfg(test)]
mod tests;

pub use builder::{AttackSignals, attack_signals};
pub use kind::Attack;
pub use layer::{AttackFuture, AttackService, LoginFailed};
pub(crate) use record::describe;
