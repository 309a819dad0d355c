//! What a view is told of the request: the address, and whether only its content is wanted.

use std::{convert::Infallible, time::Duration};

use axum::{extract::FromRequestParts, http::request::Parts};

use super::Query;

/// How far back a view looks, `since=` in the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Since {
    pub(crate) name: &'static str,
    /// For a screen reader, which would spell the name.
    pub(crate) words: &'static str,
    minutes: Option<u64>,
}

impl Since {
    pub(crate) const ALL: [Self; 6] = [
        Self {
            name: "5m",
            words: "last 5 minutes",
            minutes: Some(5),
        },
        Self {
            name: "15m",
            words: "last 15 minutes",
            minutes: Some(15),
        },
        Self {
            name: "1h",
            words: "last hour",
            minutes: Some(60),
        },
        Self {
            name: "6h",
            words: "last 6 hours",
            minutes: Some(360),
        },
        Self {
            name: "24h",
            words: "last 24 hours",
            minutes: Some(1440),
        },
        Self {
            name: "all",
            words: "everything stored",
            minutes: None,
        },
    ];
    /// What a view shows that is not told otherwise.
    pub(crate) const DEFAULT: Self = Self::ALL[1];

    /// The range of that name, else the default.
    pub(crate) fn named(name: Option<&str>) -> Self {
        let found = Self::ALL.into_iter().find(|since| Some(since.name) == name);
        found.unwrap_or(Self::DEFAULT)
    }

    /// How a sentence goes on that says what there is: `in the last hour`.
    pub(crate) fn within(self) -> String {
        match self.minutes {
            Some(_) => format!("in the {}", self.words),
            None => "in all that is stored".to_owned(),
        }
    }

    /// `None` is everything.
    pub(crate) fn duration(self) -> Option<Duration> {
        self.minutes
            .map(|minutes| Duration::from_secs(minutes * 60))
    }
}

/// A request for a view.
#[derive(Clone, Debug)]
pub(crate) struct PageRequest {
    pub(crate) path: String,
    pub(crate) query: Query,
    /// The script wants only what has changed, not the shell around it.
    pub(crate) fragment: bool,
}

impl PageRequest {
    pub(crate) fn since(&self) -> Since {
        Since::named(self.query.get("since"))
    }

    /// The same for everything that is stored, where that is more.
    pub(crate) fn wider(&self) -> Option<String> {
        self.since().duration()?;
        Some(self.with("since", "all"))
    }

    pub(crate) fn service(&self) -> Option<&str> {
        self.query.get("service")
    }

    /// This address with one parameter changed, or taken out by an empty value.
    pub(crate) fn with(&self, key: &str, value: &str) -> String {
        self.query.with(key, value).at(&self.path)
    }
}

impl<S: Sync> FromRequestParts<S> for PageRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            path: parts.uri.path().to_owned(),
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            fragment: parts.headers.contains_key("x-fragment"),
        })
    }
}
