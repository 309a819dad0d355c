//! Layers for what speaks HTTP.

mod client;

pub use client::{
    ClientBody, ClientFuture, ClientLayer, ClientService, CountResends, CountResendsLayer, Resends,
    UrlTemplate, client, count_resends,
};
