use proptest::prelude::*;
use serde_json::json;

use super::{check_in::CheckInStatus, *};

const CHAINED: &[u8] = include_bytes!("fixtures/python_chained.envelope");
const JAVASCRIPT: &[u8] = include_bytes!("fixtures/javascript.envelope");
const STORE: &[u8] = include_bytes!("fixtures/store.json");
const ALL: [&[u8]; 10] = [
    CHAINED,
    JAVASCRIPT,
    include_bytes!("fixtures/python_message.envelope"),
    include_bytes!("fixtures/python_logging.envelope"),
    include_bytes!("fixtures/python_unhandled.envelope"),
    include_bytes!("fixtures/python_check_in.envelope"),
    include_bytes!("fixtures/python_logs.envelope"),
    include_bytes!("fixtures/throughline_error.envelope"),
    include_bytes!("fixtures/throughline_panic.envelope"),
    include_bytes!("fixtures/throughline_message.envelope"),
];

fn parsed(body: &[u8]) -> Envelope {
    parse_envelope(body, &Limits::default()).unwrap()
}

fn event(body: &[u8]) -> Event {
    parsed(body).events.remove(0)
}

fn of_json(event: &serde_json::Value) -> Event {
    Event::from_json(event.to_string().as_bytes(), &Limits::default()).unwrap()
}

#[test]
fn an_exception_of_python_comes_with_its_cause_and_where_it_was_raised() {
    let event = event(CHAINED);
    let kinds: Vec<_> = event
        .exceptions
        .iter()
        .map(|one| one.kind.as_deref())
        .collect();
    assert_eq!(kinds, [Some("KeyError"), Some("ValueError")]);
    let cause = event.exceptions[0].frames.last().unwrap();
    assert_eq!(cause.function.as_deref(), Some("charge"));
    assert_eq!(cause.lineno, Some(8));
    assert_eq!(cause.in_app, Some(true));
    assert_eq!(
        cause.context_line.as_deref(),
        Some("    return {\"4111\": 100}[card]")
    );
    assert_eq!(cause.pre_context.len(), 5);
    assert_eq!(
        event
            .outermost()
            .unwrap()
            .mechanism
            .as_ref()
            .unwrap()
            .handled,
        Some(true)
    );
    let crumb = event.breadcrumbs.last().unwrap();
    assert_eq!(crumb.message.as_deref(), Some("pressed pay"));
    assert_eq!(crumb.level, Some(Level::Info));
    assert_eq!(crumb.data["button"], "pay");
    assert_eq!(event.user.as_ref().unwrap().id.as_deref(), Some("ada"));
    assert_eq!(event.tags["shop.region"], "north");
    assert_eq!(event.contexts["cart"]["items"], 3);
    assert_eq!(event.release.as_deref(), Some("shop@1.4.2"));
    assert_eq!(
        event.trace_id.unwrap().to_string(),
        "1bb88ea74af944f9844107d17d6eee4e"
    );
    assert_eq!(event.span_id.unwrap().to_string(), "90a0cfc732ebbb86");
    assert_eq!(event.sdk.as_ref().unwrap().name, "sentry.python");
}

#[test]
fn a_record_of_pythons_logging_keeps_its_message_before_and_after_formatting() {
    let event = event(include_bytes!("fixtures/python_logging.envelope"));
    assert_eq!(event.message.as_deref(), Some("refund of order 42 failed"));
    assert_eq!(event.template.as_deref(), Some("refund of order %d failed"));
    assert_eq!(event.logger.as_deref(), Some("shop.payments"));
    assert_eq!(event.timestamp, Some(1_795_297_358_010_083_000));
}

