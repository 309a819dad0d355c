//! The streams of a service: what happened to its accounts, its data, its business and its
//! users, each record under a name that dashboards and alerts know.
//!
//! The macros [`security!`](crate::security), [`audit!`](crate::audit),
//! [`business!`](crate::business), [`performance!`](macro@crate::performance) and
//! [`analytics!`](crate::analytics) are `tracing` events whose name and fields are checked
//! when the program is compiled. For what nearly every service has there are functions, which
//! ask for the required fields by their arguments:
//!
//! ```
//! use throughline::streams::{Money, analytics, audit, business, security};
//!
//! security::login_failed().user_name("ada").attempts(3).emit();
//! audit::updated("story", 42).actor("ada").changes("title, cover").emit();
//! business::checkout_completed(7).amount(Money::minor(9_999, "EUR")).emit();
//! analytics::feature_used("pdf export").emit();
//! ```
//!
//! A macro's record has the target and the place of the code that it stands in, as with
//! `tracing`. A function's has those of the function: the target `throughline::streams::audit`,
//! say, which a filter that names targets alone has to name too.
//!
//! Each counts in `throughline.events`. Neither a macro nor a function allocates or formats
//! anything where the filter leaves its record out.
//!
//! # Which call for what
//!
//! | what happened | the call |
//! |---|---|
//! | somebody logged in, or could not | [`security::login_succeeded`], [`security::login_failed`] |
//! | somebody logged out, changed a password | [`security::logout`], [`security::password_changed`] |
//! | somebody asked for what they may not have | [`security::permission_denied`] |
//! | an account was switched on or off | [`security::account_enabled`], [`security::account_disabled`] |
//! | an attack, a limit of requests | `security!("attack.xss", event.severity = "high", …)`, `security!("rate_limit.exceeded", …)` |
//! | a user registered, a task or a story was made | [`audit::created`] |
//! | a profile, a story's part, an order's item was changed, a picture uploaded, a password reset sent | [`audit::updated`], with [`action`](audit::Change::action) for the service's own word |
//! | something was deleted, looked at, taken out | [`audit::deleted`], [`audit::viewed`], [`audit::exported`] |
//! | somebody began to buy, bought, could not | [`business::checkout_started`], [`business::checkout_completed`], [`business::checkout_failed`] |
//! | a payment was asked for, made, settled, refused, paid back | [`business::payment_status_changed`] |
//! | an order went a step further | [`business::order_status_changed`] |
//! | a subscription, an invoice | [`business::subscription_created`], [`business::invoice_created`] |
//! | a page was seen, a feature used | [`analytics::page_viewed`], [`analytics::feature_used`] |
//! | a session began, ended | [`analytics::session_started`], [`analytics::session_ended`] |
//! | an operation took so long, or so much | [`performance::timed`](crate::performance::timed), [`performance::measured`](crate::performance::measured) |
//! | a job ran | [`jobs::run`](crate::jobs::run) |
//! | anything else | the macro of its stream, with a name of the service's own |

pub mod analytics;
pub mod audit;
pub mod business;
mod checked;
mod id;
mod macros;
mod money;
pub mod security;

pub use checked::Severity;
#[doc(hidden)]
pub use checked::level;
pub use id::Id;
pub use money::Money;
