//! How much of what is ordinary is taken for an attack, and how much of what is one is found,
//! on the lists of `sdk/tests/corpus`. The bounds here are those that the documentation
//! states.

use http::{HeaderMap, HeaderValue, Uri, header};
use proptest::prelude::*;

use super::inspect::{Rules, inspect};
use super::kind::Attack;

const VALUES: &str = include_str!("../../../tests/corpus/ordinary_values.txt");
const TARGETS: &str = include_str!("../../../tests/corpus/ordinary_targets.txt");
const AGENTS: &str = include_str!("../../../tests/corpus/ordinary_user_agents.txt");
const ATTACK_VALUES: &str = include_str!("../../../tests/corpus/attack_values.txt");
const ATTACK_TARGETS: &str = include_str!("../../../tests/corpus/attack_targets.txt");
const ATTACK_AGENTS: &str = include_str!("../../../tests/corpus/attack_user_agents.txt");

/// The lines of a list; its comments begin with a sign and a space, or are the sign alone.
fn lines(list: &'static str) -> impl Iterator<Item = &'static str> {
    let is_comment = |line: &&str| *line == "#" || line.starts_with("# ");
    list.lines()
        .filter(move |line| !is_comment(line) || line.starts_with("# heading"))
}

fn attacks(list: &'static str) -> impl Iterator<Item = (Attack, &'static str)> {
    lines(list).map(|line| {
        let (kind, attack) = line.split_once(' ').unwrap();
        let name = format!("attack.{kind}");
        let kind = Attack::ALL.into_iter().find(|it| it.event_name() == name);
        (kind.unwrap_or_else(|| panic!("{line}")), attack)
    })
}

/// As a browser's form does, and as most libraries do.
fn encoded(value: &str, plus: bool) -> String {
    let mut encoded = String::new();
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            b' ' if plus => encoded.push('+'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn kinds(target: &str, agent: &str) -> Vec<Attack> {
    let uri: Uri = target
        .parse()
        .unwrap_or_else(|error| panic!("{target}: {error}"));
    let agent = HeaderValue::from_str(agent).unwrap();
    let headers = HeaderMap::from_iter([(header::USER_AGENT, agent)]);
    let found = inspect(&uri, &headers, &Rules::default());
    found.iter().map(|evidence| evidence.kind).collect()
}

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0";

/// What became of a list: how many there were, and which were judged wrongly.
struct Judged {
    all: usize,
    wrong: Vec<String>,
}

impl Judged {
    fn of(cases: impl Iterator<Item = (String, bool)>) -> Self {
        let mut judged = Self {
            all: 0,
            wrong: Vec::new(),
        };
        for (case, right) in cases {
            judged.all += 1;
            if !right {
                judged.wrong.push(case);
            }
        }
        judged
    }

    /// At most so many in a thousand are wrong.
    #[track_caller]
    fn within(&self, thousandths: usize) {
        let Self { all, wrong } = self;
        let number = wrong.len();
        println!("{number} of {all} are judged wrongly: {wrong:#?}");
        assert!(
            number * 1_000 <= all * thousandths,
            "{number} of {all}: {wrong:#?}"
        );
    }
}

#[test]
fn ordinary_values_are_seldom_taken_for_attacks() {
    let in_query = lines(VALUES).flat_map(|value| {
        [true, false].map(|plus| {
            (
                value,
                format!("/search?lang=en&q={}&page=2", encoded(value, plus)),
            )
        })
    });
    let in_path = lines(VALUES)
        .filter(|value| !value.contains('/'))
        .map(|value| (value, format!("/tags/{}", encoded(value, false))));
    let cases = in_query.chain(in_path).map(|(value, target)| {
        let kinds = kinds(&target, BROWSER);
        (format!("{value} in {target}: {kinds:?}"), kinds.is_empty())
    });
    Judged::of(cases).within(10);
}

#[test]
fn ordinary_targets_are_seldom_taken_for_attacks() {
    let cases = lines(TARGETS).map(|target| {
        let kinds = kinds(target, BROWSER);
        (format!("{target}: {kinds:?}"), kinds.is_empty())
    });
    Judged::of(cases).within(5);
}

#[test]
fn ordinary_user_agents_are_seldom_taken_for_bots() {
    let cases = lines(AGENTS).map(|agent| {
        let kinds = kinds("/", agent);
        (format!("{agent}: {kinds:?}"), kinds.is_empty())
    });
    Judged::of(cases).within(0);
}

#[test]
fn attacks_in_a_query_are_found() {
    for plus in [true, false] {
        let cases = attacks(ATTACK_VALUES).map(|(kind, value)| {
            let target = format!("/items?page=2&id={}", encoded(value, plus));
            let kinds = kinds(&target, BROWSER);
            (
                format!("{kind:?} {value}: {kinds:?}"),
                kinds.contains(&kind),
            )
        });
        Judged::of(cases).within(30);
    }
}

#[test]
fn attacks_that_were_encoded_twice_are_found() {
    let plain = attacks(ATTACK_VALUES).filter(|(_, value)| !value.contains('%'));
    let cases = plain.map(|(kind, value)| {
        let twice = encoded(&encoded(value, false), false);
        let kinds = kinds(&format!("/items?id={twice}"), BROWSER);
        (
            format!("{kind:?} {value}: {kinds:?}"),
            kinds.contains(&kind),
        )
    });
    Judged::of(cases).within(60);
}

#[test]
fn attacks_by_path_are_found() {
    let cases = attacks(ATTACK_TARGETS).map(|(kind, target)| {
        let kinds = kinds(target, BROWSER);
        (
            format!("{kind:?} {target}: {kinds:?}"),
            kinds.contains(&kind),
        )
    });
    Judged::of(cases).within(20);
}

#[test]
fn scanners_and_bots_are_found_by_what_they_call_themselves() {
    let cases = attacks(ATTACK_AGENTS).map(|(kind, agent)| {
        let kinds = kinds("/", agent);
        (
            format!("{kind:?} {agent}: {kinds:?}"),
            kinds.contains(&kind),
        )
    });
    Judged::of(cases).within(20);
}

#[test]
fn there_is_one_signal_of_a_kind_and_its_evidence_is_short_and_without_secrets() {
    let token = "hunter2".repeat(3);
    let long = "A".repeat(3_000);
    let target = format!(
        "/a?password={token}'+or+1=1--&next='+or+2=2--&x=<script>alert('{long}')</script>&api_key={token}<script>alert(1)"
    );
    let uri: Uri = target
        .replace('<', "%3C")
        .replace('>', "%3E")
        .parse()
        .unwrap();
    let found = inspect(&uri, &HeaderMap::new(), &Rules::default());
    let kinds: Vec<_> = found.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [Attack::SqlInjection, Attack::Xss]);
    assert_eq!(found[0].text, "[redacted]");
    assert_eq!(
        (found[0].location, found[0].rule.as_str()),
        ("query", "s&1c")
    );
    assert!(found[1].text.starts_with("<script>alert('AAA"), "{found:?}");
    assert!(found[1].text.len() <= 200, "{found:?}");
}

#[test]
fn evidence_is_one_line_whatever_was_encoded_in_it() {
    let uri = Uri::from_static("/a?file=../../etc/passwd%00%0Aforged:%20line%E2%80%AE");
    let found = inspect(&uri, &HeaderMap::new(), &Rules::default());
    assert_eq!(
        found[0].text,
        "../../etc/passwd\\u{0}\\nforged: line\\u{202e}"
    );
}

#[test]
fn what_a_service_has_is_no_scan() {
    let mut rules = Rules::default();
    rules.served.push("/cgi-bin/".to_owned());
    let found = |path: &str| inspect(&path.parse().unwrap(), &HeaderMap::new(), &rules).len();
    assert_eq!(found("/cgi-bin/status"), 0);
    assert_eq!(found("/wp-login.php"), 1);
}

fn hostile() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "'",
        "\"",
        "%27",
        "%2527",
        "%00",
        "%",
        "%%",
        "../",
        "..%2f",
        "<script",
        "%3C",
        "(",
        ")",
        "select",
        "+union+",
        "/*",
        "*/",
        "--",
        ";",
        "=",
        "&",
        "a",
        "1",
        "%E6%9D",
        "%ff",
        "`",
        "$%7Bjndi:",
        "x'or",
        "0x",
        "@@",
        "q'[",
        "n'",
        "\\",
        "{",
        "}",
        "e1",
        ".",
        ",",
    ]);
    prop::collection::vec(parts, 0..400).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_request_makes_it_panic(text in hostile(), agent in prop::collection::vec(0x20u8..=0xff, 0..200)) {
        let escaped: String = text
            .chars()
            .map(|letter| match letter {
                '"' | '<' | '>' | '`' | '\\' | '{' | '}' => format!("%{:02X}", letter as u32),
                other => other.to_string(),
            })
            .collect();
        let mut headers = HeaderMap::new();
        if let Ok(agent) = HeaderValue::from_bytes(&agent) {
            headers.insert(header::USER_AGENT, agent.clone());
            headers.insert(header::REFERER, agent);
        }
        for target in [format!("/{escaped}"), format!("/x?{escaped}"), format!("/x?q={escaped}")] {
            if let Ok(uri) = target.parse::<Uri>() {
                let found = inspect(&uri, &headers, &Rules::default());
                prop_assert!(found.len() <= 5);
            }
        }
    }

    #[test]
    fn no_bytes_make_the_rules_panic(text in prop::collection::vec(any::<u8>(), 0..2_000)) {
        // A panic within would be caught, and the signal lost: the library is asked itself.
        let _ = libinjectionrs::detect_sqli(&text);
        let _ = libinjectionrs::detect_xss(&text);
        let _ = super::scanner::of_path(&text);
        let _ = super::traversal::of_path(&text, &text);
        let _ = super::traversal::of_value(&text);
    }
}