#[test]
fn the_items_of_a_browsers_envelope_are_told_apart() {
    let envelope = parsed(JAVASCRIPT);
    let event = &envelope.events[0];
    assert_eq!(event.breadcrumbs.len(), 3);
    assert_eq!(event.breadcrumbs[1].data["status_code"], 200);
    let request = event.request.as_ref().unwrap();
    assert_eq!(request.url.as_deref(), Some("https://shop.example/cart"));
    assert_eq!(request.query.as_deref(), Some("page=2"));
    let user = event.user.as_ref().unwrap();
    assert_eq!(
        (user.id.as_deref(), user.ip_address.as_deref()),
        (Some("7"), None)
    );
    assert_eq!(event.tags.len(), 2);
    assert_eq!(event.tags["logged_in"], "true");
    let discarded = &envelope.client_reports[0].discarded;
    assert_eq!(discarded[1].category, "transaction");
    assert_eq!(discarded.iter().map(|one| one.quantity).sum::<u64>(), 33);
    let others: Vec<_> = envelope
        .others
        .iter()
        .map(|item| (&*item.kind, item.bytes))
        .collect();
    assert_eq!(others[0].0, "session");
    assert_eq!(others[1], ("attachment", 10));
    assert_eq!(envelope.unreadable, []);
}

#[test]
fn a_check_in_says_which_job_and_how_it_ended() {
    let envelope = parsed(include_bytes!("fixtures/python_check_in.envelope"));
    let check_in = &envelope.check_ins[0];
    assert_eq!(check_in.monitor_slug, "digest");
    assert_eq!(check_in.status, CheckInStatus::Error);
    assert_eq!(check_in.duration.unwrap().as_millis(), 1_500);
}

#[test]
fn a_batch_of_logs_counts_as_many() {
    let envelope = parsed(include_bytes!("fixtures/python_logs.envelope"));
    let logs = &envelope.others[0];
    assert_eq!((&*logs.kind, logs.count, logs.bytes), ("log", 2, 2_940));
}

#[test]
fn our_own_panic_ends_with_the_frame_that_panicked() {
    let event = event(include_bytes!("fixtures/throughline_panic.envelope"));
    assert_eq!(event.level, Level::Fatal);
    let own = event
        .frames()
        .iter()
        .rfind(|frame| frame.in_app == Some(true));
    assert!(own.unwrap().function.as_deref().unwrap().contains("refund"));
    assert_eq!(
        event
            .outermost()
            .unwrap()
            .mechanism
            .as_ref()
            .unwrap()
            .handled,
        Some(false)
    );
}

#[test]
fn an_old_clients_event_is_read_with_its_old_names() {
    let envelope = parse_store(STORE, &Limits::default()).unwrap();
    let event = &envelope.events[0];
    assert_eq!(event.event_id, "fc6d8c0c43fc4630ad850ee518f1b9d0");
    assert_eq!(envelope.event_id.as_deref(), Some(&*event.event_id));
    assert_eq!(event.level, Level::Error);
    assert_eq!(event.message.as_deref(), Some("refund of %s failed"));
    assert_eq!(event.stack.len(), 1);
    assert_eq!(event.frames()[0].module.as_deref(), Some("com.shop.Refund"));
    let request = event.request.as_ref().unwrap();
    assert_eq!(request.query.as_deref(), Some("order=42&by=a+b"));
    assert_eq!(request.headers.len(), 2);
    assert_eq!(request.remote_addr.as_deref(), Some("192.0.2.7"));
    assert_eq!(
        event.fingerprint.as_deref().unwrap(),
        ["{{ default }}", "42"]
    );
    assert_eq!(
        answer::taken(&envelope).body,
        r#"{"id":"fc6d8c0c43fc4630ad850ee518f1b9d0"}"#
    );
}

#[test]
fn an_event_is_the_same_after_it_was_written_and_read_again() {
    let store = parse_store(STORE, &Limits::default()).unwrap();
    let events = ALL.iter().flat_map(|body| parsed(body).events);
    let mut count = 0;
    for event in events.chain(store.events) {
        let written = serde_json::to_vec(&event).unwrap();
        assert_eq!(
            Event::from_json(&written, &Limits::default()).unwrap(),
            event
        );
        count += 1;
    }
    assert_eq!(count, 9);
}

