//! The macros of the streams. Each expands to one `tracing` event, so that all sinks see it
//! and none pays for one that the filter leaves out.

/// Records a security event: who logged in or could not, who asked for what they may not
/// have, who attacks.
///
/// The name is one of the stream `security` in
/// [`conventions::EVENTS`](crate::conventions::EVENTS), a literal or a constant; then come
/// fields and a message, as in `tracing`'s own macros. `event.severity` must be among the
/// fields, one of `low`, `medium`, `high` and `critical`; it decides the level (INFO, WARN,
/// ERROR, and FATAL by OTLP), so it is a constant as well. `client.address` and
/// `user_agent.original` are those of the request at hand (see
/// [`context::set_client`](crate::context::set_client)), unless the event names its own, and
/// so is `user.id`. Without a message the event's name is the message. `target:` and `parent:`
/// may stand before the name, in this order.
///
/// The events that most services have are also functions: [`streams::security`](crate::streams::security).
///
/// ```
/// let name = "ada";
/// throughline::security!(
///     "auth.login.failed",
///     event.severity = "medium",
///     user.name = name,
///     auth.attempt.count = 3,
///     "{name} is not known"
/// );
/// ```
///
/// What is not as the conventions have it does not compile, and the compiler says why:
///
/// ```compile_fail
/// // `auth.login.failed` lacks the field `event.severity`
/// throughline::security!("auth.login.failed", user.name = "ada");
/// ```
/// ```compile_fail
/// // `event.severity` is `warning`; expected `low`, `medium`, `high` or `critical`
/// throughline::security!("auth.login.failed", event.severity = "warning");
/// ```
/// ```compile_fail
/// // `auth.login.fialed` is no event of the stream `security`; its events are …
/// throughline::security!("auth.login.fialed", event.severity = "low");
/// ```
#[macro_export]
macro_rules! security {
    ($($tokens:tt)+) => { $crate::__record!(@head "security" [] $($tokens)+) };
}

/// Records for an audit who did what to what.
///
/// As [`security!`](crate::security), with names of the stream `audit`
/// (`audit.created`, `audit.updated`, `audit.deleted`, `audit.viewed`, `audit.exported`) or of
/// the service's own, such as `user.role_granted`. These fields must be there: the actor as
/// `user.id`, or as `audit.actor` where it is no user; `audit.action`; `audit.resource.type`
/// and `audit.resource.id`; `audit.outcome`. The functions of
/// [`streams::audit`](crate::streams::audit) take the actor from the request at hand.
///
/// ```
/// throughline::audit!(
///     "user.role_granted",
///     user.id = "admin-1",
///     audit.action = "grant role",
///     audit.resource.type = "user",
///     audit.resource.id = "ada",
///     audit.outcome = "success",
///     user.roles = "editor",
/// );
/// ```
/// ```compile_fail
/// // `audit.deleted` lacks the field `audit.outcome`
/// throughline::audit!(
///     "audit.deleted",
///     user.id = "ada",
///     audit.action = "delete",
///     audit.resource.type = "story",
///     audit.resource.id = 42,
/// );
/// ```
#[macro_export]
macro_rules! audit {
    ($($tokens:tt)+) => { $crate::__record!(@head "audit" [] $($tokens)+) };
}

/// Records what the business did: orders, payments, subscriptions.
///
/// As [`security!`](crate::security), with names of the stream `business` or of the service's
/// own. What the fixed names need is in
/// [`docs/conventions.md`](https://github.com/throughline-rs/throughline/blob/main/docs/conventions.md#what-an-event-carries);
/// the functions of [`streams::business`](crate::streams::business) ask for it by their
/// arguments.
///
/// ```
/// throughline::business!("order.returned", order.id = 7, order.reason = "too small");
/// ```
/// ```compile_fail
/// // `order.status_changed` lacks the field `order.status`
/// throughline::business!("order.status_changed", order.id = 7);
/// ```
/// ```compile_fail
/// // `Order returned` is no name for an event
/// throughline::business!("Order returned");
/// ```
#[macro_export]
macro_rules! business {
    ($($tokens:tt)+) => { $crate::__record!(@head "business" [] $($tokens)+) };
}

