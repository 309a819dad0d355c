//! What people come for: each journey is the actions of one visit, in their order.

use fastrand::Rng;

use super::action::{Action, Attack, CardKind};
use crate::storefront::{DORMANT, SOLD_OUT, UNREVIEWED};

const WORDS: [&str; 10] = [
    "oil", "bread", "cheese", "juice", "honey", "rolls", "butter", "tomato", "saffron", "hof",
];
const REFUND_REASONS: [&str; 3] = ["damaged", "too late", "not as described"];
const PLANS: [&str; 2] = ["weekly-box", "fortnightly-box"];
const REVIEWS: [&str; 5] = [
    "Delicious, and still warm when it came.",
    "Gut verpackt, schnell da, ganz frisch. Käse wie vom Markt! 🧀",
    "Smaller than in the picture; two stars for the taste.",
    // What a page makes of this is the page's to answer for.
    "<script>alert('review')</script><img src=x onerror=alert(1)>",
    "first line\nERROR forged: second line of a review\u{1b}[31m red",
];

/// One that a customer makes: something to look at, and now and then something to do.
pub(super) fn of_customer(rng: &mut Rng) -> Vec<Action> {
    match rng.u32(0..100) {
        0..34 => browsing(rng),
        34..58 => buying(rng),
        58..66 => forgotten_password(rng),
        66..72 => account(rng),
        72..77 => digest(),
        77..82 => registration(rng),
        82..86 => refund(rng),
        86..89 => subscription(rng),
        89..92 => curiosity(),
        92..95 => review(rng),
        95..97 => sold_out(),
        97..99 => past_orders(),
        _ => bug(),
    }
}

