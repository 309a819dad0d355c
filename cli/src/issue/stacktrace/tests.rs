use proptest::prelude::*;

use super::*;

fn frame_of(chain: &[Exception], exception: usize, frame: usize) -> (&str, u64, bool) {
    let frame: &Frame = &chain[exception].frames[frame];
    let function = frame.function.as_deref().unwrap_or_default();
    (
        function,
        frame.lineno.unwrap_or_default(),
        frame.in_app.unwrap(),
    )
}

#[test]
fn a_rust_error_with_causes_and_a_backtrace_is_a_chain() {
    let chain = parse("payment failed\n\nCaused by:\n    0: card declined\n    1: limit reached\n\n   3: core::option::expect_failed\n             at /rustc/1/library/core/src/option.rs:2:5\n   4: shop::pay::h0123456789abcdef\n             at ./src/pay.rs:7:9\n   5: <alloc::boxed::Box<F> as core::ops::FnOnce>::call_once").unwrap();
    let values: Vec<_> = chain
        .iter()
        .map(|one| one.value.as_deref().unwrap())
        .collect();
    assert_eq!(values, ["limit reached", "card declined", "payment failed"]);
    assert_eq!(frame_of(&chain, 2, 1), ("shop::pay", 7, true));
    assert_eq!(
        frame_of(&chain, 2, 2),
        ("core::option::expect_failed", 2, false)
    );
    assert!(!frame_of(&chain, 2, 0).2);
    assert_eq!(chain[2].frames[1].colno, Some(9));
    assert_eq!(chain[2].frames[1].filename.as_deref(), Some("./src/pay.rs"));
}

#[test]
fn an_inlined_function_is_the_services_where_its_source_is() {
    let chain = parse("boom\n   1: core::panicking::panic\n             at /rustc/1/library/core/src/panicking.rs:1:5\n   2: {async_fn#0}\n             at /srv/shop/src/reviews.rs:67:18\n   3: {closure#0}<axum::Router, axum_core::Body>\n             at /srv/throughline/src/future.rs:68:50\n   4: throughline::http::poll\n             at /srv/throughline/src/future.rs:60:5\n   5: __rust_try").unwrap();
    let own: Vec<bool> = (0..5)
        .rev()
        .map(|frame| frame_of(&chain, 0, frame).2)
        .collect();
    assert_eq!(own, [false, true, false, false, false]);
}

#[test]
fn a_python_traceback_is_a_chain() {
    let chain = parse("Traceback (most recent call last):\n  File \"/srv/shop.py\", line 13, in pay\n    return charge(card)\n           ^^^^^^^^^^^^\n  File \"/usr/lib/python3.11/json/decoder.py\", line 8, in decode\n    raise\nKeyError: '4000'\n\nThe above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n  File \"/srv/shop.py\", line 25, in run\n    pay(42)\nshop.errors.Declined: card of order 42: no\n").unwrap();
    assert_eq!(chain.len(), 2);
    assert_eq!(chain[0].kind.as_deref(), Some("KeyError"));
    assert_eq!(frame_of(&chain, 0, 0), ("pay", 13, true));
    assert_eq!(
        chain[0].frames[0].context_line.as_deref(),
        Some("return charge(card)")
    );
    assert_eq!(frame_of(&chain, 0, 1), ("decode", 8, false));
    assert_eq!(chain[1].kind.as_deref(), Some("shop.errors.Declined"));
    assert_eq!(chain[1].value.as_deref(), Some("card of order 42: no"));
}

#[test]
fn a_java_stack_trace_is_a_chain() {
    let chain = parse("Exception in thread \"main\" com.shop.Declined: card of order 42\n\tat com.shop.Cart.pay(Cart.java:7)\n\tat java.base/java.lang.Thread.run(Thread.java:840)\nCaused by: java.io.IOException: closed\n\tat com.shop.Bank$Link.call(Bank.java:9)\n\t... 1 more\n").unwrap();
    assert_eq!(chain[0].kind.as_deref(), Some("java.io.IOException"));
    assert_eq!(chain[1].value.as_deref(), Some("card of order 42"));
    assert_eq!(frame_of(&chain, 1, 0), ("run", 840, false));
    assert_eq!(frame_of(&chain, 1, 1), ("pay", 7, true));
    assert_eq!(
        chain[0].frames[0].module.as_deref(),
        Some("com.shop.Bank$Link")
    );
}

#[test]
fn a_javascript_stack_is_read_in_both_forms() {
    let chain = parse("TypeError: no price\n    at Cart.total (/srv/shop/cart.js:118:17)\n    at async /srv/shop/node_modules/koa/index.js:2:9\n    at new Promise (<anonymous>)").unwrap();
    assert_eq!(chain[0].kind.as_deref(), Some("TypeError"));
    assert_eq!(frame_of(&chain, 0, 2), ("Cart.total", 118, true));
    assert!(!frame_of(&chain, 0, 1).2);
    let other =
        parse("total@https://shop.example/cart.js:118:17\n@https://shop.example/cart.js:1:1")
            .unwrap();
    assert_eq!(frame_of(&other, 0, 1), ("total", 118, true));
}

#[test]
fn any_other_text_stays_text() {
    for text in [
        "",
        "it failed",
        "at the end (really)",
        "a@b\nc",
        "1: one\n2: two",
    ] {
        assert_eq!(parse(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn no_stack_trace_makes_it_panic(
        lines in prop::collection::vec(
            prop_oneof![
                "\\PC{0,40}",
                Just("Caused by:".to_owned()),
                Just("Traceback (most recent call last):".to_owned()),
                " {0,4}[0-9]{1,3}: [a-z:<]{0,9}",
                " {0,4}at [a-z. (]{0,9}[(:@][0-9:)]{0,9}",
                "  File \"[a-z]{0,3}\", line [0-9]{0,3}",
            ],
            0..30,
        ),
    ) {
        let _ = parse(&lines.join("\n"));
    }
}
