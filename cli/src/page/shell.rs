//! What is around every view: navigation, search, the time range and the services to choose.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

use super::{
    Counters, PageRequest, Since,
    assets::{self, Links},
};

/// The entries of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Overview,
    Traces,
    Logs,
    Metrics,
    Errors,
    Security,
    Audit,
    Business,
    Analytics,
    Users,
    Health,
}

impl View {
    /// In groups, as the navigation shows them.
    const GROUPS: [&'static [Self]; 3] = [
        &[
            Self::Overview,
            Self::Traces,
            Self::Logs,
            Self::Metrics,
            Self::Errors,
        ],
        &[Self::Security, Self::Audit, Self::Business, Self::Analytics],
        &[Self::Users, Self::Health],
    ];

    /// Its name, path, and the key that goes there after `g`.
    const fn entry(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Overview => ("Overview", "/", "o"),
            Self::Traces => ("Traces", "/traces", "t"),
            Self::Logs => ("Logs", "/logs", "l"),
            Self::Metrics => ("Metrics", "/metrics", "m"),
            Self::Errors => ("Errors", "/errors", "e"),
            Self::Security => ("Security", "/security", "s"),
            Self::Audit => ("Audit", "/audit", "a"),
            Self::Business => ("Business", "/business", "b"),
            Self::Analytics => ("Analytics", "/analytics", "n"),
            Self::Users => ("Users", "/users", "u"),
            Self::Health => ("Health", "/health", "h"),
        }
    }
}

/// A link that may be the present one.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) label: String,
    pub(crate) href: String,
    pub(crate) current: bool,
    /// A key or a word that explains it; may be empty.
    pub(crate) hint: String,
}

/// What is around one answer.
#[derive(Clone, Debug)]
pub(crate) struct Shell<'a> {
    request: &'a PageRequest,
    view: View,
    title: String,
    status: StatusCode,
    services: Option<Vec<String>>,
    range: bool,
    live: &'static str,
    counters: Counters,
}

impl<'a> Shell<'a> {
    /// `title` is the page's heading, and first in the window's title.
    pub(crate) fn new(request: &'a PageRequest, view: View, title: impl Into<String>) -> Self {
        Self {
            request,
            view,
            title: title.into(),
            status: StatusCode::OK,
            services: None,
            range: false,
            live: "",
            counters: Counters::default(),
        }
    }

    #[must_use]
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Offers the choice of a service, `service=` in the URL.
    #[must_use]
    pub(crate) fn services(mut self, services: Vec<String>) -> Self {
        self.services = Some(services);
        self
    }

    /// Offers the choice of a time range, `since=` in the URL.
    #[must_use]
    pub(crate) fn range(mut self) -> Self {
        self.range = true;
        self
    }

    /// Fetches the content again when one of these counters has grown: names of [`Counters`]'
    /// fields with spaces between. `counters` are those that the content was made from.
    #[must_use]
    pub(crate) fn live(mut self, on: &'static str, counters: Counters) -> Self {
        self.live = on;
        self.counters = counters;
        self
    }

    /// The whole page, or only its content where the script asked for that.
    pub(crate) fn respond(&self, view: &impl Template) -> Response {
        let rendered = view.render().and_then(|view| {
            let content = self.content(view);
            if self.request.fragment {
                content.render()
            } else {
                self.frame(content).render()
            }
        });
        match rendered {
            Ok(html) => (self.status, Html(html)).into_response(),
            // Formatting into a string fails only by a `Display` that does.
            Err(error) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("cannot render the page: {error}\n"),
            )
                .into_response(),
        }
    }

    fn content(&self, view: String) -> Content {
        let query = &self.request.query;
        let since = self.request.since();
        let ranges = Since::ALL.iter().map(|range| Choice {
            label: range.name.to_owned(),
            href: self.request.with("since", range.name),
            current: *range == since,
            hint: range.words.to_owned(),
        });
        let chosen = query.get("service").unwrap_or_default();
        let mut services = self.services.clone().unwrap_or_default();
        // One that sent nothing lately is still what the page is filtered by.
        if !chosen.is_empty() && !services.iter().any(|service| service == chosen) {
            services.push(chosen.to_owned());
        }
        Content {
            title: self.title.clone(),
            path: self.request.path.clone(),
            choose_service: self.services.is_some(),
            services: services
                .into_iter()
                .map(|label| Choice {
                    current: label == chosen,
                    href: self.request.with("service", &label),
                    label,
                    hint: String::new(),
                })
                .collect(),
            kept: query
                .without("service")
                .pairs()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            ranges: if self.range {
                ranges.collect()
            } else {
                Vec::new()
            },
            live: self.live,
            counters: self.counters,
            view,
        }
    }

    fn frame(&self, content: Content) -> Frame {
        // What one looks at goes along; what one searched for does not.
        let kept = self.request.query.only(&["since", "service"]);
        let groups = View::GROUPS.iter().map(|group| {
            let choices = group.iter().map(|view| {
                let (label, path, key) = view.entry();
                Choice {
                    label: label.to_owned(),
                    href: kept.at(path),
                    current: *view == self.view,
                    hint: key.to_owned(),
                }
            });
            choices.collect()
        });
        Frame {
            links: assets::LINKS.clone(),
            navigation: groups.collect(),
            content,
        }
    }
}

/// A page that says that something is not there, and why that may be.
pub(crate) fn not_found(request: &PageRequest, view: View, what: &str, why: &str) -> Response {
    Shell::new(request, view, format!("No {what}"))
        .status(StatusCode::NOT_FOUND)
        .respond(&Missing {
            why: why.to_owned(),
        })
}

#[derive(Template)]
#[template(path = "missing.html")]
struct Missing {
    why: String,
}

#[derive(Template)]
#[template(path = "content.html")]
struct Content {
    title: String,
    path: String,
    choose_service: bool,
    services: Vec<Choice>,
    /// The parameters that the form for the service has to repeat.
    kept: Vec<(String, String)>,
    ranges: Vec<Choice>,
    live: &'static str,
    counters: Counters,
    /// Rendered by the view's own template.
    view: String,
}

#[derive(Template)]
#[template(path = "shell.html")]
struct Frame {
    links: Links,
    navigation: Vec<Vec<Choice>>,
    content: Content,
}

#[cfg(test)]
mod tests;
