//! What the collector has taken survives the collector and the servers behind it.

use std::collections::BTreeSet;

use throughline_e2e::{
    failure::Outcome,
    jaeger,
    load::{Load, Route},
    quickstart::Quickstart,
    run::Run,
    service::Options,
    stack::servers,
    wait::{ARRIVAL, eventually},
};

const EACH: usize = 25;

/// The servers that the collector delivers to here.
const BEHIND: [&str; 2] = ["jaeger", "loki"];

#[tokio::test]
async fn a_killed_collector_delivers_what_it_had_taken_while_its_servers_were_down() -> Outcome {
    let servers = servers().await?;
    let run = Run::new("outage");
    let quickstart = Quickstart::start(&run, &servers, Options::default()).await?;
    // Stopped and not paused: a paused server's sockets would still take what is sent, and
    // hand it over later without any help from the collector's queue.
    for server in BEHIND {
        servers.container(server, "stop").await?;
    }
    let driven = async {
        let requests = Load::on(quickstart.address())
            .drive(&[Route::Orders], EACH)
            .await?;
        // A good end means that the collector has acknowledged all of it.
        quickstart.stop().await?;
        // SIGKILL: whatever is in memory only is gone.
        servers.container("collector", "kill").await?;
        anyhow::Ok(requests)
    }
    .await;
    // First of all the stack is made whole again, for the tests that follow.
    for server in BEHIND {
        servers.container(server, "start").await?;
    }
    servers.container("collector", "start").await?;
    servers.ready().await?;

    let ids: BTreeSet<String> = driven?
        .iter()
        .map(|request| request.id.to_string())
        .collect();
    let span = Route::Orders.span();
    eventually(
        &format!("the {EACH} traces in Jaeger"),
        ARRIVAL,
        || servers.jaeger.traces(&run, &span),
        |traces| {
            jaeger::by_order(traces)
                .into_keys()
                .collect::<BTreeSet<_>>()
                == ids
        },
    )
    .await?;
    eventually(
        &format!("the {EACH} records in Loki"),
        ARRIVAL,
        || servers.loki.records(&run),
        |records| {
            let found = records
                .iter()
                .map(|record| record.label("order_id").to_owned());
            found.filter(|id| !id.is_empty()).collect::<BTreeSet<_>>() == ids
        },
    )
    .await?;
    Ok(())
}
