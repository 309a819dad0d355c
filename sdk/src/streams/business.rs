//! What the business did: the steps of buying, payments, orders, subscriptions, invoices.
//!
//! Amounts are [`Money`], which is exact.
//!
//! ```
//! use throughline::streams::{Money, business};
//!
//! let paid = Money::minor(9_999, "EUR");
//! business::checkout_started().amount(paid).emit();
//! business::payment_status_changed("pay-1", "completed").order(7).amount(paid).emit();
//! business::checkout_completed(7).amount(paid).emit();
//! ```

use tracing::field;

use super::{Id, Money};

/// What has to do with money.
#[derive(Clone, Copy, Debug, Default)]
struct Paid<'a> {
    order: Option<Id<'a>>,
    payment: Option<Id<'a>>,
    amount: Option<Money<'a>>,
    gateway: Option<&'a str>,
}

macro_rules! emit {
    ($paid:expr, $event:literal, { $($fields:tt)* }, $($message:tt)+) => {
        crate::business!(
            $event,
            order.id = $paid.order.map(field::display),
            payment.id = $paid.payment.map(field::display),
            payment.amount = $paid.amount.map(|money| field::display(money.amount())),
            payment.currency = $paid.amount.map(Money::currency),
            payment.gateway = $paid.gateway,
            $($fields)*
            $($message)+
        )
    };
}

macro_rules! paid_options {
    () => {
        /// How much: `payment.amount`, `payment.currency`.
        pub fn amount(mut self, amount: Money<'a>) -> Self {
            self.paid.amount = Some(amount);
            self
        }

        /// Who handles the payment: `payment.gateway`.
        pub fn gateway(mut self, gateway: &'a str) -> Self {
            self.paid.gateway = Some(gateway);
            self
        }
    };
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Started,
    Completed,
    Failed(&'a str),
}

/// Somebody wants to buy: `checkout.started`.
pub fn checkout_started<'a>() -> Checkout<'a> {
    Checkout::new(Step::Started)
}

/// Somebody bought: `checkout.completed`, with the order that came of it.
pub fn checkout_completed<'a>(order: impl Into<Id<'a>>) -> Checkout<'a> {
    Checkout::new(Step::Completed).order(order)
}

/// Somebody could not buy: `checkout.failed`, at WARN.
///
/// `reason` is from a short list of the service's own, as `error.type`: `card declined`,
/// `out of stock`.
pub fn checkout_failed(reason: &str) -> Checkout<'_> {
    Checkout::new(Step::Failed(reason))
}

/// A step of a checkout; made by [`checkout_started`], [`checkout_completed`] and
/// [`checkout_failed`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is recorded before `emit`"]
pub struct Checkout<'a> {
    step: Step<'a>,
    paid: Paid<'a>,
    items: Option<u64>,
}

impl<'a> Checkout<'a> {
    fn new(step: Step<'a>) -> Self {
        Self {
            step,
            paid: Paid::default(),
            items: None,
        }
    }

    paid_options!();

    /// The order, where there is one already: `order.id`.
    pub fn order(mut self, order: impl Into<Id<'a>>) -> Self {
        self.paid.order = Some(order.into());
        self
    }

    /// The payment, where there is one already: `payment.id`.
    pub fn payment(mut self, payment: impl Into<Id<'a>>) -> Self {
        self.paid.payment = Some(payment.into());
        self
    }

    /// How many items: `order.item.count`.
    pub fn items(mut self, count: u64) -> Self {
        self.items = Some(count);
        self
    }

    /// Records it.
    pub fn emit(self) {
        let paid = self.paid;
        match self.step {
            Step::Started => emit!(
                paid,
                "checkout.started",
                { order.item.count = self.items, },
                "checkout started"
            ),
            Step::Completed => emit!(
                paid,
                "checkout.completed",
                { order.item.count = self.items, },
                "checkout completed"
            ),
            Step::Failed(reason) => emit!(
                paid,
                "checkout.failed",
                { order.item.count = self.items, error.type = reason, },
                "checkout failed"
            ),
        }
    }
}

/// A payment was asked for, made, settled, refused or paid back: `payment.status_changed`.
///
/// `status` is the service's own word for what it is now (`payment.status`): `created`,
/// `requested`, `completed`, `failed`, `refunded`.
///
/// ```
/// use throughline::streams::{Money, business};
///
/// business::payment_status_changed("pay-1", "refunded")
///     .from("completed")
///     .amount(Money::minor(500, "USD"))
///     .refund("ref-1", "customer_request")
///     .emit();
/// ```
pub fn payment_status_changed<'a>(payment: impl Into<Id<'a>>, status: &'a str) -> Payment<'a> {
    Payment {
        paid: Paid {
            payment: Some(payment.into()),
            ..Paid::default()
        },
        status,
        previous: None,
        reason: None,
        refund: None,
    }
}

