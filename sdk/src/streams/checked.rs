//! What the macros of the streams ask at compile time: whether an event is one of its stream,
//! and whether it has what the conventions want of it.

use tracing::Level;

use crate::conventions::{EVENTS, EventName, Requirement, STREAMS, Stream};

/// How bad a security event is, as `event.severity` has it.
///
/// ```
/// use throughline::streams::Severity;
///
/// assert_eq!(Severity::High.as_str(), "high");
/// assert!(Severity::Critical > Severity::High);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing later; an INFO record.
    Low,
    /// Worth a look; a WARN record.
    Medium,
    /// Something is wrong; an ERROR record, and so an issue in Sentry and a failed span.
    High,
    /// Somebody has to get up; as [`High`](Self::High), and FATAL by OTLP.
    Critical,
}

impl Severity {
    /// The value of `event.severity`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    const fn parse(text: &str) -> Option<Self> {
        const ALL: [Severity; 4] = [
            Severity::Low,
            Severity::Medium,
            Severity::High,
            Severity::Critical,
        ];
        let mut at = 0;
        while at < ALL.len() {
            if same(ALL[at].as_str(), text) {
                return Some(ALL[at]);
            }
            at += 1;
        }
        None
    }

    const fn level(self) -> Level {
        match self {
            Self::Low => Level::INFO,
            Self::Medium => Level::WARN,
            Self::High | Self::Critical => Level::ERROR,
        }
    }
}

/// The level of an event: its severity's where it has one, else the convention's.
///
/// # Panics
/// At compile time, where the event is not as the conventions have it; the message says what
/// is wrong.
#[doc(hidden)]
pub const fn level(stream: &str, event: &str, fields: &[&str], severity: Option<&str>) -> Level {
    if let Some(problem) = problem(stream, event, fields, severity) {
        panic!("{}", problem.as_str());
    }
    if let Some(text) = severity
        && let Some(severity) = Severity::parse(text)
    {
        return severity.level();
    }
    match known(event) {
        Some(event) => event.level,
        None => Level::INFO,
    }
}

/// What is wrong with an event of a stream; `None` where nothing is.
const fn problem(
    stream: &str,
    event: &str,
    fields: &[&str],
    severity: Option<&str>,
) -> Option<Problem> {
    let Some(of) = stream_of(stream) else {
        return Some(Problem::new().quoted(stream).text(" is no stream"));
    };
    let known = known(event);
    match known {
        Some(other) if !same(other.category, stream) => {
            return Some(
                Problem::new()
                    .quoted(event)
                    .text(" is an event of the stream ")
                    .quoted(other.category)
                    .text(", not of ")
                    .quoted(stream),
            );
        }
        None if !of.free => return Some(no_event_of(stream, event)),
        None if !is_well_formed(event) => {
            return Some(
                Problem::new()
                    .quoted(event)
                    .text(" is no name for an event; expected lower-case words with dots between, such as `order.returned`"),
            );
        }
        _ => {}
    }
    if let Some(missing) = missing(of.requires, fields) {
        return Some(lacks(event, missing));
    }
    if let Some(known) = known
        && let Some(missing) = missing(known.requires, fields)
    {
        return Some(lacks(event, missing));
    }
    if let Some(text) = severity
        && Severity::parse(text).is_none()
    {
        return Some(
            Problem::new()
                .text("`event.severity` is ")
                .quoted(text)
                .text("; expected `low`, `medium`, `high` or `critical`"),
        );
    }
    None
}

const fn no_event_of(stream: &str, event: &str) -> Problem {
    let mut problem = Problem::new()
        .quoted(event)
        .text(" is no event of the stream ")
        .quoted(stream)
        .text("; its events are ");
    let (mut at, mut first) = (0, true);
    while at < EVENTS.len() {
        if same(EVENTS[at].category, stream) {
            if !first {
                problem = problem.text(", ");
            }
            problem = problem.quoted(EVENTS[at].name);
            first = false;
        }
        at += 1;
    }
    problem
}

const fn lacks(event: &str, missing: Requirement) -> Problem {
    let mut problem = Problem::new().quoted(event).text(" lacks the field ");
    let mut at = 0;
    while at < missing.len() {
        if at > 0 {
            problem = problem.text(" or ");
        }
        problem = problem.quoted(missing[at]);
        at += 1;
    }
    problem
}

const fn missing(requires: &[Requirement], fields: &[&str]) -> Option<Requirement> {
    let mut at = 0;
    while at < requires.len() {
        let (mut name, mut met) = (0, false);
        while name < requires[at].len() {
            met = met || has(fields, requires[at][name]);
            name += 1;
        }
        if !met {
            return Some(requires[at]);
        }
        at += 1;
    }
    None
}

const fn has(fields: &[&str], name: &str) -> bool {
    let mut at = 0;
    while at < fields.len() {
        if same(fields[at], name) {
            return true;
        }
        at += 1;
    }
    false
}

const fn known(event: &str) -> Option<&'static EventName> {
    let mut at = 0;
    while at < EVENTS.len() {
        if same(EVENTS[at].name, event) {
            return Some(&EVENTS[at]);
        }
        at += 1;
    }
    None
}

const fn stream_of(category: &str) -> Option<&'static Stream> {
    let mut at = 0;
    while at < STREAMS.len() {
        if same(STREAMS[at].category, category) {
            return Some(&STREAMS[at]);
        }
        at += 1;
    }
    None
}

