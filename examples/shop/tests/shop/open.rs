//! The three services, running, and what they send to.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use throughline_receiver::Receiver;

use crate::intake::Intake;
use crate::process::{self, Ended, Service};

/// What goes wrong in each of them.
#[derive(Default)]
pub(crate) struct Faults {
    pub(crate) storefront: &'static str,
    pub(crate) payments: &'static str,
    pub(crate) worker: &'static str,
}

pub(crate) struct Shop {
    pub(crate) receiver: Receiver,
    pub(crate) intake: Intake,
    storefront: Service,
    payments: Service,
    pub(crate) worker: Service,
    _turn: MutexGuard<'static, ()>,
}

/// One shop with its customers is as much as a machine of two cores does within the times that
/// its services give each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A folder of this run alone.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("shop-{name}"));
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

impl Shop {
    /// Opens it over the files of a folder, or over the server of `database`.
    pub(crate) fn open(data: &Path, database: Option<String>, faults: &Faults) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = Receiver::start().unwrap();
        let intake = Intake::start();
        let start = |part: &str, faults: &str, arguments: &[&str]| {
            let mut command = process::shop(part);
            command
                .args(arguments)
                .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.http_endpoint())
                .env("THROUGHLINE_TRUSTED_PROXIES", "127.0.0.1")
                .env("SENTRY_DSN", &intake.dsn)
                .env("SHOP_FAULTS", faults)
                .envs(database.iter().map(|database| ("DATABASE_URL", database)));
            Service::start(command, data)
        };
        let payments = start("payments", faults.payments, &[]);
        let address = ["--payments", payments.address()];
        let storefront = start("storefront", faults.storefront, &address);
        let worker = start("worker", faults.worker, &[]);
        Self {
            receiver,
            intake,
            storefront,
            payments,
            worker,
            _turn: turn,
        }
    }

    /// Has people come, and gives the load's summary.
    pub(crate) fn visited(&self, arguments: &[&str]) -> Value {
        let load = process::load(&self.storefront, arguments);
        assert!(load.status.success(), "{load:?}");
        serde_json::from_slice(&load.stdout).unwrap()
    }

    /// How the storefront, the payments and the worker ended.
    pub(crate) fn close(self) -> (Receiver, Intake, [Ended; 3]) {
        let ended = [self.storefront, self.payments, self.worker].map(Service::end);
        (self.receiver, self.intake, ended)
    }
}
