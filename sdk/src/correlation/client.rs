//! Where a request came from, for the records that an investigation begins with. On all others
//! it would be a thing to be careful with, and the request's own record has it anyway.

use std::net::IpAddr;

use http::HeaderValue;
use opentelemetry::Context;

use super::{Correlation, locked};

/// Nothing in it is a text of its own: it is kept for each request and read for few.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    /// Shared with the request's headers.
    pub(crate) user_agent: Option<HeaderValue>,
}

/// The client of the request at hand; without a span there is none.
pub(crate) fn set_client(address: IpAddr, user_agent: Option<HeaderValue>) {
    Context::map_current(|context| {
        if let Some(correlation) = context.get::<Correlation>() {
            correlation.set_client(Client {
                address,
                user_agent,
            });
        }
    });
}

impl Correlation {
    /// For the whole request; the last one counts.
    pub(crate) fn set_client(&self, client: Client) {
        *locked(&self.request().client) = Some(client);
    }

    pub(crate) fn client(&self) -> Option<Client> {
        locked(&self.request().client).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_the_whole_requests() {
        let context = Context::new().with_value(Correlation::root());
        let request: &Correlation = context.get().unwrap();
        let subtree = Correlation::subtree(context.clone());
        assert!(request.client().is_none());
        subtree.set_client(Client {
            address: [203, 0, 113, 9].into(),
            user_agent: Some(HeaderValue::from_static("curl/8")),
        });
        let client = request.client().unwrap();
        assert_eq!(client.address, IpAddr::from([203, 0, 113, 9]));
        assert_eq!(client.user_agent.unwrap(), "curl/8");
    }
}
