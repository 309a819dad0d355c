//! In place of what a server layer asks where the feature `http` is not built: there is no
//! such layer, and whoever sets its variables is told.

use super::env::Env;
use super::features;
use super::sampler::TrustInbound;

#[derive(Clone, Debug)]
pub(crate) struct InboundSettings {}

impl InboundSettings {
    pub(super) fn read(env: &Env<'_>, _trust: TrustInbound) -> Self {
        for variable in ["THROUGHLINE_TRUSTED_PROXIES", "THROUGHLINE_ACCESS_LOG"] {
            if env.get(variable).is_some() {
                env.warn(format!(
                    "{variable} has no effect: {}",
                    features::without("http")
                ));
            }
        }
        Self {}
    }
}

pub(crate) fn put_in_force(_settings: InboundSettings) {}
