//! Without the feature `health` nobody asks.

use std::sync::Arc;

use opentelemetry_sdk::Resource;

use crate::export::{Destination, Waiting};
use crate::metrics::Registry;

pub(crate) fn put_in_force(
    _: &Resource,
    _: Option<String>,
    _: &Waiting,
    _: Option<Arc<Destination>>,
    _: &Registry,
) {
}
