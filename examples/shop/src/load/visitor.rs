//! Somebody in front of the shop: an address, a browser, a session, and what they remember.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::{Client, Method, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};

use super::action::{Action, Attack, CardKind};
use super::plan::Role;
use super::tally::Tally;
use crate::payments::{Card, DECLINED, TIMES_OUT};
use crate::storefront::{HOUSE_ORDER, UNREVIEWED, password_of};

/// More than the storefront takes for one person's.
const BURST: u32 = 120;

const BROWSERS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
];
const BOTS: [&str; 2] = [
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
];

/// What all visitors share.
#[derive(Clone)]
pub(super) struct Shop {
    pub(super) http: Client,
    /// Of the storefront, without a slash at the end.
    pub(super) address: Arc<str>,
    /// What tells the guests of this run from those of an earlier one.
    pub(super) run: Arc<str>,
    pub(super) tally: Arc<Mutex<Tally>>,
}

impl Shop {
    fn tell<T>(&self, act: impl FnOnce(&mut Tally) -> T) -> T {
        act(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Account {
    name: String,
    password: String,
}

pub(super) struct Visitor {
    shop: Shop,
    role: Role,
    account: Account,
    /// Of a digest that is sent to it nothing comes.
    has_address: bool,
    /// Their own, from their registration on until they leave.
    guest: Option<Account>,
    address: String,
    browser: &'static str,
    cookie: Option<String>,
    order: Option<String>,
}

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    cookie: Option<String>,
    body: Value,
}

impl Visitor {
    pub(super) fn new(shop: Shop, role: Role, place: usize) -> Self {
        let name = match role {
            Role::Staff => format!("admin-{}", place % 2),
            _ => format!("customer-{place}"),
        };
        // Networks that are set aside for examples: customers in one, all others in another.
        let network = match role {
            Role::Customer => "198.51.100",
            _ => "203.0.113",
        };
        let browser = match role {
            Role::Bot => BOTS[place % BOTS.len()],
            _ => BROWSERS[place % BROWSERS.len()],
        };
        let account = Account {
            password: password_of(&name),
            name,
        };
        Self {
            shop,
            role,
            account,
            has_address: place % 20 != 19,
            guest: None,
            address: format!("{network}.{}", place % 254 + 1),
            browser,
            cookie: None,
            order: None,
        }
    }

    pub(super) async fn act(&mut self, action: Action) {
        self.shop.tell(|tally| tally.did(action.name()));
        let name = action.name();
        match action {
            Action::Home => drop(self.get("/").await),
            Action::Search(words) => drop(self.get(&format!("/products?q={words}")).await),
            Action::Product(id) => drop(self.get(&format!("/products/{id}")).await),
            Action::Rating(id) => self.rate(id).await,
            Action::Review { product, text } => {
                let path = format!("/products/{product}/reviews");
                let stars = 1 + product % 5;
                let review = json!({ "stars": stars, "text": text });
                drop(self.send(Method::POST, &path, Some(review)).await);
            }
            Action::LogIn => {
                self.guest = None;
                let Account { name, password } = &self.account;
                let (name, password) = (name.clone(), password.clone());
                self.log_in(&name, &password).await;
            }
            Action::LogInWrongly => {
                let name = self.account.name.clone();
                self.log_in(&name, "was it apples or pears?").await;
            }
            Action::LogInUnknown => {
                let name = format!("{}@mail.example", self.account.name);
                self.log_in(&name, "was it apples or pears?").await;
            }
            Action::Guess { account } => {
                self.log_in(&format!("customer-{account}"), "letmein123456")
                    .await;
            }
            Action::LogInAsGuest => match &self.guest {
                Some(Account { name, password }) => {
                    let (name, password) = (name.clone(), password.clone());
                    self.log_in(&name, &password).await;
                }
                None => self.shop.tell(|tally| tally.left_out(name)),
            },
            Action::LogOut => {
                drop(self.send(Method::POST, "/logout", None).await);
                self.cookie = None;
            }
            Action::Register { number } => self.register(number).await,
            Action::ChangePassword => self.change_password().await,
            Action::ShowProfile => drop(self.get("/account").await),
            Action::UpdateProfile => {
                let profile = json!({ "display_name": format!("{} & family", self.account.name) });
                drop(self.send(Method::PUT, "/account", Some(profile)).await);
            }
            Action::Export => drop(self.get("/account/export").await),
            Action::Basket => drop(self.get("/basket").await),
            Action::Add { product, quantity } => {
                let item = json!({ "product": product, "quantity": quantity });
                drop(self.send(Method::POST, "/basket", Some(item)).await);
            }
            Action::Remove { product } => {
                let path = format!("/basket/{product}");
                drop(self.send(Method::DELETE, &path, None).await);
            }
            Action::CheckOut(card) => self.check_out(card).await,
            Action::Orders { detailed } => {
                drop(self.get(&format!("/orders?detailed={detailed}")).await);
            }
            Action::ShowOrder => match self.order.clone() {
                Some(order) => drop(self.get(&format!("/orders/{order}")).await),
                None => self.shop.tell(|tally| tally.left_out(name)),
            },
            Action::ForeignOrder => drop(self.get(&format!("/orders/{HOUSE_ORDER}")).await),
            Action::Refund(reason) => match self.order.take() {
                Some(order) => self.refund(&order, reason).await,
                None => self.shop.tell(|tally| tally.left_out(name)),
            },
            Action::Subscribe(plan) => {
                let plan = json!({ "plan": plan });
                let answer = self.send(Method::POST, "/subscriptions", Some(plan)).await;
                if had(&answer, StatusCode::CREATED) {
                    self.shop.tell(|tally| tally.subscriptions += 1);
                    self.asked_for_digest();
                }
            }
            Action::Digest => {
                let answer = self.send(Method::POST, "/digests", None).await;
                if had(&answer, StatusCode::ACCEPTED) {
                    self.asked_for_digest();
                }
            }
            Action::ListUsers => drop(self.get("/admin/users").await),
            Action::Sales => drop(self.get("/admin/sales").await),
            Action::Enable { account, enabled } => self.enable(account, enabled).await,
            Action::Probe { kind, target } => {
                self.shop.tell(|tally| tally.attacked(kind.name()));
                drop(self.get(target).await);
            }
            Action::Burst => {
                for _ in 0..BURST {
                    drop(self.get("/products?q=oil").await);
                }
            }
        }
    }

    async fn rate(&self, product: i64) {
        let answer = self.get(&format!("/products/{product}/rating")).await;
        if product == UNREVIEWED && had(&answer, StatusCode::INTERNAL_SERVER_ERROR) {
            self.shop.tell(|tally| tally.panics += 1);
        }
    }

    async fn log_in(&mut self, name: &str, password: &str) {
        let credentials = json!({ "name": name, "password": password });
        let answer = self.send(Method::POST, "/login", Some(credentials)).await;
        let Some(answer) = answer else { return };
        match answer.status {
            StatusCode::OK => {
                self.cookie = answer.cookie;
                self.shop.tell(|tally| tally.logins.succeeded += 1);
            }
            StatusCode::UNAUTHORIZED => self.shop.tell(|tally| tally.logins.failed += 1),
            _ => {}
        }
    }

    async fn register(&mut self, number: u32) {
        let guest = Account {
            name: format!("guest-{}-{number}", self.shop.run),
            password: format!("{number} ripe tomatoes"),
        };
        let credentials = json!({ "name": guest.name, "password": guest.password });
        let answer = self
            .send(Method::POST, "/register", Some(credentials))
            .await;
        if let Some(answer) = answer.filter(|answer| answer.status == StatusCode::CREATED) {
            self.cookie = answer.cookie;
            self.guest = Some(guest);
            self.shop.tell(|tally| {
                tally.registrations += 1;
                tally.jobs.asked += 1;
            });
        }
    }

    async fn change_password(&mut self) {
        let Some(Account { name, password }) = self.guest.take() else {
            return self.shop.tell(|tally| tally.left_out("change_password"));
        };
        let new = format!("{password}, and a lemon");
        let both = json!({ "current": password, "new": new });
        let answer = self
            .send(Method::PUT, "/account/password", Some(both))
            .await;
        let changed = had(&answer, StatusCode::NO_CONTENT);
        let password = if changed { new } else { password };
        self.guest = Some(Account { name, password });
        if changed {
            self.shop.tell(|tally| tally.password_changes += 1);
        }
    }

    async fn check_out(&mut self, card: CardKind) {
        let number = match card {
            CardKind::Good => "4242424242424242",
            CardKind::Declined => DECLINED,
            CardKind::TimesOut => TIMES_OUT,
        };
        let card = Card {
            number: number.into(),
            expires: "12/30".into(),
            cvc: "123".into(),
        };
        let card = json!({ "card": card });
        let answer = self.send(Method::POST, "/checkout", Some(card)).await;
        let Some(answer) = answer else { return };
        if answer.status == StatusCode::CREATED {
            self.order = answer.body["order"].as_str().map(str::to_owned);
            let amount = answer.body["amount"].as_i64().unwrap_or_default();
            self.shop.tell(|tally| {
                tally.checkouts.completed += 1;
                tally.checkouts.amount += amount;
                tally.jobs.asked += 1;
            });
        } else {
            let status = answer.status.as_u16();
            self.shop
                .tell(|tally| *tally.checkouts.failed.entry(status).or_default() += 1);
        }
    }

    async fn refund(&self, order: &str, reason: &str) {
        let path = format!("/orders/{order}/refund");
        let reason = json!({ "reason": reason });
        let answer = self.send(Method::POST, &path, Some(reason)).await;
        if had(&answer, StatusCode::ACCEPTED) {
            self.shop.tell(|tally| tally.refunds += 1);
        }
    }

    async fn enable(&self, account: u32, enabled: bool) {
        let path = format!("/admin/users/dormant-{account}/enabled");
        let asked = json!({ "enabled": enabled, "reason": "not seen for a year" });
        let answer = self.send(Method::PUT, &path, Some(asked)).await;
        if had(&answer, StatusCode::NO_CONTENT) {
            self.shop.tell(|tally| match enabled {
                true => tally.accounts_enabled += 1,
                false => tally.accounts_disabled += 1,
            });
        }
    }

    /// A guest has given an address.
    fn asked_for_digest(&self) {
        let fails = self.guest.is_none() && !self.has_address;
        self.shop.tell(|tally| {
            tally.jobs.asked += 1;
            tally.jobs.to_fail += u64::from(fails);
        });
    }

    async fn get(&self, target: &str) -> Option<Answer> {
        self.send(Method::GET, target, None).await
    }

    async fn send(&self, method: Method, target: &str, body: Option<Value>) -> Option<Answer> {
        if self.role == Role::Bot {
            self.shop.tell(|tally| tally.attacked(Attack::Bot.name()));
        }
        let address = format!("{}{target}", self.shop.address);
        let request = self
            .shop
            .http
            .request(method, address)
            .header(header::USER_AGENT, self.browser)
            .header("x-forwarded-for", &self.address);
        let answer = self.answer(request, body).await.ok();
        let status = answer.as_ref().map(|answer| answer.status);
        self.shop.tell(|tally| {
            tally.answered(status.map(|status| status.as_u16()));
            tally.permissions_denied += u64::from(status == Some(StatusCode::FORBIDDEN));
        });
        answer
    }

    async fn answer(
        &self,
        mut request: RequestBuilder,
        body: Option<Value>,
    ) -> reqwest::Result<Answer> {
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let cookie = answer.headers().get(header::SET_COOKIE);
        let cookie = cookie.and_then(|cookie| cookie.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next());
        let cookie = cookie.map(str::to_owned);
        let body = answer.bytes().await?;
        Ok(Answer {
            status,
            cookie,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        })
    }
}

fn had(answer: &Option<Answer>, status: StatusCode) -> bool {
    answer
        .as_ref()
        .is_some_and(|answer| answer.status == status)
}
