//! The auditor's pages, for people with a browser.
//!
//! They are no interface for programs, and so they are not part of the description: each leads to the route
//! that gives programs the same. Who asks for no HTML is answered with problem documents here, too.

mod assets;
mod history;
mod login;
mod people;
mod state;

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use maud::Markup;

use crate::pages::{self, Ledger, Place, Shell};
use crate::server::access::{self, Client, Gate, Scope};
use crate::server::published::Published;
use crate::server::service::Service;

pub(super) use people::unknown;

/// The pages' routes. Whoever reads them needs what reading needs elsewhere.
pub(super) fn router(service: &Arc<Service>) -> Router<Arc<Service>> {
    let gate = Gate {
        service: Arc::clone(service),
        scope: Scope::Read,
    };
    let pages = Router::new()
        .route("/", get(state::overview))
        .route("/timeline", get(history::timeline))
        .route("/proposals", get(state::proposals))
        .route("/proposals/{id}", get(history::proposal))
        .route("/nodes", get(state::nodes))
        .route("/authorizations", get(state::authorizations))
        .route("/predictions", get(history::predictions))
        .route("/evidence", get(history::evidence))
        .route("/verify", get(state::verify))
        .route_layer(from_fn_with_state(gate, access::pass));
    let anyone = Router::new()
        .route("/login", get(login::form).post(login::enter))
        .route("/logout", post(login::leave));
    pages
        .merge(anyone)
        .route_layer(from_fn(people::shown))
        .route("/assets/{name}", get(assets::one))
        // Browsers ask for it where an answer is no page.
        .route("/favicon.ico", get(assets::icon))
}

/// What a page is made of besides its body.
struct Page<'a> {
    title: &'a str,
    place: Place,
    twin: String,
}

impl Page<'_> {
    fn with(self, body: &Markup, now: &Published, client: &Client) -> Response {
        let name = now.state.identity().name.to_string();
        let shell = Shell {
            ledger: Some(Ledger {
                name: &name,
                entries: now.head.seq,
                at: now.time(),
            }),
            title: self.title,
            place: Some(self.place),
            twin: Some(self.twin.clone()),
            can_leave: client.has_session,
            assets: assets::paths(),
        };
        let html = pages::served(&shell, body);
        let link = format!(
            "<{}>; rel=\"alternate\"; type=\"application/json\"",
            self.twin
        );
        let mut response = ([(header::CONTENT_TYPE, people::HTML)], html).into_response();
        if let Ok(link) = link.parse() {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}
