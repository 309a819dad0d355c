//! What the rules do together; the keys' and the cards' own tests are in their files.

use opentelemetry::StringValue;

use super::*;

mod properties;

const JWT: &str =
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";

fn redactor() -> Redactor {
    Redaction::default().redactor().unwrap()
}

#[track_caller]
fn assert_redacted(cases: &[(&str, &str)]) {
    let redactor = redactor();
    for (text, expected) in cases {
        assert_eq!(redactor.text(text), *expected, "of {text}");
    }
}

#[test]
fn a_value_goes_with_its_secret_key_in_every_notation() {
    assert_redacted(&[
        ("password=hunter2", "password=[redacted]"),
        ("password = hunter2 now", "password = [redacted] now"),
        ("password: hunter2", "password: [redacted]"),
        ("PASSWORD:hunter2;", "PASSWORD:[redacted];"),
        ("api key: abc def", "api key: [redacted] def"),
        ("the API key: abc", "the API key: [redacted]"),
        (
            "/cb?code=1&token=abc&page=2",
            "/cb?code=1&token=[redacted]&page=2",
        ),
        ("/cb?token=abc#top", "/cb?token=[redacted]"),
        (
            r#"{"user":"a","password":"x, \"y\" z","n":1}"#,
            r#"{"user":"a","password":"[redacted]","n":1}"#,
        ),
        (r#"{"password" : "x"}"#, r#"{"password" : "[redacted]"}"#),
        (
            r#"{"pin":1,"cvv":123,"n":1}"#,
            r#"{"pin":1,"cvv":[redacted],"n":1}"#,
        ),
        (
            r#""{\"password\":\"a\\\"b\",\"n\":1}""#,
            r#""{\"password\":\"[redacted]\",\"n\":1}""#,
        ),
        (
            r#"Login { user: "a", password: "hun\"ter", n: 1 }"#,
            r#"Login { user: "a", password: "[redacted]", n: 1 }"#,
        ),
        (
            r#"Login { token: Some("a b"), n: 1 }"#,
            r#"Login { token: Some("[redacted]"), n: 1 }"#,
        ),
        (
            r#"Login { token: Some(Secret("a b")), n: 1 }"#,
            r#"Login { token: Some(Secret("[redacted]")), n: 1 }"#,
        ),
        (r#"secret: b"a b""#, r#"secret: b"[redacted]""#),
        ("password: ['a', 'b'], n: 1", "password: [redacted], n: 1"),
        ("{'password': 'x'}", "{'password': '[redacted]'}"),
        (
            "card_number: 4111 1111 1111 1111, n=1",
            "card_number: [redacted], n=1",
        ),
        ("key: -----BEGIN PRIVATE KEY-----\nMII", "key: [redacted]"),
        (
            "secret: -----BEGIN PRIVATE KEY-----\nMII",
            "secret: [redacted]",
        ),
        ("token: Bearer abc", "token: [redacted]"),
        ("password: token: abc", "password: [redacted]: [redacted]"),
        (r#"{:password=>"x"}"#, r#"{:password=>"[redacted]"}"#),
        ("password := x", "password := [redacted]"),
        (
            "host=db password=p,w;d user=app",
            "host=db password=[redacted] user=app",
        ),
        ("password=p;host=db", "password=[redacted];host=db"),
        ("call(password=p, n=1)", "call(password=[redacted], n=1)"),
        ("user[password]=x&n=1", "user[password]=[redacted]&n=1"),
        (
            "<password>x y</password>",
            "<password>[redacted]</password>",
        ),
        (
            "AccountName=a;AccountKey=ab+/c==;Suffix=x",
            "AccountName=a;AccountKey=[redacted];Suffix=x",
        ),
        (
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "aws_secret_access_key = [redacted]",
        ),
        ("password=\"cut off and more", "password=\"[redacted]"),
        ("password=päss wörd", "password=[redacted] wörd"),
    ]);
}

#[test]
fn a_header_loses_its_whole_line() {
    assert_redacted(&[
        (
            "GET / HTTP/1.1\r\nAuthorization: Digest a=\"b\", c=d\r\nHost: x",
            "GET / HTTP/1.1\r\nAuthorization: [redacted]\r\nHost: x",
        ),
        (
            "Cookie: a=1; sid=\"x y\"; c=2\nHost: x",
            "Cookie: [redacted]\nHost: x",
        ),
        (
            r"Cookie: a=1; b=2\r\nHost: x",
            r"Cookie: [redacted]\r\nHost: x",
        ),
        ("set-cookie: sid=1; Path=/", "set-cookie: [redacted]"),
        (
            "curl -H 'Authorization: Token abc' http://x",
            "curl -H 'Authorization: [redacted]' http://x",
        ),
        (
            r#"{"cookie": "a=1; b=2", "host": "x"}"#,
            r#"{"cookie": "[redacted]", "host": "x"}"#,
        ),
        (
            "authorization=Bearer abc n=1",
            "authorization=[redacted] n=1",
        ),
        ("cookie=a=1; b=2 n=1", "cookie=[redacted] n=1"),
    ]);
}

#[test]
fn credentials_are_found_by_their_form() {
    assert_redacted(&[
        (&format!("got {JWT}."), "got [redacted]."),
        (&format!("x{JWT}"), "x[redacted]"),
        ("sent Bearer abc123.def", "sent Bearer [redacted]"),
        ("sent bearer aBcDeF", "sent bearer [redacted]"),
        (
            "sent Basic dXNlcjpodW50ZXIy, ok",
            "sent Basic [redacted], ok",
        ),
        (
            "at postgres://app:hunter2@db:5432/shop",
            "at postgres://[redacted]@db:5432/shop",
        ),
        (
            "at postgres://app:hun/t#er?2@db/shop",
            "at postgres://[redacted]@db/shop",
        ),
        (
            "at postgres://app:hun@ter2@db/shop",
            "at postgres://[redacted]@db/shop",
        ),
        ("at redis://:hunter2@cache", "at redis://[redacted]@cache"),
        (
            "at https://0123456789abcdef@sentry.example/7",
            "at https://[redacted]@sentry.example/7",
        ),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nok",
            "[redacted]\nok",
        ),
        (
            r"k='-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----' ok",
            r"k='[redacted]' ok",
        ),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\ncut off", "[redacted]"),
        (
            "paid with 4111 1111 1111 1111 today",
            "paid with [redacted] today",
        ),
        ("key AKIAIOSFODNN7EXAMPLE used", "key [redacted] used"),
        (
            "key AIzaSyA1234567890abcdefghijklmnopqrstuv used",
            "key [redacted] used",
        ),
        (
            "pushed by ghp_0123456789abcdefghijABCDEFGHIJ012345",
            "pushed by [redacted]",
        ),
        (
            "pushed by github_pat_11ABCDEFG0123456789_abcdefghij",
            "pushed by [redacted]",
        ),
        (
            "posted by xoxb-123456789012-abcdefABCDEF",
            "posted by [redacted]",
        ),
        (
            "paid by sk_live_0123456789abcdef, ok",
            "paid by [redacted], ok",
        ),
        (
            "asked by sk-proj-0123456789abcdefABCDEF",
            "asked by [redacted]",
        ),
        (
            "sent by 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.",
            "sent by [redacted].",
        ),
        (
            "two: 4111111111111111 4111111111111111",
            "two: [redacted] [redacted]",
        ),
    ]);
}

/// A look-alike that is lost costs an hour of somebody's night.
const LOOK_ALIKES: [&str; 58] = [
    "",
    "order 1234567890123456 placed",
    "order 4111-22 of 2024",
    "550e8400-e29b-41d4-a716-446655440000",
    "0190163d-8694-739b-aea5-966c26f8ad90",
    "at 1700000000000, 1700000000000006 and 1700000000000000006",
    "2024-11-12T10:20:30.123456Z",
    "took 0.4111111111111111 s",
    "from 192.168.100.200:8080 and [2001:db8::1]:443",
    "trace 4bf92f3577b34da6a3ce929d0e0e4736 span 00f067aa0ba902b7",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "version 1.2.3-rc.4+build.5",
    "token_count=7 session_count=3 tokens=12 session.id=abc session_id=abc",
    "gen_ai.token.type=input trace_id=abc request.id=r-7",
    "invalid token: expected `,` or `}` at line 1 column 7",
    "error in cookie: permission denied",
    "authorization: failed for user 7",
    "secret: not found",
    "password: required",
    "token::parse and session::Session",
    "password=",
    "password=&user=a",
    "password= user=a",
    "\"password\":\"\"",
    "\"password\":null,\"token\":true",
    "{\"password\":{}}",
    "the password is wrong",
    "the bearer of bad news",
    "Bearer realm=\"example\"",
    "bearer authentication failed",
    "Basic authentication is off",
    "basic understanding: 7 of 8",
    "http://localhost:4318/v1/traces",
    "https://example.com/@someone?x=a@b.c",
    "ssh://git@github.com/a/b",
    "git@github.com:a/b",
    "http://[::1]:8080/",
    "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----",
    "--------------------",
    "task-0123456789abcdefghij",
    "sk-learn-something-long-and-fine",
    "risk-1234567890abcdefghijklmno",
    "ASIA and AKIA are prefixes",
    "eyJ is how one begins",
    "eyJhbGciOiJIUzI1NiJ9 alone",
    "file.rs:123:45: a = b",
    "name@example.com wrote",
    "a&b=c;d",
    "GET /orders/7?page=2&sort=-date HTTP/1.1",
    "shop::cart::Cart { items: [1, 2], total: 9.5 }",
    "äöü: ß = €",
    "key=value foo=bar",
    "public_key=abc",
    "sessions: 7",
    "author: someone",
    "\u{1f600}=\u{1f600}:\u{1f600}",
    "process 4711 exited with 0",
];

#[test]
fn a_password_with_a_slash_ends_at_the_last_sign_before_the_host() {
    let password = format!("{}@{}", "a".repeat(100), "b".repeat(300));
    let text = format!("at postgres://app:p/{password}@db/shop");
    let once = redactor().text(&text).into_owned();
    assert_eq!(once, "at postgres://[redacted]@db/shop");
}

#[test]
fn look_alikes_stay_and_cost_no_allocation() {
    let redactor = redactor();
    for text in LOOK_ALIKES {
        assert_eq!(redactor.text(text), text);
        assert!(matches!(redactor.text(text), Cow::Borrowed(_)), "{text}");
    }
}

#[test]
fn addresses_are_replaced_only_where_that_was_asked_for() {
    let text = "a.b+c@mail.example.com from 10.0.0.7:80, 2001:db8::1 and ::1. At 10:20:30, v1.2.3.4.5, a::b, @x";
    assert_eq!(redactor().text(text), text);
    let strict = Redaction::default().emails(true).ip_addresses(true);
    assert_eq!(
        strict.redactor().unwrap().text(text),
        "[redacted] from [redacted]:80, [redacted] and [redacted]. At 10:20:30, v1.2.3.4.5, a::b, @x"
    );
}

#[test]
fn a_service_adds_and_exempts_keys_and_adds_patterns() {
    let redactor = Redaction::default()
        .key("iban")
        .exempt("reset.token")
        .value(r"\bCUST-\d{6}\b")
        .redactor()
        .unwrap();
    assert_eq!(redactor.value("customerIban", "DE02"), REPLACEMENT);
    assert_eq!(redactor.value("reset.token", "7"), "7");
    assert_eq!(
        redactor.value("note", "iban=DE02 of CUST-123456, password=x"),
        "iban=[redacted] of [redacted], password=[redacted]"
    );
}

#[test]
fn a_pattern_that_cannot_be_used_is_an_error_that_shows_it() {
    for bad in ["(", "x*"] {
        let said = Redaction::default()
            .value(bad)
            .redactor()
            .unwrap_err()
            .to_string();
        assert!(said.contains(bad) && said.contains("redact"), "{said}");
    }
}

#[test]
fn attributes_of_every_type_are_looked_at() {
    let redactor = redactor();
    let secret = [
        KeyValue::new("password", 7),
        KeyValue::new("token", 7.5),
        KeyValue::new(
            "http.request.header.cookie",
            Value::Array(vec![StringValue::from("a")].into()),
        ),
        KeyValue::new("card", 4_111_111_111_111_111_i64),
        KeyValue::new("note", "4111111111111111"),
    ];
    for mut attribute in secret {
        redactor.attribute(&mut attribute);
        assert_eq!(
            attribute.value,
            Value::from(REPLACEMENT),
            "{}",
            attribute.key
        );
    }
    let mut list = KeyValue::new(
        "args",
        Value::Array(vec![StringValue::from("-v"), "--token=x".into()].into()),
    );
    redactor.attribute(&mut list);
    assert_eq!(list.value.to_string(), r#"["-v","--token=[redacted]"]"#);
    for same in [
        KeyValue::new("has_token", true),
        KeyValue::new("order.id", 1_700_000_000_000_000_006_i64),
        KeyValue::new("session.id", "s-7"),
        KeyValue::new("ratio", 0.5),
    ] {
        let mut attribute = same.clone();
        redactor.attribute(&mut attribute);
        assert_eq!(attribute, same);
    }
}