#[test]
fn lists_come_bare_or_as_values_and_alone() {
    let one = json!({"type": "E", "value": "v"});
    for exception in [json!([one]), json!({"values": [one, null]}), one.clone()] {
        let event = of_json(&json!({ "exception": exception }));
        assert_eq!(event.exceptions.len(), 1, "{exception}");
        assert_eq!(event.exceptions[0].value.as_deref(), Some("v"));
    }
}

#[test]
fn a_field_of_another_shape_is_left_out_and_the_event_stays() {
    let names = serde_json::to_value(Event::default()).unwrap();
    for name in names.as_object().unwrap().keys() {
        for nonsense in [
            json!(null),
            json!(7),
            json!("x"),
            json!([[1]]),
            json!({"values": {}}),
        ] {
            let mut fields = json!({ "message": "kept", "level": "info" });
            if name != "message" && name != "level" && name != "logentry" {
                fields[name] = nonsense;
                assert_eq!(of_json(&fields).message.as_deref(), Some("kept"), "{name}");
            }
        }
    }
}

#[test]
fn what_is_kept_of_an_event_is_bounded() {
    let frames: Vec<_> = (0..900)
        .map(|line| json!({"function": "f", "lineno": line}))
        .collect();
    let crumbs: Vec<_> = (0..900)
        .map(|n| json!({ "message": n.to_string() }))
        .collect();
    let event = of_json(&json!({
        "message": "ä".repeat(1_000_000),
        "exception": [{"type": "E", "stacktrace": {"frames": frames}}],
        "breadcrumbs": crumbs,
        "request": {"headers": {"Accept": vec!["text/html"; 900]}},
        "extra": (0..5_000).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>(),
    }));
    let message = event.message.unwrap();
    assert!(message.len() <= 16 * 1024 + CUT.len() && message.ends_with(CUT));
    let lines: Vec<_> = event.exceptions[0]
        .frames
        .iter()
        .map(|one| one.lineno)
        .collect();
    assert_eq!(lines.len(), 250);
    assert_eq!((lines[0], lines[249]), (Some(0), Some(899)));
    assert_eq!(event.breadcrumbs.len(), 100);
    assert_eq!(event.breadcrumbs[99].message.as_deref(), Some("899"));
    assert_eq!(event.extra.len(), 1_000);
    assert!(event.request.unwrap().headers[0].1.ends_with(CUT));
}

#[test]
fn of_a_long_list_the_beginning_and_the_end_stay() {
    let list: Vec<u32> = (0..3_000).collect();
    let event = of_json(&json!({ "extra": { "list": list } }));
    let kept = event.extra["list"].as_array().unwrap();
    assert_eq!(kept.len(), 1_000);
    assert_eq!((&kept[499], &kept[500]), (&json!(499), &json!(2_500)));
}