/// Records what was slow, or was measured.
///
/// As [`security!`](crate::security), with the names of the stream `performance` and no
/// others. The SDK records most of them itself: see [`performance`](mod@crate::performance).
///
/// ```
/// throughline::performance!(
///     "operation.measured",
///     operation.name = "report",
///     operation.value = 1_200,
///     operation.unit = "{row}",
/// );
/// ```
/// ```compile_fail
/// // `operation.stalled` is no event of the stream `performance`; its events are …
/// throughline::performance!("operation.stalled", operation.name = "report");
/// ```
#[macro_export]
macro_rules! performance {
    ($($tokens:tt)+) => { $crate::__record!(@head "performance" [] $($tokens)+) };
}

/// Records what people use.
///
/// As [`security!`](crate::security), with names of the stream `analytics` or of the service's
/// own. The usual ones are functions too: [`streams::analytics`](crate::streams::analytics).
///
/// ```
/// throughline::analytics!(
///     "feature.used",
///     feature.name = "illustration upload",
///     story.activity_type = "WRITE_FOR_DRAWING",
///     story.part.count = 5,
/// );
/// ```
/// ```compile_fail
/// // `checkout.started` is an event of the stream `business`, not of `analytics`
/// throughline::analytics!("checkout.started");
/// ```
#[macro_export]
macro_rules! analytics {
    ($($tokens:tt)+) => { $crate::__record!(@head "analytics" [] $($tokens)+) };
}

