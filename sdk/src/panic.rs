//! A panic as a record, once, through the same sinks as every other.
//!
//! The hook runs before the stack unwinds, so the span that was at work is still the
//! current one. A layer that catches the panic later only has to answer the request.

use std::backtrace::Backtrace;
use std::panic::{Location, PanicHookInfo, set_hook, take_hook};
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::Context;
use opentelemetry::trace::{Status, TraceContextExt};
use tracing::Level;

use crate::correlation::Correlation;
use crate::event::{Exception, Record, Sinks, Value, trace_of};
use crate::sentry::Origin;

/// `exception.type` of a panic.
pub(crate) const KIND: &str = "panic";

/// Adds the record to what the hook in place does; the default hook's text on standard
/// error stays.
pub(crate) fn install_hook(sinks: &Arc<Sinks>) {
    let sinks = Arc::downgrade(sinks);
    let previous = take_hook();
    set_hook(Box::new(move |info| {
        if let Some(sinks) = sinks.upgrade()
            && !Context::is_current_telemetry_suppressed()
        {
            report(&sinks, info);
        }
        previous(info);
    }));
}

fn report(sinks: &Sinks, info: &PanicHookInfo<'_>) {
    let message = message(info).to_owned();
    let context = Context::current();
    let correlation = context.get::<Correlation>();
    let thread = std::thread::current();
    let mut record = Record {
        timestamp: SystemTime::now(),
        level: Level::ERROR,
        target: KIND,
        name: None,
        module: None,
        file: info.location().map(Location::file),
        line: info.location().map(Location::line),
        callsite: None,
        span: tracing::Span::current()
            .metadata()
            .map(tracing::Metadata::name),
        trace: trace_of(&context),
        known: correlation.map(Correlation::values).unwrap_or_default(),
        correlation,
        message: message.clone(),
        fields: vec![(
            "thread.name",
            Value::Text(thread.name().unwrap_or_default().to_owned()),
        )],
        exception: Some(Exception {
            kind: Some(KIND),
            message,
            sources: Vec::new(),
            stacktrace: Some(trimmed(&Backtrace::force_capture().to_string())),
        }),
    };
    sinks.emit(&mut record, Origin::current);
    context.span().set_status(Status::error(record.message));
}

/// The frames of the service: without those of the panic's own machinery, or of the event's,
/// above them and of the thread's start below, which are the same every time.
pub(crate) fn trimmed(backtrace: &str) -> String {
    // A frame is a line with its number and a symbol, and perhaps one with its place.
    let is_frame = |line: &str| {
        line.trim_start()
            .split_once(": ")
            .is_some_and(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut frames: Vec<String> = Vec::new();
    for line in backtrace.lines() {
        match frames.last_mut() {
            Some(frame) if !is_frame(line) => {
                frame.push('\n');
                frame.push_str(line);
            }
            _ => frames.push(line.to_owned()),
        }
    }
    let start = frames
        .iter()
        .position(|frame| frame.contains("rust_begin_unwind"))
        // The next frame is the `core::panicking` function that was called.
        .map(|unwind| unwind + 2)
        // Or an event told of an error, and all before is how it came to be recorded.
        .or_else(|| {
            let told = |frame: &String| frame.contains("tracing_core::event::Event::");
            frames.iter().rposition(told).map(|event| event + 1)
        })
        .unwrap_or(0);
    let end = frames
        .iter()
        .skip(start)
        .position(|frame| frame.contains("__rust_begin_short_backtrace"))
        .map_or(frames.len(), |position| start + position);
    frames.get(start..end).unwrap_or(&frames).join("\n")
}

/// What `panic!` was given; any other payload says nothing.
fn message<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = info.payload();
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backtrace_keeps_the_frames_of_the_service() {
        let whole = "   0: throughline::hook\n             at ./panic.rs:1:1\n   1: __rustc::rust_begin_unwind\n   2: core::panicking::panic_fmt\n   3: shop::cart\n             at ./cart.rs:7:5\n   4: shop::main\n   5: std::sys::backtrace::__rust_begin_short_backtrace\n   6: clone3";
        assert_eq!(
            trimmed(whole),
            "   3: shop::cart\n             at ./cart.rs:7:5\n   4: shop::main"
        );
        let told = "   0: throughline::event::record::Exception::captured\n   1: tracing_core::event::Event::record\n   2: tracing_core::event::Event::dispatch\n             at ./event.rs:1:1\n   3: shop::refund\n   4: shop::main";
        assert_eq!(trimmed(told), "   3: shop::refund\n   4: shop::main");
        assert_eq!(trimmed("disabled backtrace"), "disabled backtrace");
    }
}
