//! What led to the error, as the client told it step by step.

use super::facts::key_values;
use crate::{
    page::{format::time, markup::Markup, value},
    sentry::{Breadcrumb, Event},
    views::errors::level_class,
};

pub(super) struct Crumb {
    pub(super) time: Option<Markup>,
    pub(super) category: String,
    pub(super) level: &'static str,
    pub(super) level_class: &'static str,
    pub(super) message: String,
    pub(super) data: Option<Markup>,
}

pub(super) fn crumbs(event: &Event) -> Vec<Crumb> {
    let crumb = |crumb: &Breadcrumb| {
        let level = crumb.level.map_or("", |level| level.as_str());
        Crumb {
            time: crumb.timestamp.map(time),
            category: crumb
                .category
                .clone()
                .or_else(|| crumb.kind.clone())
                .unwrap_or_default(),
            level_class: if level.is_empty() {
                ""
            } else {
                level_class(level)
            },
            level,
            message: crumb.message.clone().unwrap_or_default(),
            data: (!crumb.data.is_empty()).then(|| value::attributes(&key_values(&crumb.data))),
        }
    };
    event.breadcrumbs.iter().map(crumb).collect()
}
