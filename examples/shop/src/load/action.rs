//! One thing that somebody does in the shop.

/// Which card is shown at a checkout, and so how it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CardKind {
    Good,
    Declined,
    TimesOut,
}

/// What a suspicious request is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attack {
    SqlInjection,
    Xss,
    PathTraversal,
    Scanner,
    Bot,
}

impl Attack {
    /// As the event that the SDK records, without `attack.` before it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SqlInjection => "sql_injection",
            Self::Xss => "xss",
            Self::PathTraversal => "path_traversal",
            Self::Scanner => "scanner",
            Self::Bot => "bot",
        }
    }
}

/// Nothing in it depends on what the shop answers: what is done is known before it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Home,
    Search(&'static str),
    Product(i64),
    Rating(i64),
    Review {
        product: i64,
        text: &'static str,
    },
    LogIn,
    LogInWrongly,
    LogInUnknown,
    /// Somebody else's account, with a guess.
    Guess {
        account: u32,
    },
    LogOut,
    /// An account of one's own, used from then on in place of the customer's.
    Register {
        number: u32,
    },
    LogInAsGuest,
    ChangePassword,
    ShowProfile,
    UpdateProfile,
    Export,
    Basket,
    Add {
        product: i64,
        quantity: i64,
    },
    Remove {
        product: i64,
    },
    CheckOut(CardKind),
    Orders {
        detailed: bool,
    },
    ShowOrder,
    /// Somebody else's.
    ForeignOrder,
    Refund(&'static str),
    Subscribe(&'static str),
    Digest,
    /// Pages of the staff.
    ListUsers,
    Enable {
        account: u32,
        enabled: bool,
    },
    Sales,
    /// A request as it is.
    Probe {
        kind: Attack,
        target: &'static str,
    },
    /// Many requests at once, of one address.
    Burst,
}

impl Action {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Search(_) => "search",
            Self::Product(_) => "product",
            Self::Rating(_) => "rating",
            Self::Review { .. } => "review",
            Self::LogIn => "login",
            Self::LogInWrongly => "login_wrong_password",
            Self::LogInUnknown => "login_unknown_user",
            Self::Guess { .. } => "login_guess",
            Self::LogOut => "logout",
            Self::Register { .. } => "register",
            Self::LogInAsGuest => "login_guest",
            Self::ChangePassword => "change_password",
            Self::ShowProfile => "profile",
            Self::UpdateProfile => "profile_update",
            Self::Export => "profile_export",
            Self::Basket => "basket",
            Self::Add { .. } => "basket_add",
            Self::Remove { .. } => "basket_remove",
            Self::CheckOut(_) => "checkout",
            Self::Orders { .. } => "orders",
            Self::ShowOrder => "order",
            Self::ForeignOrder => "order_of_another",
            Self::Refund(_) => "refund",
            Self::Subscribe(_) => "subscribe",
            Self::Digest => "digest",
            Self::ListUsers => "admin_users",
            Self::Enable { enabled: true, .. } => "admin_enable",
            Self::Enable { enabled: false, .. } => "admin_disable",
            Self::Sales => "admin_sales",
            Self::Probe { .. } => "probe",
            Self::Burst => "burst",
        }
    }
}