/// A product that is to be had and has a rating.
fn product(rng: &mut Rng) -> i64 {
    rng.i64(1..UNREVIEWED)
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

fn browsing(rng: &mut Rng) -> Vec<Action> {
    let mut actions = vec![Action::Home];
    for _ in 0..rng.u32(1..5) {
        actions.push(match rng.u32(0..4) {
            0 => Action::Search(pick(rng, &WORDS)),
            1 => Action::Rating(product(rng)),
            _ => Action::Product(product(rng)),
        });
    }
    actions
}

fn fill_basket(rng: &mut Rng) -> Vec<Action> {
    let mut actions = vec![Action::LogIn, Action::Search(pick(rng, &WORDS))];
    for _ in 0..rng.u32(1..4) {
        let product = product(rng);
        let quantity = rng.i64(1..4);
        actions.extend([Action::Product(product), Action::Add { product, quantity }]);
    }
    actions.push(Action::Basket);
    actions
}

fn buying(rng: &mut Rng) -> Vec<Action> {
    let mut actions = fill_basket(rng);
    match rng.u32(0..20) {
        // Who is declined takes another card; who waited in vain tries again.
        0..3 => actions.push(Action::CheckOut(CardKind::Declined)),
        3..5 => actions.push(Action::CheckOut(CardKind::TimesOut)),
        _ => {}
    }
    actions.push(Action::CheckOut(CardKind::Good));
    actions.push(Action::ShowOrder);
    leave(rng, actions)
}

/// Some log out, others just go.
fn leave(rng: &mut Rng, mut actions: Vec<Action>) -> Vec<Action> {
    if rng.u32(0..3) > 0 {
        actions.push(Action::LogOut);
    }
    actions
}

fn forgotten_password(rng: &mut Rng) -> Vec<Action> {
    let mut actions = vec![Action::Home];
    match rng.u32(0..4) {
        0 => actions.push(Action::LogInUnknown),
        tries => actions.extend((0..tries).map(|_| Action::LogInWrongly)),
    }
    actions.extend([Action::LogIn, Action::Orders { detailed: false }]);
    leave(rng, actions)
}

fn account(rng: &mut Rng) -> Vec<Action> {
    let mut actions = vec![Action::LogIn, Action::ShowProfile];
    match rng.u32(0..2) {
        0 => actions.push(Action::UpdateProfile),
        _ => actions.push(Action::Export),
    }
    leave(rng, actions)
}

pub(super) fn digest() -> Vec<Action> {
    vec![Action::LogIn, Action::ShowProfile, Action::Digest]
}

fn registration(rng: &mut Rng) -> Vec<Action> {
    let number = rng.u32(..);
    let product = product(rng);
    vec![
        Action::Home,
        Action::Register { number },
        Action::Product(product),
        Action::Add {
            product,
            quantity: 1,
        },
        Action::CheckOut(CardKind::Good),
        Action::ChangePassword,
        Action::LogOut,
        Action::LogInAsGuest,
        Action::ShowProfile,
        Action::LogOut,
    ]
}

fn refund(rng: &mut Rng) -> Vec<Action> {
    let mut actions = fill_basket(rng);
    actions.extend([
        Action::CheckOut(CardKind::Good),
        Action::Orders { detailed: false },
        Action::Refund(pick(rng, &REFUND_REASONS)),
    ]);
    leave(rng, actions)
}

fn subscription(rng: &mut Rng) -> Vec<Action> {
    vec![
        Action::LogIn,
        Action::Subscribe(pick(rng, &PLANS)),
        Action::LogOut,
    ]
}

/// What is behind the pages that are not for everybody?
fn curiosity() -> Vec<Action> {
    vec![
        Action::LogIn,
        Action::ListUsers,
        Action::ForeignOrder,
        Action::Sales,
    ]
}

fn review(rng: &mut Rng) -> Vec<Action> {
    let product = product(rng);
    let text = pick(rng, &REVIEWS);
    let actions = vec![
        Action::LogIn,
        Action::Product(product),
        Action::Review { product, text },
    ];
    leave(rng, actions)
}

fn sold_out() -> Vec<Action> {
    vec![
        Action::LogIn,
        Action::Add {
            product: SOLD_OUT,
            quantity: 1,
        },
        Action::CheckOut(CardKind::Good),
        Action::Remove { product: SOLD_OUT },
        Action::LogOut,
    ]
}

fn past_orders() -> Vec<Action> {
    vec![Action::LogIn, Action::Orders { detailed: true }]
}

pub(super) fn bug() -> Vec<Action> {
    vec![Action::Product(UNREVIEWED), Action::Rating(UNREVIEWED)]
}

pub(super) fn of_staff(rng: &mut Rng) -> Vec<Action> {
    let account = rng.u32(..DORMANT);
    // Who helps a customer looks at the order.
    let mut actions = vec![Action::LogIn, Action::ListUsers, Action::ForeignOrder];
    actions.extend([false, true].map(|enabled| Action::Enable { account, enabled }));
    actions.extend([Action::Sales, Action::LogOut]);
    actions
}

/// Twice as many guesses as are told as a burst.
const GUESSES: u32 = 10;

pub(super) fn of_guesser(rng: &mut Rng, customers: u32) -> Vec<Action> {
    let account = rng.u32(..customers);
    (0..GUESSES).map(|_| Action::Guess { account }).collect()
}

const PROBES: [(Attack, &str); 12] = [
    (
        Attack::SqlInjection,
        "/products?q=x%27%20OR%20%271%27%3D%271",
    ),
    (
        Attack::SqlInjection,
        "/products?q=1%27%20UNION%20SELECT%20name%2Cpassword%20FROM%20users--",
    ),
    (
        Attack::SqlInjection,
        "/products?category=1%3B%20DROP%20TABLE%20users--",
    ),
    (
        Attack::Xss,
        "/products?q=%3Cscript%3Ealert(document.cookie)%3C%2Fscript%3E",
    ),
    (
        Attack::Xss,
        "/products?q=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
    ),
    (Attack::Xss, "/products?q=%3Csvg%20onload%3Dalert(1)%3E"),
    (
        Attack::PathTraversal,
        "/products?q=..%2F..%2F..%2Fetc%2Fpasswd",
    ),
    (Attack::PathTraversal, "/static/..%2f..%2f..%2fetc%2fpasswd"),
    (Attack::Scanner, "/.env"),
    (Attack::Scanner, "/wp-login.php"),
    (Attack::Scanner, "/.git/config"),
    (Attack::Scanner, "/phpmyadmin/index.php"),
];

pub(super) fn of_attacker(rng: &mut Rng) -> Vec<Action> {
    let probe = |rng: &mut Rng| {
        let (kind, target) = pick(rng, &PROBES);
        Action::Probe { kind, target }
    };
    (0..rng.u32(3..7)).map(|_| probe(rng)).collect()
}

pub(super) fn of_bot(rng: &mut Rng) -> Vec<Action> {
    (0..rng.u32(2..8))
        .map(|_| Action::Product(product(rng)))
        .collect()
}