/// A `payment.status_changed`; made by [`payment_status_changed`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is recorded before `emit`"]
pub struct Payment<'a> {
    paid: Paid<'a>,
    status: &'a str,
    previous: Option<&'a str>,
    reason: Option<&'a str>,
    refund: Option<(Id<'a>, &'a str)>,
}

impl<'a> Payment<'a> {
    paid_options!();

    /// What it was before: `payment.status.previous`.
    pub fn from(mut self, status: &'a str) -> Self {
        self.previous = Some(status);
        self
    }

    /// What is paid: `order.id`.
    pub fn order(mut self, order: impl Into<Id<'a>>) -> Self {
        self.paid.order = Some(order.into());
        self
    }

    /// Why a payment failed, from a short list: `error.type`.
    pub fn reason(mut self, reason: &'a str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The refund and its reason: `refund.id`, `refund.reason`.
    pub fn refund(mut self, id: impl Into<Id<'a>>, reason: &'a str) -> Self {
        self.refund = Some((id.into(), reason));
        self
    }

    /// Records it.
    pub fn emit(self) {
        emit!(
            self.paid,
            "payment.status_changed",
            {
                payment.status = self.status,
                payment.status.previous = self.previous,
                error.type = self.reason,
                refund.id = self.refund.map(|(id, _)| field::display(id)),
                refund.reason = self.refund.map(|(_, reason)| reason),
            },
            "payment {}",
            self.status
        );
    }
}

/// An order went a step further: `order.status_changed`.
///
/// ```
/// throughline::streams::business::order_status_changed(7, "shipped").from("paid").emit();
/// ```
pub fn order_status_changed<'a>(order: impl Into<Id<'a>>, status: &'a str) -> Order<'a> {
    Order {
        order: order.into(),
        status,
        previous: None,
    }
}

/// An `order.status_changed`; made by [`order_status_changed`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is recorded before `emit`"]
pub struct Order<'a> {
    order: Id<'a>,
    status: &'a str,
    previous: Option<&'a str>,
}

impl<'a> Order<'a> {
    /// What it was before: `order.status.previous`.
    pub fn from(mut self, status: &'a str) -> Self {
        self.previous = Some(status);
        self
    }

    /// Records it.
    pub fn emit(self) {
        crate::business!(
            "order.status_changed",
            order.id = field::display(self.order),
            order.status = self.status,
            order.status.previous = self.previous,
            "order {}",
            self.status
        );
    }
}

/// Somebody subscribed: `subscription.created`.
///
/// ```
/// use throughline::streams::{Money, business};
///
/// business::subscription_created(12).plan(3).amount(Money::minor(1_900, "USD")).emit();
/// ```
pub fn subscription_created<'a>(subscription: impl Into<Id<'a>>) -> Subscription<'a> {
    Subscription {
        subscription: subscription.into(),
        plan: None,
        paid: Paid::default(),
    }
}

/// A `subscription.created`; made by [`subscription_created`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is recorded before `emit`"]
pub struct Subscription<'a> {
    subscription: Id<'a>,
    plan: Option<Id<'a>>,
    paid: Paid<'a>,
}

impl<'a> Subscription<'a> {
    paid_options!();

    /// To what: `plan.id`.
    pub fn plan(mut self, plan: impl Into<Id<'a>>) -> Self {
        self.plan = Some(plan.into());
        self
    }

    /// Records it.
    pub fn emit(self) {
        emit!(
            self.paid,
            "subscription.created",
            {
                subscription.id = field::display(self.subscription),
                plan.id = self.plan.map(field::display),
            },
            "subscription created"
        );
    }
}

/// An invoice was written: `invoice.created`.
///
/// ```
/// throughline::streams::business::invoice_created("inv-9").order(7).emit();
/// ```
pub fn invoice_created<'a>(invoice: impl Into<Id<'a>>) -> Invoice<'a> {
    Invoice {
        invoice: invoice.into(),
        paid: Paid::default(),
    }
}

/// An `invoice.created`; made by [`invoice_created`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is recorded before `emit`"]
pub struct Invoice<'a> {
    invoice: Id<'a>,
    paid: Paid<'a>,
}

impl<'a> Invoice<'a> {
    paid_options!();

    /// For what: `order.id`.
    pub fn order(mut self, order: impl Into<Id<'a>>) -> Self {
        self.paid.order = Some(order.into());
        self
    }

    /// Records it.
    pub fn emit(self) {
        emit!(
            self.paid,
            "invoice.created",
            { invoice.id = field::display(self.invoice), },
            "invoice created"
        );
    }
}
