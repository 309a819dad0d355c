//! The query of an address, since a view's whole state is in its URL.

use url::form_urlencoded;

/// Where in a list one is: a filter that changes goes back to the list's start.
const PAGING: [&str; 3] = ["before", "after", "page"];

/// Parameters in their order. Empty ones count as absent, since a form sends all its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        Self(
            form_urlencoded::parse(query.as_bytes())
                .filter(|(_, value)| !value.trim().is_empty())
                .map(|(key, value)| (key.into_owned(), value.trim().to_owned()))
                .collect(),
        )
    }

    /// The first value of a parameter.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.pairs()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    pub(crate) fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.pairs()
            .filter(move |(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The same with one parameter set, or taken out by an empty value, at the list's start.
    #[must_use]
    pub(crate) fn with(&self, key: &str, value: &str) -> Self {
        let mut query = self.without(key);
        if PAGING.contains(&key) {
            query.0.retain(|(name, _)| !PAGING.contains(&name.as_str()));
        }
        if !value.is_empty() {
            query.0.push((key.to_owned(), value.to_owned()));
        }
        query
    }

    /// The same with one parameter taken out, at the list's start.
    #[must_use]
    pub(crate) fn without(&self, key: &str) -> Self {
        let kept = self.0.iter().filter(|(name, _)| {
            name != key && (PAGING.contains(&key) || !PAGING.contains(&name.as_str()))
        });
        Self(kept.cloned().collect())
    }

    /// Only these parameters.
    #[must_use]
    pub(crate) fn only(&self, keys: &[&str]) -> Self {
        let kept = self
            .0
            .iter()
            .filter(|(name, _)| keys.contains(&name.as_str()));
        Self(kept.cloned().collect())
    }

    /// The address of a path with these parameters.
    pub(crate) fn at(&self, path: &str) -> String {
        if self.0.is_empty() {
            return path.to_owned();
        }
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(self.pairs())
            .finish();
        format!("{path}?{query}")
    }
}

/// An address whose path and parameters are text from outside.
///
/// ```ignore
/// href(&["traces", trace_id], &[("span", span_id)])
/// ```
pub(crate) fn href(segments: &[&str], parameters: &[(&str, &str)]) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        // `+` in a path is a plus, so a space has to be the other thing.
        path.extend(
            form_urlencoded::byte_serialize(segment.as_bytes())
                .map(|part| if part == "+" { "%20" } else { part }),
        );
    }
    if path.is_empty() {
        path.push('/');
    }
    let pairs = parameters.iter().filter(|(_, value)| !value.is_empty());
    Query(
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    )
    .at(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_filter_goes_back_to_the_start_and_keeps_the_rest() {
        let query = Query::parse("service=shop&q=a+b%26c&before=17&level=");
        assert_eq!(query.get("q"), Some("a b&c"));
        assert_eq!(query.get("level"), None);
        assert_eq!(
            query.with("since", "1h").at("/logs"),
            "/logs?service=shop&q=a+b%26c&since=1h"
        );
        assert_eq!(query.without("q").at("/logs"), "/logs?service=shop");
        assert_eq!(
            query.with("before", "9").at("/"),
            "/?service=shop&q=a+b%26c&before=9"
        );
        assert_eq!(
            query.with("after", "9").only(&["before", "after"]).at("/"),
            "/?after=9"
        );
        assert_eq!(Query::default().at("/"), "/");
    }

    #[test]
    fn text_from_outside_stays_within_its_part_of_an_address() {
        assert_eq!(
            href(
                &["metrics", "../a b?c#d\""],
                &[("service", "x&y=\"z"), ("none", "")]
            ),
            "/metrics/..%2Fa%20b%3Fc%23d%22?service=x%26y%3D%22z"
        );
    }
}
