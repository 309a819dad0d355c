//! What was built: the environment is set by people who do not see which features a service's
//! `Cargo.toml` names, so what they ask for in vain is said with the feature's name.

use super::otlp::{Compression, Protocol};

pub(super) const TLS: bool = cfg!(feature = "tls");
pub(super) const HEALTH: bool = cfg!(feature = "health");

impl Protocol {
    pub(super) const fn is_built(self) -> bool {
        match self {
            Self::Grpc => cfg!(feature = "grpc"),
            Self::HttpProtobuf => true,
        }
    }
}

impl Compression {
    pub(super) const fn is_built(self) -> bool {
        match self {
            Self::Gzip => cfg!(feature = "gzip"),
            Self::Zstd => cfg!(feature = "zstd"),
        }
    }
}

/// The reason that belongs to what was not built.
pub(super) fn without(feature: &str) -> String {
    format!("throughline was built without its feature `{feature}`")
}
