//! The request that an error happened in, from where a server layer keeps it: a span that is
//! not sampled says nothing of its request, and errors are reported all the same.

use super::Origin;
use crate::correlation::Correlation;

/// Adds what no span has said.
pub(crate) fn complete(origin: &mut Origin, correlation: Option<&Correlation>) {
    let Some(facts) = correlation.and_then(Correlation::facts) else {
        return;
    };
    origin.transaction = facts.name().into_owned();
    for (name, value) in facts.fields() {
        if !origin.fields.iter().any(|(known, _)| *known == name) {
            origin.fields.push((name, value));
        }
    }
}