/// Words of lower-case letters, digits and `_` with dots between, two at least, as the
/// semantic conventions have names.
const fn is_well_formed(name: &str) -> bool {
    let name = name.as_bytes();
    let (mut at, mut dots, mut begins) = (0, 0, true);
    while at < name.len() {
        match name[at] {
            b'a'..=b'z' => begins = false,
            b'0'..=b'9' | b'_' if !begins => {}
            b'.' if !begins => {
                dots += 1;
                begins = true;
            }
            _ => return false,
        }
        at += 1;
    }
    dots > 0 && !begins
}

/// Whether two names are the same. A compiler may put spaces between the tokens of a field's
/// name where it makes a text of them.
const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let (mut at, mut there) = (0, 0);
    loop {
        while at < one.len() && one[at] == b' ' {
            at += 1;
        }
        while there < other.len() && other[there] == b' ' {
            there += 1;
        }
        if at == one.len() || there == other.len() {
            return at == one.len() && there == other.len();
        }
        if one[at] != other[there] {
            return false;
        }
        at += 1;
        there += 1;
    }
}

/// A sentence, made where nothing can be allocated.
struct Problem {
    bytes: [u8; Self::ROOM],
    length: usize,
}

impl Problem {
    const ROOM: usize = 1024;

    const fn new() -> Self {
        Self {
            bytes: [0; Self::ROOM],
            length: 0,
        }
    }

    /// What finds no room is left out.
    const fn text(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        if self.length + text.len() > Self::ROOM {
            return self;
        }
        let mut at = 0;
        while at < text.len() {
            self.bytes[self.length] = text[at];
            self.length += 1;
            at += 1;
        }
        self
    }

    const fn quoted(self, text: &str) -> Self {
        self.text("`").text(text).text("`")
    }

    const fn as_str(&self) -> &str {
        let (text, _) = self.bytes.split_at(self.length);
        match std::str::from_utf8(text) {
            Ok(text) => text,
            // Whole texts alone are put together.
            Err(_) => "an event is not as the conventions have it",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stream: &str, event: &str, fields: &[&str], severity: Option<&str>) -> Option<String> {
        problem(stream, event, fields, severity).map(|problem| problem.as_str().to_owned())
    }

    const AUDIT: [&str; 5] = [
        "user.id",
        "audit.action",
        "audit.resource.type",
        "audit.resource.id",
        "audit.outcome",
    ];

    #[test]
    fn each_missing_field_is_named() {
        for left_out in 0..AUDIT.len() {
            let mut fields = AUDIT.to_vec();
            let name = fields.remove(left_out);
            let said = said("audit", "audit.updated", &fields, None).unwrap();
            assert!(
                said.starts_with("`audit.updated` lacks the field "),
                "{said}"
            );
            assert!(said.contains(&format!("`{name}`")), "{said}");
        }
        assert_eq!(said("audit", "audit.updated", &AUDIT, None), None);
        let system = AUDIT.map(|name| {
            if name == "user.id" {
                "audit.actor"
            } else {
                name
            }
        });
        assert_eq!(said("audit", "audit.updated", &system, None), None);
        assert_eq!(
            said("security", "auth.logout", &["user.id"], None).unwrap(),
            "`auth.logout` lacks the field `event.severity`"
        );
        assert_eq!(
            said("business", "order.status_changed", &["order.id"], None).unwrap(),
            "`order.status_changed` lacks the field `order.status`"
        );
    }

    #[test]
    fn a_name_is_one_of_its_streams() {
        let typo = said(
            "security",
            "auth.login.fialed",
            &["event.severity"],
            Some("low"),
        );
        let typo = typo.unwrap();
        assert!(typo.starts_with("`auth.login.fialed` is no event of the stream `security`"));
        for event in EVENTS.iter().filter(|event| event.category == "security") {
            assert!(typo.contains(event.name), "{typo}");
        }
        assert_eq!(
            said("analytics", "checkout.started", &[], None).unwrap(),
            "`checkout.started` is an event of the stream `business`, not of `analytics`"
        );
        assert_eq!(said("business", "order.returned", &[], None), None);
        for bad in [
            "",
            "returned",
            "Order.returned",
            "order..x",
            "order.",
            ".x",
            "order.1",
            "a b.c",
        ] {
            let said = said("business", bad, &[], None);
            assert!(
                said.is_some_and(|said| said.contains("is no name")),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_severity_is_one_of_four_and_decides_the_level() {
        let level = |severity| level("security", "auth.logout", &["event.severity"], severity);
        assert_eq!(level(Some("low")), Level::INFO);
        assert_eq!(level(Some("medium")), Level::WARN);
        assert_eq!(level(Some("high")), Level::ERROR);
        assert_eq!(level(Some("critical")), Level::ERROR);
        assert_eq!(
            said(
                "security",
                "auth.logout",
                &["event.severity"],
                Some("warning")
            )
            .unwrap(),
            "`event.severity` is `warning`; expected `low`, `medium`, `high` or `critical`"
        );
    }

    #[test]
    fn without_a_severity_the_convention_has_the_level() {
        let of = |stream, event, fields: &[&str]| super::level(stream, event, fields, None);
        assert_eq!(of("performance", "request.slow", &[]), Level::WARN);
        assert_eq!(
            of("business", "checkout.failed", &["error.type"]),
            Level::WARN
        );
        assert_eq!(of("business", "order.returned", &[]), Level::INFO);
    }

    #[test]
    fn spaces_that_a_compiler_puts_in_do_not_matter() {
        assert!(same("event . severity", "event.severity"));
        assert!(!same("event.severity", "event.severit"));
        assert!(!same("event", "event.severity"));
    }
}
