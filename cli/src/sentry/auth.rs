//! Who says that they sent it. Nothing is checked on a laptop; the page shows it.

use url::form_urlencoded;

/// What stands in `X-Sentry-Auth`, or in the query where a browser sends no header.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Auth {
    /// The public key of the DSN.
    pub(crate) key: Option<String>,
    /// The SDK's name and version: `sentry.python/2.75.0`.
    pub(crate) client: Option<String>,
    pub(crate) version: Option<String>,
}

impl Auth {
    /// What the header says, and where it says nothing, the query.
    pub(crate) fn of(header: Option<&str>, query: Option<&str>) -> Self {
        let mut auth = Self::default();
        let header = header.unwrap_or_default().trim();
        let header = match header.split_at_checked(7) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("sentry ") => rest,
            _ => header,
        };
        for pair in header.split(',') {
            if let Some((name, value)) = pair.split_once('=') {
                auth.set(name.trim(), value.trim());
            }
        }
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            auth.set(&name, &value);
        }
        auth
    }

    fn set(&mut self, name: &str, value: &str) {
        let place = match name {
            "sentry_key" => &mut self.key,
            "sentry_client" => &mut self.client,
            "sentry_version" => &mut self.version,
            _ => return,
        };
        if place.is_none() && !value.is_empty() {
            *place = Some(value.chars().take(200).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sdk_names_itself_in_the_header_or_in_the_query() {
        let header =
            "Sentry sentry_key=throughline, sentry_version=7, sentry_client=sentry.python/2.75.0";
        let expected = Auth {
            key: Some("throughline".to_owned()),
            client: Some("sentry.python/2.75.0".to_owned()),
            version: Some("7".to_owned()),
        };
        assert_eq!(Auth::of(Some(header), None), expected);
        let query = "sentry_version=7&sentry_key=throughline&sentry_client=sentry.python%2F2.75.0";
        assert_eq!(Auth::of(None, Some(query)), expected);
        assert_eq!(Auth::of(Some(header), Some("sentry_key=other")), expected);
        assert_eq!(
            Auth::of(Some("Bearer €€€"), Some("%%%=&&")),
            Auth::default()
        );
    }
}
