//! Without the feature `http` there is no client that could tell anybody.

use super::env::Env;
use super::features::without;
use crate::InitError;

const VARIABLE: &str = "THROUGHLINE_PROPAGATE_TO";

/// Nothing was read.
#[derive(Debug)]
pub(crate) struct PropagateTo;

impl PropagateTo {
    /// Whoever sets the variable is told that it has no effect.
    pub(super) fn read(env: &Env<'_>) -> Result<Self, InitError> {
        if env.get(VARIABLE).is_some() {
            env.warn(format!("{VARIABLE} has no effect: {}", without("http")));
        }
        Ok(Self)
    }

    /// There is nobody to go by it.
    pub(crate) fn put_in_force(self) {}
}
