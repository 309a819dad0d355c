//! What is wrong, and what to do about it, in words.

use super::exports::Export;
use crate::{
    dev::{ForwardGoing, Running, Tally, Way},
    page::format::{bytes, count, seconds},
    store::{LastSeen, Sizes},
};

/// Metrics come once a minute from most services: twice that without a word is silence.
const SILENT: u64 = 150_000_000_000;
/// A service that is silent for longer has ended, and nobody waits for it.
const GONE: u64 = 3600 * 1_000_000_000;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// `error` or `warn`.
    pub(super) class: &'static str,
    pub(super) what: String,
    pub(super) advice: String,
}

pub(super) struct Facts<'a> {
    pub(super) now: u64,
    pub(super) tallies: &'a [(Way, &'static str, Tally)],
    pub(super) sizes: &'a Sizes,
    pub(super) bound: u64,
    pub(super) seen: &'a [LastSeen],
    pub(super) exports: &'a [Export],
    pub(super) forward: Option<&'a ForwardGoing>,
    pub(super) given_up: u64,
    pub(super) addresses: &'a Running,
}

pub(super) fn silent(service: &LastSeen, now: u64) -> bool {
    now.saturating_sub(service.any()) > SILENT
}

/// The worst first.
pub(super) fn all(facts: &Facts<'_>) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let mut add = |class, what: String, advice: String| {
        troubles.push(Trouble {
            class,
            what,
            advice,
        });
    };
    let sum = |of: fn(&Tally) -> u64| -> u64 {
        facts.tallies.iter().map(|(_, _, tally)| of(tally)).sum()
    };

    let put_off = sum(|tally| tally.put_off);
    if put_off > 0 {
        add(
            "error",
            format!("{} requests could not be stored.", count(put_off)),
            "Their senders were told to come again, and do. Look whether the disk is full, and at what throughline wrote to standard error.".to_owned(),
        );
    }
    if let Some(going) = facts.forward
        && let Some(trouble) = &going.trouble
    {
        add(
            "error",
            format!(
                "Passing on to {} does not work: {trouble}",
                going.to.join(", ")
            ),
            format!(
                "{} requests wait and are sent when it answers again. Look whether it runs, and whether the address after --forward is right.",
                count(facts.sizes.outbox)
            ),
        );
    }
    if facts.given_up > 0 {
        add(
            "error",
            format!("{} items were not passed on.", count(facts.given_up)),
            "More waited than there is room for, so that the oldest were given up. They are stored here. The other side was away for too long, or is too slow.".to_owned(),
        );
    }
    if let Some(refused) = facts
        .forward
        .map(|going| going.refused)
        .filter(|refused| *refused > 0)
    {
        add(
            "error",
            format!("The other side refused {} items for good.", count(refused)),
            "They are stored here. Its log says why: a header with a key that is missing, above all.".to_owned(),
        );
    }
    for export in facts.exports {
        if export.outcome == "dropped" && export.items >= 1.0 {
            add(
                "error",
                format!(
                    "{} dropped {} items of {} before they came here ({}).",
                    export.service,
                    count(export.items.round() as u64),
                    export.signal,
                    export.reason.replace('_', " ")
                ),
                dropped(&export.reason, facts.addresses),
            );
        }
    }
    let malformed = sum(|tally| tally.malformed);
    if malformed > 0 {
        add(
            "warn",
            format!("{} requests were malformed.", count(malformed)),
            "A sender speaks another protocol on this port, or an older OTLP. The table below says by which transport they came, and the sender's log what it was answered.".to_owned(),
        );
    }
    let refused = sum(|tally| tally.refused_items);
    if refused > 0 {
        add(
            "warn",
            format!("{} items were refused.", count(refused)),
            "They lack what is needed to keep them, such as an id, or are of more series than there is room for. The answer told the sender which; it says so in its own log.".to_owned(),
        );
    }
    for service in facts.seen {
        let since = facts.now.saturating_sub(service.any());
        if silent(service, facts.now) && since < GONE {
            add(
                "warn",
                format!(
                    "{} fell silent {} ago.",
                    service.service,
                    seconds((since / 1_000_000_000) as f64)
                ),
                format!(
                    "Look whether it still runs. If it does, its OTEL_EXPORTER_OTLP_ENDPOINT should be {} for HTTP or {} for gRPC.",
                    facts.addresses.otlp_http, facts.addresses.otlp_grpc
                ),
            );
        }
    }
    if facts.sizes.used > facts.bound / 100 * 95 {
        add(
            "warn",
            format!(
                "The database is full: {} of {}.",
                bytes(facts.sizes.used as f64),
                bytes(facts.bound as f64)
            ),
            "The oldest is deleted as more comes. Start with a larger --max-size to keep it for longer.".to_owned(),
        );
    }
    troubles.sort_by_key(|trouble| trouble.class != "error");
    troubles
}

