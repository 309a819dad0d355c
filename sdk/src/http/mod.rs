//! Layers for HTTP: Tower services for axum, hyper and tonic.

#[cfg(feature = "attack")]
mod attack;
#[cfg(feature = "attack")]
mod client_address;
#[cfg(feature = "security-headers")]
mod security_headers;

#[cfg(feature = "attack")]
pub(crate) use attack::describe as describe_attack_signals;
#[cfg(feature = "attack")]
#[cfg_attr(docsrs, doc(cfg(feature = "attack")))]
pub use attack::{Attack, AttackFuture, AttackService, AttackSignals, LoginFailed, attack_signals};
#[cfg(feature = "attack")]
#[cfg_attr(docsrs, doc(cfg(feature = "attack")))]
pub use client_address::ClientAddress;
#[cfg(feature = "security-headers")]
#[cfg_attr(docsrs, doc(cfg(feature = "security-headers")))]
pub use security_headers::{
    SecurityHeaders, SecurityHeadersFuture, SecurityHeadersService, security_headers,
};

/// The crate whose values [`security_headers`] sets.
#[cfg(feature = "security-headers")]
#[cfg_attr(docsrs, doc(cfg(feature = "security-headers")))]
pub use helmet_core as helmet;
