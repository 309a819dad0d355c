//! What the server does not want for now. A client that goes on sending is refused anyway,
//! and makes an outage worse: <https://develop.sentry.dev/sdk/expected-features/rate-limiting/>.

use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, StatusCode, header};
use jiff::fmt::rfc2822;
use sentry_core::Envelope;
use sentry_core::client_report::{Reason, Recorder};
use sentry_core::protocol::{EnvelopeFilterCallbacks, EnvelopeItem, ItemContainer};

const LIMITS: &str = "x-sentry-rate-limits";

/// For a 429 that does not say how long.
const DEFAULT: Duration = Duration::from_secs(60);

/// Sentry has some twenty; no answer makes us remember more.
const MOST_CATEGORIES: usize = 64;

/// No answer silences errors for longer.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Default)]
pub(crate) struct RateLimits {
    /// For items of any category.
    all: Option<Instant>,
    categories: Vec<(String, Instant)>,
}

impl RateLimits {
    /// Takes in what an answer says. Sentry's own header may come with any status.
    pub(crate) fn learn(&mut self, status: StatusCode, headers: &HeaderMap, now: Instant) {
        let own: Vec<&str> = headers
            .get_all(LIMITS)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        if !own.is_empty() {
            for limit in own.iter().flat_map(|value| value.split(',')) {
                self.limit(limit.trim(), now);
            }
        } else if status == StatusCode::TOO_MANY_REQUESTS {
            let wait = headers
                .get(header::RETRY_AFTER)
                .and_then(|value| retry_after(value.to_str().ok()?))
                .unwrap_or(DEFAULT);
            self.all = Some(now + wait.min(LONGEST));
        }
    }

    /// `seconds:category;category:scope:…`; without a category it holds for all.
    fn limit(&mut self, limit: &str, now: Instant) {
        let mut parts = limit.split(':');
        let Some(wait) = parts.next().and_then(seconds) else {
            return;
        };
        let until = now + wait.min(LONGEST);
        match parts.next() {
            None | Some("") => self.all = Some(until),
            Some(categories) => {
                for category in categories.split(';') {
                    self.categories
                        .retain(|(known, until)| known != category && *until > now);
                    if self.categories.len() < MOST_CATEGORIES {
                        self.categories.push((category.to_owned(), until));
                    }
                }
            }
        }
    }

    /// The envelope without what is limited; `None` where nothing is left of it. What goes
    /// is reported to the server with a later envelope.
    pub(super) fn admit(
        &self,
        envelope: Envelope,
        now: Instant,
        recorder: &Recorder,
    ) -> Option<Envelope> {
        if !self.any(now) {
            return Some(envelope);
        }
        let lost = |item: &EnvelopeItem| recorder.record_lost_data(item, Reason::RatelimitBackoff);
        let left = envelope.filter(EnvelopeFilterCallbacks::new(
            |item: &EnvelopeItem| !self.limited(item, now),
            |item| lost(&item),
        ))?;
        let report = |item: &EnvelopeItem| matches!(item, EnvelopeItem::ClientReport(_));
        if left.items().all(report) {
            // A report alone is not worth a request, and goes with the next envelope.
            left.items().for_each(lost);
            return None;
        }
        Some(left)
    }

    /// Whether it remembers no more, and for no longer, than it may.
    #[cfg(fuzzing)]
    pub(crate) fn is_bounded(&self, now: Instant) -> bool {
        let categories = self.categories.iter().map(|(_, until)| until);
        let mut until = self.all.iter().chain(categories);
        self.categories.len() <= MOST_CATEGORIES && until.all(|until| *until <= now + LONGEST)
    }

    fn any(&self, now: Instant) -> bool {
        let mut until = self
            .all
            .iter()
            .chain(self.categories.iter().map(|(_, until)| until));
        until.any(|until| *until > now)
    }

    fn limited(&self, item: &EnvelopeItem, now: Instant) -> bool {
        if self.all.is_some_and(|until| until > now) {
            return true;
        }
        let Some(category) = category(item) else {
            return false;
        };
        self.categories
            .iter()
            .any(|(known, until)| known == category && *until > now)
    }
}

