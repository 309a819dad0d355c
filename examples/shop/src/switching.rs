//! Switches faults of a service from beside it: a container has no other program for that, and
//! the service listens to nobody from outside.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::faults::Plan;
use crate::process::Ended;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the service listens
    #[arg(long, env = "SHOP_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// What goes wrong from now on: name, or name=rate, with commas between, and `off` for a
    /// rate ends it. Without any, all faults are shown
    #[arg(default_value = "")]
    faults: Plan,
}

pub(crate) async fn run(arguments: Arguments) -> Ended {
    let service = format!("http://{}/faults", from_here(arguments.listen));
    let http = reqwest::Client::new();
    let entries = arguments.faults.entries();
    if entries.len() == 0 {
        let all = http.get(&service).send().await?.error_for_status()?;
        println!("{}", all.text().await?);
    }
    for (fault, rate) in entries {
        let switch = http.put(format!("{service}/{}", fault.name()));
        let switched = switch.body(rate.to_string()).send().await?;
        print!("{}", switched.error_for_status()?.text().await?);
    }
    Ok(())
}

/// A service that listens on every address does so on this machine's own.
fn from_here(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
