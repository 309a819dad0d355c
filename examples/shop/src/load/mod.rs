//! Everybody in front of the shop.
//!
//! They come from outside, so nothing of this is observed. Each request says whose it is by
//! `X-Forwarded-For`, as a proxy would: the storefront believes it with
//! `THROUGHLINE_TRUSTED_PROXIES=127.0.0.1`.

mod action;
mod journeys;
mod plan;
mod tally;
mod visitor;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::ValueEnum;
use futures::future::join_all;
use jiff::SignedDuration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use crate::process::Ended;
use plan::{Emphasis, Plan};
use tally::Tally;
use visitor::{Shop, Visitor};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the storefront is
    #[arg(long, env = "SHOP_STOREFRONT", default_value = "http://127.0.0.1:8080")]
    storefront: String,
    /// The same seed is the same sequence of actions
    #[arg(long, env = "SHOP_SEED", default_value_t = 1)]
    seed: u64,
    /// Actions a second
    #[arg(long, env = "SHOP_RATE", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// How long, such as 30s or 5m; until it is told to end, if neither this nor --actions is given
    #[arg(long = "for", value_name = "DURATION")]
    lasts: Option<SignedDuration>,
    /// How many actions
    #[arg(long)]
    actions: Option<usize>,
    /// How many customers there are
    #[arg(long, env = "SHOP_USERS", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=200))]
    users: u32,
    /// What there shall be much of, with commas between
    #[arg(long, value_enum, value_delimiter = ',')]
    with: Vec<Emphasis>,
    /// How the summary at the end is printed, on standard output
    #[arg(long, value_enum, default_value = "text")]
    summary: Summary,
}

#[derive(Clone, Copy, ValueEnum)]
enum Summary {
    Text,
    Json,
}

/// How long what is under way may take at the end.
const DRAINED_WITHIN: Duration = Duration::from_secs(20);
/// How long the storefront may take to start.
const OPENS_WITHIN: Duration = Duration::from_secs(60);
const LOOKS_EVERY: Duration = Duration::from_millis(100);
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

pub(crate) async fn run(arguments: Arguments) -> Ended {
    let plan = Plan::new(arguments.seed, arguments.users, &arguments.with);
    let tally = Arc::new(Mutex::new(Tally {
        seed: arguments.seed,
        ..Tally::default()
    }));
    let run = Uuid::new_v4().simple().to_string();
    let shop = Shop {
        // Probes go out as they are, and a redirect would be another request.
        http: reqwest::Client::builder()
            .timeout(ANSWERED_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .build()?,
        address: arguments.storefront.trim_end_matches('/').into(),
        run: run[..8].into(),
        tally: Arc::clone(&tally),
    };
    wait_for(&shop).await?;
    let (queues, visitors) = welcome(&shop, &plan);
    eprintln!(
        "shop load: {} actions a second of {} users at {}, seed {}",
        arguments.rate, arguments.users, shop.address, arguments.seed
    );
    dispatch(plan, &arguments, &queues).await?;
    // A visitor goes when nobody has anything for them to do.
    drop(queues);
    let drained = timeout(DRAINED_WITHIN, join_all(visitors)).await;
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    match arguments.summary {
        Summary::Text => println!("{tally}"),
        Summary::Json => println!("{}", serde_json::to_string(&*tally)?),
    }
    if drained.is_err() {
        return Err(format!("actions were still under way after {DRAINED_WITHIN:?}").into());
    }
    Ok(())
}

/// Nobody comes before the shop is open.
async fn wait_for(shop: &Shop) -> Ended {
    let opens = async {
        let mut look = interval(LOOKS_EVERY);
        loop {
            look.tick().await;
            let ready = shop.http.get(format!("{}/readyz", shop.address));
            if ready
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return;
            }
        }
    };
    tokio::select! {
        open = timeout(OPENS_WITHIN, opens) => open.map_err(|_| {
            let address = &shop.address;
            format!("{address}/readyz (--storefront, SHOP_STOREFRONT) did not answer with 200 within {OPENS_WITHIN:?}").into()
        }),
        // Then there is nothing to be done either, which `dispatch` sees.
        () = throughline::shutdown_signal() => Ok(()),
    }
}

type Queues = Vec<mpsc::UnboundedSender<action::Action>>;

/// Each visitor does one thing after the other, and all of them at the same time.
fn welcome(shop: &Shop, plan: &Plan) -> (Queues, Vec<tokio::task::JoinHandle<()>>) {
    let roles = plan.roles().into_iter().enumerate();
    let visitors = roles.map(|(place, role)| {
        let (queue, mut actions) = mpsc::unbounded_channel();
        let mut visitor = Visitor::new(shop.clone(), role, place);
        let visit = tokio::spawn(async move {
            while let Some(action) = actions.recv().await {
                visitor.act(action).await;
            }
        });
        (queue, visit)
    });
    visitors.unzip()
}

/// Gives out what is to be done, until it is enough or somebody says so.
async fn dispatch(plan: Plan, arguments: &Arguments, queues: &Queues) -> Ended {
    let lasts = arguments.lasts.map(Duration::try_from).transpose()?;
    let until = lasts.map(|lasts| Instant::now() + lasts);
    let mut tick = interval(Duration::from_secs(1) / arguments.rate);
    // What was missed is made up for, or the rate would be lower than was asked.
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut ended = std::pin::pin!(throughline::shutdown_signal());
    for step in plan.take(arguments.actions.unwrap_or(usize::MAX)) {
        tokio::select! {
            biased;
            () = &mut ended => break,
            _ = tick.tick() => {}
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        // A visitor who is gone has panicked, which the summary's reader sees by its counts.
        queues[step.visitor].send(step.action).ok();
    }
    Ok(())
}