/// The names are the protocol's data categories.
fn category(item: &EnvelopeItem) -> Option<&'static str> {
    Some(match item {
        EnvelopeItem::Event(_) => "error",
        EnvelopeItem::Transaction(_) => "transaction",
        EnvelopeItem::SessionUpdate(_) | EnvelopeItem::SessionAggregates(_) => "session",
        EnvelopeItem::Attachment(_) => "attachment",
        EnvelopeItem::MonitorCheckIn(_) => "monitor",
        EnvelopeItem::ItemContainer(ItemContainer::Logs(_)) => "log_item",
        EnvelopeItem::ItemContainer(ItemContainer::Metrics(_)) => "trace_metric",
        _ => return None,
    })
}

/// Seconds, or a date.
fn retry_after(value: &str) -> Option<Duration> {
    seconds(value).or_else(|| {
        let date = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
        let left = SystemTime::from(date).duration_since(SystemTime::now());
        // What has passed is no limit.
        Some(left.unwrap_or_default())
    })
}

/// Some servers send fractions.
fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.trim().parse::<f64>().ok()?;
    Duration::try_from_secs_f64(seconds.ceil()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use sentry_core::protocol::{Attachment, Event};

    fn limits(status: u16, headers: &[(&'static str, &str)], now: Instant) -> RateLimits {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let mut limits = RateLimits::default();
        limits.learn(StatusCode::from_u16(status).unwrap(), &map, now);
        limits
    }

    /// For how many seconds errors are held back.
    fn held(limits: &RateLimits, now: Instant) -> u64 {
        let event = EnvelopeItem::from(Event::default());
        (0..200_000)
            .find(|after| !limits.limited(&event, now + Duration::from_secs(*after)))
            .unwrap()
    }

    #[test]
    fn a_429_says_how_long_or_a_minute() {
        let now = Instant::now();
        for (headers, seconds) in [
            (vec![], 60),
            (vec![("retry-after", "5")], 5),
            (vec![("retry-after", "4.2")], 5),
            (vec![("retry-after", "later")], 60),
            (vec![("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], 0),
            (vec![("retry-after", "1e300")], 60),
            (vec![("retry-after", "99999999")], 86_400),
            (
                vec![
                    ("retry-after", "5"),
                    ("x-sentry-rate-limits", "7:error:key"),
                ],
                7,
            ),
        ] {
            let limits = limits(429, &headers, now);
            assert_eq!(held(&limits, now), seconds, "{headers:?}");
        }
        let elsewhere = limits(503, &[("retry-after", "5")], now);
        assert_eq!(held(&elsewhere, now), 0);
    }

    #[test]
    fn a_date_that_is_to_come_is_waited_for() {
        let date = jiff::Timestamp::try_from(SystemTime::now() + Duration::from_secs(30)).unwrap();
        let text = rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&date)
            .unwrap();
        let now = Instant::now();
        let limits = limits(429, &[("retry-after", &text)], now);
        assert!((28..=30).contains(&held(&limits, now)), "{text}");
    }

    #[test]
    fn the_own_header_limits_categories_with_any_status() {
        let now = Instant::now();
        for (header, seconds) in [
            ("10:error:organization", 10),
            (
                "10:transaction:key, 20:default;error:organization:quota",
                20,
            ),
            ("10::organization", 10),
            ("10", 10),
            ("10:transaction;session:key", 0),
            ("soon:error:key", 0),
            ("", 0),
        ] {
            let limits = limits(200, &[("x-sentry-rate-limits", header)], now);
            assert_eq!(held(&limits, now), seconds, "{header}");
        }
    }

    #[test]
    fn only_what_is_limited_goes_from_an_envelope() {
        let now = Instant::now();
        let mut envelope = Envelope::new();
        envelope.add_item(Event::default());
        envelope.add_item(Attachment::default());
        let kept = |header: &str, later: u64| {
            let limits = limits(200, &[("x-sentry-rate-limits", header)], now);
            let now = now + Duration::from_secs(later);
            limits
                .admit(envelope.clone(), now, &Recorder::default())
                .map_or(0, |left| left.items().count())
        };
        assert_eq!(kept("10:attachment:key", 0), 1);
        assert_eq!(kept("10:attachment:key", 10), 2);
        // What was attached to an event is nothing without it.
        assert_eq!(kept("10:error:key", 0), 0);
    }
}
