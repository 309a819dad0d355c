//! In place of a server layer's request where the feature `http` is not built.

use super::Origin;
use crate::correlation::Correlation;

pub(crate) fn complete(_origin: &mut Origin, _correlation: Option<&Correlation>) {}
