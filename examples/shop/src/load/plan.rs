//! Who does what, and in which order: the same for the same seed, whatever the shop answers
//! and however long it takes.

use std::collections::VecDeque;

use clap::ValueEnum;
use fastrand::Rng;

use super::action::Action;
use super::journeys;

/// What there shall be much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Emphasis {
    /// Guessed passwords: `rate_limit.exceeded`, `auth.login.failed`
    LoginBruteforce,
    /// Injections, traversals and scans
    Attacks,
    /// Crawlers
    Bots,
    /// Hundreds of requests at once
    RequestBurst,
    /// The page that panics
    Panics,
    /// Background jobs that fail, for users without an address
    FailingJobs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Customer,
    Staff,
    Guesser,
    Attacker,
    Bot,
    Burster,
}

/// Who comes, of a hundred, where nothing is emphasised.
const SHARES: [(Role, u32); 5] = [
    (Role::Customer, 86),
    (Role::Staff, 4),
    (Role::Guesser, 2),
    (Role::Attacker, 4),
    (Role::Bot, 4),
];
/// What an emphasis adds to the hundred.
const EMPHASIS: u32 = 40;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Its place among the visitors.
    pub(super) visitor: usize,
    pub(super) action: Action,
}

#[derive(Debug)]
struct Visitor {
    role: Role,
    next: VecDeque<Action>,
}

/// An endless sequence of steps.
#[derive(Debug)]
pub(super) struct Plan {
    rng: Rng,
    customers: u32,
    visitors: Vec<Visitor>,
    shares: Vec<(Role, u32)>,
    emphasis: Vec<Emphasis>,
}

impl Plan {
    pub(super) fn new(seed: u64, customers: u32, emphasis: &[Emphasis]) -> Self {
        let others = [
            Role::Staff,
            Role::Staff,
            Role::Guesser,
            Role::Attacker,
            Role::Attacker,
            Role::Attacker,
            Role::Bot,
            Role::Bot,
            Role::Burster,
        ];
        let customer = (0..customers).map(|_| Role::Customer);
        let visitors = customer.chain(others).map(|role| Visitor {
            role,
            next: VecDeque::new(),
        });
        let mut shares = SHARES.to_vec();
        shares.extend(emphasis.iter().filter_map(|emphasis| {
            let role = match emphasis {
                Emphasis::LoginBruteforce => Role::Guesser,
                Emphasis::Attacks => Role::Attacker,
                Emphasis::Bots => Role::Bot,
                Emphasis::RequestBurst => return Some((Role::Burster, 1)),
                Emphasis::Panics | Emphasis::FailingJobs => return None,
            };
            Some((role, EMPHASIS))
        }));
        Self {
            rng: Rng::with_seed(seed),
            customers,
            visitors: visitors.collect(),
            shares,
            emphasis: emphasis.to_vec(),
        }
    }

    /// The role of each visitor.
    pub(super) fn roles(&self) -> Vec<Role> {
        self.visitors.iter().map(|visitor| visitor.role).collect()
    }

    fn someone(&mut self) -> usize {
        let sum: u32 = self.shares.iter().map(|(_, share)| share).sum();
        let mut drawn = self.rng.u32(..sum);
        let mut role = Role::Customer;
        for (of, share) in &self.shares {
            if drawn < *share {
                role = *of;
                break;
            }
            drawn -= share;
        }
        let of_role = |(_, visitor): &(usize, &Visitor)| visitor.role == role;
        let count = self.visitors.iter().enumerate().filter(of_role).count();
        let chosen = self.rng.usize(..count);
        let mut these = self.visitors.iter().enumerate().filter(of_role);
        these.nth(chosen).map_or(0, |(place, _)| place)
    }

    fn journey(&mut self, visitor: usize) -> Vec<Action> {
        let rng = &mut self.rng;
        match self.visitors[visitor].role {
            Role::Customer => {
                if self.emphasis.contains(&Emphasis::Panics) && rng.u32(0..5) == 0 {
                    return journeys::bug();
                }
                // Those without an address are known by their number.
                if self.emphasis.contains(&Emphasis::FailingJobs) && visitor % 20 == 19 {
                    return journeys::digest();
                }
                journeys::of_customer(rng)
            }
            Role::Staff => journeys::of_staff(rng),
            Role::Guesser => journeys::of_guesser(rng, self.customers),
            Role::Attacker => journeys::of_attacker(rng),
            Role::Bot => journeys::of_bot(rng),
            Role::Burster => vec![Action::Burst],
        }
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let visitor = self.someone();
        if self.visitors[visitor].next.is_empty() {
            let journey = self.journey(visitor);
            self.visitors[visitor].next.extend(journey);
        }
        let action = self.visitors[visitor].next.pop_front()?;
        Some(Step { visitor, action })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn steps(seed: u64, emphasis: &[Emphasis]) -> Vec<Step> {
        Plan::new(seed, 20, emphasis).take(2_000).collect()
    }

    fn counted(steps: &[Step]) -> BTreeMap<&'static str, usize> {
        let mut counted = BTreeMap::new();
        for step in steps {
            *counted.entry(step.action.name()).or_default() += 1;
        }
        counted
    }

    #[test]
    fn one_seed_is_one_sequence_and_another_is_another() {
        assert_eq!(steps(7, &[]), steps(7, &[]));
        assert_ne!(steps(7, &[]), steps(8, &[]));
    }

    #[test]
    fn everything_that_users_do_comes_in_a_while() {
        let counted = counted(&steps(7, &[Emphasis::RequestBurst]));
        let all = "home search product rating review login login_wrong_password \
                   login_unknown_user login_guess logout register login_guest change_password \
                   profile profile_update profile_export basket basket_add basket_remove checkout \
                   orders order order_of_another refund subscribe digest admin_users admin_enable admin_disable \
                   admin_sales probe burst";
        for name in all.split_whitespace() {
            assert!(counted.contains_key(name), "{name} in {counted:?}");
        }
        assert_eq!(counted.len(), all.split_whitespace().count());
    }

    #[test]
    fn what_is_emphasised_comes_more_often() {
        let few = counted(&steps(7, &[]))["login_guess"];
        let many = counted(&steps(7, &[Emphasis::LoginBruteforce]))["login_guess"];
        assert!(many > 4 * few, "{few} and {many}");
    }
}
