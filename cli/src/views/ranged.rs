//! How the views with a range are answered: one question to the store, the services to choose
//! from beside it, and live as long as the newest is shown.

use askama::Template;
use axum::response::Response;

use super::{
    App,
    context::{Context, services},
    failure::failure,
};
use crate::{
    page::{PageRequest, Shell, View},
    store::{Reader, StoreError},
};

/// What such a page is called, and what of it changes by itself.
#[derive(Debug)]
pub(super) struct Ranged {
    pub(super) view: View,
    pub(super) title: String,
    /// Names of the counters that it is made anew for, with spaces between.
    pub(super) live: &'static str,
}

impl Ranged {
    pub(super) fn new(view: View, title: impl Into<String>, live: &'static str) -> Self {
        Self {
            view,
            title: title.into(),
            live,
        }
    }

    pub(super) async fn respond<Page: Template + Send + 'static>(
        self,
        app: &App,
        request: &PageRequest,
        ask: impl FnOnce(&Reader, &Context, &PageRequest) -> Result<Page, StoreError> + Send + 'static,
    ) -> Response {
        let context = Context::of(app, request);
        let (asked, view) = (request.clone(), context.clone());
        let answer = app
            .readers
            .ask(move |reader| Ok((services(reader)?, ask(reader, &view, &asked)?)))
            .await;
        let (services, page) = match answer {
            Ok(answer) => answer,
            Err(error) => return failure(request, self.view, &error),
        };
        let shell = Shell::new(request, self.view, self.title)
            .services(services)
            .range();
        // Further back there is nothing new.
        let query = &request.query;
        let shell = match query.get("before").or(query.get("after")) {
            Some(_) => shell,
            None => shell.live(self.live, context.counters),
        };
        shell.respond(&page)
    }
}