/// What to do about items that a service dropped.
fn dropped(reason: &str, addresses: &Running) -> String {
    match reason {
        "queue_full" => "It makes more than it can send within its memory. Give it more by THROUGHLINE_MEMORY_BUDGET_BYTES, or keep less by RUST_LOG or a sampler.".to_owned(),
        "rejected" => "They were refused as they are; its standard error says why.".to_owned(),
        "unconfirmed" => "No answer came in time, so that they may have arrived or not.".to_owned(),
        "shutdown_timeout" => "It ended before all was sent. Give it longer by THROUGHLINE_SHUTDOWN_MS, and call shutdown at its end.".to_owned(),
        "after_shutdown" => "They were made after its telemetry had been shut down: shut it down last.".to_owned(),
        "export_failed" => format!(
            "It could not send. Its OTEL_EXPORTER_OTLP_ENDPOINT should be {} for HTTP or {} for gRPC.",
            addresses.otlp_http, addresses.otlp_grpc
        ),
        "forked" => "The process was forked, and its child has no thread that sends: start telemetry after the fork.".to_owned(),
        _ => "Its standard error says more.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000_000_000;
    const SECOND: u64 = 1_000_000_000;

    fn running() -> Running {
        Running {
            pid: 1,
            page: "http://127.0.0.1:1".into(),
            otlp_grpc: "http://127.0.0.1:2".into(),
            otlp_http: "http://127.0.0.1:3".into(),
            sentry_dsn: String::new(),
            database: "x".into(),
        }
    }

    #[test]
    fn each_trouble_says_what_to_do_and_the_worst_comes_first() {
        let tally = Tally {
            malformed: 2,
            put_off: 1,
            ..Tally::default()
        };
        let seen = |service: &str, ago: u64| LastSeen {
            service: service.into(),
            records: NOW - ago * SECOND,
            ..LastSeen::default()
        };
        let troubles = all(&Facts {
            now: NOW,
            tallies: &[(Way::Logs, "gRPC", tally)],
            sizes: &Sizes {
                used: 96,
                ..Sizes::default()
            },
            bound: 100,
            seen: &[seen("lively", 100), seen("silent", 200), seen("gone", 7200)],
            exports: &[Export {
                service: "shop".into(),
                signal: "logs".into(),
                outcome: "dropped".into(),
                reason: "queue_full".into(),
                items: 5.0,
            }],
            forward: None,
            given_up: 0,
            addresses: &running(),
        });
        let said: Vec<_> = troubles
            .iter()
            .map(|trouble| (trouble.class, trouble.what.as_str()))
            .collect();
        assert_eq!(
            said,
            [
                ("error", "1 requests could not be stored."),
                (
                    "error",
                    "shop dropped 5 items of logs before they came here (queue full)."
                ),
                ("warn", "2 requests were malformed."),
                ("warn", "silent fell silent 3 min 20 s ago."),
                ("warn", "The database is full: 96 B of 100 B."),
            ]
        );
        assert!(
            troubles[1]
                .advice
                .contains("THROUGHLINE_MEMORY_BUDGET_BYTES")
        );
        assert!(troubles[3].advice.contains("http://127.0.0.1:3"));
    }
}