/// Goes through the fields for their names and for the severity, then hands everything to
/// `tracing` as it came. `@fields` always sees a comma after what it takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __record {
    (@head $stream:literal [$($head:tt)*] target: $target:expr, $($rest:tt)+) => {
        $crate::__record!(@head $stream [$($head)* target: $target,] $($rest)+)
    };
    (@head $stream:literal [$($head:tt)*] parent: $parent:expr, $($rest:tt)+) => {
        $crate::__record!(@head $stream [$($head)* parent: $parent,] $($rest)+)
    };
    (@head $stream:literal [$($head:tt)*] $event:expr) => {
        $crate::__record!(@fields $stream [$($head)*] $event; [] [$crate::__macro_support::None] {})
    };
    (@head $stream:literal [$($head:tt)*] $event:expr, $($rest:tt)*) => {
        $crate::__record!(
            @fields $stream [$($head)*] $event; [] [$crate::__macro_support::None] {} $($rest)* ,
        )
    };

    // No message: a list of records, and Sentry, need some words.
    (@fields $stream:literal [$($head:tt)*] $event:expr; [$($names:tt)*] [$($severity:tt)*]
     {$($fields:tt)*} $(,)*) => {
        $crate::__record!(
            @emit $stream [$($head)*] $event; [$($names)*] [$($severity)*] {$($fields)*}
            "{}", $event
        )
    };

    (@fields $stream:literal [$($head:tt)*] $event:expr; [$($names:tt)*] [$($severity:tt)*]
     {$($fields:tt)*} event.severity = $value:expr, $($rest:tt)*) => {
        $crate::__record!(
            @fields $stream [$($head)*] $event; [$($names)* "event.severity",]
            [$crate::__macro_support::Some($value)] {$($fields)* event.severity = $value,} $($rest)*
        )
    };

    (@fields $stream:literal [$($head:tt)*] $event:expr; [$($names:tt)*] [$($severity:tt)*]
     {$($fields:tt)*} $($key:ident).+ = ?$value:expr, $($rest:tt)*) => {
        $crate::__record!(
            @fields $stream [$($head)*] $event;
            [$($names)* $crate::__macro_support::stringify!($($key).+),] [$($severity)*]
            {$($fields)* $($key).+ = ?$value,} $($rest)*
        )
    };
    (@fields $stream:literal [$($head:tt)*] $event:expr; [$($names:tt)*] [$($severity:tt)*]
     {$($fields:tt)*} $($key:ident).+ = %$value:expr, $($rest:tt)*) => {
        $crate::__record!(
            @fields $stream [$($head)*] $event;
            [$($names)* $crate::__macro_support::stringify!($($key).+),] [$($severity)*]
            {$($fields)* $($key).+ = %$value,} $($rest)*
        )
    };
    (@fields $stream:literal [$($head:tt)*] $event:expr; [$($names:tt)*] [$($severity:tt)*]
     {$($fields:tt)*} $($key:ident).+ = $value:expr, $($rest:tt)*) => {
        $crate::__record!(
            @fields $stream [$($head)*] $event;
            [$($names)* $crate::__macro_support::stringify!($($key).+),] [$($severity)*]
            {$($fields)* $($key).+ = $value,} $($rest)*
        )
    };

    (@fields $stream:literal [$($head:tt)*] $event:expr; [$($names:tt)*] [$($severity:tt)*]
     {$($fields:tt)*} ?$($key:ident).+, $($rest:tt)*) => {
        $crate::__record!(
            @fields $stream [$($head)*] $event;
            [$($names)* $crate::__macro_support::stringify!($($key).+),] [$($severity)*]
            {$($fields)* ?$($key).+,} $($rest)*
        )
    };
    (@fields $stream:literal [$($head:tt)*] $event:expr; [$($names:tt)*] [$($severity:tt)*]
     {$($fields:tt)*} %$($key:ident).+, $($rest:tt)*) => {
        $crate::__record!(
            @fields $stream [$($head)*] $event;
            [$($names)* $crate::__macro_support::stringify!($($key).+),] [$($severity)*]
            {$($fields)* %$($key).+,} $($rest)*
        )
    };
    (@fields $stream:literal [$($head:tt)*] $event:expr; [$($names:tt)*] [$($severity:tt)*]
     {$($fields:tt)*} $($key:ident).+, $($rest:tt)*) => {
        $crate::__record!(
            @fields $stream [$($head)*] $event;
            [$($names)* $crate::__macro_support::stringify!($($key).+),] [$($severity)*]
            {$($fields)* $($key).+,} $($rest)*
        )
    };

    (@fields $stream:literal [$($head:tt)*] $event:expr; [$($names:tt)*] [$($severity:tt)*]
     {$($fields:tt)*} $key:literal = ?$value:expr, $($rest:tt)*) => {
        $crate::__record!(
            @fields $stream [$($head)*] $event; [$($names)* $key,] [$($severity)*]
            {$($fields)* $key = ?$value,} $($rest)*
        )
    };
    (@fields $stream:literal [$($head:tt)*] $event:expr; [$($names:tt)*] [$($severity:tt)*]
     {$($fields:tt)*} $key:literal = %$value:expr, $($rest:tt)*) => {
        $crate::__record!(
            @fields $stream [$($head)*] $event; [$($names)* $key,] [$($severity)*]
            {$($fields)* $key = %$value,} $($rest)*
        )
    };
    (@fields $stream:literal [$($head:tt)*] $event:expr; [$($names:tt)*] [$($severity:tt)*]
     {$($fields:tt)*} $key:literal = $value:expr, $($rest:tt)*) => {
        $crate::__record!(
            @fields $stream [$($head)*] $event; [$($names)* $key,] [$($severity)*]
            {$($fields)* $key = $value,} $($rest)*
        )
    };

    (@fields $stream:literal [$($head:tt)*] $event:expr; [$($names:tt)*] [$($severity:tt)*]
     {$($fields:tt)*} $message:literal, $($arguments:tt)*) => {
        $crate::__record!(
            @emit $stream [$($head)*] $event; [$($names)*] [$($severity)*] {$($fields)*}
            $message, $($arguments)*
        )
    };
    (@fields $stream:literal [$($head:tt)*] $event:expr; [$($names:tt)*] [$($severity:tt)*]
     {$($fields:tt)*} $($rest:tt)*) => {
        $crate::__macro_support::compile_error!(
            "expected fields such as `order.id = 7`, and then perhaps a message, as in `tracing::info!`"
        )
    };

    (@emit $stream:literal [$($head:tt)*] $event:expr; [$($names:tt)*] [$($severity:tt)*]
     {$($fields:tt)*} $($message:tt)+) => {{
        const __THROUGHLINE_LEVEL: $crate::__macro_support::tracing::Level =
            $crate::__macro_support::level($stream, $event, &[$($names)*], $($severity)*);
        $crate::__macro_support::tracing::event!(
            name: $event,
            $($head)*
            __THROUGHLINE_LEVEL,
            { log.category = $stream, $($fields)* },
            $($message)+
        )
    }};
}
