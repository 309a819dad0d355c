//! What an error's report says of its request.

use super::facts::Facts;
use crate::event::Value;

impl Facts {
    /// By the names that a span would have them by.
    pub(crate) fn fields(&self) -> Vec<(&'static str, Value)> {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let server = self.server();
        let port = server.as_ref().and_then(|(_, port)| *port);
        let known = [
            ("http.request.method", text(self.original.as_str())),
            ("http.route", self.route().and_then(text)),
            ("url.path", text(self.path())),
            ("url.query", self.query().as_deref().and_then(text)),
            ("url.scheme", text(self.scheme())),
            (
                "server.address",
                server.map(|(address, _)| Value::Text(address)),
            ),
            ("server.port", port.map(|port| Value::Uint(port.into()))),
            (
                "client.address",
                self.client().map(|client| Value::Text(client.to_string())),
            ),
            (
                "user_agent.original",
                self.user_agent().as_deref().and_then(text),
            ),
        ];
        let known = known.into_iter();
        known
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}