#[test]
fn nothing_is_too_deep_or_too_many() {
    let deep = format!(
        "{{\"message\":\"m\",\"extra\":{{\"a\":{}1{}}}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let limits = Limits::default();
    let event = Event::from_json(deep.as_bytes(), &limits).unwrap();
    assert_eq!(event.message.as_deref(), Some("m"));
    assert!(serde_json::to_string(&event).unwrap().len() < 1_000);
    let zeros = "0,".repeat(900);
    let lists: Vec<String> = (0..400).map(|n| format!("\"{n}\":[{zeros}0]")).collect();
    let wide = format!("{{{}}}", lists.join(","));
    let few = Limits {
        values: 1_000,
        ..limits
    };
    assert!(json::read(wide.as_bytes(), &few).unwrap().to_string().len() < 10_000);
}

#[test]
fn a_frame_that_does_not_add_up_is_refused() {
    let refused = |body: &str| parse_envelope(body.as_bytes(), &Limits::default()).unwrap_err();
    assert_eq!(refused(" \n"), EnvelopeError::Empty);
    assert!(matches!(refused("no"), EnvelopeError::Header { .. }));
    assert!(matches!(refused("[]"), EnvelopeError::Header { .. }));
    assert!(matches!(
        refused("{}\nno"),
        EnvelopeError::ItemHeader { item: 1, .. }
    ));
    assert_eq!(refused("{}\n{}\n"), EnvelopeError::NoType { item: 1 });
    assert_eq!(
        refused("{}\n{\"type\":\"a\",\"length\":-1}\n"),
        EnvelopeError::Length { item: 1 }
    );
    let too_short = EnvelopeError::TooShort {
        item: 1,
        announced: 9,
        left: 2,
    };
    assert_eq!(refused("{}\n{\"type\":\"a\",\"length\":9}\nab"), too_short);
    let early = refused("{}\n{\"type\":\"a\",\"length\":1}\nab\n");
    assert_eq!(early, EnvelopeError::NotTerminated { item: 1 });
    assert_eq!(answer::refused(&early).status, 400);
    let small = Limits {
        body_bytes: 10,
        items: 2,
        ..Limits::default()
    };
    let large = parse_envelope(CHAINED, &small).unwrap_err();
    assert_eq!(answer::refused(&large).status, 413);
    let many = format!("{{}}{}", "\n{\"type\":\"a\"}\n".repeat(3));
    let few = Limits {
        items: 2,
        ..Limits::default()
    };
    assert!(
        parse_envelope(many.as_bytes(), &few)
            .unwrap_err()
            .is_too_large()
    );
}

#[test]
fn empty_payloads_and_envelopes_are_taken() {
    assert_eq!(parsed(b"{}"), Envelope::default());
    let two = parsed(
        b"{}\n{\"type\":\"attachment\",\"length\":0}\n\n{\"type\":\"attachment\",\"length\":0}\n",
    );
    assert_eq!(two.others.len(), 2);
}

#[test]
fn an_unreadable_event_is_told_and_the_rest_taken() {
    let alone = parsed(b"{}\n{\"type\":\"event\"}\n{\"message\"\n");
    assert_eq!(alone.unreadable[0].kind, "event");
    assert_eq!(answer::taken(&alone).status, 400);
    let beside = parsed(b"{}\n{\"type\":\"event\"}\nno\n{\"type\":\"event\"}\n{}\n");
    assert_eq!((beside.unreadable.len(), beside.events.len()), (1, 1));
    assert_eq!(answer::taken(&beside).status, 200);
}

#[test]
fn an_event_without_an_id_has_the_same_each_time() {
    let body = b"{}\n{\"type\":\"event\"}\n{\"message\":\"m\"}\n";
    let id = parsed(body).event_id.unwrap();
    assert_eq!(id.len(), 32);
    assert_eq!(parsed(body).events[0].event_id, id);
    let known = "9ec79c33ec9942ab8353589fcb2e04dc";
    let headed =
        format!("{{\"event_id\":\"{known}\"}}\n{{\"type\":\"event\"}}\n{{\"message\":\"m\"}}");
    assert_eq!(parsed(headed.as_bytes()).events[0].event_id, known);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse_envelope(&body, &Limits::default());
        let _ = parse_store(&body, &Limits::default());
    }

    #[test]
    fn no_change_to_a_real_envelope_makes_it_panic_or_read_otherwise_again(
        which in 0..ALL.len(),
        place in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 0..6),
        cut in 0_usize..6,
    ) {
        let mut body = ALL[which].to_vec();
        let start = place.index(body.len());
        let end = (start + cut).min(body.len());
        body.splice(start..end, bytes);
        if let Ok(envelope) = parse_envelope(&body, &Limits::default()) {
            for event in envelope.events {
                let written = serde_json::to_vec(&event).unwrap();
                prop_assert_eq!(Event::from_json(&written, &Limits::default()).unwrap(), event);
            }
        }
    }

    #[test]
    fn a_text_is_cut_once_and_at_a_border(text in "\\PC{0,60}", bytes in 0_usize..40) {
        let once = json::cut(text.clone(), bytes);
        prop_assert!(once == text || once.ends_with(CUT));
        prop_assert_eq!(json::cut(once.clone(), bytes), once);
    }
}
