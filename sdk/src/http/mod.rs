//! Layers for what speaks HTTP.

mod client;

pub(crate) use client::TARGET as CLIENT_TARGET;
pub use client::{
    ClientBody, ClientFuture, ClientLayer, ClientService, CountResends, CountResendsLayer, Resends,
    UrlTemplate, client, count_resends,
};
