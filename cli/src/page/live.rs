//! Tells open pages that there is something new, so that they ask for it themselves.

use std::{convert::Infallible, time::Duration};

use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, stream};
use tokio::{sync::watch, time::sleep};

pub(crate) use crate::store::Changes as Counters;

/// A page asks again at each event: more often than this is unrest, not news.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// The answer of `GET /live`: an event `change` with the totals at once, and again when they
/// have changed, once a second at most. Ends with the sender.
pub(crate) fn live(
    counters: watch::Receiver<Counters>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::unfold((counters, false), |(mut counters, told)| async move {
        if told {
            sleep(AT_MOST_EVERY).await;
            counters.changed().await.ok()?;
        }
        let now = *counters.borrow_and_update();
        let event = Event::default()
            .event("change")
            .data(serde_json::to_string(&now).ok()?);
        Some((Ok(event), (counters, true)))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use futures::StreamExt;

    use super::*;

    #[tokio::test]
    async fn a_page_is_told_the_totals_at_once_and_again_when_they_change() {
        let (sender, receiver) = watch::channel(Counters {
            spans: 1,
            ..Counters::default()
        });
        let mut body = live(receiver)
            .into_response()
            .into_body()
            .into_data_stream();
        let first = body.next().await.unwrap().unwrap();
        assert_eq!(
            first,
            "event: change\ndata: {\"spans\":1,\"records\":0,\"points\":0,\"errors\":0,\"deleted\":0}\n\n"
        );
        let asked = std::time::Instant::now();
        sender.send_modify(|counters| counters.spans = 2);
        sender.send_modify(|counters| counters.spans = 3);
        let second = body.next().await.unwrap().unwrap();
        assert!(
            second.windows(9).any(|part| part == b"\"spans\":3"),
            "{second:?}"
        );
        assert!(asked.elapsed() >= AT_MOST_EVERY, "{:?}", asked.elapsed());
        drop(sender);
        assert!(
            body.next().await.is_none(),
            "the stream ends with the program"
        );
    }
}
